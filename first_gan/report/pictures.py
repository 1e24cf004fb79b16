"""Pictures for a page: evenly thinned, encoded small, as data URIs."""

import base64
import io
from collections.abc import Collection, Sequence
from pathlib import Path

from PIL import Image

MOST_FRAMES = 60
FRAMES_BYTES = 1_500_000  # of a report's 3 MiB, encoded
MOST_SIDE = 16_383  # pixels that WebP can have
QUALITIES = (80, 60, 40, 20, 5)  # of WebP: the first at which all frames fit; noise takes thrice a digit's bytes


def thinned(epochs: Sequence[int], keep: Collection[int | None] = (), most: int = MOST_FRAMES) -> list[int]:
    """At most so many of the epochs, evenly spread; the first and the last are among them, and those to keep.

    Args:
        epochs: In order.
        keep: Epochs that must not be left out, few.
        most: How many.
    """
    if len(epochs) <= most:
        return list(epochs)
    needed = {epoch for epoch in epochs if epoch in keep}
    spread = most - len(needed)
    even = {epochs[round(number * (len(epochs) - 1) / (spread - 1))] for number in range(spread)}
    return sorted(even | needed)


def open_gray(path: Path) -> Image.Image | None:
    """A picture of a run folder; None for one that is missing or broken."""
    try:
        with Image.open(path) as image:
            return image.convert("L") if max(image.size) <= MOST_SIDE else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def frames(images: Sequence[Image.Image]) -> list[str]:
    """Grids as data URIs, as finely as `FRAMES_BYTES` allow."""
    for quality in QUALITIES:
        encoded = [data_uri(image, quality) for image in images]
        if sum(map(len, encoded)) <= FRAMES_BYTES:
            break
    return encoded


def data_uri(image: Image.Image, quality: int = QUALITIES[0]) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def columns(strip: Image.Image, width: int) -> list[Image.Image]:
    """A strip, cut into pictures of this width."""
    return [strip.crop((left, 0, left + width, strip.height)) for left in range(0, strip.width, width)]
