"""Says while a run goes on whether it is healthy, and stops a hopeless one where that is wanted."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger

from datamodule import scale
from first_gan.callbacks.loggers import MetricsCSV
from first_gan.diagnosis.rules import VERDICTS, Diagnosis, diagnose
from first_gan.run.folder import SUMMARY, write_atomic
from first_gan.scores import metrics
from gan_module import GAN

SAMPLES, FEWEST = 512, 32  # images whose diversity is measured: as many as the real ones, if those are not too few


class HealthMonitor(Callback):
    """Diagnoses the run after each epoch, says it when the verdict changes, and writes summary.json.

    Logs `train/diversity`: the distance from a generated image to its nearest other one, as a share of the same between real
    images (medians). And for each of the three questions a number: `health/g_improving` (1 yes, 0 not any more, or not known,
    -1 no), `health/d_dominance` (1 too much, 0 neither, -1 too little) and `health/convergence` (1 settled, 0 not, -1 diverging).

    Args:
        stop_on: Verdicts that end the run, with exit code 1, after an epoch in which one is made not for the first time.
        seed: Decides the latent vectors of the samples whose diversity is measured, alone.

    Raises:
        ValueError: There is no such verdict.
    """

    def __init__(self, stop_on: Sequence[str] = (), seed: int = 0) -> None:
        if unknown := [verdict for verdict in stop_on if verdict not in VERDICTS]:
            raise ValueError(f"health.stop_on must be out of {', '.join(VERDICTS)}, got {unknown[0]!r}")
        self.stop_on, self.seed = list(stop_on), seed
        self.options: Mapping[str, Any] = {}  # of the run, by name: `model.lr_d`; advice is relative to them
        self.history: MetricsCSV | None = None
        self.diagnosis: Diagnosis | None = None
        self._logged = 0  # the last update at which a diagnosis was logged
        self.stopped = ""  # the verdict that ended the run

    def keep(self, folder: Path, history: MetricsCSV) -> None:
        """From now on the run is diagnosed, from what `history` logs, into the run folder."""
        self.folder, self.history = folder, history

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            real = scale(trainer.datamodule.train_images[:SAMPLES]).cpu()  # type: ignore[attr-defined]
            self.z = torch.randn(len(real), gan.latent_dim, generator=torch.Generator().manual_seed(self.seed))
            self.real_spacing = metrics.spacing(real) if len(real) >= FEWEST else 0.0
            if self.history is not None and self.history.rows:  # a resumed run
                self._logged = max(self.history.rows)
                self.diagnosis = diagnose(self._rows(), self.options)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            self._measure(trainer, gan)
            before = self.diagnosis
            self._diagnose(trainer, gan)
            if self.diagnosis is not None and (before is None or before.verdict != self.diagnosis.verdict):
                print(f"Verdict after epoch {trainer.current_epoch + 1}: {self.diagnosis.headline()}", flush=True)
        if self.stop_on:
            made = self.diagnosis.verdict if self.diagnosis is not None and self.diagnosis.confidence != "low" else ""
            if (verdict := trainer.strategy.broadcast(made)) in self.stop_on:
                self.stopped, trainer.should_stop = verdict, True

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        with suppress(OSError):  # a full disk, perhaps the very exception
            self._diagnose(trainer, gan)

    def _measure(self, trainer: Trainer, gan: GAN) -> None:
        """Logs how diverse the trained generator's images are; an average of its weights would hide a collapse."""
        if not self.real_spacing:
            return
        diversity = metrics.spacing(gan.sample(self.z, gan.generator).float().cpu()) / self.real_spacing
        if math.isfinite(diversity):
            for logger in trainer.loggers:
                logger.log_metrics({"train/diversity": diversity}, step=gan.updates)

    def _diagnose(self, trainer: Trainer, gan: GAN) -> None:
        """Diagnoses the history so far, logs it and writes it to summary.json."""
        if self.history is None or not self.history.rows:
            return
        self.diagnosis = diagnose(self._rows(), self.options)
        scores = {f"health/{name}": float(answer.score) for name, answer in self.diagnosis.answers.items()}
        update = max(self.history.rows)
        for logger in (
            trainer.loggers if update > self._logged else ()
        ):  # each x once, also where Ctrl-C came right after it
            logger.log_metrics(scores, step=update)
            if isinstance(logger, TensorBoardLogger):
                logger.experiment.add_text("health/diagnosis", self.diagnosis.markdown(), update)
        self._logged = update
        write_atomic(self.folder / SUMMARY, (json.dumps(self.diagnosis.as_dict(), indent=1) + "\n").encode())

    def _rows(self) -> list[dict[str, float]]:
        assert self.history is not None
        return [self.history.rows[step] for step in sorted(self.history.rows)]
