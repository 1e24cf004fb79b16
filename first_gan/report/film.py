"""Films as GIF: any pictures one after the other, and a run's sample grids with their epochs."""

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from first_gan.report.pictures import MOST_FRAMES
from first_gan.report.run import Run
from first_gan.run.folder import RunFolderError

GRAYS = 32  # levels: half the bytes of 256, and hardly to be seen
FRAME_MS, LAST_MS = 200, 2000  # of an evolution
WALK_MS = 80
CAPTION = 20  # pixels of height


def gif(frames: Sequence[Image.Image], milliseconds: int | Sequence[int]) -> bytes:
    """Gray frames of one size as a film that starts again at its end; each lasts so long."""
    step = 255 / (GRAYS - 1)
    levels = [round(round(value / step) * step) for value in range(256)]
    first, *rest = [frame.convert("L").point(levels) for frame in frames]
    buffer = io.BytesIO()
    durations = milliseconds if isinstance(milliseconds, int) else list(milliseconds)
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=True)
    return buffer.getvalue()


def evolution(folder: Path, most: int = MOST_FRAMES) -> bytes:
    """A run's fixed-noise grids, from the untrained generator's to the last, as a film that names the epochs.

    Args:
        folder: The run folder.
        most: Frames; of more epochs, evenly spread ones are taken.

    Raises:
        RunFolderError: It is not one, or has no grids.
    """
    grids = Run.read(folder).grids(most)
    if not grids:
        raise RunFolderError(f"{folder / 'samples'} has no sample grids that can be read")
    frames = [_captioned(grid, f"epoch {epoch}" if epoch else "before training") for epoch, grid in grids.items()]
    return gif(frames, [FRAME_MS] * (len(frames) - 1) + [LAST_MS])


def _captioned(grid: Image.Image, words: str) -> Image.Image:
    frame = Image.new("L", (grid.width, grid.height + CAPTION))
    frame.paste(grid)
    place = (grid.width // 2, grid.height + CAPTION // 2)
    ImageDraw.Draw(frame).text(place, words, fill=255, font=ImageFont.load_default(14), anchor="mm")
    return frame
