"""A run folder, `lightning_logs/version_N/`: claimed by one process, resumed, read. Files in it change in one rename.

Holds config.yaml, metrics.csv, TensorBoard's events, checkpoints/last.ckpt, samples/ and curves.png.
"""

import csv
import io
import os
import pickle
import platform
import subprocess
import zipfile
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

LOGS = "lightning_logs"
LAST = Path("checkpoints", "last.ckpt")


class RunFolderError(Exception):
    """A run folder or checkpoint cannot be used; the message is for the person who named it."""


def write_atomic(path: Path, content: bytes) -> None:
    """Writes a file so that there is always either the old one or the whole new one, also when the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")  # one name, so that a kill leaves at most one behind, for a moment
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def claim(root: Path) -> Path:
    """Makes the next free `version_N` under `root`/lightning_logs; two processes never get the same.

    Raises:
        RunFolderError: The folder cannot be made.
    """
    logs = root / LOGS
    try:
        logs.mkdir(parents=True, exist_ok=True)
        number = max(_numbers(logs), default=-1) + 1
        while True:
            try:
                (logs / f"version_{number}").mkdir()
                return logs / f"version_{number}"
            except FileExistsError:  # another run took it a moment ago
                number += 1
    except OSError as error:
        raise RunFolderError(f"no run folder can be made in {logs}: {error.strerror}") from error


def _numbers(logs: Path) -> list[int]:
    names = (path.name.removeprefix("version_") for path in logs.glob("version_*"))
    return [int(name) for name in names if name.isdecimal()]


def find_checkpoint(ckpt_path: str, root: Path) -> Path:
    """The checkpoint that `--ckpt_path` names: a path, or `last` for the newest run that has one.

    Raises:
        RunFolderError: There is none.
    """
    if ckpt_path != "last":
        if not Path(ckpt_path).is_file():
            raise RunFolderError(f"--ckpt_path: no checkpoint at {ckpt_path}")
        return Path(ckpt_path)
    for number in sorted(_numbers(root / LOGS), reverse=True):
        if (path := root / LOGS / f"version_{number}" / LAST).is_file():
            return path
    raise RunFolderError(
        f"--ckpt_path last: no run in {root / LOGS} has a {LAST.name} yet, so there is nothing to resume"
    )


def folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or None for one that was copied elsewhere."""
    folder = checkpoint.absolute().parent.parent
    return folder if (folder / "config.yaml").is_file() else None


def write_config(folder: Path, options: str, arguments: Mapping[str, Any]) -> None:
    """Keeps every option, as a file that --config reads, under a comment with the versions that ran.

    Args:
        folder: The run folder.
        options: All options as YAML.
        arguments: The Trainer's, for the device.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pytorch-lightning"))
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    header = (
        f"# python {platform.python_version()}, {versions}\n"
        f"# git {_git_revision()}, accelerator {arguments['accelerator']}, {device}\n"
        f"# started {datetime.now().astimezone().isoformat(timespec='seconds')}\n"
    )
    write_atomic(folder / "config.yaml", (header + options).encode())


def _git_revision() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "revision unknown"


def lock(folder: Path) -> FileLock:
    """Keeps a second process from training into the same folder; the system drops it when this process ends.

    Raises:
        RunFolderError: Another process holds it.
    """
    file_lock = FileLock(folder / ".lock")
    try:
        file_lock.acquire(timeout=0)
    except Timeout:
        raise RunFolderError(f"{folder} is still being trained by another process") from None
    except OSError as error:
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from error
    return file_lock


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Loads a checkpoint of this program onto the CPU, tensors and plain values alone.

    Raises:
        RunFolderError: It is damaged, not a checkpoint of this program, or holds pickled objects (never executed).
    """
    try:
        if not zipfile.is_zipfile(path):
            raise RunFolderError(f"{path} is damaged or not a checkpoint")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise RunFolderError(
            f"{path} holds a pickled Python object, which could run code: refused, not loaded"
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError) as error:
        raise RunFolderError(f"{path} is damaged or not a checkpoint") from error
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from error
    needed = {
        "epoch",
        "global_step",
        "state_dict",
        "optimizer_states",
        "hyper_parameters",
        "datamodule_hyper_parameters",
    }
    if not isinstance(checkpoint, dict) or (missing := needed - checkpoint.keys()):
        missing = missing if isinstance(checkpoint, dict) else needed
        raise RunFolderError(f"{path} is not a checkpoint of this program: it lacks {', '.join(sorted(missing))}")
    return checkpoint


def check_resumable(
    path: Path, checkpoint: Mapping[str, Any], options: Mapping[str, Any], max_epochs: int | None
) -> None:
    """Makes sure that training on from a checkpoint is what its run began.

    Args:
        path: The checkpoint's path.
        checkpoint: The checkpoint.
        options: Hyperparameters now, by option name.
        max_epochs: Epochs to train in all; None or -1 for no end.

    Raises:
        RunFolderError: A hyperparameter changed (the message has the diff), all epochs are done, or the checkpoint's run
            has gone on since.
    """
    model, data = checkpoint["hyper_parameters"], checkpoint["datamodule_hyper_parameters"]
    before = {f"model.{key}": value for key, value in model.items()} | {
        f"data.{key}": value for key, value in data.items()
    }
    before["seed_everything"] = model["seed"]
    changed = [
        f"--{key} was {before.get(key)}, is {value} now"
        for key, value in options.items()
        if _plain(before.get(key)) != _plain(value)
    ]
    if changed:
        raise RunFolderError(
            f"{path} was trained with other hyperparameters: {'; '.join(changed)}\nleave them out to resume"
        )
    done = checkpoint["epoch"] + 1
    last = path.with_name(LAST.name)
    if last.is_file() and (newer := load_checkpoint(last)["epoch"] + 1) > done:
        raise RunFolderError(
            f"{path} is of epoch {done}, and its run has gone on to epoch {newer}, which resuming would overwrite\n"
            "copy the checkpoint out of the run folder to start a new run from it"
        )
    if max_epochs is not None and 0 <= max_epochs <= done:
        raise RunFolderError(
            f"{path} has trained {done} of {max_epochs} epochs: pass a --max_epochs over {done} to train on"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and renames it, so a full disk or a kill leaves the old one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getvalue())


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv as numbers, in order of `step`; cells that were empty are absent."""
    with (folder / "metrics.csv").open(newline="") as file:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
    for row in rows:
        row["step"], row["epoch"] = int(row["step"]), int(row["epoch"])
    return rows
