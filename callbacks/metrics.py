"""Averages what each update measured and logs it, and stops a run whose losses are no longer numbers."""

import time

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from gan_module import GAN

LOSSES = ("train/d_loss", "train/g_loss")


class TrainingDiverged(Exception):
    """A loss or a weight became NaN or infinite; the message says where, and what to try."""


class MetricsLogger(Callback):
    """Logs the mean of every metric of `training_step` each `log_every_n_steps` updates and at each epoch's end.

    Metrics stay on the device until they are logged: one copy to the host then, none per update. `latest` has the last
    means for others to show, without a copy of their own. The x of everything is the number of updates.
    """

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}
        self._window: list[dict[str, Tensor]] = []
        self._images = 0
        self._since = 0.0

    def on_train_epoch_start(self, trainer: Trainer, gan: GAN) -> None:
        self._restart_window()

    def on_train_batch_end(
        self, trainer: Trainer, gan: GAN, outputs: dict[str, Tensor], batch: Tensor, batch_idx: int
    ) -> None:
        self._window.append(outputs)
        self._images += len(batch) * trainer.world_size
        if gan.updates % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self._log(trainer, gan.updates)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if self._window:
            self._log(trainer, gan.updates)
        if not all(bool(weights.isfinite().all()) for weights in gan.state_dict().values()):
            raise TrainingDiverged(_message(trainer, gan.updates, "a weight", "not a finite number"))
        for logger in trainer.loggers:
            logger.save()  # before the checkpoint, which promises that all up to it is on disk

    def _log(self, trainer: Trainer, updates: int) -> None:
        names = list(self._window[0])
        values = torch.stack([torch.stack([row[name] for name in names]) for row in self._window])
        values = trainer.strategy.reduce(values, reduce_op="mean").cpu().double()
        self._check(trainer, updates, names, values)
        means = dict(zip(names, values.mean(0).tolist(), strict=True))
        means["train/images_per_second"] = self._images / (time.perf_counter() - self._since)
        self.latest = means
        for logger in trainer.loggers:
            logger.log_metrics({"epoch": trainer.current_epoch} | means, step=updates)
        self._restart_window()

    def _restart_window(self) -> None:
        self._window, self._images, self._since = [], 0, time.perf_counter()

    def _check(self, trainer: Trainer, updates: int, names: list[str], values: Tensor) -> None:
        """Raises TrainingDiverged at the first update of the window whose loss is not finite."""
        losses = values[:, [names.index(name) for name in LOSSES]]
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            update = updates - len(values) + row + 1
            raise TrainingDiverged(_message(trainer, update, LOSSES[column], str(losses[row, column].item())))


def _message(trainer: Trainer, update: int, what: str, value: str) -> str:
    return (
        f"diverged in epoch {trainer.current_epoch + 1}, update {update}: {what} became {value}.\n"
        "Try a lower --model.lr (or --model.lr_g, --model.lr_d), or --precision 32-true if it was lower."
    )
