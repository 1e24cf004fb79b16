"""A run's sample grids as the frames of a film, with their epochs."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from first_gan.report.pictures import MOST_FRAMES
from first_gan.report.run import Run
from first_gan.run.folder import RunFolderError

FRAME_MS, LAST_MS = 200, 2000
CAPTION = 20  # pixels of height


def evolution(folder: Path, most: int = MOST_FRAMES) -> tuple[list[Image.Image], list[int]]:
    """A run's fixed-noise grids, from the untrained generator's to the last, each above its epoch.

    Args:
        folder: The run folder.
        most: Frames; of more epochs, evenly spread ones are taken.

    Returns:
        The frames, and for how many milliseconds each is shown.

    Raises:
        RunFolderError: It is not one, or has no grids.
    """
    grids = Run.read(folder).grids(most)
    if not grids:
        raise RunFolderError(f"{folder / 'samples'} has no sample grids that can be read")
    size = max(grid.size for grid in grids.values())  # of one that is all black its own pixels are not to be told
    frames = [
        _captioned(grid.resize(size, Image.Resampling.NEAREST), f"epoch {epoch}" if epoch else "before training")
        for epoch, grid in grids.items()
    ]
    return frames, [FRAME_MS] * (len(frames) - 1) + [LAST_MS]


def _captioned(grid: Image.Image, words: str) -> Image.Image:
    frame = Image.new(grid.mode, (grid.width, grid.height + CAPTION))
    frame.paste(grid)
    place = (grid.width // 2, grid.height + CAPTION // 2)
    ImageDraw.Draw(frame).text(place, words, fill="white", font=ImageFont.load_default(14), anchor="mm")
    return frame
