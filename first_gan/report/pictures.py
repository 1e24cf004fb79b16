"""Pictures for a page: evenly thinned, encoded small, as data URIs."""

import base64
import io
from collections.abc import Collection, Sequence
from pathlib import Path

from PIL import Image

from first_gan import files

MOST_FRAMES = 60
FRAMES_BYTES, PICTURE_BYTES = 1_500_000, 500_000  # of a report's 3 MiB, encoded: all frames, and any other picture
MOST_BYTES, MOST_PIXELS = 64 << 20, 16 << 20  # of a run's picture; a grid of the largest images has 4 million pixels
MOST_SIDE = 16_383  # pixels that WebP can have
# WebP's quality, and how many times smaller: the first at which all fit. Noise takes thrice an image's bytes.
LADDER = ((80, 1), (60, 1), (40, 1), (20, 1), (5, 1), (20, 2), (5, 2), (5, 4))
GRAY = ("1", "L", "LA")  # modes
FACTORS = (4, 3, 2)  # that a run's grids may have been enlarged by (see first_gan/drawing/pictures.py)


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


def open_picture(path: Path, width: int = MOST_SIDE, enlarged: bool = False) -> Image.Image | None:
    """A picture of a run folder, L or RGB, in its own pixels, or as it was `enlarged`, or in fewer where it is wider; None for one that is missing, broken or huge."""
    try:
        with Image.open(
            io.BytesIO(files.read(path, MOST_BYTES)), formats=["PNG"]
        ) as image:  # else Pillow runs Ghostscript
            if image.width * image.height > MOST_PIXELS:
                return None
            picture = image.convert("L" if image.mode in GRAY else "RGB")
            picture = picture if enlarged else native(picture)
    except Exception:  # Pillow raises many kinds on broken pictures
        return None
    if picture.width > width:
        picture = picture.resize((width, max(1, round(picture.height * width / picture.width))))
    return picture if max(picture.size) <= MOST_SIDE else None


def native(picture: Image.Image) -> Image.Image:
    """One that was enlarged, with squares for pixels, as it was before; any other as it is."""
    for factor in FACTORS:
        width, height = picture.width // factor, picture.height // factor
        if (factor * width, factor * height) == picture.size and width and height:
            small = picture.resize((width, height), Image.Resampling.NEAREST)
            if small.resize(picture.size, Image.Resampling.NEAREST).tobytes() == picture.tobytes():
                return small
    return picture


def encoded(images: Sequence[Image.Image], most: int = PICTURE_BYTES) -> list[str]:
    """Pictures as data URIs, as finely as so many bytes for all of them allow."""
    for quality, smaller in LADDER:
        uris, left = list[str](), most
        for image in images:
            uris.append(data_uri(image.reduce(smaller), quality))
            left -= len(uris[-1])
            if left < 0:
                break
        else:
            return uris
    return [data_uri(image.reduce(8), 5) for image in images]


def data_uri(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=quality, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def columns(strip: Image.Image, count: int) -> list[Image.Image]:
    """A strip, cut into so many pictures of one width."""
    width = strip.width // count
    return [strip.crop((left, 0, left + width, strip.height)) for left in range(0, count * width, width)]
