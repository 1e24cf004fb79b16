"""Averages what each update measured and logs it, and stops a run whose losses are NaN or infinite."""

import time
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from first_gan.callbacks.counting import GAN
from first_gan.diagnosis.history import D_LOSS, DIVERGED, G_LOSS

LOSSES = (D_LOSS, G_LOSS)


class TrainingDiverged(Exception):
    """A loss or a weight became NaN or infinite; the message says where."""


def log(trainer: Trainer, gan: GAN, values: dict[str, float], step: int) -> None:
    """Logs at an x of our own, the number of updates, in each logger; and for stock callbacks that monitor a metric."""
    for logger in trainer.loggers:
        row = values if isinstance(logger, TensorBoardLogger) else values | {"epoch": trainer.current_epoch}
        logger.log_metrics(row, step=step)
    for name, value in values.items():
        if name != "epoch":  # Lightning has it already
            gan.log(name, value, logger=False, prog_bar=name in LOSSES, batch_size=1)


class MetricsLogger(Callback):
    """Logs the mean of every metric of `GAN.training_step` each `log_every_n_steps` updates and at each epoch's end.

    Metrics stay on the device until they are logged: one copy to the host then, none per update. `latest` has the last
    means for others to show, without a copy of their own. Images per second are those since the last time something was
    logged, so at points inside one `training_step`, or at an epoch's end inside one, they are equal.
    """

    def __init__(self) -> None:
        self.latest: dict[str, float] = {}
        self.images = 0  # trained on by all processes since this one started
        self._names: list[str] = []
        self._window: list[Tensor] = []  # (updates, metrics) each, still to be logged
        self._window_images = 0
        self._images_per_second = 0.0
        self._since = 0.0

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._seen = gan.images_seen

    def on_train_epoch_start(self, trainer: Trainer, gan: GAN) -> None:
        self._window = []
        self._restart_clock()

    def on_train_batch_end(
        self, trainer: Trainer, gan: GAN, outputs: dict[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        if not outputs:  # a stream without a length had ended
            return
        self._names = list(outputs)
        measured = torch.stack(list(outputs.values()), dim=1)
        self._window.append(measured)
        images = (gan.images_seen - self._seen) * trainer.world_size
        self._seen = gan.images_seen
        self._window_images += images
        self.images += images
        every = trainer.log_every_n_steps  # type: ignore[attr-defined]
        first, last = gan.updates - len(measured) + 1, gan.updates
        points = [update for update in range(first, last + 1) if update % every == 0]
        if points:
            self._log(trainer, gan, points)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if self._window:
            self._log(trainer, gan, [gan.updates])
        if not all(bool(weights.isfinite().all()) for weights in gan.state_dict().values()):
            raise _diverged(trainer, gan.updates, "a weight", "not a finite number")

    def _log(self, trainer: Trainer, gan: GAN, points: list[int]) -> None:
        """Logs at each point, a number of updates, the mean over the updates since the point before."""
        values = torch.cat(self._window)
        values = trainer.strategy.reduce(values, reduce_op="mean").cpu().double()
        done = gan.updates - len(values)  # updates that are logged already
        self._check(trainer, done, values)
        if self._window_images:
            self._images_per_second = self._window_images / (time.perf_counter() - self._since)
        for point in points:
            means, values = values[: point - done].mean(0), values[point - done :]
            done = point
            self.latest = dict(zip(self._names, means.tolist(), strict=True))
            self.latest["train/images_per_second"] = self._images_per_second
            log(trainer, gan, {"epoch": trainer.current_epoch} | self.latest, point)
        self._window = [values.to(gan.device, self._window[0].dtype)] if len(values) else []
        self._restart_clock()

    def _restart_clock(self) -> None:
        self._window_images, self._since = 0, time.perf_counter()

    def _check(self, trainer: Trainer, done: int, values: Tensor) -> None:
        """Raises TrainingDiverged at the first update whose loss is not finite; the first row is update `done` + 1."""
        losses = values[:, [self._names.index(name) for name in LOSSES]]
        bad = (~losses.isfinite()).nonzero()
        if len(bad):
            row, column = bad[0].tolist()
            raise _diverged(trainer, done + row + 1, LOSSES[column], str(losses[row, column].item()))


def _diverged(trainer: Trainer, update: int, what: str, value: str) -> TrainingDiverged:
    """Logs where the run diverged, as its last row; returns what to raise."""
    for logger in trainer.loggers:
        logger.log_metrics({"epoch": trainer.current_epoch, DIVERGED: 1.0}, step=update)
    return TrainingDiverged(f"diverged in epoch {trainer.current_epoch + 1}, update {update}: {what} became {value}.")
