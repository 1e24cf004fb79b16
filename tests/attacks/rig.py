"""Runs a command in a forked child, in a folder of its own, and says which promise it broke."""

import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.backends.backend_agg  # noqa: F401 - what a command loads late, once for all forks
import numpy as np
import torch.utils.tensorboard  # noqa: F401
from PIL import Image
from torchvision import datasets

import evaluate
import generate
import train
from first_gan.report import __main__ as report
from first_gan.scores import __main__ as judge

COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train.main,
    "evaluate": evaluate.main,
    "generate": generate.main,
    "report": report.main,
    "judge": lambda argv: judge.cli.run_command("judge.py", judge.make, argv),
}
Image.init()
UNREACHABLE = "http://127.0.0.1:9/"  # the discard port: refused at once
MEMORY = 24 << 30  # of addresses, most of which are libraries'
MOST_LINES = 9  # of an error
OK, FAILED, BAD = 0, 1, 2
FOLDER = Path("lightning_logs/version_0")
LAST = FOLDER / "checkpoints/last.ckpt"
SETTING = {  # a run of well under a second
    "data.dataset": "npz",
    "data.data_dir": "images.npz",
    "data.batch_size": "50",
    "model.generator.widths": "[8]",
    "model.discriminator.widths": "[8]",
    "model.latent_dim": "4",
    "quality.every_n_epochs": "0",
    "accelerator": "cpu",
    "max_epochs": "2",
    "max_time": "00:00:00:05",
    "log_every_n_steps": "1",
}


def setting(**other: str) -> list[str]:
    """The options of a small run; those that are given, by name with __ for dots, instead of its own."""
    options = SETTING | {name.replace("__", "."): value for name, value in other.items()}
    return [f"--{name}={value}" for name, value in options.items()]


@dataclass
class Result:
    """What a command did: `code` is None where it did not end in time, negative where a signal ended it."""

    code: int | None
    out: str
    err: str
    seconds: float


@dataclass
class Rig:
    """A folder of tries, each with a copy of a finished run and files beside it that nobody may touch.

    Args:
        root: A temporary folder.
        trained: Where the finished run is, or is left for those that follow; None trains one for this rig alone.
        failures: What broke a promise, by kind.
        tries: How many were made, by kind.
    """

    root: Path
    trained: Path | None = None
    tries: dict[str, int] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.template, self.precious = self.root / "template", self.root / "precious"
        self.precious.mkdir()
        (self.precious / "notes.txt").write_text("mine", encoding="utf-8")
        if self.trained is not None and self.trained.is_dir():
            shutil.copytree(self.trained, self.template)
            return
        self.template.mkdir()
        images = np.random.default_rng(0).integers(0, 256, (100, 8, 8), np.uint8)
        np.savez(self.template / "images.npz", images=images)
        done = call("train", setting(), self.template)
        if done.code != OK:
            raise RuntimeError(f"the run that is attacked did not work: {done}")
        if self.trained is not None:
            shutil.copytree(self.template, self.trained)

    @contextmanager
    def place(self) -> Iterator[Path]:
        """A copy of the template, gone afterwards."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        try:
            yield shutil.copytree(self.template, folder / "x", symlinks=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def attempt(
        self,
        kind: str,
        command: str,
        argv: Sequence[str],
        place: Path,
        what: object = "",
        allowed: Sequence[int] = (OK, FAILED, BAD),
        prepare: Callable[[], None] | None = None,
    ) -> Result:
        """One try: what is wrong is recorded under its kind; everything in `place` but new files must stay after bad input."""
        before, outside = snapshot(place), snapshot(self.precious)
        done = call(command, argv, place, prepare)
        wrong = broken(done, allowed)
        if snapshot(self.precious) != outside:
            wrong.append("touched files outside its folder")
            shutil.rmtree(self.precious)
            self.precious.mkdir()
            (self.precious / "notes.txt").write_text("mine", encoding="utf-8")
        after = snapshot(place)
        if any(re.fullmatch(r".*\.part", name) for name in after.keys() - before.keys()):
            wrong.append("left a half-written file")
        if done.code == BAD and (changed := differing(before, after)):
            wrong.append(f"changed {changed} in spite of exit code 2")
        self.note(kind, wrong, f"{command} {' '.join(argv)!r} {what}", done)
        return done

    def note(self, kind: str, wrong: Sequence[str], what: str, done: Result | None = None) -> None:
        """Counts a try, and what was wrong with it."""
        self.tries[kind] = self.tries.get(kind, 0) + 1
        if wrong:
            said = "" if done is None else f"\n      code {done.code}, {done.seconds:.1f} s: {done.err[-700:]!r}"
            self.failures.setdefault(kind, []).append(f"{'; '.join(wrong)}: {what[:400]}{said}")


def broken(done: Result, allowed: Sequence[int]) -> list[str]:
    """The promises about exit codes and messages that a command broke."""
    wrong = []
    if done.code is None:
        return ["did not end"]
    if done.code not in allowed:
        wrong.append(f"exit code {done.code}")
    if "Traceback" in done.err or 'File "' in done.err:
        wrong.append("traceback")
    if done.code in (FAILED, BAD) and not 1 <= len(done.err.strip().splitlines()) <= MOST_LINES:
        wrong.append(f"an error of {len(done.err.strip().splitlines())} lines")
    if any(char != "\n" and char != "\t" and ord(char) < 32 for char in done.out + done.err):
        wrong.append("control characters")
    return wrong


def call(
    command: str, argv: Sequence[str], place: Path, prepare: Callable[[], None] | None = None, timeout: float = 40
) -> Result:
    """Runs a command in a forked child.

    Args:
        command: One of `COMMANDS`.
        argv: Its arguments.
        place: Its working directory; stdout and stderr go to files beside it.
        prepare: Called in the child before it.
        timeout: Seconds after which it is killed.
    """
    start = time.monotonic()
    child, paths = begin(command, argv, place, prepare)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code: int | None = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() - start > timeout:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            code = None
            break
        time.sleep(0.005)
    out, err = (path.read_text(encoding="utf-8", errors="replace") for path in paths)
    return Result(code, out, err, time.monotonic() - start)


def begin(
    command: str, argv: Sequence[str], place: Path, prepare: Callable[[], None] | None = None
) -> tuple[int, tuple[Path, Path]]:
    """Starts a command in a forked child; returns its process id and the files with its stdout and stderr."""
    paths = place.parent / "out.txt", place.parent / "err.txt"
    sys.stdout.flush()
    sys.stderr.flush()
    if (child := os.fork()) == 0:
        code = 99
        try:
            os.setsid()
            for number, path in ((1, paths[0]), (2, paths[1])):
                os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
            os.chdir(place)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            for dataset in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
                dataset.mirrors = [UNREACHABLE]
            os.environ.pop("MNIST_DIR", None)
            if prepare is not None:
                prepare()
            code = COMMANDS[command](list(argv))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return child, paths


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """What lies in a folder: contents of files, where links lead."""
    found: dict[str, bytes | str] = {}
    for root, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(root, name)
            if path.is_symlink():
                found[str(path.relative_to(folder))] = f"-> {path.readlink()}"
            elif path.is_file():
                found[str(path.relative_to(folder))] = path.read_bytes()
            else:
                found[str(path.relative_to(folder))] = ""
    return found


def differing(before: dict[str, bytes | str], after: dict[str, bytes | str]) -> list[str]:
    """Names of what changed, vanished or is new, but for locks."""
    return [
        name
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name) and not name.endswith(".lock")
    ][:4]
