"""Writes checkpoints/last.ckpt when an epoch is whole, and never in the middle of one; the best epoch's is kept as best.ckpt."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ModelCheckpoint

from first_gan import files
from first_gan.callbacks.counting import GAN, epoch_is_whole, updates_done
from first_gan.callbacks.quality import QualityMonitor
from first_gan.run.checkpoints import load_checkpoint
from first_gan.run.folder import BEST, LAST


class EpochCheckpoint(ModelCheckpoint):
    """Keeps the newest epoch's state and the best one's; an epoch that `max_steps` or `max_time` cut short is trained again on resume.

    Args:
        folder: The run folder.
        options: What must not change when the run is resumed, by option name; kept in the checkpoint.
        quality: Who knows which epoch is the best so far.
    """

    def __init__(self, folder: Path, options: dict[str, Any], quality: QualityMonitor) -> None:
        super().__init__(
            folder / LAST.parent, filename=LAST.stem, enable_version_counter=False, save_on_train_epoch_end=True
        )
        self.best = folder / BEST
        self.options, self.quality = options, quality
        self.saved = 0  # updates that the newest checkpoint holds

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        super().on_train_start(trainer, gan)
        self.saved = updates_done(trainer, gan)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        for logger in trainer.loggers:
            logger.save()  # first: a checkpoint promises that all up to it is on disk
        if epoch_is_whole(trainer, gan):
            if self.quality.improved:  # before last.ckpt: after a kill between them the epoch is trained again
                trainer.save_checkpoint(self.best)
            super().on_train_epoch_end(trainer, gan)
            self.saved = updates_done(trainer, gan)

    def state_dict(self) -> dict[str, Any]:
        return {}  # names of files, which a resumed run knows itself; one out of a stranger's checkpoint could be removed

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        pass

    def on_save_checkpoint(self, trainer: Trainer, gan: GAN, checkpoint: dict[str, Any]) -> None:
        checkpoint["options"] = self.options


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside the old one and renames it, so a full disk or a kill leaves the old one whole."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        files.write(Path(path), buffer.getvalue())

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return load_checkpoint(Path(path))
