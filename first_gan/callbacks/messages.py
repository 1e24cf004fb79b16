"""What a person reads around the bar: what is about to be trained, where to look at the end, how to go on."""

import re
import time
from pathlib import Path

from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.counting import GAN, epoch_is_whole, updates_done
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.metrics import MetricsLogger
from first_gan.callbacks.quality import QualityMonitor
from first_gan.callbacks.report import ENDED_EARLY
from first_gan.callbacks.terminal import say
from first_gan.diagnosis.history import digits
from first_gan.diagnosis.verdicts import IMPROVING, TOO_EARLY, Diagnosis
from first_gan.run.folder import BEST, LAST, PLAYGROUND, REPORT
from first_gan.run.shell import command, python_command, relative

LESSON_EPOCHS = 50


class RunMessages(Callback):
    """Says what is about to be trained and, when it is, where to look.

    Args:
        folder: The run folder; None where nothing is kept.
        metrics: Who counts the images.
        quality: Who scores the generator.
        health: Who diagnoses the run.
        library: Who multiplies matrices on the CPU; None on a GPU.
        init_from: The checkpoint whose weights it began with.
        quiet: Whether to say nothing but one line at the end.
    """

    def __init__(
        self,
        folder: Path | None,
        metrics: MetricsLogger,
        quality: QualityMonitor,
        health: HealthMonitor,
        library: str | None = None,
        init_from: str | None = None,
        quiet: bool = False,
    ) -> None:
        self.folder, self.metrics, self.quality, self.health = folder, metrics, quality, health
        self.library, self.init_from, self.quiet = library, init_from, quiet
        self._start = 0.0
        health.says_changes, health.says_last = not quiet, folder is None  # else it is said at the end

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._start = time.monotonic()
        if trainer.is_global_zero and not self.quiet:
            self._say_what_is_trained(trainer, gan)

    def _say_what_is_trained(self, trainer: Trainer, gan: GAN) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        batch = f"batch {data.batch_size}"
        if (n := trainer.world_size) > 1:
            batch = f"global batch {data.batch_size * n} ({n} processes × {data.batch_size})"
        epochs = (
            "without end"
            if trainer.max_epochs in (None, -1)
            else f"{trainer.max_epochs} epoch{'s' * (trainer.max_epochs != 1)}"
        )
        networks = {"generator": gan.generator, "discriminator": gan.discriminator}
        sizes = [f"{name} {sum(p.numel() for p in network.parameters()):,}" for name, network in networks.items()]
        print(f"Data     {data.dataset}, {len(data.train_images):,} images from {data.folder}")
        print(f"Model    parameters: {', '.join(sizes)}")
        if self.init_from:
            print(f"Weights  at the start those of {relative(Path(self.init_from))}")
        products = f", products by {self.library}" if self.library else ""
        say(f"Training {epochs}, {batch}, on {trainer.strategy.root_device}, precision {trainer.precision}{products}")
        if floor := self.quality.floor:
            rows, every = data.images.validation, self.quality.every_n_epochs
            epochs = "each epoch" if every == 1 else f"every {every} epochs"
            held_out = ", held out" if data.train_rows <= rows.start else ", which it is trained on as well"
            rows_scored = f"training rows {rows.start:,} to {rows.stop - 1:,}{held_out}"
            say(f"Quality  {self.quality.samples:,} images {epochs} against {rows_scored}")
            reach = f"FCD {digits(floor['val/floor_fcd'])}, coverage {floor['val/floor_coverage']:.2f}"
            print(f"         (FCD: 0 is best; real images reach {reach})")
        if self.folder is not None:
            resumed = f", resumed after {gan.updates:,} updates" if gan.updates else ""
            print(f"Run      {relative(self.folder)}{resumed}", flush=True)

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if not trainer.is_global_zero:
            return
        if self.folder is None:
            print("fast_dev_run: all parts work; nothing was kept.")
            return
        if self.quiet:
            print(self.one_line(), flush=True)
            return
        epochs, seconds = trainer.current_epoch, time.monotonic() - self._start
        if not self.metrics.images:
            print(f"All {epochs} epochs were trained before; the run's end was missing and is written now.")
            self.ending()
            return
        speed = f"{self.metrics.images:,} images in {seconds:.2f} s, {self.metrics.images / seconds:,.0f} a second"
        print(f"Trained to epoch {epochs} ({gan.updates:,} updates): {speed}.")
        if not epoch_is_whole(trainer, gan):
            print(f"  Epoch {epochs} was cut short and is not in the checkpoint; resumed, it is trained again.")
        self.ending()
        more = LESSON_EPOCHS if self.health.diagnosis is None else advised_epochs(self.health.diagnosis)
        if not (self.folder / LAST).is_file():
            print("No checkpoint: the first epoch was cut short.")
        elif epochs < more:
            longer = f"{resume_command(self.folder)} --max_epochs {more}"
            longer += " --max_steps -1" if trainer.max_steps != -1 else ""
            print(f"To train on, to {more} epochs:\n  {longer}")

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if trainer.is_global_zero and self.folder is not None and self._start and isinstance(exception, ENDED_EARLY):
            if self.quiet:
                print(self.one_line(), flush=True)
                return
            print()
            self.ending()

    def one_line(self) -> str:
        """The verdict, the score and the run folder."""
        assert self.folder is not None
        diagnosis, scores = self.health.diagnosis, self.quality.latest
        said = [f"{diagnosis.verdict} (confidence {diagnosis.confidence})"] if diagnosis is not None else []
        said += [f"FCD {digits(scores['val/fcd'])} after epoch {self.quality.latest_epoch}"] if scores else []
        return ", ".join([*said, str(relative(self.folder))])

    def ending(self) -> None:
        """The diagnosis, the scores, and where to look."""
        assert self.folder is not None
        folder, pictures = relative(self.folder), sorted(self.folder.glob("samples/epoch_*.png"))
        if self.health.diagnosis is not None:
            say(self.health.diagnosis.text(), self.health.diagnosis.verdict)
        if scores := self.quality.latest:
            reached = f"FCD {digits(scores['val/fcd'])}, coverage {scores['val/coverage']:.2f}"
            say(f"  quality      {reached} after epoch {self.quality.latest_epoch}")
        if epoch := self.quality.best_epoch:
            say(f"  best         FCD {digits(self.quality.best_fcd)} after epoch {epoch}: {folder / BEST}")
        if pictures:
            say(f"  samples      {relative(pictures[-1])}")
        if (self.folder / REPORT).is_file():
            say(f"  report       {folder / REPORT} (open it in a browser)")
        if (self.folder / PLAYGROUND).is_file():
            say(f"  playground   {folder / PLAYGROUND} (draw a digit for D)")
        tensorboard = python_command("-m", "tensorboard.main", "--logdir", folder.parent)
        print(f"  TensorBoard  {tensorboard}", flush=True)


def advised_epochs(diagnosis: Diagnosis) -> int:
    """How long a resumed run should be, by the diagnosis; 0 where it is not to be resumed."""
    if diagnosis.verdict not in (IMPROVING, TOO_EARLY):
        return 0
    found = (re.fullmatch(r"--max_epochs (\d+)", each.option) for each in diagnosis.advice)
    return next((int(match[1]) for match in found if match), LESSON_EPOCHS)


def dropped(trainer: Trainer, gan: GAN) -> str:
    """What an interruption costs: the updates since the last checkpoint; empty where there are none."""
    saved = getattr(trainer.checkpoint_callback, "saved", None)
    if saved is None or (updates := updates_done(trainer, gan) - saved) < 1:
        return ""
    return f" Dropped: {updates:,} update{'s' * (updates > 1)} of epoch {trainer.current_epoch + 1}."


def how_to_resume(folder: Path | None) -> str:
    """What to say when a run ended early: the command that goes on after the last whole epoch."""
    if folder is None or not (folder / LAST).is_file():
        return "No epoch was finished yet, so there is nothing to resume."
    return f"To go on after the last whole epoch:\n  {resume_command(folder)}"


def resume_command(folder: Path) -> str:
    """The command that resumes a run."""
    return command("train.py", "--ckpt_path", folder)
