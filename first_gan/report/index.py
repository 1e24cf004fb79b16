"""All runs of a log folder as one page, index.html: what each was, how it ended, and where its report is."""

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from first_gan import files
from first_gan.report import page, pictures
from first_gan.report.comparison import SCORES, differing, link, spoken
from first_gan.report.run import Run
from first_gan.run.folder import CONFIG, LOGS, METRICS, PARTS, REPORT, RunFolderError

INDEX = "index.html"
MARK = "first-gan, all runs of a folder"  # by which a page of ours is known again
DEEPEST = 3  # levels below the log folder at which a run may lie
THUMBNAIL = 128  # pixels that one is wide at most
THUMBNAILS_BYTES, MOST_BYTES = 2_000_000, 20_000  # encoded, of all, and of one
STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(frozen=True)
class Entry:
    """What the page says of a folder.

    Args:
        name: Its path below the log folder.
        notes: What is the matter; for a person.
        link: To its report, as seen from the log folder; None where there is none.
        verdict: Of the run's diagnosis; empty where there is none.
        scores: By the names in `SCORES`, at the best epoch.
        options: By name.
        grid: Some of its samples: `source`, `width`, `height`.
        drawn: After which epoch.
        epochs: Done.
        planned: To be done; None where that is not known.
        started: Date and time.
        seconds: Of training; NaN where that is not known.
    """

    name: str
    notes: list[str]
    link: str | None = None
    verdict: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Any] | None = None
    drawn: int = 0
    epochs: int = 0
    planned: int | None = None
    started: str = ""
    seconds: float = math.nan


def logs_at(path: Path) -> Path:
    """The log folder that a path means: itself, or the lightning_logs/ in it."""
    return path / LOGS if (path / LOGS).is_dir() else path


def folders_in(logs: Path, levels: int = DEEPEST) -> list[Path]:
    """The run folders below a log folder, and those of its folders that hold none, by name.

    Raises:
        OSError: The log folder cannot be read.
    """
    found = []
    inside = [path for path in logs.iterdir() if path.is_dir() or path.is_symlink()]
    for folder in sorted(path for path in inside if not path.name.startswith(".")):
        below: list[Path] = []
        if levels > 1 and not _like_a_run(folder):
            with suppress(OSError):  # it is shown by itself then, with the reason
                below = [path for path in folders_in(folder, levels - 1) if _like_a_run(path)]
        found += below or [folder]
    return found


def _like_a_run(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in (CONFIG, METRICS, PARTS[0]))


def entry_of(folder: Path, logs: Path, others: int = 0) -> Entry:
    """Reads a folder; one that is no run, or a broken one, has a note that says so.

    Args:
        folder: The run folder.
        logs: The log folder.
        others: How many others are to be on the page: of more, the pictures are coarser.
    """
    name = folder.relative_to(logs).as_posix()
    report = link(folder / REPORT, logs)
    try:
        run = Run.read(folder)
        return _of_run(run, name, report, min(MOST_BYTES, THUMBNAILS_BYTES // (others + 1)))
    except RunFolderError as error:
        said = str(error).replace(f"{folder}{os.sep}", "").removeprefix(str(folder)).lstrip(": ")
        return Entry(name, [said], report)
    except Exception as error:  # of whatever kind: one folder must not hide the others
        return Entry(name, [f"cannot be read ({type(error).__name__})"], report)


def _of_run(run: Run, name: str, report: str | None, share: int) -> Entry:
    options = run.options
    best = next((means for means in run.history.epochs if means["epoch"] + 1 == run.best_epoch), run.history.epochs[-1])
    scores = {score.title: best[score.metric] for score in SCORES if math.isfinite(best.get(score.metric, math.nan))}
    limit, steps, epochs = options.get("max_epochs"), options.get("max_steps"), run.history.epoch
    by_epochs = isinstance(limit, int) and limit > 0 and not (isinstance(steps, int) and steps > 0)
    planned = limit if by_epochs else None
    notes = [] if report else ["no report yet"]
    if run.record is None:
        notes.append(f"still going on, or broken off after epoch {epochs}")
    elif planned is not None and epochs < planned:
        notes.append(f"ended before its {planned} epochs")
    if run.skipped:
        notes.append(run.skipped_note())
    drawn = max(run.frames, default=0) if run.best_epoch not in run.frames else run.best_epoch
    started = STARTED.search(run.header[0]) if run.header else None
    return Entry(
        name,
        notes,
        report,
        run.diagnosis.verdict,
        scores,
        options,
        _thumbnail(run.frames[drawn], share) if drawn in run.frames else None,
        drawn,
        epochs,
        planned,
        started[0].replace("T", " ") if started else "",
        run.record.seconds if run.record else math.nan,
    )


def _thumbnail(path: Path, share: int) -> dict[str, Any] | None:
    """In so many bytes the upper left quarter of a grid of 8 by 8 images: four by four of them, in their own pixels where these are few."""
    grid = pictures.open_picture(path)
    if grid is None or min(grid.size) < 4:
        return None
    quarter = grid.crop((0, 0, grid.width // 2 + 1, grid.height // 2 + 1))
    quarter.thumbnail((THUMBNAIL, THUMBNAIL))
    (source,) = pictures.encoded([quarter], share)
    return {"source": source, "width": quarter.width, "height": quarter.height}


def index(entries: Sequence[Entry], logs: Path) -> str:
    """All runs as HTML that needs nothing else, the one that was started last first.

    Args:
        entries: One for each folder.
        logs: The log folder, in which the page is to lie.
    """
    ordered = sorted(entries, key=lambda entry: (entry.started, entry.name), reverse=True)
    of_runs = [entry for entry in ordered if entry.verdict]
    options = {
        name: dict(zip([entry.name for entry in of_runs], values, strict=True))
        for name, values in differing([entry.options for entry in of_runs]).items()
    }
    scores = [score for score in SCORES if any(score.title in entry.scores for entry in of_runs)]
    columns = [
        *({"title": score.title, "first": "ascending" if score.best is min else "descending"} for score in scores),
        *({"title": title, "first": "descending"} for title in ("epochs", "time", "started")),
        *({"title": f"--{name}", "first": "ascending"} for name in options),
    ]
    rows = [
        {
            "entry": entry,
            "mood": page.MOODS.get(entry.verdict, "bad") if entry.verdict else "none",
            "cells": [
                *(_number(entry.scores.get(score.title), score.form) for score in scores),
                _cell(_epochs(entry), entry.epochs or None),
                _number(entry.seconds, _lasted),
                _cell(entry.started or "–", entry.started or None),
                *(_option(values.get(entry.name)) for values in options.values()),
            ],
        }
        for entry in ordered
    ]
    return page.render(
        "index.html",
        title=f"All runs in {logs.absolute().name}",
        mark=MARK,
        columns=columns,
        rows=rows,
        several_data="data.dataset" in options,
        data={},
    )


def is_ours(path: Path) -> bool:
    """Whether a file is a page that `index` made."""
    try:
        with files.opened(path) as file:
            return MARK.encode() in file.read(2000)
    except OSError:
        return False


def _cell(text: str, key: float | str | None) -> dict[str, Any]:
    """A cell of the table and what it is sorted by; None is always last."""
    return {"text": text, "key": key}


def _number(value: float | None, form: Callable[[float], str]) -> dict[str, Any]:
    return _cell("–", None) if value is None or math.isnan(value) else _cell(form(value), value)


def _option(value: Any) -> dict[str, Any]:
    return _cell(spoken(value), value if isinstance(value, (int, float, str)) else str(value) if value else None)


def _epochs(entry: Entry) -> str:
    if entry.planned is None or entry.epochs >= entry.planned:
        return str(entry.epochs or "–")
    return f"{entry.epochs} of {entry.planned}"


def _lasted(seconds: float) -> str:
    minutes, hours = round(seconds) // 60, round(seconds) // 3600
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {round(seconds) % 60} s" if minutes else f"{seconds:.0f} s"
