"""Says when other programs take the processor away from a run."""

import os
import time
from typing import Any

from pytorch_lightning import Callback, Trainer
from torch import Tensor

from first_gan.callbacks.counting import GAN
from first_gan.callbacks.metrics import MetricsLogger

WINDOW_S = 10.0  # over which speeds are measured
SLOW = 3  # times slower than at best is worth a line


class Slowdown(Callback):
    """Says, once, that training is at a third of its best speed or less while more wants to run than the machine has cores.

    Args:
        metrics: Who counts the images.
    """

    def __init__(self, metrics: MetricsLogger) -> None:
        self.metrics = metrics
        self.best = 0.0  # images per second
        self.said = False
        self._since, self._images = 0.0, 0

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._since, self._images = time.monotonic(), self.metrics.images

    def on_train_batch_end(
        self, trainer: Trainer, gan: GAN, outputs: dict[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        seconds = time.monotonic() - self._since
        if seconds < WINDOW_S or self.said or not trainer.is_global_zero:
            return
        speed = (self.metrics.images - self._images) / seconds
        self._since, self._images = time.monotonic(), self.metrics.images
        self.best = max(self.best, speed)
        load, cores = load_and_cores()
        if trainer.strategy.root_device.type == "cpu" and speed * SLOW <= self.best and load > cores + 0.5:
            self.said = True
            print(
                f"Training is {self.best / speed:.0f} times slower than it was: other programs want this machine's "
                f"{cores} cores too (load {load:.1f})",
                flush=True,
            )


def load_and_cores() -> tuple[float, int]:
    """How much wants to run, over the last minute, and how much can; the load is 0 where the system does not say."""
    try:
        return os.getloadavg()[0], os.cpu_count() or 1
    except (OSError, AttributeError):  # Windows
        return 0.0, os.cpu_count() or 1
