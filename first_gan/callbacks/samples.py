"""Grids of images, in TensorBoard and as PNG files: the real ones, the untrained generator's, then one each epoch."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from first_gan import files
from first_gan.callbacks.counting import GAN, samples, updates_done
from first_gan.callbacks.others import OtherLogger
from first_gan.drawing.latent import latent_vectors
from first_gan.drawing.pictures import enlarged, grid, png, to_pixels

IMAGES, COLUMNS = 64, 8


class SampleGrids(Callback):
    """Draws the same 64 latent vectors after each epoch, so that one sees them turn into images.

    Args:
        folder: Grids go into its `samples/`, enlarged; None keeps no files, so that they are in TensorBoard alone.
        seed: Decides the latent vectors, alone.
        real: Real images to show beside them, uint8, (N, C, H, W); the first 64 are shown.
    """

    def __init__(self, folder: Path | str | None = None, seed: int = 0, real: Tensor | None = None) -> None:
        self.folder = None if folder is None else Path(folder) / "samples"
        self.seed, self.real = seed, real
        self.latest: Tensor | None = None  # what was drawn last, uint8

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if self.folder is not None and trainer.is_global_zero:
            self.folder.mkdir(parents=True, exist_ok=True)
        if trainer.current_epoch > 0 or not trainer.is_global_zero:
            return
        if self.real is not None:
            self._show(trainer, "samples/real", self.real[:IMAGES].cpu(), "real", step=0)
        self._show(trainer, "samples/generated", self._draw(gan), "epoch_0000", step=0)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            name = f"epoch_{trainer.current_epoch + 1:04d}"
            self._show(trainer, "samples/generated", self._draw(gan), name, step=updates_done(trainer, gan))

    def _draw(self, gan: GAN) -> Tensor:
        self.latest = to_pixels(samples(gan, latent_vectors(IMAGES, gan.latent_dim, self.seed)))
        return self.latest

    def _show(self, trainer: Trainer, tag: str, pixels: Tensor, name: str, step: int) -> None:
        picture = grid(pixels, columns=COLUMNS)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, pil_to_tensor(picture), step)
            elif isinstance(logger, OtherLogger):
                logger.log_picture(tag, picture, step)
        if self.folder is not None:
            files.write(self.folder / f"{name}.png", png(enlarged(picture)))
