"""Times the lesson's loop, Lightning's idiom, our bare math and `train.py` in turn, on the same data: `make bench`.

Quicker: `python -m benchmarks.speed --batch_sizes 128 --rounds 1 --rows 6000`
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import runs
from benchmarks.runs import Run
from benchmarks.worker import Job
from first_gan.data import DataError
from first_gan.run import cli
from first_gan.run.cli import UserError

PROGRAMS = {
    "textbook": "(a) the lesson's loop",
    "lightning_idiom": "(b) Lightning's idiom",
    "bare": "(c) bare math",
    "train": "(d) train.py",
    "bf16": "(e) train.py, bf16-mixed",
}
OPTIONS = {"train": [], "bf16": ["--precision=bf16-mixed"]}
LIMIT = "matrix products alone, by"
HEADER = ("batch", "program", "s per epoch", "images/s", "ratio to (a)", "share of limit", "start-up s", "peak MiB")
Rounds = dict[str, list[Run]]
Limits = dict[str, float]  # seconds per update, by library


def main() -> int:
    return cli.run_command("speed.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Measures, writes and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description="Times train.py beside the lesson's loop, in one run.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[32, 128, 512])
    parser.add_argument("--rounds", type=int, default=3, help="alternations; medians are over these")
    parser.add_argument(
        "--epochs", type=int, default=2, help="epochs of each run; of more than one the first does not count"
    )
    parser.add_argument("--rows", type=int, default=60_000, help="images per epoch")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of the table and the plot")
    options = parser.parse_args(argv)
    runs.folder_for_results(parser, options.out)
    if min(options.rounds, options.epochs, options.rows, *options.batch_sizes) < 1 or options.rows > 60_000:
        parser.error("--rounds, --epochs, --batch_sizes and --rows must be at least 1, and --rows at most 60000")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no GPU can be used here")
    try:
        with tempfile.TemporaryDirectory() as folder:
            data_dir = runs.torchvision_layout(options.data_dir, folder)
            jobs = [Job(data_dir, size, options.epochs, options.rows, options.device) for size in options.batch_sizes]
            measured = {job.batch_size: (job, *alternate(job, options.rounds)) for job in jobs}
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error
    rows = [row for job, rounds, limits in measured.values() for row in table(job, rounds, limits)]
    text = f"{machine(options.device)}; medians of {options.rounds} alternations, {options.epochs} epoch(s) of "
    text += (
        f"{options.rows:,} images{', timed from the second on' * (options.epochs > 1)}\n\n{markdown(HEADER, rows)}\n"
    )
    (options.out / "speed.md").write_text(text, encoding="utf-8")
    raw = {
        size: {"seconds_per_update_of_products": limits, **as_numbers(done)}
        for size, (_, done, limits) in measured.items()
    }
    (options.out / "speed.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    plot(measured).savefig(options.out / "speed.png", dpi=120)
    print(f"\n{text}\nWritten to {options.out}/speed.md, speed.json and speed.png")
    return 0


def alternate(job: Job, rounds: int) -> tuple[Rounds, Limits]:
    """Runs the programs in turn, `rounds` times; returns their runs, and the limits."""
    done: Rounds = {name: [] for name in PROGRAMS}
    limits: dict[str, list[float]] = {}
    columns = TextColumn("{task.description:32}"), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=rounds * (len(PROGRAMS) + 1))
        for _ in range(rounds):
            for name, title in PROGRAMS.items():
                bar.update(task, description=f"batch {job.batch_size}: {title}")
                done[name].append(runs.train(job, *OPTIONS[name]) if name in OPTIONS else runs.loop(name, job))
                bar.advance(task)
            runs.equal_work({name: done[name][-1] for name in PROGRAMS})
            bar.update(task, description=f"batch {job.batch_size}: matrix products")
            out, _ = runs.process([sys.executable, "-m", "benchmarks.limit", *job.arguments()])
            for library, seconds in json.loads(out).items():
                limits.setdefault(library, []).append(seconds)
            bar.advance(task)
    return done, {library: statistics.median(each) for library, each in limits.items()}


def as_numbers(rounds: Rounds) -> dict[str, list[dict[str, float]]]:
    return {name: [dataclasses.asdict(run) for run in done] for name, done in rounds.items()}


def median(done: list[Run], name: str) -> float:
    return statistics.median(getattr(run, name) for run in done)


def table(job: Job, rounds: Rounds, limits: Limits) -> list[tuple[str, ...]]:
    """Rows of HEADER; a ratio is the median over the rounds of (a)'s time by this program's, of the same round."""
    updates = job.rows / job.batch_size  # of an epoch
    least = min(limits.values()) * updates
    rows: list[tuple[str, ...]] = []
    for name, title in PROGRAMS.items():
        done, seconds = rounds[name], median(rounds[name], "epoch_seconds")
        ratios = [a.epoch_seconds / b.epoch_seconds for a, b in zip(rounds["textbook"], done, strict=True)]
        speed = (f"{seconds:.2f}", f"{job.rows / seconds:,.0f}", f"{statistics.median(ratios):.2f}")
        rows.append((str(job.batch_size), title, *speed, f"{least / seconds:.0%}", f"{median(done, 'startup'):.1f}",
                     f"{median(done, 'peak_mib'):,.0f}"))  # fmt: skip
    for library, limit in limits.items():
        share = f"{least / (limit * updates):.0%}"
        speed = (f"{limit * updates:.2f}", f"{job.batch_size / limit:,.0f}", "")
        rows.append((str(job.batch_size), f"{LIMIT} {library}", *speed, share, "", ""))
    return rows


def markdown(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, tuple("-" * width for width in widths), *rows]
    return "\n".join("| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines)


def machine(device: str) -> str:
    """What the figures were measured on."""
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [
            line.split(":")[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        processor = names[0] if names else processor
    where = f"{torch.get_num_threads()} threads on {os.cpu_count()} cores of {processor}"
    if device == "cuda":
        where = torch.cuda.get_device_name()
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "pytorch-lightning"))
    return f"{where}; Python {platform.python_version()}, {packages}"


def plot(measured: dict[int, tuple[Job, Rounds, Limits]]) -> Figure:
    """Images per second by batch size: a bar per program, dots for the single runs, a line for the matrix products."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    for column, (job, rounds, limits) in enumerate(measured.values()):
        for place, (name, title) in enumerate(PROGRAMS.items()):
            x = column + 0.16 * (place - 2)
            speeds = [job.rows / run.epoch_seconds for run in rounds[name]]
            axes.bar(x, statistics.median(speeds), 0.14, color=f"C{place}", label=title if column == 0 else None)
            axes.plot([x] * len(speeds), speeds, "k.", markersize=4)
        axes.hlines(job.batch_size / min(limits.values()), column - 0.4, column + 0.4, colors="gray", linestyles="--",
                    label="matrix products alone" if column == 0 else "")  # fmt: skip
    axes.set_xticks(range(len(measured)), [f"batch {size}" for size in measured])
    axes.set_ylabel("Images per second")
    axes.set_title("Training speed: medians, and each run as a dot")
    axes.grid(axis="y", alpha=0.3)
    axes.set_ylim(top=1.3 * axes.get_ylim()[1])
    axes.legend(loc="upper left", ncols=3)
    return figure


if __name__ == "__main__":
    sys.exit(main())
