"""What a script does before torch is loaded, which takes seconds. Imports nothing heavy."""

import os
import sys

# Of libgomp, which torch's threads are of on Linux: how often a thread looks for work before it sleeps. By its own choice it
# looks 300,000 times, some milliseconds, in which it keeps the core from whoever else wants it: beside one busy process
# on two cores training was ten times slower, beside two twenty-five times.
SPINS = 1000
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
LOADING = "Loading PyTorch and Lightning ..."


def wait_briefly() -> None:
    """Threads without work soon leave their core to others, unless a person set how they wait."""
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def say_loading() -> None:
    """Tells a person at a terminal why nothing happens yet."""
    _over(LOADING)


def loaded() -> None:
    """Takes that away again."""
    _over(" " * len(LOADING))


def _over(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r{text}\r", end="", file=sys.stderr, flush=True)
