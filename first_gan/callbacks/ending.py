"""Gives a run that was killed between its last checkpoint and its end the ending that it lacks."""

from pathlib import Path

from pytorch_lightning import Callback, Trainer

from first_gan.callbacks.counting import GAN
from first_gan.report.run import Record
from first_gan.run.folder import RECORD, REPORT


class MissingEnding(Callback):
    """Has the other callbacks begin and end a run in which nothing is left to train, for which the Trainer does not call them."""

    def on_fit_end(self, trainer: Trainer, gan: GAN) -> None:
        for hook in ("on_train_start", "on_train_end"):
            for callback in trainer.callbacks:  # type: ignore[attr-defined]
                getattr(callback, hook)(trainer, gan)


def lacks_ending(folder: Path | None, updates: int) -> bool:
    """Whether a run folder lacks what a run leaves when it ends.

    Args:
        folder: The run folder; None for a checkpoint that lies in none.
        updates: Done by the run's checkpoint.
    """
    if folder is None:
        return False
    record = Record.read(folder / RECORD)
    return record is None or record.updates < updates or not (folder / REPORT).is_file()
