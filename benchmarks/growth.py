"""How the speed of `train.py` grows with the work: batch size, widths of the networks, processes. `make bench` runs it too.

Quicker: `python -m benchmarks.growth --batch_sizes 128 1024 --widths 1 --processes 1`
"""

import itertools
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks import limit, runs
from first_gan.run import cli
from first_gan.run.folder import read_metrics
from gan_module import GAN, Discriminator, Generator

HEADER = ("widths", "processes", "global batch", "images/s", "ms/update", "GFLOP/s", "share of limit")
WINDOW_IMAGES = 8192  # per measurement, at the lesson's widths
WINDOWS = 4  # measurements of a run; the first one warms up


@dataclass
class Point:
    """One setting and its speed.

    Args:
        widths: Factor on the widths of all hidden layers of both networks.
        processes: How many share the work (ddp).
        batch: Images per update, of all processes together.
        images_per_second: Median over the run's windows but the first.
        gflop_per_image: Matrix arithmetic per image and update.
        limit: Images per second of the matrix products alone, in one process with all threads.
    """

    widths: int
    processes: int
    batch: int
    images_per_second: float
    gflop_per_image: float
    limit: float

    def row(self) -> tuple[str, ...]:
        speed, gflops = self.images_per_second, self.images_per_second * self.gflop_per_image
        setting = (f"×{self.widths}", str(self.processes), str(self.batch))
        times = (f"{speed:,.0f}", f"{1e3 * self.batch / speed:.1f}")
        return (*setting, *times, f"{gflops:.0f}", f"{speed / self.limit:.0%}")


def bench(argv: Sequence[str]) -> int:
    """Measures, writes and prints; returns the exit code."""
    parser = runs.Options("How train.py's speed grows with the work.")
    parser.add_argument("--batch_sizes", type=runs.rows, nargs="+", default=[128, 256, 512, 1024, 2048, 4096])
    parser.add_argument("--widths", type=runs.count, nargs="+", default=[1, 2, 4], help="factors on both networks'")
    parser.add_argument("--processes", type=runs.count, nargs="+", default=[1, 2])
    options = parser.read(argv)
    if any(batch % processes for batch in options.batch_sizes for processes in options.processes):
        parser.error("--batch_sizes must be divisible by each of --processes")
    settings = list(itertools.product(options.widths, options.processes, options.batch_sizes))
    with runs.unpacked(options.data_dir) as data_dir, cli.Steps() as steps:
        points = [measure(data_dir, *each) for each in steps.each(settings, "widths, processes, batch: {}")]
    text = f"{runs.machine()}\n\n{runs.markdown(HEADER, [point.row() for point in points])}"
    runs.write(options.out, "growth", text, figure=plot(points))
    return 0


def measure(data_dir: str, widths: int, processes: int, batch: int) -> Point:
    """A short run of train.py, and the matrix products of the same sizes right after it."""
    g_widths, d_widths = [256 * widths, 512 * widths], [512 * widths, 256 * widths]
    gan = GAN(partial(Generator, widths=g_widths), partial(Discriminator, widths=d_widths))
    window = max(1, WINDOW_IMAGES // widths**2 // batch)
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "data.data_dir": data_dir,
            "data.batch_size": batch // processes,
            "model.generator.widths": g_widths,
            "model.discriminator.widths": d_widths,
            "model.steps_per_execution": min(window, gan.hparams["steps_per_execution"]),
            "log_every_n_steps": window,
            "max_steps": window * WINDOWS,
            "accelerator": "cpu",
            "devices": processes,
            "strategy": "ddp" if processes > 1 else "auto",
            "default_root_dir": folder,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        runs.process([sys.executable, str(runs.ROOT / "train.py"), *arguments])
        rows = read_metrics(Path(folder) / "lightning_logs/version_0")
    speeds = [row["train/images_per_second"] for row in rows if row["step"] % window == 0][1:]
    gflop = limit.flops(limit.products(gan, batch)) / batch / 1e9
    products = batch / min(limit.by_library(gan, batch, seconds=1.0).values())
    return Point(widths, processes, batch, statistics.median(speeds), gflop, products)


def plot(points: list[Point]) -> Figure:
    """GFLOP/s over the batch size, a panel per width; the matrix products alone as a dashed line."""
    factors = sorted({point.widths for point in points})
    figure = Figure(figsize=(1 + 3.5 * len(factors), 4), layout="constrained")
    panels = figure.subplots(1, len(factors), sharey=True, squeeze=False)[0]
    for axes, widths in zip(panels, factors, strict=True):
        for processes in sorted({point.processes for point in points}):
            line = [p for p in points if (p.widths, p.processes) == (widths, processes)]
            batches = [p.batch for p in line]
            label = "1 process" if processes == 1 else f"{processes} processes"
            axes.plot(batches, [p.images_per_second * p.gflop_per_image for p in line], "o-", label=label)
            if processes == 1:
                axes.plot(
                    batches, [p.limit * p.gflop_per_image for p in line], "--", color="gray", label="products alone"
                )
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes := sorted({point.batch for point in points}), [str(size) for size in sizes])
        axes.set_title(f"widths ×{widths}")
        axes.set_xlabel("images per update")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("GFLOP/s of matrix arithmetic")
    panels[0].set_ylim(bottom=0)
    panels[-1].legend()
    return figure


if __name__ == "__main__":
    sys.exit(cli.run_command("growth.py", bench, None))
