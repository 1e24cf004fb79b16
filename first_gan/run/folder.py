"""A run folder, `lightning_logs/version_N/`: claimed by one process, resumed, read. Files in it change in one rename.

Holds config.yaml, metrics.csv, TensorBoard's events, summary.json, checkpoints/last.ckpt and best.ckpt, samples/,
curves.png, evolution.png, report.html and what that shows in report/, and playground.html; and what other loggers leave
(see first_gan/callbacks/others.py).
"""

import csv
import io
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from first_gan import files
from first_gan.run.config import load

ROOT = Path(__file__).parents[2]  # where the commands lie, in a checkout
LOGS = "lightning_logs"
LOCK, CONFIG = ".lock", "config.yaml"
METRICS = "metrics.csv"
SUMMARY = "summary.json"  # the diagnosis
LAST, BEST = Path("checkpoints", "last.ckpt"), Path("checkpoints", "best.ckpt")
REPORT, EVOLUTION, PLAYGROUND = "report.html", "evolution.png", "playground.html"
SAMPLES = "samples"  # a run begins with one of them
NAME = re.compile(r"[A-Za-z0-9][\w.+=-]{0,99}", re.ASCII)  # of a run
# What a run leaves for its report, since that reads files alone (see first_gan/callbacks/report.py):
RECORD, WALK, NEAREST = Path("report", "record.json"), Path("report", "latent_walk.png"), Path("report", "nearest.png")
OPINION = Path("report", "opinion.png")
PARTS = ("checkpoints", "samples", "report")  # its folders
GUESTS = ("wandb", "csv")  # those of loggers that --logger names
GRACE = 1.0  # seconds that a killed run's lock may outlive it: a git that it had just started still has it
LONGEST = 256 << 20  # bytes of metrics.csv
WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
SIGNATURE = "# A run of first-gan"  # how a run's config.yaml begins


class RunFolderError(Exception):
    """A run folder or checkpoint cannot be used; the message is for the person who named it."""


def check_name(name: str | None, root: Path) -> None:
    """Makes sure that a new run can have that name, and has it alone.

    Raises:
        RunFolderError: It is taken, or no folder should have it.
    """
    if name is None:
        return
    if not NAME.fullmatch(name) or re.fullmatch(r"version_\d+|last|auto", name):
        raise RunFolderError(
            f"--name {name}: up to 100 letters, digits and . _ + = - make a name, but for last and auto"
        )
    if (folder := root / LOGS / name).exists():
        raise RunFolderError(f"{folder} exists: --name another, or go on with it by --ckpt_path {name}")


def claim(root: Path, name: str | None = None) -> Path:
    """Makes the run's folder under `root`/lightning_logs, or the next free `version_N`; two processes never get the same.

    Raises:
        RunFolderError: The folder cannot be made, or the name is taken.
    """
    logs = root / LOGS
    try:
        logs.mkdir(parents=True, exist_ok=True)
        if name is not None:
            (logs / name).mkdir()
            return logs / name
        number = max(map(number_of, logs.glob("version_*")), default=-1) + 1
        while True:
            try:
                (logs / f"version_{number}").mkdir()
                return logs / f"version_{number}"
            except FileExistsError:  # another run took it a moment ago
                number += 1
    except OSError as error:
        raise RunFolderError(f"no run folder can be made in {logs}: {error.strerror}") from error


def number_of(folder: Path) -> int:
    """N of `version_N`; -1 for any other name."""
    name = folder.name.removeprefix("version_")
    return int(name) if name.isdecimal() and name != folder.name else -1


def open_run(
    folder: Path | None, root: Path, config: str, device: str, held: ExitStack, name: str | None = None
) -> Path:
    """Claims a run folder and locks it where none is resumed, and writes its config.yaml.

    Args:
        folder: The run folder, which is locked; None claims a new one.
        root: Where that goes, in `lightning_logs/`.
        config: All options as YAML.
        device: Where it trains.
        held: Keeps the lock until it is closed.
        name: Of a new run's folder; None for the next `version_N`.

    Raises:
        RunFolderError: The folder cannot be written, also by its name, or another process trains there, or it leads elsewhere.
    """
    if "::" in str(folder or root):
        raise RunFolderError(
            f"{folder or root}: Lightning takes :: for several file systems in a row; name another folder by --default_root_dir"
        )
    try:
        str(folder or root).encode()
    except UnicodeEncodeError as error:
        another = "name another" if sys.getfilesystemencoding() == "utf-8" else "set PYTHONUTF8=1, or name another"
        raise RunFolderError(
            f"{folder or root}: TensorBoard cannot write into a folder whose name is not UTF-8\n"
            f"{another} by --default_root_dir"
        ) from error
    claimed = folder or claim(root, name)
    try:
        if folder is None:
            lock(claimed, held)
        make_ready(claimed)
        write_config(claimed, config, device)
    except OSError as error:
        if folder is None:
            remove(claimed)
        raise RunFolderError(f"{claimed} cannot be written: {error.strerror}") from error
    return claimed


def remove(folder: Path) -> None:
    """Removes a run folder that has been claimed in vain, and `lightning_logs/` if nothing else is in it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # it holds other runs
        folder.parent.rmdir()


def make_ready(folder: Path) -> None:
    """Makes a run folder's own folders, and removes what a killed process left half-written.

    Raises:
        RunFolderError: One of them, or of a logger's files, is a link, by which a file elsewhere would be overwritten.
        OSError: It cannot be written.
    """
    own = [folder / name for name in PARTS]
    for path in [*own, *(folder / name for name in GUESTS), *folder.glob("events.out.tfevents.*")]:
        if path.is_symlink():
            raise RunFolderError(f"{path} is a link; a run's folder holds nothing but its own files: remove it")
    for path in own:
        path.mkdir(exist_ok=True)
    files.sweep([folder, *own])


def folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or None for one that was copied elsewhere."""
    beside = checkpoint.absolute().parent
    try:
        ours = files.text(beside.parent / CONFIG).startswith(SIGNATURE)
    except (OSError, UnicodeDecodeError):
        return None
    return beside.parent if ours and beside.name == LAST.parent.name else None


def read_config(path: Path) -> dict[str, Any]:
    """The options that a config.yaml holds, nested; nothing that it names is imported.

    Raises:
        RunFolderError: It cannot be read, or holds no options.
    """
    try:
        options = load(files.text(path))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RunFolderError(f"{path} is broken; mend it") from error
    return options if isinstance(options, dict) else {}


def write_config(folder: Path, options: str, device: str) -> None:
    """Keeps every option, as a file that --config reads, under a comment with the versions that ran.

    Args:
        folder: The run folder.
        options: All options as YAML.
        device: Where it trains.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pytorch-lightning"))
    header = (
        f"{SIGNATURE}, git {git_revision()}, {datetime.now().astimezone().isoformat(timespec='seconds')}\n"
        f"# python {platform.python_version()}, {versions}, on {device}\n"
    )
    files.write(folder / CONFIG, (header + options).encode())


def git_revision() -> str:
    """This checkout's, with `-dirty` where files were changed since; `revision unknown` where git cannot tell."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout.decode(errors="replace").strip()
    except (OSError, subprocess.CalledProcessError):
        return "revision unknown"


def lock(folder: Path, held: ExitStack) -> None:
    """Keeps a second process from training into the same folder until `held` is closed, or this process ends.

    Raises:
        RunFolderError: Another process holds it.
    """
    file_lock = FileLock(path := folder / LOCK)
    if path.is_symlink():
        raise RunFolderError(f"{path} is a link, by which a file elsewhere would be emptied: remove it")
    try:
        file_lock.acquire(timeout=GRACE)
    except Timeout:
        raise RunFolderError(f"{folder} is still being trained by another process") from None
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from error
    held.callback(file_lock.release)


def write_rows(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes metrics.csv, in one rename."""
    files.write(folder / METRICS, rows_as_text(rows).encode())


def rows_as_text(rows: Sequence[Mapping[str, float | str]]) -> str:
    """Rows as metrics.csv holds them; what is absent from one is an empty cell."""
    fields = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv as numbers, in order of `step`; cells that were empty are absent.

    Raises:
        RunFolderError: A line is not what this program writes.
    """
    return read_rows(folder / METRICS)


def read_rows(path: Path, skipped: list[int] | None = None) -> list[dict[str, float]]:
    """`read_metrics` of a file of any name; broken lines are an error, or are left out where `skipped` takes their numbers."""
    rows = []
    header, *lines = files.read(path, LONGEST).decode(errors="replace").splitlines() or [""]
    names = header.split(",")
    for number, line in enumerate(lines, start=2):
        try:
            cells = zip(names, line.split(","), strict=True)
            row = {name: _number(cell) for name, cell in cells if cell}
            rows.append(row | {"step": int(row["step"]), "epoch": int(row["epoch"])})
        except (ValueError, KeyError, OverflowError) as error:
            if skipped is None:
                raise RunFolderError(f"{path}, line {number}, is broken; mend or remove it") from error
            skipped.append(number)
    return sorted(rows, key=lambda row: row["step"])


def _number(text: str) -> float:
    """A number as it was written: an int stays one, so that a table that is read and written again is the same."""
    return int(text) if WHOLE.fullmatch(text) else float(text)
