"""Writes evolution.png when a run ends: the same latent vectors after several epochs, one below the other."""

from pathlib import Path

from PIL import Image
from pytorch_lightning import Callback, Trainer

from first_gan import files
from first_gan.callbacks.counting import GAN
from first_gan.callbacks.report import ENDED_EARLY
from first_gan.callbacks.samples import COLUMNS
from first_gan.drawing.pictures import PADDING, png
from first_gan.drawing.sheet import sheet
from first_gan.report.pictures import open_picture, thinned
from first_gan.run.folder import EVOLUTION, SAMPLES

ROWS = 8  # epochs, at most


class EvolutionSheet(Callback):
    """Draws the first row of a run's sample grids, of at most eight epochs from before training to the last.

    Args:
        folder: The run folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero and (rows := first_rows(self.folder, gan.image_shape[1:])):
            files.write(self.folder / EVOLUTION, png(sheet(rows, gan.image_shape[2])))

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if isinstance(exception, ENDED_EARLY):
            self.on_train_end(trainer, gan)


def first_rows(folder: Path, shape: tuple[int, int]) -> dict[str, Image.Image]:
    """The first row of each sample grid by what to call it, in the images' own size: grids may be kept enlarged.

    Args:
        folder: The run folder.
        shape: Height and width of an image.
    """
    paths = {int(path.stem.removeprefix("epoch_")): path for path in (folder / SAMPLES).glob("epoch_*.png")}
    height, width = shape[0] + 2 * PADDING, COLUMNS * (shape[1] + PADDING) + PADDING
    rows = {}
    for epoch in thinned(sorted(paths), most=ROWS):
        picture = open_picture(paths[epoch], enlarged=True)
        if picture is None or picture.width % width:
            continue  # broken, or of other images
        factor = picture.width // width
        row = picture.crop((0, 0, picture.width, factor * height))
        rows[f"epoch {epoch}" if epoch else "before"] = row.resize((width, height), Image.Resampling.NEAREST)
    return rows
