"""Says while a run goes on whether it is healthy, and stops a hopeless one where that is wanted."""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor

from first_gan import files
from first_gan.callbacks.counting import GAN, is_last_epoch, samples, taken_for_real, trained_weights, updates_done
from first_gan.callbacks.loggers import MetricsHistory, history_of
from first_gan.callbacks.metrics import log
from first_gan.callbacks.terminal import say
from first_gan.diagnosis import diagnose
from first_gan.diagnosis.verdicts import VERDICTS, Diagnosis
from first_gan.drawing.latent import latent_vectors
from first_gan.run.folder import SUMMARY
from first_gan.sampling import Sampling
from first_gan.scores.likeness import FEWEST, Likeness

JUDGED = 500  # training images, and held-out ones, that D is asked about


class HealthMonitor(Callback):
    """Diagnoses the run after each epoch, says it when the verdict changes, and writes summary.json.

    Logs what 512 samples of the trained weights tell without labels (`train/diversity`, `train/thumbnail_fd` and more: see
    `first_gan.scores.likeness`), and, of this program's GAN, the share of training images and of held-out ones that D takes for
    real (`train/d_seen`, `train/d_held_out`). And for each of the three questions a number: `health/g_improving` (1 yes, 0 not
    any more, or not known, -1 no), `health/d_dominance` (1 too much, 0 neither, -1 too little) and `health/convergence` (1
    settled, 0 not, -1 diverging).

    It reads `train/d_loss`, `train/g_loss`, `train/d_real`, `train/d_fake`, `train/d_accuracy`, as far as they are logged.

    Args:
        stop_on: Verdicts that end the run after an epoch in which one is held with at least medium confidence.
        seed: Decides the latent vectors of the samples whose diversity is measured, alone.
        real: Images that are trained on, uint8 or in [-1, 1], (N, C, H, W), of which 5,000 are compared with samples; without
            them samples are not measured.
        names: Metrics that another LightningModule logs under names of its own, with ours: {"d_loss": "train/d_loss"}.
        folder: Where summary.json goes; None keeps none.
        options: The run's options by name (`model.lr_d`): advice is relative to them.
        held_out: Images that are not trained on, like `real`: they tell whether G copies; None where there are none.

    Raises:
        ValueError: There is no such verdict.
    """

    def __init__(
        self,
        stop_on: Sequence[str] = (),
        seed: int = 0,
        real: Tensor | None = None,
        names: Mapping[str, str] = MappingProxyType({}),
        folder: Path | str | None = None,
        options: Mapping[str, Any] = MappingProxyType({}),
        held_out: Tensor | None = None,
    ) -> None:
        if unknown := [verdict for verdict in stop_on if verdict not in VERDICTS]:
            raise ValueError(f"health.stop_on must be out of {', '.join(VERDICTS)}, got {unknown[0]!r}")
        self.stop_on, self.seed, self.real, self.names = list(stop_on), seed, real, names
        self.held_out = held_out
        self.folder = None if folder is None else Path(folder)
        self.options = options
        self.history: MetricsHistory | None = None
        self.diagnosis: Diagnosis | None = None
        self.says_changes = self.says_last = True  # whether a new verdict is printed, and after the last epoch
        self.stopped = ""  # the verdict that ended the run
        self._logged = 0  # the last update at which a diagnosis was logged
        self._likeness: Likeness | None = None

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self.history = history_of(trainer, self.names)
        if not trainer.is_global_zero:
            return
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
        if self.real is not None and len(self.real) >= FEWEST:
            self._likeness = Likeness(self.real, self.held_out)
            self.z = latent_vectors(self._likeness.samples, gan.latent_dim, self.seed)
        if self.history.rows:  # a resumed run
            self._logged = max(self.history.rows)
            self.diagnosis = diagnose(self.history.ordered(), self.options)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            self._measure(trainer, gan)
            before = self.diagnosis
            self._diagnose(trainer)
            changed = self.diagnosis is not None and (before is None or before.verdict != self.diagnosis.verdict)
            if changed and self.says_changes and (self.says_last or not is_last_epoch(trainer)):
                assert self.diagnosis is not None
                say(
                    f"Verdict after epoch {trainer.current_epoch + 1}: {self.diagnosis.headline()}",
                    self.diagnosis.verdict,
                )
        if self.stop_on:
            held = self.diagnosis.verdict if self.diagnosis is not None and self.diagnosis.confidence != "low" else ""
            if (verdict := trainer.strategy.broadcast(held)) in self.stop_on:
                self.stopped, trainer.should_stop = verdict, True

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        with suppress(OSError):  # a full disk, perhaps the very exception
            self._diagnose(trainer)

    def _measure(self, trainer: Trainer, gan: GAN) -> None:
        """Logs what the trained generator's images tell; an average of its weights would hide a collapse."""
        if self._likeness is None:
            return
        measured = self._likeness.of(samples(gan, self.z, **trained_weights(gan)))
        if isinstance(gan, Sampling) and self.real is not None and self.held_out is not None:
            measured["d_seen"] = taken_for_real(gan, self.real[:JUDGED])
            measured["d_held_out"] = taken_for_real(gan, self.held_out[:JUDGED])
        finite = {f"train/{name}": value for name, value in measured.items() if math.isfinite(value)}
        log(trainer, gan, finite, updates_done(trainer, gan))

    def _diagnose(self, trainer: Trainer) -> None:
        """Diagnoses the history so far, logs it and writes it to summary.json."""
        if self.history is None or not (rows := self.history.ordered()):
            return
        self.diagnosis = diagnose(rows, self.options)
        scores = {f"health/{name}": float(answer.score) for name, answer in self.diagnosis.answers.items()}
        update = max(self.history.rows)
        if update > self._logged:  # each x once, also where Ctrl-C came right after it
            for logger in trainer.loggers:
                logger.log_metrics(scores, step=update)
                if isinstance(logger, TensorBoardLogger):
                    logger.experiment.add_text("health/diagnosis", self.diagnosis.markdown(), update)
        self._logged = update
        if self.folder is not None:
            files.write(self.folder / SUMMARY, (json.dumps(self.diagnosis.as_dict(), indent=1) + "\n").encode())
