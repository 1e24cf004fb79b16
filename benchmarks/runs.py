"""Runs one timed program as a process of its own and reads its figures: seconds, counts, start-up, peak memory."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch

from benchmarks.worker import Job, marginal
from datamodule import MNISTDataModule
from first_gan.data import idx
from first_gan.run.cli import RunFailed

ROOT = Path(__file__).parents[1]
CHILDREN: set[subprocess.Popen] = set()  # that run now
TRAINED = re.compile(r"\(([\d,]+) updates\): ([\d,]+) images in ([\d.]+) s")


@dataclass
class Run:
    """What one process did.

    Args:
        updates: Updates done, as the program counted them.
        images: Images trained on, likewise.
        seconds: Training alone, from the first minibatch to the last epoch's end.
        epoch_seconds: Of an epoch that follows another; of a single one all there is.
        startup: Seconds from the process's start to its first update.
        peak_mib: Largest resident memory of the process, in MiB.
    """

    updates: int
    images: int
    seconds: float
    epoch_seconds: float
    startup: float
    peak_mib: float


class RunError(RunFailed):
    """A process that was to be timed failed; the message has its last lines."""


def loop(module: str, job: Job) -> Run:
    """Runs a timed loop of this package."""
    start = time.time()
    out, peak = process([sys.executable, "-m", f"benchmarks.{module}", *job.arguments()])
    report = json.loads(out.splitlines()[-1])
    counts = report["updates"], report["images"], report["seconds"], report["epoch_seconds"]
    return Run(*counts, report["first_update"] - start, peak)


def train(
    job: Job, *options: str, environment: Mapping[str, str] = MappingProxyType({}), threads: int | None = None
) -> Run:
    """Runs `train.py` as a person in a terminal would, with all that it shows and writes; the rivals score nothing, nor does it."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--data.data_dir={job.data_dir}", f"--data.batch_size={job.batch_size}"]
        arguments += [f"--data.train_rows={job.rows}", f"--max_epochs={job.epochs}", f"--default_root_dir={folder}"]
        arguments += ["--accelerator", "gpu" if job.device == "cuda" else "cpu", "--quality.every_n_epochs=0"]
        start = time.time()
        command = [sys.executable, str(ROOT / "train.py"), *arguments, *options]
        out, peak = process(command, threads, environment)
        run_folder = Path(folder) / "lightning_logs/version_0"
        grids = sorted((run_folder / "samples").glob("epoch_*.png"))
        first_grid, *ends = (
            grid.stat().st_mtime for grid in grids
        )  # drawn right before the first update, and at epoch ends
        found = TRAINED.search(out)
        if found is None:
            raise RunError(f"train.py did not say how long it trained:\n{out}")
        checkpoint = torch.load(run_folder / "checkpoints/last.ckpt", weights_only=True)
    images, seconds = int(found[2].replace(",", "")), float(found[3])
    updates = checkpoint["global_step"] // 2
    return Run(updates, images, seconds, marginal(ends, seconds), first_grid - start + seconds / updates, peak)


def process(
    command: list[str], threads: int | None = None, own: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, float]:
    """Runs a command to its end; returns what it printed and its peak memory in MiB.

    Args:
        command: The program and its arguments.
        threads: How many it computes with; by default as many as it likes.
        own: Of its environment.

    Raises:
        RunError: It failed.
    """
    environment = (
        os.environ
        | own
        | {
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            "FORCE_COLOR": "1",
            "COLUMNS": "120",
        }
    )  # a live bar, as in a terminal
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env=environment)
        CHILDREN.add(child)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C: leave no process behind
            child.kill()
            raise
        finally:
            CHILDREN.discard(child)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise RunError(f"{' '.join(command)} failed:\n{err.read()[-2000:]}")
        return out.read(), usage.ru_maxrss / 1024


def equal_work(runs: dict[str, Run]) -> None:
    """Refuses a comparison of unequal work.

    Raises:
        RunError: The programs counted different numbers of updates or images.
    """
    if len({(run.updates, run.images) for run in runs.values()}) > 1:
        counts = ", ".join(f"{name} {run.updates} updates of {run.images} images" for name, run in runs.items())
        raise RunError(f"unequal work cannot be compared: {counts}")


def torchvision_layout(data_dir: str | None, to: str) -> str:
    """Unpacks MNIST where the lesson's torchvision dataset finds it; returns `to`."""
    data = MNISTDataModule(data_dir=data_dir)
    data.prepare_data()
    raw = Path(to) / "MNIST/raw"
    raw.mkdir(parents=True)
    for name, path in (idx.find(data.folder, "mnist") or {}).items():
        (raw / name).write_bytes(idx.unpacked(path))
    return to


def folder_for_results(parser: argparse.ArgumentParser, path: Path) -> None:
    """Makes the folder, or ends the program: now, not after minutes of measuring."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--out {path} cannot be made: {error.strerror}")
