"""The progress bar: one for the whole run, redrawn twice a second from means that are on the host already."""

import time
from base64 import b64encode
from collections.abc import Iterable
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from first_gan.bars import NotebookBar, is_live
from first_gan.callbacks.blocks import IMAGES, Samples, can_show
from first_gan.callbacks.counting import GAN
from first_gan.callbacks.metrics import MetricsLogger
from first_gan.callbacks.quality import QualityMonitor
from first_gan.callbacks.samples import SampleGrids
from first_gan.diagnosis.history import FCD, digits
from first_gan.drawing.pictures import enlarged, grid, png

REFRESH_S = 0.5  # a redraw takes milliseconds
BAR_WIDTH = 10


class Bar(Progress):
    """A bar below images, if there are any."""

    samples: Samples | None = None
    _shown: Tensor | None = None

    def show(self, pixels: Tensor) -> None:
        """From now on the first of these images, uint8 (N, C, H, W); nothing is made anew for the same ones."""
        if self._shown is not pixels:
            self._shown, self.samples = pixels, Samples(pixels)

    def get_renderables(self) -> Iterable[RenderableType]:
        if self.samples is not None:
            yield self.samples
        yield from super().get_renderables()


class BarInNotebook(NotebookBar):
    """The same in a notebook, where the images are a picture."""

    _shown: Tensor | None = None
    _picture = ""

    def show(self, pixels: Tensor) -> None:
        if self._shown is not pixels:
            source = b64encode(png(enlarged(grid(pixels[:IMAGES], columns=IMAGES)))).decode()
            picture = f'<img alt="Samples" style="max-width: 100%" src="data:image/png;base64,{source}">'
            self._shown, self._picture = pixels, picture

    def _repr_mimebundle_(self, *arguments: Any, **options: Any) -> dict[str, str]:
        bundle = super()._repr_mimebundle_(*arguments, **options)  # type: ignore[misc]  # typed for other renderables
        return bundle | {"text/html": self._picture + bundle["text/html"]}


class TrainingProgress(ProgressBar):
    """Shows epoch, losses, score and time left, within 80 columns; a line for each epoch stays.

    Args:
        metrics: Whose latest means are shown.
        quality: Whose latest score is shown.
        grids: Whose latest images are shown above the bar, each epoch's in place of the last one's; None shows none.
    """

    def __init__(self, metrics: MetricsLogger, quality: QualityMonitor, grids: SampleGrids | None = None) -> None:
        super().__init__()
        self.metrics, self.quality = metrics, quality
        self.console = Console()
        self.grids = grids if self.console.is_jupyter or can_show(self.console) else None
        self.bar: Bar | BarInNotebook | None = None
        self._drawn = 0.0
        self._epoch = 0  # that runs, from 0
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if not self._enabled or not is_live(self.console) or self.console.is_dumb_terminal:
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(BAR_WIDTH),
            TextColumn("{task.fields[done]} ETA"),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[measured]}"),
        )
        kind = BarInNotebook if self.console.is_jupyter else Bar
        self.bar = kind(*columns, console=self.console, auto_refresh=False)
        self.bar.add_task("", total=_total_updates(trainer, gan), completed=gan.updates, done="", measured="")
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
        if self._enabled and trainer.is_global_zero:
            speed, scored = self.metrics.latest["train/images_per_second"], self.quality.latest_epoch
            older = f" (epoch {scored})" if 0 < scored <= self._epoch else ""
            line = f"{_epoch(trainer)}  {self._measured()}{older}  {speed:,.0f} images/s"
            if self.console.is_jupyter:  # whose lines rich would set apart as a piece of HTML each
                print(line, flush=True)
            else:
                self.console.print(line, highlight=False)
        if self.bar is not None:
            self._draw(trainer, gan)

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if self.bar is not None and not self.console.is_jupyter:  # where it stays, under the samples
            self.bar.update(self.bar.tasks[0].id, visible=False)  # the last epoch's line says the same
        self._stop()

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        self._stop()

    def _draw(self, trainer: Trainer, gan: GAN) -> None:
        assert self.bar is not None
        (task,) = self.bar.tasks
        if self.grids is not None and self.grids.latest is not None:
            self.bar.show(self.grids.latest)
        done = f"{gan.updates:,} updates" if task.total is None else f"{gan.updates / max(1, task.total):.0%}"
        shown: dict[str, Any] = {"description": _epoch(trainer), "done": done, "measured": self._measured()}
        self.bar.update(task.id, completed=gan.updates, refresh=True, **shown)
        self._drawn = time.monotonic()

    def _measured(self) -> str:
        latest = self.metrics.latest | self.quality.latest
        losses = [f"{name} {latest[f'train/{name}']:.3f}" for name in ("d_loss", "g_loss") if f"train/{name}" in latest]
        return " ".join([*losses, *([f"FCD {digits(latest[FCD])}"] if FCD in latest else [])])

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
