"""The run as one figure: losses, discriminator probabilities and quality over the updates."""

import io
import sys
from pathlib import Path

from matplotlib.figure import Figure
from pytorch_lightning import Callback, Trainer

from first_gan import files
from first_gan.callbacks.counting import GAN
from first_gan.callbacks.report import ENDED_EARLY
from first_gan.drawing import style
from first_gan.report.charts import OF_ONE
from first_gan.report.windows import joined
from first_gan.run.folder import METRICS, read_metrics

MEANS = {curve.metric for chart in OF_ONE if chart.means for curve in chart.curves}
D, DASHED_G, G, REAL = (  # a color means the same in all panels, as in the report
    {"color": "C0"},
    {"color": "C1", "linestyle": "--"},
    {"color": "C1"},
    {"color": "gray", "linestyle": ":"},
)
PANELS = (
    ("Loss (nats)", {"train/d_loss": ("discriminator", D), "train/g_loss": ("generator", DASHED_G)}),
    (
        "Probability of being real",
        {"train/d_real": ("D(x), real images", D), "train/d_fake": ("D(G(z)), generated images", DASHED_G)},
    ),
    (
        "Distance from real images (FCD)",
        {
            "val/fcd": ("generated images", G),
            "val/raw_fcd": ("without moving average", DASHED_G),
            "val/floor_fcd": ("real images", REAL),
        },
    ),
)


class Curves(Callback):
    """Draws `curves.png` when training is done, or was ended early.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if not trainer.is_global_zero or not (rows := read_metrics(self.folder)):
            return
        try:
            picture = rendered(rows)
        except Exception as error:  # a plot is no reason to fail a run that is trained
            print(f"No curves.png: matplotlib cannot draw it ({error})", file=sys.stderr)
            return
        files.write(self.folder / "curves.png", picture)

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if isinstance(exception, ENDED_EARLY) and (self.folder / METRICS).is_file():
            self.on_train_end(trainer, gan)


def rendered(rows: list[dict[str, float]]) -> bytes:
    """`draw` as a PNG file's content."""
    with style.plain():
        return png(draw(rows))


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=120)
    return buffer.getvalue()


def draw(rows: list[dict[str, float]]) -> Figure:
    """Losses above, probabilities and, where it was measured, quality below, over updates and epochs.

    Args:
        rows: Rows of metrics.csv.
    """
    panels = [(label, curves) for label, curves in PANELS if any(name in row for row in rows for name in curves)]
    figure = Figure(figsize=(8, 3 * len(panels)), layout="constrained")
    for axes, (label, curves) in zip(figure.subplots(len(panels), sharex=True), panels, strict=True):
        for name, (legend, look) in curves.items():
            if with_it := [row for row in rows if name in row]:
                points = [(row["step"], row[name]) for row in (joined(with_it) if name in MEANS else with_it)]
                marker = "." if len(points) == 1 else ""
                axes.plot(*zip(*points, strict=True), label=legend, linewidth=1.2, marker=marker, **look)
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
        axes.legend()
        if label.startswith("Probability"):
            axes.axhline(0.5, color="gray", linestyle=":", linewidth=1)
            axes.set_ylim(0, 1)
        if label.startswith("Distance"):
            axes.set_yscale("log")
    axes.set_xlabel(f"Update ({rows[-1]['step'] / (rows[-1]['epoch'] + 1):,.0f} per epoch)")
    return figure
