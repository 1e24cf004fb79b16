"""Runs of train.py, each a process of its own: begun, gone on with where it was cut off, stopped; a few at a time."""

import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from first_gan.callbacks.terminal import say
from first_gan.report.run import Run
from first_gan.run.cli import RunFailed
from first_gan.run.folder import LAST, LOCK, LOGS, ROOT, RunFolderError

POLL = 0.5  # seconds between looks at the processes
PATIENCE = 60  # seconds that a process has for its last checkpoint and report when it is stopped
OUTPUT = "output"  # what the runs print, in the folder of their lightning_logs
COUNT = MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")  # of a bar of runs
# What train.py says, with exit code 2, of a run that had ended when the process died that was to tell.
ENDED = re.compile(r"has trained \d+ of \d+ (epochs|updates)")
P = TypeVar("P", bound="RunProcess")


def is_free(lock: Path) -> bool:
    """Whether no process holds a lock file."""
    try:
        with FileLock(lock).acquire(timeout=0):
            return True
    except Timeout:
        return False


class RunProcess:
    """A run, and the process of train.py that trains it, or goes on by itself since the one that began it was killed.

    Args:
        name: The name of its run folder.
        root: Where it lies, in `lightning_logs/`.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name, self.root = name, root
        self.process: subprocess.Popen | None = None  # until the run folder is free
        self.output: IO[bytes] | None = None  # what that prints

    @property
    def folder(self) -> Path:
        return self.root / LOGS / self.name

    @property
    def printed(self) -> Path:
        return self.root / OUTPUT / f"{self.name}.txt"

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Begins the run, or goes on with it exactly where it was cut off, once nobody else trains it."""
        if self.folder.exists():
            if not is_free(self.folder / LOCK):
                return  # it goes on by itself since the process was killed that began it
            if not (self.folder / LAST).is_file():
                shutil.rmtree(self.folder)  # cut off in its first epoch: it holds nothing yet
        self.printed.parent.mkdir(parents=True, exist_ok=True)
        own = [f"--name={self.name}", "--ckpt_path=auto", f"--default_root_dir={self.root}"]
        self.output = self.printed.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "train.py"), *arguments, *own, "--enable_progress_bar=false"],
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=os.name != "nt",  # a Ctrl-C is this process's, which then stops them all
        )

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def close(self) -> None:
        """Waits for its end, with patience."""
        if self.process is not None:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.output is not None:
            self.output.close()

    def failure(self) -> str | None:
        """Why a process that ended has not trained its run to the end, in one line; None where it has."""
        assert self.process is not None
        code, last = self.process.returncode, ""
        with suppress(OSError):
            last = self.printed.read_bytes()[-4000:].decode(errors="replace")
        return None if code == 0 or (code == 2 and ENDED.search(last)) else _reason(code, last)


def _reason(code: int, last: str) -> str:
    """Why a run failed, in one line, without the folders of this machine."""
    if code < 0:
        return f"killed by signal {-code}" + (", as a machine out of memory does it" if code == -9 else "")
    said = [line.strip() for line in last.splitlines() if line.strip()]
    line = next((line for line in reversed(said) if line.startswith("train.py: ")), said[-1] if said else "")
    line = re.sub(r"(?<![\w.])(?:[A-Za-z]:)?[~/\\][^\s:'\"]*[/\\](?=[^/\\\s])", "…/", line)
    return line.removeprefix("train.py: ").removeprefix("error: ")[:300] or f"exit code {code}"


def environment(at_once: int) -> dict[str, str]:
    """Of a run's process: its share of the cores, unless a person said how many threads."""
    share = max(1, (os.cpu_count() or 1) // at_once)
    own = {} if at_once == 1 else {"OMP_NUM_THREADS": str(share)}
    return own | os.environ | {"PYTHONIOENCODING": "utf-8"}


def side_by_side(
    running: list[P],
    at_once: int,
    following: Callable[[], P | None],
    done: Callable[[P], bool],
    progress: Callable[[], Any],
) -> None:
    """Runs processes until none follows, a few at a time; what ends it early, such as Ctrl-C, stops them, to be gone on with.

    Args:
        running: Those that run now; what is left in it was stopped.
        at_once: How many.
        following: The next one; None where none waits now.
        done: Looks after one; whether it has ended and was dealt with.
        progress: Called often.
    """
    try:
        while True:
            while len(running) < at_once and (one := following()) is not None:
                running.append(one)
            if not running:
                return
            for each in list(running):
                if done(each):
                    running.remove(each)
            progress()
            time.sleep(POLL)
    finally:
        for each in running:
            each.stop()
        for each in running:
            each.close()


def train_all(wanted: Mapping[str, Sequence[str]], root: Path, at_once: int) -> dict[str, Path]:
    """Trains runs, a few at a time, under a bar; those that have ended stay as they are, and those that were cut off are gone on with.

    A run whose losses become NaN or infinite has ended, too.

    Args:
        wanted: Of each run's name the arguments of train.py, but for its name and place; another recipe needs another name.
        root: Where they lie, in `lightning_logs/`.
        at_once: How many, which share the cores.

    Returns:
        Their folders, by name.

    Raises:
        RunFailed: One was not trained to its end; the others were.
    """
    found = {name: RunProcess(name, root) for name in wanted}
    waiting = [each for each in found.values() if not has_ended(each.folder)]
    failures, own = dict[str, str](), environment(min(at_once, len(waiting) or 1))
    console = Console(stderr=True)
    with Progress(BarColumn(20), *COUNT, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("runs", total=len(found), completed=len(found) - len(waiting))

        def done(each: RunProcess) -> bool:
            if each.process is None:
                each.start(wanted[each.name], own)
            if not each.ended():
                return False
            each.close()
            reason = each.failure()
            if reason is not None and not has_ended(each.folder):
                failures[each.name] = reason
                say(f"{each.name}: {reason}")
            bar.advance(task)
            return True

        side_by_side([], at_once, lambda: waiting.pop(0) if waiting else None, done, bar.refresh)
    if failures:
        name, reason = next(iter(failures.items()))
        raise RunFailed(f"{len(failures)} of {len(found)} runs failed, such as {name}: {reason}")
    return {name: each.folder for name, each in found.items()}


def has_ended(folder: Path) -> bool:
    """Whether a run has trained all its epochs, or until its losses were NaN or infinite."""
    try:
        run = Run.read(folder)
    except RunFolderError:
        return False
    trained = run.record is not None and run.history.epoch >= run.options.get("max_epochs", math.inf)
    return trained or run.history.diverged
