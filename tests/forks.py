"""Commands in processes of their own that need not load torch first: forked from a server that has."""

import importlib
import multiprocessing
import os
import sys
import time
from pathlib import Path

START = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"  # spawn: Windows
FORKS = multiprocessing.get_context(START)
FORKS.set_forkserver_preload(["train", "tests.forks"])


class Forked:
    """A command that runs beside the tests.

    Args:
        module: With its `main`.
        folder: Its working directory.
        argv: Its arguments.
    """

    def __init__(self, module: str, folder: Path, *argv: str) -> None:
        self.out, self.err = folder.with_suffix(".out"), folder.with_suffix(".err")
        self.process = FORKS.Process(target=_run, args=(module, str(folder), argv, str(self.out), str(self.err)))
        self.out.write_bytes(b""), self.err.write_bytes(b"")
        self.process.start()

    def wait_for(self, words: str, seconds: float = 60) -> None:
        """Waits until it has printed these words."""
        end = time.monotonic() + seconds
        while words not in self.out.read_text(encoding="utf-8"):
            going_on = self.process.is_alive() and time.monotonic() < end
            assert going_on, self.err.read_text(encoding="utf-8")
            time.sleep(0.01)

    def send(self, number: int) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self, seconds: float = 30) -> tuple[int, str]:
        """Waits for its end; returns its exit code, negative after a signal, and what it wrote to stderr."""
        self.process.join(seconds)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
        assert code is not None, f"did not end in {seconds} s"
        return code, self.err.read_text(encoding="utf-8")


def _run(module: str, folder: str, argv: tuple[str, ...], out: str, err: str) -> None:
    os.chdir(folder)
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    sys.stdout = open(1, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    sys.exit(importlib.import_module(module).main(list(argv)))
