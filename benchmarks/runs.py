"""What the benchmarks share: their options and files, and timed programs as processes of their own with their figures."""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from matplotlib.figure import Figure

from benchmarks.worker import Job, marginal
from datamodule import MNISTDataModule
from first_gan.data import DataError, idx
from first_gan.run.cli import RunFailed, UserError

ROOT = Path(__file__).parents[1]
RESULTS = Path("benchmarks/results")
TRAINED = re.compile(r"\(([\d,]+) updates\): ([\d,]+) images in ([\d.]+) s")


class Options(argparse.ArgumentParser):
    """argparse with what most benchmarks take.

    Args:
        description: What the benchmark does.
        out: Its folder in `RESULTS`.
        counts: Options that are counts, at least 1: their default and what they mean.
    """

    def __init__(self, description: str, out: str = "", **counts: tuple[int | None, str]) -> None:
        super().__init__(description=description)
        self.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
        self.add_argument("--out", type=Path, default=RESULTS / out, help="folder of what comes out")
        for name, (default, meaning) in counts.items():
            kind = rows if name == "rows" else count
            self.add_argument(f"--{name}", type=kind, default=default, help=f"{meaning} ({default})")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The options; makes the folder now, not after minutes of measuring."""
        options = self.parse_args(argv)
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.error(f"--out {options.out} cannot be made: {error.strerror}")
        return options


def count(text: str) -> int:
    """A whole number of 1 or more."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def rows(text: str) -> int:
    """So many of MNIST's training images."""
    if (value := count(text)) > 60_000:
        raise argparse.ArgumentTypeError(f"must be at most 60000, got {value}")
    return value


def write(out: Path, name: str, text: str, raw: object = None, figure: Figure | None = None) -> None:
    """Prints a table and writes it to `out`, as .md, with the figures behind it as .json and a plot as .png."""
    (out / f"{name}.md").write_text(f"{text}\n", encoding="utf-8")
    if raw is not None:
        (out / f"{name}.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    if figure is not None:
        figure.savefig(out / f"{name}.png", dpi=120)
    print(f"\n{text}\n\nWritten to {', '.join(str(path) for path in sorted(out.glob(f'{name}.[mjp]*')))}")


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def machine(device: str = "cpu") -> str:
    """What the figures were measured on."""
    processor, cpuinfo = platform.processor() or platform.machine(), Path("/proc/cpuinfo")
    if cpuinfo.is_file() and (found := re.search(r"model name\s*: (.*)", cpuinfo.read_text(encoding="utf-8"))):
        processor = found[1]
    where = f"{torch.get_num_threads()} threads on {os.cpu_count()} cores of {processor}"
    if device == "cuda":
        where = torch.cuda.get_device_name()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "pytorch-lightning"))
    return f"{where}; Python {platform.python_version()}, {packages}"


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
    out, peak = process([sys.executable, "-m", f"benchmarks.{module}", job.argument()])
    report = json.loads(out.splitlines()[-1])
    counts = report["updates"], report["images"], report["seconds"], report["epoch_seconds"]
    return Run(*counts, report["first_update"] - start, peak)


def train(job: Job, *options: str, **by: Any) -> Run:
    """Runs `train.py` on a job; the rivals score nothing, nor does it.

    Args:
        job: What on, and how long.
        options: Its other options.
        by: `environment` and `threads` of the process.
    """
    with tempfile.TemporaryDirectory() as folder:
        arguments = [f"--data.data_dir={job.data_dir}", f"--data.batch_size={job.batch_size}"]
        arguments += [f"--data.train_rows={job.rows}", f"--max_epochs={job.epochs}", *options]
        start = time.time()
        images, seconds, peak = timed(Path(folder), *arguments, device=job.device, **by)
        run_folder = Path(folder) / "lightning_logs/version_0"
        grids = sorted((run_folder / "samples").glob("epoch_*.png"))
        # Drawn right before the first update, and at epoch ends.
        first_grid, *ends = (grid.stat().st_mtime for grid in grids)
        checkpoint = torch.load(run_folder / "checkpoints/last.ckpt", weights_only=True)
    updates = checkpoint["global_step"] // 2
    return Run(updates, images, seconds, marginal(ends, seconds), first_grid - start + seconds / updates, peak)


def timed(folder: Path, *arguments: str, device: str = "cpu", **by: Any) -> tuple[int, float, float]:
    """Runs `train.py` as a person in a terminal would, with all that it shows and writes, but for scores.

    Returns:
        Images and seconds of training, as it says, and peak memory in MiB.
    """
    own = [f"--default_root_dir={folder}", "--accelerator", "gpu" if device == "cuda" else "cpu"]
    command = [sys.executable, str(ROOT / "train.py"), *own, "--quality.every_n_epochs=0", *arguments]
    out, peak = process(command, **by)
    if (found := TRAINED.search(out)) is None:
        raise RunError(f"train.py did not say how long it trained:\n{out}")
    return int(found[2].replace(",", "")), float(found[3]), peak


def process(
    command: list[str], threads: int | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, float]:
    """Runs a command to its end; returns what it printed and its peak memory in MiB.

    Args:
        command: The program and its arguments.
        threads: How many it computes with; by default as many as it likes.
        environment: Of its own, beside this process's.

    Raises:
        RunError: It failed.
    """
    live = {"PYTHONIOENCODING": "utf-8", "FORCE_COLOR": "1", "COLUMNS": "120"}  # a bar, as in a terminal
    own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    variables = os.environ | dict(environment) | {"PYTHONPATH": str(ROOT)} | live | own
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        child = subprocess.Popen(command, stdout=out, stderr=err, env=variables)
        try:
            _, status, usage = os.wait4(child.pid, 0)
        except BaseException:  # Ctrl-C: leave no process behind
            child.kill()
            raise
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            raise RunError(f"{' '.join(command)} failed:\n{err.read()[-2000:]}")
        return out.read(), usage.ru_maxrss / 1024


def equal_work(runs: Mapping[str, Run]) -> None:
    """Refuses a comparison of unequal work.

    Raises:
        RunError: The programs counted different numbers of updates or images.
    """
    if len({(run.updates, run.images) for run in runs.values()}) > 1:
        counts = ", ".join(f"{name} {run.updates} updates of {run.images} images" for name, run in runs.items())
        raise RunError(f"unequal work cannot be compared: {counts}")


@contextmanager
def unpacked(data_dir: str | None) -> Iterator[str]:
    """MNIST as the lesson's torchvision dataset finds it, for a while.

    Raises:
        UserError: It cannot be had, or what is measured with it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield torchvision_layout(data_dir, folder)
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error


def torchvision_layout(data_dir: str | None, to: str) -> str:
    """Unpacks MNIST where the lesson's torchvision dataset finds it; returns `to`."""
    data = MNISTDataModule(data_dir=data_dir)
    data.prepare_data()
    raw = Path(to) / "MNIST/raw"
    raw.mkdir(parents=True)
    for name, path in (idx.find(data.folder, "mnist") or {}).items():
        (raw / name).write_bytes(idx.unpacked(path))
    return to
