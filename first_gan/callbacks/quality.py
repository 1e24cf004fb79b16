"""Scores the generator while it trains, on images that are not the test set, and remembers which epoch was best."""

from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

from datamodule import MNISTDataModule, scale
from first_gan.callbacks.metrics import epoch_is_whole
from first_gan.data import VALIDATION_ROWS
from first_gan.run.stopping import STOP
from first_gan.scores.judge import Judge
from first_gan.scores.scoring import Reference, feature_scores
from gan_module import GAN


class QualityMonitor(Callback):
    """Logs `val/fcd`, `val/coverage` and more after each few epochs: generated images against rows 50,000 to 59,999.

    The images come from the same latent vectors each time. `val/raw_*` are the scores of the trained weights where a
    moving average of them is what samples are drawn from, `val/floor_*` those of real training images.

    Args:
        every_n_epochs: Epochs from one scoring to the next; 0 is off.
        samples: Images that are generated and scored each time; 500 to 5000.
        seed: Decides the latent vectors, alone.

    Raises:
        ValueError: An option is outside its legal range; the message names both.
    """

    def __init__(self, every_n_epochs: int = 1, samples: int = 1500, seed: int = 0) -> None:
        if every_n_epochs < 0:
            raise ValueError(f"quality.every_n_epochs must be at least 0, got {every_n_epochs}")
        if not 500 <= samples <= 5000:
            raise ValueError(f"quality.samples must be 500 to 5000, got {samples}")
        self.every_n_epochs, self.samples, self.seed = every_n_epochs, samples, seed
        self.judge: Judge | None = None  # set before training, where scores are wanted: of the dataset that was found
        self.floor: dict[str, float] = {}
        self.latest: dict[str, float] = {}  # what the last scoring logged, after `latest_epoch`
        self.latest_epoch = 0
        self.keeps_best = False  # whether a resumed run goes on where its best epoch's checkpoint is
        self.best_fcd, self.best_epoch = float("inf"), 0
        self.improved = False  # whether the epoch that ended is the best so far

    def state_dict(self) -> dict[str, Any]:
        return {"best_fcd": self.best_fcd, "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.keeps_best:
            self.best_fcd, self.best_epoch = state["best_fcd"], state["best_epoch"]

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        if self.judge is None:
            return
        data: MNISTDataModule = trainer.datamodule  # type: ignore[attr-defined]
        self.reference = Reference(self.judge, data.images[VALIDATION_ROWS])
        STOP.check()  # a signal: here and below, not only before an update, since these are seconds
        floor = feature_scores(scale(data.images[: self.samples]), self.reference)
        self.floor = {f"val/floor_{name}": floor[name] for name in ("fcd", "coverage")}
        self.z = torch.randn(self.samples, gan.latent_dim, generator=torch.Generator().manual_seed(self.seed))

    def on_train_epoch_end(self, trainer: Trainer, gan: GAN) -> None:
        self.improved = False
        epoch = trainer.current_epoch + 1
        if self.judge is None:
            return
        due = epoch % self.every_n_epochs == 0 and epoch_is_whole(trainer, gan)
        if not due and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        self.latest_epoch = epoch
        self.latest = self._scores(gan, gan.sampling_generator, "val/") | self.floor
        if gan.ema is not None:
            self.latest |= self._scores(gan, gan.generator, "val/raw_")
        if self.latest["val/fcd"] < self.best_fcd:
            self.improved = True
            self.best_fcd, self.best_epoch = self.latest["val/fcd"], epoch
        for logger in trainer.loggers:
            logger.log_metrics(self.latest, step=gan.updates)  # the losses of this x have brought the epoch

    def _scores(self, gan: GAN, generator: nn.Module, prefix: str) -> dict[str, float]:
        STOP.check()
        images: Tensor = gan.sample(self.z, generator).float().cpu()
        scores = feature_scores(images, self.reference)
        shown = {name: value for name, value in scores.items() if prefix == "val/" or not name.startswith("class_")}
        return {prefix + name: value for name, value in shown.items()}
