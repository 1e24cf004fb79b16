"""A run's page, report.html, and how any page is written."""

import math
import re
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from first_gan import files
from first_gan.diagnosis.history import FCD, digits
from first_gan.diagnosis.verdicts import CONVERGED, IMPROVING, TOO_EARLY
from first_gan.report import gallery
from first_gan.report.charts import charts
from first_gan.report.marks import classes, faults_of_sections, marks
from first_gan.report.questions import questions
from first_gan.report.run import Run
from first_gan.report.words import explained, title
from first_gan.run.folder import LAST, PLAYGROUND, SIGNATURE
from first_gan.run.shell import below, command

HERE = Path(__file__).parent
PLACE = re.compile(
    r"(?m)^(\s*(?:[\w.]+: )?['\"]?)(?:[A-Za-z]:)?[~/\\].*[/\\](?=[^/\\\n])"
)  # a value up to its last name
MOODS = {IMPROVING: "good", CONVERGED: "good", TOO_EARLY: "unsure"}  # of a verdict's badge; any other is bad


def write(page: str, path: Path) -> None:
    """Writes a page; a run that ends and a person who asks for its report can do so at once."""
    files.write(path, page.encode(errors="replace"))


def report(run: Run, faults: Sequence[Any] | None = None, live: float | None = None, beside: bool = True) -> str:
    """A run as HTML that needs nothing else: its pictures, curves, diagnosis and options.

    Args:
        run: The run.
        faults: What the doctor found in the code of a loop that it watched: `name`, `message`, `fix` and `update` of each. None
            for a run of this program.
        live: While the run goes on, the seconds until the page is about to be written anew: it loads itself again till then.
        beside: Whether the page will lie in the run folder, beside the playground that it then leads to.
    """
    frames, marked = gallery.frames(run), marks(run)
    shown = [frame["epoch"] for frame in frames] or [run.diagnosis.epoch]
    called = run.name if faults is not None else title(run)
    return render(
        "report.html",
        run=run,
        watched=faults is not None,
        faults=faults or [],
        heading=called,
        title=f"{called}: {run.diagnosis.verdict}",
        mood=MOODS.get(run.diagnosis.verdict, "bad"),
        facts=_facts(run)[faults is not None :],  # whose data are not known
        questions=questions(run),
        found=faults_of_sections(run),
        frames=frames,
        real=gallery.picture(run.folder / "samples/real.png"),
        marks=marked,
        classes=classes(run),
        opinion=gallery.opinion(run),
        pairs=gallery.pairs(run),
        walk=gallery.walk(run),
        playground=PLAYGROUND if beside and (run.folder / PLAYGROUND).is_file() else None,
        unlabelled=run.record is not None and len(run.record.classes) < 2 and math.isnan(run.history.last(FCD)),
        commands=_commands(run),
        versions=[line.removeprefix(f"{SIGNATURE[2:]}, ") for line in run.header],
        live=live is not None,
        data={
            "charts": charts(run, shown),
            "marks": marked[1:],
            "frames": frames,
            "epochs": shown,
            "live": None if live is None else {"written": 1000 * time.time(), "seconds": live},
        },
    )


def without_places(text: str) -> str:
    """Without the folders of absolute paths, one value a line: a page is made to be sent, and whose machine it comes from is nobody's business."""
    return PLACE.sub(r"\1…/", text)


def render(template: str, **context: Any) -> str:
    """A page of one of the templates."""
    assets = {
        name: Markup(
            (HERE / path).read_text(encoding="utf-8")
        )  # our own files and uPlot's, which are not to be escaped
        for name, path in {
            "plot_css": "vendor/uPlot.min.css",
            "plot_js": "vendor/uPlot.iife.min.js",
            "plot_licence": "vendor/LICENSE",
            "page_css": "templates/page.css",
            "page_js": "templates/page.js",
            "charts_js": "templates/charts.js",
        }.items()
    }
    return _environment().get_template(template).render(**assets, explained_words=set(), **context)


@cache
def _environment() -> Environment:
    """The templates, compiled once: it takes longer than to fill them in."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["digits"] = digits
    environment.filters["explained"] = _explained_once
    environment.filters["without_places"] = without_places
    environment.filters["pixels"] = lambda picture: "pixels" if picture["width"] <= gallery.SHOWN_WIDTH else ""
    return environment


@pass_context
def _explained_once(context: Context, text: str) -> Markup:
    """A page explains a word at its first occurrence."""
    return explained(text, context["explained_words"])


def _facts(run: Run) -> list[tuple[str, str]]:
    epochs, rows = int(run.rows[-1]["epoch"]) + 1, run.options.get("data.train_rows")
    images = f"{rows:,} images" if isinstance(rows, int) else f"{'all' if rows is None else rows} images"
    facts = [
        ("data", f"{run.options.get('data.dataset')}, {images}"),
        ("trained", f"{epochs} epoch{'s' * (epochs > 1)}, {run.rows[-1]['step']:,} updates"),
    ]
    if run.record is not None:
        minutes, seconds = divmod(round(run.record.seconds), 60)
        speed = run.record.images / max(run.record.seconds, 1e-9)
        facts.append(("time", f"{minutes} min {seconds} s, {speed:,.0f} images a second"))
    if run.best_epoch is not None and run.best_epoch != run.history.epoch:
        scores = {int(row["epoch"]) + 1: row[FCD] for row in run.rows if FCD in row}
        facts.append(("best", f"FCD {digits(scores[run.best_epoch])} after epoch {run.best_epoch}"))
    return facts


def _commands(run: Run) -> list[tuple[str, str]]:
    """What to type next, without the folders of this machine; a run without a checkpoint can only be looked at."""
    if not (run.folder / LAST).is_file():
        return []
    epochs, limit, steps = len(run.history.epochs), run.options.get("max_epochs"), run.options.get("max_steps", -1)
    longer = ["--max_epochs", str(2 * epochs)] if isinstance(limit, int) and 0 < limit <= epochs else []
    longer += ["--max_steps", "-1"] if isinstance(steps, int) and 0 < steps <= run.rows[-1]["step"] else []
    typed = partial(command, seen=below)
    return [
        ("Train it on", typed("train.py", "--ckpt_path", run.folder, *longer)),
        ("Score it against the test set", typed("evaluate.py", run.folder)),
        ("Draw from it", typed("generate.py", run.folder, "--num", "64", "--out", "samples.png")),
        ("See how it learned", typed("generate.py", "--evolution", run.folder, "--out", "evolution.gif")),
    ]
