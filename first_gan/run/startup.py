"""What a script does before torch is loaded, which takes seconds. Imports nothing heavy."""

import os
import statistics
import sys
import time
from pathlib import Path

# Of libgomp, which torch's threads are of on Linux: how often a thread looks for work before it sleeps. By its own choice it
# looks 300,000 times, some milliseconds, in which it keeps the core from whoever else wants it: beside one busy process
# on two cores training was three times slower than alone, beside two four to thirty times. See benchmarks/busy.py.
QUIET, BUSY = 10_000, 0
WAITING = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
LOADING = "Loading PyTorch and Lightning ..."


def wait_briefly() -> None:
    """Threads without work soon leave their core to others, sooner where others run now, unless a person set how they wait.

    It decides how long things take, and nothing else: not what is computed.
    """
    if not any(name in os.environ for name in WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(BUSY if others_running() else QUIET)


def others_running(samples: int = 5, seconds: float = 0.002) -> int:
    """How many other threads run or want to, on the whole machine; 0 where the system does not say."""
    counts = []
    for _ in range(samples):
        try:
            counts.append(int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0]) - 1)
        except (OSError, ValueError, IndexError):
            return 0
        time.sleep(seconds)
    return int(statistics.median(counts))


def say_loading(what: str = LOADING) -> None:
    """Tells a person at a terminal why nothing happens yet."""
    _over(what)


def loaded() -> None:
    """Takes that away again."""
    _over(" " * len(LOADING))


def _over(text: str) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        print(f"\r{text}\r", end="", file=sys.stderr, flush=True)
