"""A run's page, report.html, and how any page is written."""

import itertools
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from first_gan import files
from first_gan.diagnosis.history import FCD, digits
from first_gan.diagnosis.rules import missing_classes
from first_gan.diagnosis.verdicts import CONVERGED, IMPROVING, TOO_EARLY
from first_gan.report import pictures
from first_gan.report.charts import charts
from first_gan.report.run import Run
from first_gan.run.folder import BEST, LAST, NEAREST, SIGNATURE, WALK, command, relative

HERE = Path(__file__).parent
WALK_COLUMNS = 8
PLACE = re.compile(
    r"(?m)^(\s*(?:[\w.]+: )?['\"]?)(?:[A-Za-z]:)?[~/\\].*[/\\](?=[^/\\\n])"
)  # a value up to its last name
# Pixels that pictures have at most; beyond, a page shows them smaller anyway.
SHOWN_WIDTH = 484  # of a grid, in page.css; a smaller one is shown with its pixels
GRID_WIDTH, WALK_WIDTH, PAIR_WIDTH = 640, 720, 90
MOODS = {IMPROVING: "good", CONVERGED: "good", TOO_EARLY: "unsure"}  # of a verdict's badge; any other is bad


def write(page: str, path: Path) -> None:
    """Writes a page; a run that ends and a person who asks for its report can do so at once."""
    files.write(path, page.encode(errors="replace"))


def report(run: Run, faults: Sequence[Any] | None = None) -> str:
    """A run as HTML that needs nothing else: its pictures, curves, diagnosis and options.

    Args:
        run: The run.
        faults: What the doctor found in the code of a loop that it watched: `name`, `message`, `fix` and `update` of each. None
            for a run of this program.
    """
    frames, marks = _frames(run), _marks(run)
    return render(
        "report.html",
        run=run,
        watched=faults is not None,
        faults=faults or [],
        title=f"{run.name}: {run.diagnosis.verdict}",
        mood=MOODS.get(run.diagnosis.verdict, "bad"),
        facts=_facts(run)[faults is not None :],  # whose data are not known
        frames=frames,
        real=picture(run.folder / "samples/real.png", GRID_WIDTH),
        marks=marks,
        classes=_classes(run),
        pairs=_pairs(run),
        walk=_walk(run),
        unlabelled=run.record is not None and len(run.record.classes) < 2 and math.isnan(run.history.last(FCD)),
        commands=_commands(run),
        data={"charts": charts(run), "marks": marks[1:], "frames": frames},
    )


def without_places(text: str) -> str:
    """Without the folders of absolute paths, one value a line: a page is made to be sent, and whose machine it comes from is nobody's business."""
    return PLACE.sub(r"\1…/", text)


def render(template: str, **context: Any) -> str:
    """A page of one of the templates."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["digits"] = digits
    environment.filters["without_places"] = without_places
    environment.filters["pixels"] = lambda picture: "pixels" if picture["width"] <= SHOWN_WIDTH else ""
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
        }.items()
    }
    return environment.get_template(template).render(**assets, **context)


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
    code = (("code", line.removeprefix(f"{SIGNATURE[2:]}, ")) for line in run.header[:1])
    return [*facts, *(("with", line) for line in run.header[1:2]), *code]


def _frames(run: Run) -> list[dict[str, Any]]:
    """The fixed-noise grids with what is known of their epochs."""
    verdicts = dict(zip((int(means["epoch"]) + 1 for means in run.history.epochs), run.verdicts, strict=True))
    fcds = {int(row["epoch"]) + 1: row[FCD] for row in run.rows if FCD in row}
    grids = run.grids(width=GRID_WIDTH)

    def note(epoch: int) -> str:
        when = f"after epoch {epoch}" if epoch in verdicts else f"in epoch {epoch}, which was cut short"
        score = f"FCD {digits(fcds[epoch])}" + ", the best" * (epoch == run.best_epoch) if epoch in fcds else None
        return " · ".join(filter(None, ("before training" if epoch == 0 else when, score, verdicts.get(epoch))))

    sources = pictures.encoded(list(grids.values()), pictures.FRAMES_BYTES)
    return [
        {"epoch": epoch, "source": source, "note": note(epoch), "width": grid.width, "height": grid.height}
        for (epoch, grid), source in zip(grids.items(), sources, strict=True)
    ]


def _marks(run: Run) -> list[dict[str, Any]]:
    """Epochs to mark in the curves: where the verdict changed, of the best quality, and since when something is wrong."""
    epochs = run.history.epochs
    changes = [
        {"epoch": int(means["epoch"]) + 1, "x": int(means["step"]), "label": verdict, "kind": "verdict"}
        for means, verdict, before in zip(epochs, run.verdicts, ["", *run.verdicts], strict=False)
        if verdict != before
    ]
    best = [
        {"epoch": run.best_epoch, "x": int(means["step"]), "label": "best FCD", "kind": "best"}
        for means in epochs
        if int(means["epoch"]) + 1 == run.best_epoch
    ]
    steps = {int(means["epoch"]) + 1: int(means["step"]) for means in epochs}
    faults = [
        {"epoch": finding.since, "x": steps[finding.since], "label": f"{finding.verdict} since", "kind": "fault"}
        for finding in run.diagnosis.findings
        if finding.since is not None
    ]
    return sorted(changes + best + faults, key=lambda mark: mark["x"])


def _classes(run: Run) -> list[dict[str, Any]]:
    """Each class's name, share of the samples, and of the data, or None where that is not known, and whether it is missing.

    Empty where no judge told them.
    """
    scored = next((row for row in reversed(run.rows) if "val/class_0" in row), {})
    number = next(number for number in itertools.count() if f"val/class_{number}" not in scored)
    missing = missing_classes(scored)
    names, of_data = (run.record.class_names, run.record.classes) if run.record is not None else ([], [])
    return [
        {
            "name": names[each] if len(names) == number else str(each),
            "generated": scored[f"val/class_{each}"],
            "data": of_data[each] if len(of_data) == number else None,
            "missing": each in missing,
        }
        for each in range(number)
    ]


def _pairs(run: Run) -> list[dict[str, Any]]:
    """Samples above their nearest training images, with the distances."""
    distances = [] if run.record is None else run.record.distances
    strip = pictures.open_picture(run.folder / NEAREST, PAIR_WIDTH * len(distances)) if distances else None
    if strip is None or strip.width < len(distances):
        return []
    tiles = pictures.columns(strip, len(distances))
    scale = -(-56 // tiles[0].width)  # small images are shown larger
    return [
        {"source": pictures.data_uri(tile, 90), "width": scale * tile.width, "height": scale * tile.height, "far": far}
        for tile, far in zip(tiles, distances, strict=True)
    ]


def _walk(run: Run) -> dict[str, Any] | None:
    """The latent walk: a picture with a row of images for each step."""
    strip = pictures.open_picture(run.folder / WALK, WALK_WIDTH)
    if strip is None or run.record is None or strip.width < WALK_COLUMNS:
        return None
    (source,) = pictures.encoded([strip])
    return {"source": source, "steps": strip.height // (strip.width // WALK_COLUMNS), "columns": WALK_COLUMNS}


def picture(path: Path, width: int) -> dict[str, Any] | None:
    """A picture with its size in pixels."""
    image = pictures.open_picture(path, width)
    if image is None:
        return None
    (source,) = pictures.encoded([image])
    return {"source": source, "width": image.width, "height": image.height}


def _commands(run: Run) -> list[tuple[str, str]]:
    """What to type next; a run without a checkpoint can only be looked at."""
    last, best = run.folder / LAST, run.folder / BEST
    if not last.is_file():
        return []
    chosen = best if best.is_file() else last
    epochs, limit, steps = len(run.history.epochs), run.options.get("max_epochs"), run.options.get("max_steps", -1)
    longer = ["--max_epochs", str(2 * epochs)] if isinstance(limit, int) and 0 < limit <= epochs else []
    longer += ["--max_steps", "-1"] if isinstance(steps, int) and 0 < steps <= run.rows[-1]["step"] else []
    return [
        ("Train it on", command("train.py", "--ckpt_path", last, *longer)),
        ("Score it against the test set", command("evaluate.py", chosen)),
        ("Draw from it", command("generate.py", chosen, "--num", "64", "--out", "samples.png")),
        ("See how it learned", command("generate.py", "--evolution", relative(run.folder), "--out", "evolution.gif")),
    ]
