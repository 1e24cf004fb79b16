"""A study's page, study.html: which setting is best, how surely, and what its runs drew."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from first_gan.diagnosis.history import digits
from first_gan.report import gallery, page
from first_gan.report.charts import banded
from first_gan.report.page import MOODS, without_places
from first_gan.run.folder import LOGS, SAMPLES
from first_gan.study.results import CURVES, STATES, Group, Outcome, Results
from first_gan.study.space import shortened, shown
from first_gan.study.statistics import Comparison

DRAWN = 6  # settings whose curves are shown: as many as there are colors
SAID = 8  # sentences about the best setting; the others are in the table of pairs
MOST_PAIRS = 300


class Axis:
    """Where FCDs stand between the lowest and the highest, in percent; by their logarithms where they lie far apart."""

    def __init__(self, values: Sequence[float]) -> None:
        self.log = min(values) > 0 and max(values) > 10 * min(values)
        self.low, self.high = self._of(min(values)), self._of(max(values))

    def _of(self, value: float) -> float:
        return math.log(value) if self.log else value

    def at(self, value: float) -> float:
        if self.log and value <= 0:
            return 0.0
        span = self.high - self.low or 1.0
        return round(min(100.0, max(0.0, 100 * (self._of(value) - self.low) / span)), 2)


def study_page(results: Results, root: Path) -> str:
    """A study as HTML that needs nothing else.

    Args:
        results: What came out so far.
        root: The study's folder, where the best run's samples are, if they are on this machine.
    """
    groups = results.groups
    scored = [group for group in groups if group.scores]
    pairs = results.comparisons
    drawn = _spread(scored)
    axis = Axis(drawn) if drawn else None
    charts = [banded(metric, {group.label: _curves(group, metric) for group in scored[:DRAWN]}) for metric in CURVES]
    options = list(dict.fromkeys(name for group in groups for name in group.setting))
    return page.render(
        "study.html",
        title=f"Study {results.name}",
        results=results,
        facts=_facts(results),
        sentences=said(results, pairs),
        short=list(shortened(dict.fromkeys(options))),
        rows=[_row(group, options, axis) for group in groups],
        ends=[digits(edge(drawn)) for edge in (min, max) if drawn],
        log=axis is not None and axis.log,
        pairs=pairs[:MOST_PAIRS],
        left_out=len(pairs) - MOST_PAIRS,
        best=_best(results, root),
        importance=_importance(results),
        scatters=_scatters(results, axis) if results.space.get("sampled") and axis is not None else [],
        failed=[each for each in results.outcomes if each.reason],
        trials=[_trial(each, options) for each in results.outcomes],
        drawn=min(DRAWN, len(scored)),
        of=len(scored),
        data={"charts": [chart for chart in charts if chart], "marks": [], "frames": [], "epochs": [], "live": None},
    )


def said(results: Results, pairs: Sequence[Comparison]) -> list[str]:
    """The best setting against each other one, in words."""
    groups = [group for group in results.groups if group.scores]
    if not groups:
        return ["No trial is done yet."]
    if len(groups) == 1:
        only = groups[0]
        spread = f", 95 % interval {digits(only.interval[0])} to {digits(only.interval[1])}" if only.interval else ""
        return [f"{only.label}: FCD {digits(fmean(only.scores.values()))}{spread}."]
    of_best = [each for each in pairs if groups[0].label in (each.better, each.worse)]
    return [f"{each.words()}." for each in of_best[:SAID]]


def _facts(results: Results) -> list[tuple[str, str]]:
    done = results.count("done")
    counts = [f"{done} of {len(results.outcomes)} done"]
    counts += [f"{number} {state}" for state in STATES.values() if state != "done" and (number := results.count(state))]
    seeds = sorted({each.seed for each in results.outcomes})
    rows = results.base.get("data.train_rows")
    images = "all" if rows is None else f"{rows:,}" if isinstance(rows, int) else str(rows)
    return [
        ("settings", str(len(results.groups))),
        ("seeds", f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else ", ".join(map(str, seeds))),
        ("trials", ", ".join(counts)),
        ("data", f"{results.base.get('data.dataset')}, {images} images"),
        ("epochs", str(results.base.get("max_epochs"))),
    ]


def _row(group: Group, options: Sequence[str], axis: Axis | None) -> dict[str, Any]:
    between = group.interval
    scores = sorted(group.scores.items())
    return {
        "values": [without_places(shown(group.setting.get(name))) for name in options],
        "mean": "–" if group.mean is None else digits(group.mean),
        "interval": "" if between is None else f"{digits(between[0])} to {digits(between[1])}",
        "coverage": "–" if (coverage := group.mean_of("coverage")) is None else f"{coverage:.3f}",
        "seeds": len(scores),
        "dots": [{"seed": seed, "fcd": digits(fcd), "at": axis.at(fcd)} for seed, fcd in scores] if axis else [],
        "mean_at": None if axis is None or group.mean is None else axis.at(group.mean),
        "from_to": None if axis is None or between is None else (axis.at(between[0]), axis.at(between[1])),
        "verdicts": [
            {"name": name, "number": number, "mood": MOODS.get(name, "bad")} for name, number in group.verdicts.items()
        ],
        "others": ", ".join(
            f"{number} {state}"
            for state in STATES.values()
            if state != "done" and (number := sum(each.state == state for each in group.outcomes))
        ),
    }


def _spread(scored: Sequence[Group]) -> list[float]:
    """All that is drawn along the axis of FCDs: each seed's, and the intervals as far as there are such FCDs."""
    values = [value for group in scored for value in group.scores.values()]
    ends = [end for group in scored for end in group.interval or () if end > 0]
    return values + ends


def _curves(group: Group, metric: str) -> list[dict[int, float]]:
    kept = [each.result["curves"].get(metric, {}) for each in group.outcomes if each.fcd is not None]
    return [{int(epoch): value for epoch, value in curve.items()} for curve in kept if curve]


def _best(results: Results, root: Path) -> dict[str, Any] | None:
    """The best run's last samples, beside real images."""
    best = results.best
    if best is None:
        return None
    samples = root / LOGS / best.run / SAMPLES
    grids = sorted(samples.glob("epoch_*.png"))
    grid = gallery.picture(grids[-1]) if grids else None
    return {"outcome": best, "grid": grid, "real": gallery.picture(samples / "real.png")}


def _importance(results: Results) -> list[dict[str, Any]]:
    return [
        {"name": name, "share": value, "percent": f"{100 * value:.0f}"} for name, value in results.importance.items()
    ]


def _scatters(results: Results, axis: Axis | None) -> list[dict[str, Any]]:
    """Of each option that was drawn as a number, its values against the FCD."""
    assert axis is not None
    found = []
    done = [each for each in results.outcomes if each.fcd is not None and each.setting]
    for name in results.space["sampled"]:
        points = [((each.setting or {}).get(name), each) for each in done]
        numbers = [(value, each) for value, each in points if isinstance(value, (int, float))]
        if len(numbers) == len(done):
            across = Axis([float(value) for value, _ in numbers])
            dots = [
                {
                    "x": across.at(float(value)),
                    "y": 100 - axis.at(each.fcd or 0.0),
                    "text": f"{shown(value)}: FCD {digits(each.fcd or 0.0)}",
                }
                for value, each in numbers
            ]
            ends = [shown(edge(value for value, _ in numbers)) for edge in (min, max)]
            found.append({"name": name, "dots": dots, "ends": ends, "log": across.log})
    return found


def _trial(each: Outcome, options: Sequence[str]) -> dict[str, Any]:
    return {
        "run": each.run,
        "state": each.state,
        "seed": each.seed,
        "values": [without_places(shown((each.setting or {}).get(name))) for name in options],
        "fcd": "–" if each.result.get("fcd") is None else digits(each.result["fcd"]),
        "epochs": each.result.get("epochs", 0),
        "verdict": each.result.get("verdict", "–"),
        "mood": MOODS.get(each.result["verdict"], "bad") if "verdict" in each.result else "",
    }
