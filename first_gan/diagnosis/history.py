"""A run's history by epochs, and how its metrics have moved."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

FCD, FLOOR, MODES, DIVERSITY = "val/fcd", "val/floor_fcd", "val/modes_covered", "train/diversity"
D_LOSS, G_LOSS = "train/d_loss", "train/g_loss"
D_REAL, D_FAKE, D_ACCURACY = "train/d_real", "train/d_fake", "train/d_accuracy"
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

    def before(self) -> "History":
        """The same without the last epoch."""
        return History(self.epochs[:-1])

    def series(self, name: str) -> list[float]:
        """A metric's values in order, of the epochs that have one."""
        return [epoch[name] for epoch in self.epochs if name in epoch]

    def last(self, name: str) -> float:
        """Its last value; NaN where there is none."""
        return next(reversed(self.series(name)), math.nan)

    @property
    def diverged(self) -> bool:
        """Whether a loss or a weight was not a number."""
        return bool(self.series(DIVERGED)) or not all(map(math.isfinite, self.series(D_LOSS) + self.series(G_LOSS)))

    def recent(self, name: str) -> tuple[list[float], list[float]]:
        """A metric's values before the last quarter, and those of the last quarter: two at least, or the one of two."""
        values = self.series(name)
        size = max(len(values) // 4, min(2, len(values) - 1), 0)
        return values[: len(values) - size], values[len(values) - size :]


def _unfinished(epochs: Sequence[Mapping[str, float]]) -> bool:
    """Whether the last epoch has clearly fewer updates than the one before."""
    ends = [0.0, *(epoch["step"] for epoch in epochs)]
    return ends[-1] - ends[-2] < 0.9 * (ends[-2] - ends[-3])


def digits(value: float) -> str:
    """A figure as a person reads it: 0.0569, 4.93, 1,540; three digits, and no powers of ten below a million."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
