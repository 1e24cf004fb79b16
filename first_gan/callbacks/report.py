"""Writes report.html when the run ends, and before it what only a generator and the data can give the report."""

import json
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image
from pytorch_lightning import Callback, Trainer

from first_gan import files
from first_gan.callbacks.counting import GAN, samples, updates_done
from first_gan.callbacks.loggers import history_of
from first_gan.callbacks.metrics import TrainingDiverged
from first_gan.data import ImageSet
from first_gan.drawing.latent import anchors, closed_walk, latent_vectors
from first_gan.drawing.pictures import png, stacked, to_pixels
from first_gan.report import page
from first_gan.report.page import WALK_COLUMNS
from first_gan.report.run import Record, Run
from first_gan.run.folder import (
    CONFIG,
    NEAREST,
    RECORD,
    REPORT,
    WALK,
    RunFolderError,
    read_metrics,
    write_config,
    write_rows,
)
from first_gan.scores import metrics

ENDED_EARLY = (TrainingDiverged, KeyboardInterrupt)
PAIRS, REAL = 16, 64  # samples shown beside their nearest training image; real images whose nearest is looked for


class ReportWriter(Callback):
    """Leaves a latent walk, nearest training images and the run's timing in the run folder, and the report of it all.

    Args:
        folder: The run folder. Where it has no config.yaml, the module's hyperparameters are written as one.
        seed: Decides the latent vectors, alone.
        images: The dataset, whose nearest training images are looked for; without it the report lacks them.
        train_rows: How many of its training images are trained on; None for all.
    """

    def __init__(
        self, folder: Path | str, seed: int = 0, images: ImageSet | None = None, train_rows: int | None = None
    ) -> None:
        self.folder, self.seed, self.images, self.train_rows = Path(folder), seed, images, train_rows
        self._start: float | None = None

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._start = time.monotonic()
        self._history = history_of(trainer)
        if updates_done(trainer, gan) and not self._history.rows and (self.folder / "metrics.csv").is_file():
            self._history.rows = {
                int(row["step"]): row for row in read_metrics(self.folder)
            }  # of the run that is resumed
        self._before = Record.read(self.folder / RECORD) if updates_done(trainer, gan) else None  # of a resumed run
        if trainer.is_global_zero:
            (self.folder / RECORD.parent).mkdir(parents=True, exist_ok=True)
        if trainer.is_global_zero and not (self.folder / CONFIG).is_file():
            plain = {key: value for key, value in gan.hparams.items() if isinstance(value, (str, int, float, list))}
            options = {"model": plain, "max_epochs": trainer.max_epochs}
            write_config(self.folder, yaml.safe_dump(options), str(trainer.strategy.root_device))

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if not trainer.is_global_zero:
            return
        self._leave(trainer, gan)
        try:
            self._write()
        except RunFolderError as error:  # files that someone changed meanwhile
            print(f"No report: {error}", file=sys.stderr)

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if not trainer.is_global_zero or not isinstance(exception, ENDED_EARLY) or self._start is None:
            return  # a fault of our own
        if not self._history.ordered():
            return  # nothing was logged yet
        with suppress(OSError, RunFolderError):  # a full disk, say, which would hide why the run ended
            if trainer.world_size == 1:  # the other processes have ended, and Lightning does not wait for long
                self._leave(trainer, gan)
            self._write()

    def _write(self) -> None:
        write_rows(self.folder, self._history.ordered())
        page.write(page.report(Run.read(self.folder)), self.folder / REPORT)

    def _leave(self, trainer: Trainer, gan: GAN) -> None:
        """The files that the report, which knows files alone, cannot make itself."""
        assert self._start is not None
        before = self._before or Record(0, 0.0, 0, [], [], 0.0)
        compared: dict[str, Any] = {"classes": [], "distances": [], "real_distance": 0.0}
        record = Record(
            updates=updates_done(trainer, gan),
            seconds=before.seconds + time.monotonic() - self._start,
            images=before.images + getattr(gan, "images_seen", 0) * trainer.world_size,
            **(compared if self.images is None else self._compare(gan, self.images)),
        )
        steps = closed_walk(anchors(WALK_COLUMNS, gan.latent_dim, self.seed))
        images = to_pixels(samples(gan, steps.flatten(0, 1)))
        self._save(stacked(list(images.unflatten(0, (len(steps), WALK_COLUMNS)))), WALK)
        files.write(self.folder / RECORD, (json.dumps(asdict(record), indent=1) + "\n").encode())

    def _compare(self, gan: GAN, images: ImageSet) -> dict[str, Any]:
        """Draws samples above their nearest training images; returns how far apart they are, and how frequent each class is."""
        real, labels = images.train[: self.train_rows].cpu(), images.train_labels[: self.train_rows].long()
        pixels = to_pixels(samples(gan, latent_vectors(PAIRS, gan.latent_dim, self.seed)))
        some = min(REAL, len(real) // 2)  # these are compared with all others, in the same pass over them
        nearest, distances = metrics.nearest(torch.cat([pixels, real[:some]]), real[some:])
        of_real, nearest, distances = distances[PAIRS:], nearest[:PAIRS] + some, distances[:PAIRS]
        if some:
            nearest_of_some, to_some = metrics.nearest(pixels, real[:some])
            nearest = torch.where(to_some < distances, nearest_of_some, nearest)
            distances = distances.minimum(to_some)
        self._save(stacked([pixels, real[nearest]]), NEAREST)
        names = list(images.classes) if len(images.classes) > 1 else []
        return {
            "classes": (torch.bincount(labels, minlength=len(names)) / len(labels)).tolist() if names else [],
            "class_names": names,
            "distances": (distances / 255).tolist(),
            "real_distance": of_real.median().item() / 255 if some else 0.0,
        }

    def _save(self, picture: Image.Image, name: Path) -> None:
        files.write(self.folder / name, png(picture))
