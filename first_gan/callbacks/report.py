"""Writes report.html when the run ends, and before it what only a generator and the data can give the report."""

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.loggers import MetricsCSV
from first_gan.callbacks.metrics import MetricsLogger, TrainingDiverged
from first_gan.drawing.latent import anchors, closed_walk, latent_vectors, png, stacked, to_pixels
from first_gan.report import page
from first_gan.report.page import TILE, WALK_COLUMNS
from first_gan.report.run import Record, Run
from first_gan.run.folder import NEAREST, RECORD, REPORT, WALK, RunFolderError, write_atomic
from first_gan.scores import metrics
from gan_module import GAN

ENDED_EARLY = (TrainingDiverged, KeyboardInterrupt)
PAIRS, REAL = 16, 64  # samples shown beside their nearest training image; real images whose nearest is looked for


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
        self._leave(trainer, gan)
        try:
            self._write()
        except RunFolderError as error:  # files that someone changed meanwhile
            print(f"No report: {error}", file=sys.stderr)

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if not isinstance(exception, ENDED_EARLY) or self._start is None or not self.history.rows:
            return  # a fault of our own, or nothing was logged yet
        with suppress(OSError, RunFolderError):  # a full disk, say, which would hide why the run ended
            if trainer.world_size == 1:  # the other processes have ended, and Lightning does not wait for long
                self._leave(trainer, gan)
            self._write()

    def _write(self) -> None:
        self.history.save()
        page.write(page.report(Run.read(self.folder)), self.folder / REPORT)

    def _leave(self, trainer: Trainer, gan: GAN) -> None:
        """The files that reporting/ cannot make itself."""
        assert self._start is not None
        data = trainer.datamodule  # type: ignore[attr-defined]
        real, labels = data.train_images.cpu(), data.labels[: data.train_rows]
        samples = to_pixels(gan.sample(latent_vectors(PAIRS, gan.latent_dim, self.seed)).float())
        some = min(REAL, len(real) // 2)  # these are compared with all others, in the same pass over them
        nearest, distances = metrics.nearest(torch.cat([samples, real[:some]]), real[some:])
        of_real, nearest, distances = distances[PAIRS:], nearest[:PAIRS] + some, distances[:PAIRS]
        if some:
            nearest_of_some, to_some = metrics.nearest(samples, real[:some])
            nearest = torch.where(to_some < distances, nearest_of_some, nearest)
            distances = distances.minimum(to_some)
        before = self._before or Record(0, 0.0, 0, [], [], 0.0)
        record = Record(
            updates=gan.updates,
            seconds=before.seconds + time.monotonic() - self._start,
            images=before.images + self.metrics.images,
            classes=(torch.bincount(labels, minlength=10) / len(labels)).tolist(),
            distances=(distances / 255).tolist(),
            real_distance=of_real.median().item() / 255 if some else 0.0,
        )
        steps = closed_walk(anchors(WALK_COLUMNS, gan.latent_dim, self.seed))
        images = to_pixels(gan.sample(steps.flatten(0, 1)).float()).view(len(steps), WALK_COLUMNS, 1, TILE, TILE)
        self._save(stacked(list(images)), WALK)
        self._save(stacked([samples, real[nearest]]), NEAREST)
        write_atomic(self.folder / RECORD, (json.dumps(asdict(record), indent=1) + "\n").encode())

    def _save(self, picture: Image.Image, name: Path) -> None:
        write_atomic(self.folder / name, png(picture))
