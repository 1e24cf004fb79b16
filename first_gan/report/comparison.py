"""Several runs side by side as one page: verdicts, scores, curves on one axis, last grids, and the options that differ."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from first_gan.diagnosis.history import DIVERSITY, FCD, FLOOR, MODES, digits
from first_gan.report import gallery, page
from first_gan.report.charts import compared
from first_gan.report.run import Run
from first_gan.run.folder import REPORT


def nearest_to_one(values: Sequence[float]) -> float:
    """What is best of a ratio to real images."""
    return min(values, key=lambda value: abs(value - 1))


@dataclass(frozen=True)
class Score:
    """A score, how it is written, which of several is the best, and the metric of what real images reach, if that is known."""

    title: str
    metric: str
    form: Callable[[float], str]
    best: Callable[[Sequence[float]], float] = max
    floor: str = ""


SCORES = (
    Score("FCD", FCD, digits, min, FLOOR),
    Score("coverage", "val/coverage", "{:.3f}".format, floor="val/floor_coverage"),
    Score("precision", "val/precision", "{:.3f}".format),
    Score("recall", "val/recall", "{:.3f}".format),
    Score("classes covered", MODES, "{:.0f}".format),
    Score("diversity", DIVERSITY, "{:.2f}".format, nearest_to_one),
)


def comparison(runs: Sequence[Run], beside: Path | None = None) -> str:
    """Runs as HTML that needs nothing else.

    Args:
        runs: Two or more.
        beside: The folder in which the page is to lie, from which reports below it are linked; None links none.
    """
    labels = distinguished([run.folder for run in runs])
    values = [[run.history.last(score.metric) for run in runs] for score in SCORES]
    alike = len({repr(run.options.get("data.dataset")) for run in runs}) == 1  # scores on other data say nothing
    bests = [_bests(score, of_score) if alike else set[int]() for score, of_score in zip(SCORES, values, strict=True)]
    cards = [
        {
            "label": label,
            "run": run,
            "link": link(run.folder / REPORT, beside) if beside is not None else None,
            "mood": page.MOODS.get(run.diagnosis.verdict, "bad"),
            "grid": gallery.picture(run.frames[last]) if (last := max(run.frames, default=None)) is not None else None,
            "epoch": last,
            "scores": [
                {"text": _written(score, of_score[number]), "best": number in best}
                for score, of_score, best in zip(SCORES, values, bests, strict=True)
            ],
        }
        for number, (label, run) in enumerate(zip(labels, runs, strict=True))
    ]
    return page.render(
        "comparison.html",
        title="Comparison of " + ", ".join(labels),
        cards=cards,
        score_names=[score.title for score in SCORES],
        floors=[_written(score, _floor(runs, score)) for score in SCORES],
        some_best=any(bests),
        differing={
            name: [spoken(value) for value in of_runs]
            for name, of_runs in differing([run.options for run in runs]).items()
        },
        data={"charts": compared(runs, labels), "marks": [], "frames": [], "epochs": [], "live": None},
    )


def differing(options: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The options that are not the same in all runs, each with its value in every one; None where a run lacks it."""
    names = dict.fromkeys(name for each in options for name in each if name != "default_root_dir")
    found = {name: [each.get(name) for each in options] for name in names}
    return {name: values for name, values in found.items() if len(set(map(repr, values))) > 1}


def spoken(value: Any) -> str:
    """An option's value as a page shows it."""
    return "–" if value is None else page.without_places(str(value))


def link(path: Path, beside: Path) -> str | None:
    """A file's address on a page in the folder `beside`; None where it is missing or lies elsewhere, whose place is nobody's business."""
    path, beside = path.absolute(), beside.absolute()
    with suppress(OSError):  # a folder that may not be looked into
        if path.is_relative_to(beside) and path.is_file():
            return quote(os.fsencode(path.relative_to(beside).as_posix()))
    return None


def distinguished(folders: Sequence[Path]) -> list[str]:
    """Names for run folders: of their paths the parts between what all begin with and what all end with."""
    paths = [folder.absolute().parts for folder in folders]
    shortest = min(map(len, paths))
    head = next((at for at in range(shortest) if len({path[at] for path in paths}) > 1), shortest - 1)
    tail = next((at for at in range(shortest - head) if len({path[-1 - at] for path in paths}) > 1), 0)
    return ["/".join(path[head : len(path) - tail]) for path in paths]


def _bests(score: Score, values: Sequence[float]) -> set[int]:
    """The places of the best values, as they are written: of two that read the same neither is better."""
    finite = [value for value in values if math.isfinite(value)]
    if len({_written(score, value) for value in finite}) < 2:
        return set()
    best = _written(score, score.best(finite))
    return {number for number, value in enumerate(values) if _written(score, value) == best}


def _floor(runs: Sequence[Run], score: Score) -> float:
    """What real images reach, where that is one value for all runs; else NaN."""
    known = {_written(score, value): value for run in runs if math.isfinite(value := run.history.last(score.floor))}
    return next(iter(known.values())) if len(known) == 1 else math.nan


def _written(score: Score, value: float) -> str:
    return score.form(value) if math.isfinite(value) else "–"
