"""The progress bar: one for the whole run, redrawn twice a second from means that are on the host already."""

import time
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor

from first_gan.callbacks.counting import GAN
from first_gan.callbacks.metrics import MetricsLogger
from first_gan.callbacks.quality import QualityMonitor

REFRESH_S = 0.5  # a redraw takes milliseconds


class TrainingProgress(ProgressBar):
    """Shows epoch, updates, losses and time left; a line per epoch where there is no terminal that can redraw.

    Args:
        metrics: Whose latest means are shown.
        quality: Whose latest score is shown.
    """

    def __init__(self, metrics: MetricsLogger, quality: QualityMonitor) -> None:
        super().__init__()
        self.metrics, self.quality = metrics, quality
        self.console = Console()
        self.bar: Progress | None = None
        self._drawn = 0.0
        self._epoch = 0  # that runs, from 0
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if not self._enabled or not self.console.is_terminal or self.console.is_dumb_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("updates"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[measured]}"),
        )
        self.bar = Progress(*columns, console=self.console, auto_refresh=False)
        self.bar.add_task("", total=_total_updates(trainer, gan), completed=gan.updates, measured="")
        self.bar.start()
        self._draw(trainer, gan)

    def on_train_batch_end(
        self, trainer: Trainer, gan: GAN, outputs: dict[str, Tensor], batch: Any, batch_idx: int
    ) -> None:
        if self.bar is not None and time.monotonic() - self._drawn > REFRESH_S:
            self._draw(trainer, gan)

    def on_train_epoch_start(self, trainer: Trainer, gan: GAN) -> None:
        self._epoch = trainer.current_epoch

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if self.bar is not None:
            self._draw(trainer, gan)
        elif self._enabled and trainer.is_global_zero:
            speed = self.metrics.latest["train/images_per_second"]
            self.console.print(f"{_epoch(trainer)}  {self._measured()}  {speed:,.0f} images/s", highlight=False)

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        self._stop()

    def _draw(self, trainer: Trainer, gan: GAN) -> None:
        assert self.bar is not None
        description = _epoch(trainer)
        task = self.bar.task_ids[0]
        self.bar.update(task, completed=gan.updates, description=description, measured=self._measured(), refresh=True)
        self._drawn = time.monotonic()

    def _measured(self) -> str:
        latest = self.metrics.latest | self.quality.latest
        shown = {"d_loss": ("train/d_loss", ".3f"), "g_loss": ("train/g_loss", ".3f"), "FCD": ("val/fcd", ".1f")}
        texts = [f"{name} {latest[key]:{form}}" for name, (key, form) in shown.items() if key in latest]
        scored = self.quality.latest_epoch
        return " ".join(texts) + (f" (epoch {scored})" if 0 < scored <= self._epoch else "")

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None


def _epoch(trainer: Trainer) -> str:
    last = "" if trainer.max_epochs in (None, -1) else f"/{trainer.max_epochs}"
    return f"Epoch {trainer.current_epoch + 1}{last}"


def _total_updates(trainer: Trainer, gan: GAN) -> int | None:
    """Updates of the whole run; None where it has no end."""
    ends = []
    if trainer.max_epochs not in (None, -1):
        ends.append(int(trainer.max_epochs * trainer.num_training_batches))
    if trainer.max_steps != -1:
        ends.append(-(-trainer.max_steps // (gan.d_steps + 1)))
    return min(ends, default=None)
