"""Times the lesson's loop, Lightning's idiom, our bare math and `train.py` in turn, on the same data: `make bench`.

Quicker: `python -m benchmarks.speed --batch_sizes 128 --rounds 1 --rows 6000`
"""

import dataclasses
import itertools
import json
import statistics
import sys
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from benchmarks import runs
from benchmarks.runs import Run, markdown
from benchmarks.worker import Job
from first_gan.run import cli

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


def bench(argv: Sequence[str]) -> int:
    """Measures, writes and prints; returns the exit code."""
    parser = runs.Options(
        "Times train.py beside the lesson's loop, in one run.",
        rounds=(3, "alternations; medians are over these"),
        epochs=(2, "epochs of each run; of more than one the first does not count"),
        rows=(60_000, "images per epoch"),
    )
    parser.add_argument("--batch_sizes", type=runs.count, nargs="+", default=[32, 128, 512])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    options = parser.read(argv)
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: no GPU can be used here")
    with runs.unpacked(options.data_dir) as data_dir:
        jobs = [Job(data_dir, size, options.epochs, options.rows, options.device) for size in options.batch_sizes]
        measured = {job.batch_size: (job, *alternate(job, options.rounds)) for job in jobs}
    lines = [row for job, rounds, limits in measured.values() for row in table(job, rounds, limits)]
    text = f"{runs.machine(options.device)}; medians of {options.rounds} alternations, {options.epochs} epoch(s) of "
    text += f"{options.rows:,} images{', timed from the second on' * (options.epochs > 1)}\n\n{markdown(HEADER, lines)}"
    raw = {
        size: {"seconds_per_update_of_products": limits, "ratios": {name: ratios(done, name) for name in done}}
        | {name: [dataclasses.asdict(run) for run in of] for name, of in done.items()}
        for size, (_, done, limits) in measured.items()
    }
    runs.write(options.out, "speed", text, raw, plot(measured))
    return 0


def alternate(job: Job, rounds: int) -> tuple[Rounds, Limits]:
    """Runs the programs in turn, `rounds` times; returns their runs, and the limits."""
    done: Rounds = {name: [] for name in PROGRAMS}
    limits: dict[str, list[float]] = {}
    turns = [program for _, program in itertools.product(range(rounds), [*PROGRAMS, "products"])]
    with cli.Steps() as steps:
        for name in steps.each(turns, f"batch {job.batch_size}: {{}}"):
            if name in PROGRAMS:
                done[name].append(runs.train(job, *OPTIONS[name]) if name in OPTIONS else runs.loop(name, job))
                continue
            runs.equal_work({name: of[-1] for name, of in done.items()})
            out, _ = runs.process([sys.executable, "-m", "benchmarks.limit", job.argument()])
            for library, seconds in json.loads(out).items():
                limits.setdefault(library, []).append(seconds)
    return done, {library: statistics.median(each) for library, each in limits.items()}


def median(done: list[Run], name: str) -> float:
    return statistics.median(getattr(run, name) for run in done)


def ratios(rounds: Rounds, name: str) -> list[float]:
    """How many times as fast as the lesson's loop a program was, round by round."""
    return [a.epoch_seconds / b.epoch_seconds for a, b in zip(rounds["textbook"], rounds[name], strict=True)]


def table(job: Job, rounds: Rounds, limits: Limits) -> list[tuple[str, ...]]:
    """Rows of HEADER; a ratio is the median over the rounds of (a)'s time by this program's, of the same round."""
    updates = job.rows / job.batch_size  # of an epoch
    least = min(limits.values()) * updates
    rows: list[tuple[str, ...]] = []
    for name, title in PROGRAMS.items():
        done, seconds = rounds[name], median(rounds[name], "epoch_seconds")
        speed = (f"{seconds:.2f}", f"{job.rows / seconds:,.0f}", f"{statistics.median(ratios(rounds, name)):.2f}")
        rows.append((str(job.batch_size), title, *speed, f"{least / seconds:.0%}", f"{median(done, 'startup'):.1f}",
                     f"{median(done, 'peak_mib'):,.0f}"))  # fmt: skip
    for library, limit in limits.items():
        share = f"{least / (limit * updates):.0%}"
        speed = (f"{limit * updates:.2f}", f"{job.batch_size / limit:,.0f}", "")
        rows.append((str(job.batch_size), f"{LIMIT} {library}", *speed, share, "", ""))
    return rows


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
    sys.exit(cli.run_command("speed.py", bench, None))
