"""Images as pictures: their pixels, grids and strips of them, PNG, and films as GIF. Gray or color, of any size."""

import io
import math
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

GRAYS = 32  # levels of a gray film: half the bytes of 256, and hardly to be seen
COLORS = 256  # of a color film, chosen from `PALETTE_FRAMES` of its frames, each looked at `PALETTE_SIDE` pixels large
PALETTE_FRAMES, PALETTE_SIDE = 16, 256
GRID_ACROSS, FILM_ACROSS, LARGEST = 730, 490, 4  # pixels that pictures and films are enlarged to, at most so many times
PADDING = 2  # pixels between the images of a grid, and around them


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 on the CPU."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def picture(pixels: Tensor) -> Image.Image:
    """One uint8 image (C, H, W), C being 1 or 3."""
    array = pixels.cpu().permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def grid(pixels: Tensor, columns: int | None = None, padding: int = PADDING) -> Image.Image:
    """One picture of uint8 images (N, C, H, W), C being 1 or 3; about as many columns as rows if `columns` is None."""
    count, channels, height, width = pixels.shape
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    if count == 1:
        return picture(pixels[0])
    down, across = height + padding, width + padding
    whole = pixels.new_zeros(channels, -(-count // columns) * down + padding, columns * across + padding)
    for number, image in enumerate(pixels):
        top, left = number // columns * down + padding, number % columns * across + padding
        whole[:, top : top + height, left : left + width] = image
    return picture(whole)


def enlarged(picture: Image.Image, across: int = GRID_ACROSS) -> Image.Image:
    """The same with squares for pixels, as many times larger as it can be within `across` pixels: else it is a stamp on a screen."""
    factor = max(1, min(LARGEST, across // picture.width))
    return picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.NEAREST)


def stacked(rows: Sequence[Tensor]) -> Image.Image:
    """uint8 images without space between them: a row of (N, C, H, W) below the other."""
    return picture(torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1))


def png(picture: Image.Image) -> bytes:
    """As a PNG file's content."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def gif(frames: Sequence[Image.Image], milliseconds: int | Sequence[int]) -> bytes:
    """Frames of one size and mode, L or RGB, as a film that starts again at its end.

    Args:
        frames: One or more.
        milliseconds: How long each is shown, or all of them.
    """
    if frames[0].mode == "L":
        step = 255 / (GRAYS - 1)
        levels = [round(round(value / step) * step) for value in range(256)]
        first, *rest = [frame.point(levels) for frame in frames]
    else:
        palette = _palette(frames)
        first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    buffer = io.BytesIO()
    durations = milliseconds if isinstance(milliseconds, int) else list(milliseconds)
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)
    return buffer.getvalue()


def _palette(frames: Sequence[Image.Image]) -> Image.Image:
    """A picture whose palette suits all frames, so that what stands still does not change color from one to the next."""
    some = frames[:: -max(1, len(frames) // PALETTE_FRAMES)]  # the last among them
    width, height = (min(PALETTE_SIDE, side) for side in frames[0].size)
    seen = Image.new("RGB", (width, height * len(some)))
    for number, frame in enumerate(some):
        seen.paste(frame.resize((width, height), Image.Resampling.NEAREST), (0, number * height))
    return seen.quantize(COLORS)
