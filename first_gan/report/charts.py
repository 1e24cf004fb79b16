"""The curves of one run, over its updates, or of several, over their epochs, as plain values for report/templates/page.js."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from first_gan.diagnosis.history import (
    D_ACCURACY,
    D_FAKE,
    D_LOSS,
    D_REAL,
    DIVERSITY,
    FCD,
    FLOOR,
    G_LOSS,
    THUMBNAIL_FD,
)
from first_gan.report.run import Row, Run

MOST_POINTS = 1000  # of a curve; beyond it each point is the mean of several rows


@dataclass(frozen=True)
class Curve:
    """A metric, its name for a person, its color, a variable of page.css, and how to read it."""

    metric: str
    label: str
    color: str
    note: str = ""


@dataclass(frozen=True)
class Chart:
    """Curves that share a y axis.

    Args:
        title: With the unit.
        note: How to read it; the notes of the curves that are shown follow.
        curves: What it shows.
        log: Whether the y axis is logarithmic.
        top: The highest value there can be, where that is known; the lowest is 0 then.
    """

    title: str
    note: str
    curves: Sequence[Curve]
    log: bool = False
    top: float | None = None


LOSSES = Chart(
    "Losses (nats)",
    "Where D can only guess, its loss is 2 ln 2 = 1.39 and G's is ln 2 = 0.69. Neither says how good the images are.",
    (Curve(D_LOSS, "D", "d"), Curve(G_LOSS, "G", "g")),
)
PROBABILITIES = Chart(
    "What D believes (probability)",
    "D(x) is D's mean probability that real images are real, D(G(z)) that generated ones are. Both 0.5: it guesses.",
    (Curve(D_REAL, "D(x)", "d"), Curve(D_FAKE, "D(G(z))", "g"), Curve(D_ACCURACY, "D's accuracy", "third")),
    top=1,
)
GRADIENTS = Chart(
    "Gradient norms (L2)",
    "How hard each update pushes the weights.",
    (Curve("train/d_grad_norm", "D", "d"), Curve("train/g_grad_norm", "G", "g")),
    log=True,
)
DISTANCE = Chart(
    "FCD: distance from real images",
    "Lower is better. Dashed gray: what real images reach.",
    (Curve(FCD, "samples", "g"), Curve("val/raw_fcd", "without moving average", "third"), Curve(FLOOR, "real", "gray")),
    log=True,
)
THUMBNAILS = Chart(
    "Thumbnails: distance from real images",
    "Averaged down to 7×7 pixels, so noise hardly counts. 0: like real images; 1: one average blob for every z; above 1: noise.",
    (Curve(THUMBNAIL_FD, "samples", "g"),),
    log=True,
)
SCORES = Chart(
    "Fidelity and variety",
    "",
    (
        Curve("val/precision", "precision", "d", "Precision: do they look real?"),
        Curve("val/recall", "recall", "third", "Recall, coverage: are all kinds there?"),
        Curve("val/coverage", "coverage", "g"),
        Curve(DIVERSITY, "diversity", "fourth", "Diversity: how far apart (real images: 1)."),
    ),
    top=1,
)
OF_ONE = (LOSSES, PROBABILITIES, GRADIENTS, DISTANCE, THUMBNAILS, SCORES)
DISTANCES = Chart("FCD: distance from real images", "Lower is better.", (Curve(FCD, "", ""),), log=True)
COVERAGES = Chart(
    "Coverage", "The share of kinds of real images that are generated.", (Curve("val/coverage", "", ""),), top=1
)
FLOORS = {DISTANCES: FLOOR, COVERAGES: "val/floor_coverage"}  # what real images reach
COMPARED = (
    DISTANCES,
    COVERAGES,
    Chart(
        "Thumbnails: distance", "0: like real images; 1: one average blob.", (Curve(THUMBNAIL_FD, "", ""),), log=True
    ),
    Chart("Diversity", "Real images: 1.", (Curve(DIVERSITY, "", ""),), top=1),
    Chart("D's accuracy", "0.5: D can only guess.", (Curve(D_ACCURACY, "", ""),), top=1),
    Chart("D's loss (nats)", "", (Curve(D_LOSS, "", ""),), log=True),
    Chart("G's loss (nats)", "", (Curve(G_LOSS, "", ""),), log=True),
)
COLORS = ("g", "d", "third", "fourth", "fifth", "sixth")  # of compared runs, in turn; then again, dashed
LEAST = 1e-12  # on a log axis


def charts(run: Run) -> list[dict[str, Any]]:
    """The curves of one run over its updates; those that nothing was logged for are left out."""
    result = []
    for chart in OF_ONE:
        curves = [curve for curve in chart.curves if any(curve.metric in row for row in run.rows)]
        rows = thinned([row for row in run.rows if any(curve.metric in row for curve in curves)])
        if curves:
            values = [_values(chart, [row.get(curve.metric) for row in rows]) for curve in curves]
            series = [
                _series(curve.label, curve.color, each, curve.color == "gray")
                for curve, each in zip(curves, values, strict=True)
            ]
            note = " ".join(filter(None, [chart.note, *(curve.note for curve in curves)]))
            result.append(_chart(chart, note, "update", [int(row["step"]) for row in rows], series))
    return result


def compared(runs: Sequence[Run], labels: Sequence[str]) -> list[dict[str, Any]]:
    """Of several runs, the means of each epoch on one axis; charts that none has are left out."""
    epochs = [{int(means["epoch"]) + 1: means for means in run.history.epochs} for run in runs]
    x = sorted({epoch for of_run in epochs for epoch in of_run})
    if len({max(of_run) for of_run in epochs}) > 1:  # so that nobody takes a last value for one of a later epoch
        labels = [f"{label}, to epoch {max(of_run)}" for label, of_run in zip(labels, epochs, strict=True)]
    result = []
    for chart in COMPARED:
        metric = chart.curves[0].metric
        values = [_values(chart, [of_run.get(epoch, {}).get(metric) for epoch in x]) for of_run in epochs]
        if any(value is not None for each in values for value in each):
            series = [
                _series(label, COLORS[number % len(COLORS)], each, number >= len(COLORS))
                for number, (label, each) in enumerate(zip(labels, values, strict=True))
            ]
            series += _real(runs, chart, len(x))
            result.append(_chart(chart, chart.note, "epoch", x, series))
    return result


def _real(runs: Sequence[Run], chart: Chart, length: int) -> list[dict[str, Any]]:
    """What real images reach, as a line for each value of it; runs that are scored on the same images have one in common."""
    reached = {f"{value:.3g}": value for run in runs if math.isfinite(value := run.history.last(FLOORS.get(chart, "")))}
    name = "real images" if len(reached) < 2 else "real images of one run"
    return [_series(name, "gray", _values(chart, [value] * length), True) for value in reached.values()]


def thinned(rows: Sequence[Row]) -> list[Row]:
    """At most `MOST_POINTS` rows: means of so many in a row, at the last one's `step`."""
    size = -(-len(rows) // MOST_POINTS)
    if size <= 1:
        return list(rows)
    groups = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [_mean(group) | {"step": group[-1]["step"]} for group in groups]


def _mean(group: Sequence[Mapping[str, float]]) -> Row:
    names = {name for row in group for name in row}
    return {name: fmean(row[name] for row in group if name in row) for name in names}


def _values(chart: Chart, values: Sequence[float | None]) -> list[float | None]:
    """What a browser can draw: five digits of it; nothing for NaN and infinity, or where a log axis has no place."""

    def drawn(value: float | None) -> float | None:
        if value is None or not math.isfinite(value) or (chart.log and value < LEAST):
            return None
        return float(f"{value:.5g}")

    return [drawn(value) for value in values]


def _series(label: str, color: str, values: list[float | None], dashed: bool) -> dict[str, Any]:
    return {"label": label, "color": color, "values": values, "dashed": dashed}


def _chart(chart: Chart, note: str, x_label: str, x: list[int], series: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "title": chart.title,
        "note": note,
        "log": chart.log,
        "top": chart.top,
        "x_label": x_label,
        "x": x,
        "series": series,
    }
