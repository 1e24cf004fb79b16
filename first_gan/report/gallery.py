"""The pictures of a run's page: samples by epoch, D's opinion, nearest training images, the latent walk."""

from pathlib import Path
from typing import Any

from PIL import Image

from first_gan.diagnosis.history import FCD, digits
from first_gan.report import pictures
from first_gan.report.run import Run
from first_gan.run.folder import NEAREST, OPINION, WALK

WALK_COLUMNS = 8
OPINION_COLUMNS = 16
# Pixels that pictures have at most; beyond, a page shows them smaller anyway.
SHOWN_WIDTH = 484  # of a grid, in page.css; a smaller one is shown with its pixels
GRID_WIDTH, WALK_WIDTH, TILE_WIDTH = 640, 720, 90
SMALLEST_TILE = 56  # smaller images are shown larger


def frames(run: Run) -> list[dict[str, Any]]:
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


def picture(path: Path, width: int = GRID_WIDTH) -> dict[str, Any] | None:
    """A picture with its size in pixels."""
    image = pictures.open_picture(path, width)
    if image is None:
        return None
    (source,) = pictures.encoded([image])
    return {"source": source, "width": image.width, "height": image.height}


def pairs(run: Run) -> list[dict[str, Any]]:
    """Samples above their nearest training images, with the distances."""
    distances = [] if run.record is None else run.record.distances
    strip = pictures.open_picture(run.folder / NEAREST, TILE_WIDTH * len(distances)) if distances else None
    if strip is None or strip.width < len(distances):
        return []
    tiles = pictures.columns(strip, len(distances))
    return [{**_tile(tile), "far": far} for tile, far in zip(tiles, distances, strict=True)]


def opinion(run: Run) -> dict[str, list[dict[str, Any]]] | None:
    """What D makes of the last samples (`samples`), and of the real images that it doubts most (`doubted`) and least (`trusted`)."""
    if run.record is None:
        return None
    values = {"samples": run.record.d_samples, "doubted": run.record.d_doubted, "trusted": run.record.d_trusted}
    sheet = pictures.open_picture(run.folder / OPINION, TILE_WIDTH * OPINION_COLUMNS)
    rows = sum(-(-len(each) // OPINION_COLUMNS) for each in values.values())
    if sheet is None or not rows or sheet.width < OPINION_COLUMNS or sheet.height < rows:
        return None
    result, top, height = {}, 0, sheet.height // rows
    for name, believed in values.items():
        down = -(-len(believed) // OPINION_COLUMNS)
        strips = [sheet.crop((0, top + height * row, sheet.width, top + height * (row + 1))) for row in range(down)]
        tiles = [tile for strip in strips for tile in pictures.columns(strip, OPINION_COLUMNS)]
        result[name] = [{**_tile(tile), "believed": each} for tile, each in zip(tiles, believed, strict=False)]
        top += height * down
    return result


def walk(run: Run) -> dict[str, Any] | None:
    """The latent walk: a picture with a row of images for each step."""
    strip = pictures.open_picture(run.folder / WALK, WALK_WIDTH)
    if strip is None or run.record is None or strip.width < WALK_COLUMNS:
        return None
    (source,) = pictures.encoded([strip])
    return {"source": source, "steps": strip.height // (strip.width // WALK_COLUMNS), "columns": WALK_COLUMNS}


def _tile(image: Image.Image) -> dict[str, Any]:
    scale = -(-SMALLEST_TILE // image.width)
    source = pictures.data_uri(image, 90)
    return {"source": source, "width": scale * image.width, "height": scale * image.height}
