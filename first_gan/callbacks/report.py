"""Writes report.html now and then and when the run ends, and then what only networks and the data can give the report."""

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
from torch import Tensor

from first_gan import files
from first_gan.callbacks.counting import GAN, believed, samples, updates_done
from first_gan.callbacks.loggers import history_of
from first_gan.callbacks.metrics import TrainingDiverged
from first_gan.callbacks.samples import IMAGES
from first_gan.data import ImageSet
from first_gan.drawing.latent import anchors, closed_walk, latent_vectors
from first_gan.drawing.pictures import png, stacked, to_pixels
from first_gan.report import page
from first_gan.report.gallery import OPINION_COLUMNS, WALK_COLUMNS
from first_gan.report.run import Record, Run
from first_gan.run import browser
from first_gan.run.folder import (
    CONFIG,
    NEAREST,
    OPINION,
    RECORD,
    REPORT,
    WALK,
    RunFolderError,
    read_metrics,
    write_config,
    write_rows,
)
from first_gan.sampling import Sampling
from first_gan.scores import metrics

ENDED_EARLY = (TrainingDiverged, KeyboardInterrupt)
PAIRS, REAL = 16, 64  # samples shown beside their nearest training image; real images whose nearest is looked for
ASKED = 2000  # held-out images that D is asked about
RARITY = 100  # times as long as it takes to write the page, no other is written while the run goes on: a hundredth of the time
COST = 0.5  # seconds that the first is taken to need


class ReportWriter(Callback):
    """Leaves a latent walk, nearest training images and the run's timing in the run folder, and the report of it all.

    Args:
        folder: The run folder. Where it has no config.yaml, the module's hyperparameters are written as one.
        seed: Decides the latent vectors, alone.
        images: The dataset, whose nearest training images are looked for; without it the report lacks them.
        train_rows: How many of its training images are trained on; None for all.
        held_out: Real images that are not trained on, likewise, of which D is asked; without them the report lacks its opinion.
        shows: Whether the report is opened in a browser when the run ends.
    """

    def __init__(
        self,
        folder: Path | str,
        seed: int = 0,
        images: ImageSet | None = None,
        train_rows: int | None = None,
        held_out: Tensor | None = None,
        shows: bool = False,
    ) -> None:
        self.folder, self.seed, self.images, self.train_rows = Path(folder), seed, images, train_rows
        self.held_out, self.shows = held_out, shows
        self._start: float | None = None
        self._cost = COST

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._start = self._written = time.monotonic()
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

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        """Writes the page while the run goes on, so seldom that it costs a hundredth of the time."""
        last = trainer.current_epoch + 1 == trainer.max_epochs  # whose page comes at once
        if not trainer.is_global_zero or last or (begin := time.monotonic()) < self._written + RARITY * self._cost:
            return
        with suppress(RunFolderError):  # files that someone changed meanwhile, which is said at the end
            self._write(live=begin - self._written)
        self._written = time.monotonic()
        self._cost = self._written - begin

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if not trainer.is_global_zero:
            return
        self._leave(trainer, gan)
        try:
            self._write()
            if self.shows:
                browser.show(self.folder / REPORT)
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
            if self.shows and isinstance(exception, TrainingDiverged):  # who pressed Ctrl-C is at work
                browser.show(self.folder / REPORT)

    def _write(self, live: float | None = None) -> None:
        write_rows(self.folder, self._history.ordered())
        page.write(page.report(Run.read(self.folder), live=live), self.folder / REPORT)

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
            **(self._ask(gan, self.held_out) if self.held_out is not None and isinstance(gan, Sampling) else {}),
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

    def _ask(self, gan: GAN, held_out: Tensor) -> dict[str, Any]:
        """Draws the images of the run's grids by D(G(z)), and below the held-out ones that D doubts most and least; returns what it says."""
        drawn = samples(gan, latent_vectors(IMAGES, gan.latent_dim, self.seed))
        of_drawn, best_first = believed(gan, drawn).sort(descending=True)
        real = held_out[:ASKED].cpu()
        of_real, worst_first = believed(gan, real).sort()
        shown = min(OPINION_COLUMNS, len(real) // 2)
        rows = [*to_pixels(drawn[best_first]).split(OPINION_COLUMNS)]
        for chosen in (worst_first[:shown], worst_first.flip(0)[:shown]):
            row = real.new_zeros(OPINION_COLUMNS, *real.shape[1:])
            row[:shown] = real[chosen]
            rows += [row] if shown else []
        self._save(stacked(rows), OPINION)
        extremes = of_real[:shown], of_real.flip(0)[:shown]
        believes = {"d_samples": of_drawn, "d_doubted": extremes[0], "d_trusted": extremes[1]}
        return {name: values.tolist() for name, values in believes.items()}

    def _save(self, picture: Image.Image, name: Path) -> None:
        files.write(self.folder / name, png(picture))
