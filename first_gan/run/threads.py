"""How torch's threads wait for each other on a CPU. Imports nothing heavy, so that it can be there before torch."""

import os

# Of libgomp, which torch's threads are of on Linux: how often a thread looks for work before it sleeps. By its own choice it
# looks 300,000 times, some milliseconds, in which it keeps the core from whoever else wants it: beside one busy process
# on two cores training was ten times slower, beside two twenty-five times.
SPINS = 1000
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


def wait_briefly() -> None:
    """Called by a script before torch is loaded: threads without work soon leave their core to others, unless a person set how they wait."""
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
