"""A run folder, `lightning_logs/version_N/`: claimed by one process, resumed, read. Files in it change in one rename.

Holds config.yaml, metrics.csv, TensorBoard's events, summary.json, checkpoints/last.ckpt and best.ckpt, samples/ and curves.png.
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
SUMMARY = "summary.json"  # the diagnosis
LAST, BEST = Path("checkpoints", "last.ckpt"), Path("checkpoints", "best.ckpt")
SIGNATURE = "# A run of first-gan"  # how a run's config.yaml begins


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
        try:
            path = Path(ckpt_path).expanduser()
            if path.is_file():
                return path
        except (OSError, RuntimeError):  # a name that no file can have, or no such home folder
            pass
        raise RunFolderError(f"--ckpt_path: no checkpoint at {ckpt_path}")
    for number in sorted(_numbers(root / LOGS), reverse=True):
        if (path := root / LOGS / f"version_{number}" / LAST).is_file():
            return path
    raise RunFolderError(
        f"--ckpt_path last: no run in {root / LOGS} has a {LAST.name} yet, so there is nothing to resume"
    )


def folder_of(checkpoint: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or None for one that was copied elsewhere."""
    folder = checkpoint.absolute().parents[1]
    try:
        ours = (folder / "config.yaml").read_text().startswith(SIGNATURE)
    except (OSError, UnicodeDecodeError):
        return None
    return folder if ours and checkpoint.absolute().parent.name == LAST.parent.name else None


def write_config(folder: Path, options: str, device: torch.device) -> None:
    """Keeps every option, as a file that --config reads, under a comment with the versions that ran.

    Args:
        folder: The run folder.
        options: All options as YAML.
        device: Where it trains.
    """
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "torchvision", "pytorch-lightning"))
    on = f"{torch.get_num_threads()} threads" if device.type == "cpu" else ""
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else on
    header = (
        f"{SIGNATURE}, git {_git_revision()}, {datetime.now().astimezone().isoformat(timespec='seconds')}\n"
        f"# python {platform.python_version()}, {versions}, on {device.type} {on}\n"
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
    needed = {"epoch", "global_step", "state_dict", "optimizer_states", "options"}
    if (
        not isinstance(checkpoint, dict)
        or not needed <= checkpoint.keys()
        or not isinstance(checkpoint["options"], dict)
    ):
        raise RunFolderError(f"{path} is not a checkpoint of this program")
    if (
        not all(state.get("state") for state in checkpoint["optimizer_states"])
        or len(checkpoint["optimizer_states"]) != 2
    ):
        raise RunFolderError(f"{path} lacks the optimizers' state, so training cannot go on from it")
    return checkpoint


def check_resumable(
    path: Path, checkpoint: Mapping[str, Any], options: Mapping[str, Any], max_epochs: int | None, max_steps: int
) -> None:
    """Makes sure that training on from a checkpoint is what its run began.

    Args:
        path: The checkpoint's path.
        checkpoint: The checkpoint.
        options: What must not change, by option name, as it is now.
        max_epochs: Epochs to train in all; None or -1 for no end.
        max_steps: Updates to train in all; -1 for no end.

    Raises:
        RunFolderError: An option changed (the message has the diff), all is trained already, or the checkpoint's run has
            gone on since.
    """
    before = checkpoint["options"]
    changed = [
        f"--{key} was {before.get(key)}, is {value} now"
        for key, value in options.items()
        if _plain(before.get(key)) != _plain(value)
    ]
    if changed:
        raise RunFolderError(f"{path} was trained with other options: {'; '.join(changed)}\nleave them out to resume")
    done = epochs_done(checkpoint)
    last = path.with_name(LAST.name)
    if path.name != LAST.name and folder_of(path) and last.is_file():
        newer = epochs_done(load_checkpoint(last))
        if newer > done:
            raise RunFolderError(
                f"{path} is of epoch {done}, and its run has gone on to epoch {newer}, which resuming would overwrite\n"
                "copy the checkpoint out of the run folder to start a new run from it"
            )
    if max_epochs is not None and 0 <= max_epochs <= done:
        raise RunFolderError(
            f"{path} has trained {done} of {max_epochs} epochs: pass a --max_epochs over {done} to train on"
        )
    updates = checkpoint["global_step"] // (before["model.d_steps"] + 1)
    if 0 <= max_steps <= updates:
        raise RunFolderError(
            f"{path} has trained {updates} of {max_steps} updates: pass a larger --max_steps (-1: no limit) to train on"
        )


def check_weights(path: Path, checkpoint: Mapping[str, Any], now: Mapping[str, torch.Tensor]) -> None:
    """Makes sure that a checkpoint's weights fit the networks that its options describe.

    Raises:
        RunFolderError: They do not.
    """
    before = checkpoint["state_dict"]
    if {key: value.shape for key, value in before.items()} != {key: value.shape for key, value in now.items()}:
        raise RunFolderError(f"{path} holds other networks than its options say: it is damaged")


def epochs_done(checkpoint: Mapping[str, Any]) -> int:
    """How many whole epochs a checkpoint has behind it."""
    return checkpoint["epoch"] + 1


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and renames it, so a full disk or a kill leaves the old one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getvalue())


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv as numbers, in order of `step`; cells that were empty are absent.

    Raises:
        RunFolderError: A line is not what this program writes.
    """
    return read_rows(folder / "metrics.csv")


def read_rows(path: Path) -> list[dict[str, float]]:
    """`read_metrics` of a file of any name."""
    rows = []
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        try:
            for line in reader:
                row: dict[str, float] = {key: float(value) for key, value in line.items() if value}
                rows.append(row | {"step": int(row["step"]), "epoch": int(row["epoch"])})
        except (ValueError, KeyError, TypeError, csv.Error) as error:
            raise RunFolderError(f"{path}, line {reader.line_num}, is broken; mend or remove it") from error
    return rows
