"""Scores the generator while it trains, on images that are not the test set, and remembers which epoch was best."""

from typing import Any

from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.counting import GAN, epoch_is_whole, samples, trained_weights, updates_done
from first_gan.callbacks.metrics import log
from first_gan.data import ImageSet, scaled
from first_gan.diagnosis.history import FCD
from first_gan.drawing.latent import latent_vectors
from first_gan.run.stopping import STOP
from first_gan.scores.judge import Judge
from first_gan.scores.scoring import Reference, feature_scores


class QualityMonitor(Callback):
    """Logs `val/fcd`, `val/coverage` and more after each few epochs: generated images against the last sixth of the training set.

    The images come from the same latent vectors each time. `val/raw_*` are the scores of the trained weights where a
    moving average of them (`ema`) is what samples are drawn from, `val/floor_*` those of real training images.

    Args:
        every_n_epochs: Epochs from one scoring to the next; 0 is off.
        samples: Images that are generated and scored each time; 500 to 5000.
        seed: Decides the latent vectors, alone.
        judge: Whose features the scores stand on; without one nothing is scored.
        images: The dataset that generated images are compared with.

    Raises:
        ValueError: An option is outside its legal range; the message names both.
    """

    def __init__(
        self,
        every_n_epochs: int = 1,
        samples: int = 1500,
        seed: int = 0,
        judge: Judge | None = None,
        images: ImageSet | None = None,
    ) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"quality.every_n_epochs must be at least 0, got {every_n_epochs}")
        if not 500 <= samples <= 5000:
            raise ValueError(f"quality.samples must be 500 to 5000, got {samples}")
        self.every_n_epochs, self.samples, self.seed = every_n_epochs, samples, seed
        self.judge, self.images = judge, images
        self.floor: dict[str, float] = {}
        self.latest: dict[str, float] = {}  # what the last scoring logged, after `latest_epoch`
        self.latest_epoch = 0
        self.keeps_best = True  # whether a resumed run goes on where its best epoch's checkpoint is
        self.best_fcd, self.best_epoch = float("inf"), 0
        self.improved = False  # whether the epoch that ended is the best so far

    def state_dict(self) -> dict[str, Any]:
        return {"best_fcd": self.best_fcd, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.keeps_best:
            self.best_fcd, self.best_epoch = state["best_fcd"], state["best_epoch"]

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if self.judge is None or self.images is None or not self.every_n_epochs or not trainer.is_global_zero:
            return
        training = self.images.train
        self.reference = Reference(self.judge, training[self.images.validation])
        if self.reference.too_few:
            print(f"No scores: {self.reference.too_few}")
            return
        STOP.check()  # a signal: here and below, not only before an update, since these are seconds
        floor = feature_scores(scaled(training[: min(self.samples, self.images.validation.start)]), self.reference)
        kept = [name for name in floor if name in ("fcd", "coverage") or name.startswith("class_")]
        self.floor = {f"val/floor_{name}": floor[name] for name in kept}
        self.z = latent_vectors(self.samples, gan.latent_dim, self.seed)

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        self.improved = False
        epoch = trainer.current_epoch + 1
        if not self.every_n_epochs or epoch % self.every_n_epochs or not epoch_is_whole(trainer, gan):
            return
        scores = trainer.strategy.broadcast(self._score(gan))  # the first process scores, all may monitor it
        if not scores:
            return
        self.latest, self.latest_epoch = scores, epoch
        if scores[FCD] < self.best_fcd:
            self.improved = True
            self.best_fcd, self.best_epoch = scores[FCD], epoch
        log(trainer, gan, scores, updates_done(trainer, gan))

    def _score(self, gan: GAN) -> dict[str, float]:
        """All that is logged; nothing without a judge."""
        if not self.floor:
            return {}
        scores = self._scores(gan, "val/") | self.floor
        if by := trained_weights(gan):
            scores |= self._scores(gan, "val/raw_", **by)
        return scores

    def _scores(self, gan: GAN, prefix: str, **by: Any) -> dict[str, float]:
        STOP.check()
        scores = feature_scores(samples(gan, self.z, **by), self.reference)
        shown = {name: value for name, value in scores.items() if prefix == "val/" or not name.startswith("class_")}
        return {prefix + name: value for name, value in shown.items()}
