"""Grids of images, in TensorBoard and as PNG files: the real ones, the untrained generator's, then one each epoch."""

from pathlib import Path

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

from datamodule import scale
from gan_module import GAN

ROWS, COLUMNS = 8, 8


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
        real = trainer.datamodule.train_images[: ROWS * COLUMNS]  # type: ignore[attr-defined]
        self._show(trainer, "samples/real", scale(real), "real", step=0)
        self._show(trainer, "samples/generated", self._draw(gan), "epoch_0000", step=0)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            name = f"epoch_{trainer.current_epoch + 1:04d}"
            self._show(trainer, "samples/generated", self._draw(gan), name, step=gan.updates)

    def _draw(self, gan: GAN) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed)  # on the CPU: the same noise whatever trains
        return gan.sample(torch.randn(ROWS * COLUMNS, gan.latent_dim, generator=generator))

    def _show(self, trainer: Trainer, tag: str, images: Tensor, name: str, step: int) -> None:
        grid = make_grid(images.float().cpu(), nrow=COLUMNS, normalize=True, value_range=(-1, 1))[
            :1
        ]  # gray: three alike
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_image(tag, grid, step)
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
            to_pil_image(grid).save(self.folder / f"{name}.png")
