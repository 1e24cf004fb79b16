"""A run's history by epochs, and how its metrics have moved."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

FCD, FLOOR, RAW_FCD = "val/fcd", "val/floor_fcd", "val/raw_fcd"
MODES = "val/modes_covered"
CLASS, FLOOR_CLASS = (
    "val/class_",
    "val/floor_class_",
)  # with the number of the class: shares of samples and of real images
DIVERSITY, THUMBNAIL_DIVERSITY = "train/diversity", "train/thumbnail_diversity"
THUMBNAIL_FD, MISSING_KINDS, COPYING = "train/thumbnail_fd", "train/missing_kinds", "train/copying"
D_LOSS, G_LOSS = "train/d_loss", "train/g_loss"
D_REAL, D_FAKE, D_ACCURACY = "train/d_real", "train/d_fake", "train/d_accuracy"
D_SEEN, D_HELD_OUT = "train/d_seen", "train/d_held_out"
DIVERGED = "train/diverged"  # in the row of the update whose loss was NaN or infinite


@dataclass(frozen=True)
class History:
    """A run so far.

    Args:
        epochs: Of each epoch, the mean of each metric over its rows, and `step`, the updates done at its end. An unfinished last
            epoch is left out where there is one before, unless the run diverged in it.
    """

    epochs: list[dict[str, float]]

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, float]]) -> "History":
        """From rows of metrics.csv, in order; all but `step` and `epoch` may be absent from a row."""
        values: dict[int, dict[str, list[float]]] = {}
        for row in rows:
            of_epoch = values.setdefault(int(row["epoch"]), {})
            for name, value in row.items():
                of_epoch.setdefault(name, []).append(value)
        epochs = [
            {name: max(each) if name == "step" else fmean(each) for name, each in of_epoch.items()}
            for _, of_epoch in sorted(values.items())
        ]
        whole = cls(epochs[:-1])
        return whole if len(epochs) > 1 and _unfinished(epochs) and not cls(epochs).diverged else cls(epochs)

    @property
    def updates(self) -> int:
        return int(self.epochs[-1]["step"])

    @property
    def epoch(self) -> int:
        """The last, counted from 1."""
        return int(self.epochs[-1]["epoch"]) + 1

    def before(self) -> "History":
        """The same without the last epoch."""
        return History(self.epochs[:-1])

    def series(self, name: str) -> list[float]:
        """A metric's values in order, of the epochs that have one."""
        return [epoch[name] for epoch in self.epochs if name in epoch]

    def epochs_of(self, name: str) -> list[int]:
        """The epochs, counted from 1, that have a value of a metric."""
        return [int(epoch["epoch"]) + 1 for epoch in self.epochs if name in epoch]

    def last(self, name: str) -> float:
        """Its last value; NaN where there is none."""
        return next(reversed(self.series(name)), math.nan)

    def typical(self, name: str, epochs: int = 3) -> float:
        """The middle one of its last few values; NaN where there is none."""
        recent = sorted(self.series(name)[-epochs:])
        return recent[len(recent) // 2] if recent else math.nan

    @property
    def diverged(self) -> bool:
        """Whether a loss or a weight was not a number."""
        return bool(self.series(DIVERGED)) or not all(map(math.isfinite, self.series(D_LOSS) + self.series(G_LOSS)))

    def recent(self, name: str) -> tuple[list[float], list[float]]:
        """A metric's values before the last quarter, and those of the last quarter: two at least, or the one of two."""
        values = self.series(name)
        size = max(len(values) // 4, min(2, len(values) - 1), 0)
        return values[: len(values) - size], values[len(values) - size :]

    @property
    def distance(self) -> str:
        """The metric that says how far samples are from real images: FCD where it is scored."""
        return FCD if self.series(FCD) else THUMBNAIL_FD

    def gain(self, name: str) -> float:
        """How far the lowest value of the last quarter of the run lies below the lowest before, as a logarithm: 0.1 is 10 %."""
        before, recent = self.recent(name)
        return math.log(max(min(before), 1e-9) / max(min(recent), 1e-9)) if recent else 0.0


def _unfinished(epochs: Sequence[Mapping[str, float]]) -> bool:
    """Whether the last epoch has clearly fewer updates than the one before."""
    ends = [0.0, *(epoch["step"] for epoch in epochs)]
    return ends[-1] - ends[-2] < 0.9 * (ends[-2] - ends[-3])


def digits(value: float) -> str:
    """A figure as a person reads it: 0.0569, 4.93, 1,540; three digits, and no powers of ten below a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
