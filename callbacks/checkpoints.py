"""Writes checkpoints/last.ckpt when an epoch is whole, and never in the middle of one."""

from pathlib import Path
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from callbacks.metrics import epoch_is_whole
from gan_module import GAN
from run_folder import LAST


class EpochCheckpoint(ModelCheckpoint):
    """Keeps the newest epoch's state; an epoch that `max_steps` or `max_time` cut short is trained again on resume.

    Args:
        folder: The run folder.
        options: What must not change when the run is resumed, by option name; kept in the checkpoint.
    """

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        super().__init__(
            folder / LAST.parent, filename=LAST.stem, enable_version_counter=False, save_on_train_epoch_end=True
        )
        self.options = options

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if epoch_is_whole(trainer, gan):
            super().on_train_epoch_end(trainer, gan)

    def on_save_checkpoint(self, trainer: Trainer, gan: GAN, checkpoint: dict[str, Any]) -> None:
        checkpoint["options"] = self.options
