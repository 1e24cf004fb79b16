"""The curves of one run or of several, over their epochs, as plain values for report/templates/charts.js."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
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
    RAW_FCD,
    THUMBNAIL_FD,
    History,
    digits,
)
from first_gan.report.marks import faults
from first_gan.report.run import Row, Run
from first_gan.report.windows import joined

MOST_POINTS = 1000  # of a curve; beyond it each point is the mean of several rows


@dataclass(frozen=True)
class Curve:
    """A metric, its name for a person, its color, a variable of page.css, and how to read it.

    A color has one meaning on the page: `d` D, `g` G and its samples, `gray` real images, the others one score each. Its
    dashes, by number, are those of charts.js; of one chart's curves none looks like another where colors are not seen.
    """

    metric: str
    label: str
    color: str
    dash: int = 0
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
        means: Whether the values are means over the updates since the row before.
    """

    title: str
    note: str
    curves: Sequence[Curve]
    log: bool = False
    top: float | None = None
    means: bool = False


LOSSES = Chart(
    "Losses (nats)",
    "Where D can only guess, its loss is 2 ln 2 = 1.39 and G's is ln 2 = 0.69. Neither says how good the images are.",
    (Curve(D_LOSS, "D", "d"), Curve(G_LOSS, "G", "g", 1)),
    means=True,
)
PROBABILITIES = Chart(
    "What D believes (probability)",
    "D(x) is D's mean probability that real images are real, D(G(z)) that generated ones are. Both 0.5: it guesses.",
    (Curve(D_REAL, "D(x)", "d"), Curve(D_FAKE, "D(G(z))", "g", 1), Curve(D_ACCURACY, "D's accuracy", "d", 2)),
    top=1,
    means=True,
)
GRADIENTS = Chart(
    "Gradient norms (L2)",
    "How hard each update pushes the weights.",
    (Curve("train/d_grad_norm", "D", "d"), Curve("train/g_grad_norm", "G", "g", 1)),
    log=True,
    means=True,
)
DISTANCE = Chart(
    "FCD: distance from real images",
    "Lower is better. Dotted gray: what real images reach.",
    (Curve(FCD, "samples", "g"), Curve(RAW_FCD, "without moving average", "g", 1), Curve(FLOOR, "real", "gray", 2)),
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
        Curve("val/precision", "precision", "third", 0, "Precision: do they look real?"),
        Curve("val/recall", "recall", "fourth", 1, "Recall, coverage: are all kinds there?"),
        Curve("val/coverage", "coverage", "fifth", 2),
        Curve(DIVERSITY, "diversity", "sixth", 3, "Diversity: how far apart (real images: 1)."),
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
    Chart("D's loss (nats)", "", (Curve(D_LOSS, "", ""),)),
    Chart("G's loss (nats)", "", (Curve(G_LOSS, "", ""),)),
)
COLORS = ("g", "d", "third", "fourth", "fifth", "sixth")  # of compared runs, in turn, and so are
DASHES = 4  # kinds of lines
LEAST = 1e-12  # on a log axis


def charts(run: Run, shown: Sequence[int]) -> list[dict[str, Any]]:
    """The curves of one run over its epochs; those that nothing was logged for are left out.

    Args:
        run: The run.
        shown: Epochs whose means are told beside the curves while these are not hovered: the diagnosis goes by the same numbers.
    """
    place, means = places(run.rows), _means(run)
    result = []
    for chart in OF_ONE:
        curves = [curve for curve in chart.curves if any(curve.metric in row for row in run.rows)]
        if not curves:
            continue
        rows = [row for row in run.rows if any(curve.metric in row for curve in curves)]
        rows = thinned(joined(rows) if chart.means else rows)
        series = [
            _series(curve.label, curve.color, curve.dash, _values(chart, [row.get(curve.metric) for row in rows]))
            | {"told": [_told(means.get(epoch, {}).get(curve.metric)) for epoch in shown]}
            for curve in curves
        ]
        note = " ".join(filter(None, [chart.note, *(curve.note for curve in curves)]))
        x = [float(f"{place(row['step']):.6g}") for row in rows]
        found = faults(run, [curve.metric for curve in curves])
        result.append(_chart(chart, note, x, series) | {"faults": found})
    return result


def places(rows: Sequence[Row]) -> Callable[[float], float]:
    """What turns updates into epochs: 2.5 is half of the third. One that was cut short is not a whole one.

    Args:
        rows: Of a run, in order.
    """
    ends = {0: 0.0}  # updates, by epochs that are done
    for row in rows:
        ends[int(row["epoch"]) + 1] = row["step"]
    done, updates = list(ends), list(ends.values())
    if len(done) > 2:
        before = (updates[-2] - updates[-3]) / (done[-2] - done[-3])
        if updates[-1] - updates[-2] < 0.9 * before:
            updates[-1] = updates[-2] + before

    def place(step: float) -> float:
        at = min(max(bisect_left(updates, step), 1), len(updates) - 1)
        share = (step - updates[at - 1]) / max(updates[at] - updates[at - 1], 1e-9)
        return done[at - 1] + share * (done[at] - done[at - 1])

    return place


def _means(run: Run) -> dict[int, Row]:
    """The means of each epoch, also of one that is not whole, which the diagnosis leaves out."""
    last = run.rows[-1]["epoch"]
    unfinished = History.of([row for row in run.rows if row["epoch"] == last]).epochs
    return {int(means["epoch"]) + 1: means for means in [*unfinished, *run.history.epochs]}


def _told(value: float | None) -> str:
    return "–" if value is None or not math.isfinite(value) else digits(value)


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
                _series(label, COLORS[number % len(COLORS)], number % DASHES, each) | {"told": []}
                for number, (label, each) in enumerate(zip(labels, values, strict=True))
            ]
            series += _real(runs, chart, len(x))
            result.append(_chart(chart, chart.note, x, series) | {"faults": []})
    return result


def _real(runs: Sequence[Run], chart: Chart, length: int) -> list[dict[str, Any]]:
    """What real images reach, as a line for each value of it; runs that are scored on the same images have one in common."""
    reached = {f"{value:.3g}": value for run in runs if math.isfinite(value := run.history.last(FLOORS.get(chart, "")))}
    name = "real images" if len(reached) < 2 else "real images of one run"
    return [_series(name, "gray", 2, _values(chart, [value] * length)) | {"told": []} for value in reached.values()]


def banded(metric: str, curves: Mapping[str, Sequence[Mapping[int, float]]]) -> dict[str, Any] | None:
    """Over epochs the mean of several runs alike, in a band from the lowest to the highest; None where nothing was measured.

    Args:
        metric: One of those that are compared.
        curves: By the name of each group of runs, each run's values by epoch.
    """
    (chart,) = (each for each in COMPARED if each.curves[0].metric == metric)
    x = sorted({epoch for runs in curves.values() for run in runs for epoch in run})
    series = []
    for number, (label, runs) in enumerate(curves.items()):
        at = [[run[epoch] for run in runs if epoch in run] for epoch in x]
        means, *edges = (_values(chart, [of(each) if each else None for each in at]) for of in (fmean, max, min))
        series.append(_series(label, COLORS[number % len(COLORS)], number % DASHES, means) | {"told": []})
        series[-1]["edges"] = edges if len(runs) > 1 else []
    return _chart(chart, chart.note, x, series) | {"faults": []} if x else None


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


def _series(label: str, color: str, dash: int, values: list[float | None]) -> dict[str, Any]:
    return {"label": label, "color": color, "dash": dash, "values": values}


def _chart(chart: Chart, note: str, x: Sequence[float], series: list[dict[str, Any]]) -> dict[str, Any]:
    shown = {"title": chart.title, "note": note, "log": chart.log, "top": chart.top}
    return {**shown, "x": list(x), "series": series}
