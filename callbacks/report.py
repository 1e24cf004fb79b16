"""Writes report.html when the run ends, and before it what only a generator and the data can give the report."""

import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer

from callbacks.loggers import MetricsCSV
from callbacks.metrics import MetricsLogger, TrainingDiverged
from evaluation import metrics
from gan_module import GAN
from reporting.page import TILE, WALK_COLUMNS, write_report
from reporting.run import Record
from run_folder import NEAREST, RECORD, WALK, write_atomic
from sampling import latent_vectors, stacked, to_pixels, walk

ENDED_EARLY = (TrainingDiverged, KeyboardInterrupt)
PAIRS, REAL = 16, 64  # samples shown beside their nearest training image; real images whose nearest is looked for
ANCHORS, STEPS = 4, 12  # of each latent walk


class ReportWriter(Callback):
    """Leaves a latent walk, nearest training images and the run's timing in the run folder, and the report of it all.

    Args:
        folder: The run folder.
        history: Who keeps metrics.csv.
        metrics: Who counts the images.
        seed: Decides the latent vectors, alone.
    """

    def __init__(self, folder: Path, history: MetricsCSV, metrics: MetricsLogger, seed: int) -> None:
        self.folder, self.history, self.metrics, self.seed = folder, history, metrics, seed
        self._start: float | None = None

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._start = time.monotonic()
        self._before = Record.read(self.folder / RECORD) if gan.updates else None  # of the run that is resumed

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        self._write(trainer, gan)

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if isinstance(exception, ENDED_EARLY) and self._start is not None:
            with suppress(OSError):  # a full disk, which would hide why the run ended
                self._write(trainer, gan)

    def _write(self, trainer: Trainer, gan: GAN) -> None:
        if not self.history.rows:
            return  # stopped before anything was logged
        self.history.save()
        self._leave(trainer, gan)
        write_report(self.folder)

    def _leave(self, trainer: Trainer, gan: GAN) -> None:
        """The files that reporting/ cannot make itself."""
        assert self._start is not None
        data = trainer.datamodule  # type: ignore[attr-defined]
        real, labels = data.train_images.cpu(), data.labels[: data.train_rows]
        samples = to_pixels(gan.sample(latent_vectors(PAIRS, gan.latent_dim, self.seed)).float())
        nearest, distances = metrics.nearest(samples, real)  # of uint8, which takes less memory; scaled below
        some = min(REAL, max(1, len(real) // 2))
        _, of_real = metrics.nearest(real[:some], real[some:] if len(real) > 1 else real)
        before = self._before or Record(0, 0.0, 0, [], [], 0.0)
        record = Record(
            epoch=trainer.current_epoch,
            seconds=before.seconds + time.monotonic() - self._start,
            images=before.images + self.metrics.images,
            classes=(torch.bincount(labels, minlength=10) / len(labels)).tolist(),
            distances=(distances / 255).tolist(),
            real_distance=of_real.median().item() / 255,
        )
        anchors = latent_vectors(ANCHORS * WALK_COLUMNS, gan.latent_dim, self.seed)
        steps = walk(anchors.view(ANCHORS, WALK_COLUMNS, -1), STEPS)
        images = to_pixels(gan.sample(steps.flatten(0, 1)).float()).view(len(steps), WALK_COLUMNS, 1, TILE, TILE)
        self._save(stacked(list(images)), WALK)
        self._save(stacked([samples, real[nearest]]), NEAREST)
        write_atomic(self.folder / RECORD, (json.dumps(asdict(record), indent=1) + "\n").encode())

    def _save(self, picture: Image.Image, name: Path) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        picture.save(self.folder / name)
