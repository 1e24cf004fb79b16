"""Grids of images, in TensorBoard and as PNG files: the real ones, the untrained generator's, then one each epoch."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.transforms.functional import pil_to_tensor

from first_gan.drawing.latent import grid, latent_vectors, png, to_pixels
from first_gan.run.folder import write_atomic
from gan_module import GAN

IMAGES = 64


class SampleGrids(Callback):
    """Draws the same 64 latent vectors after each epoch, so that one sees them turn into digits.

    Args:
        folder: The run folder; grids go into its `samples/`. None keeps no files.
        seed: Decides the latent vectors, alone.
    """

    def __init__(self, folder: Path | None, seed: int) -> None:
        self.folder = None if folder is None else folder / "samples"
        self.seed = seed

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.current_epoch > 0 or not trainer.is_global_zero:
            return
        real = trainer.datamodule.train_images[:IMAGES]  # type: ignore[attr-defined]
        self._show(trainer, "samples/real", real.cpu(), "real", step=0)
        self._show(trainer, "samples/generated", self._draw(gan), "epoch_0000", step=0)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            name = f"epoch_{trainer.current_epoch + 1:04d}"
            self._show(trainer, "samples/generated", self._draw(gan), name, step=gan.updates)

    def _draw(self, gan: GAN) -> Tensor:
        return to_pixels(gan.sample(latent_vectors(IMAGES, gan.latent_dim, self.seed)).float())

    def _show(self, trainer: Trainer, tag: str, pixels: Tensor, name: str, step: int) -> None:
        picture = grid(pixels, columns=8)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, pil_to_tensor(picture), step)
        if self.folder is not None:
            write_atomic(self.folder / f"{name}.png", png(picture))
