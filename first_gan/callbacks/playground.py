"""Leaves playground.html in the run folder when the run ends: its G and D, to be played with in a browser."""

from contextlib import suppress
from pathlib import Path

from pytorch_lightning import Callback, Trainer

from first_gan import files
from first_gan.callbacks.counting import GAN
from first_gan.callbacks.report import ENDED_EARLY
from first_gan.data import ImageSet
from first_gan.drawing.layers import PlaygroundError
from first_gan.drawing.playground import after, page
from first_gan.run.folder import PLAYGROUND
from first_gan.scores.judge import SHIPPED, JudgeError, shipped


class PlaygroundWriter(Callback):
    """Writes the playground of the networks that the run ends with; of networks that cannot have one, nothing.

    Comes before `ReportWriter`, whose report leads to it.

    Args:
        folder: The run folder.
        dataset: The images' name; of those with a judge that lies beside the code, the page has it.
        images: The images; some of the test set are in the page.
    """

    def __init__(self, folder: Path | str, dataset: str, images: ImageSet) -> None:
        self.folder, self.dataset, self.images = Path(folder), dataset, images
        self._started = False

    def on_train_start(self, trainer: Trainer, gan: GAN) -> None:
        self._started = True

    def on_train_end(self, trainer: Trainer, gan: GAN) -> None:
        if trainer.is_global_zero:
            self._write(trainer, gan)

    def on_exception(self, trainer: Trainer, gan: GAN, exception: BaseException) -> None:
        if trainer.is_global_zero and self._started and isinstance(exception, ENDED_EARLY):
            with suppress(OSError):  # a full disk, say, which would hide why the run ended
                self._write(trainer, gan)

    def _write(self, trainer: Trainer, gan: GAN) -> None:
        name = after(self.folder, trainer.current_epoch)
        with suppress(PlaygroundError, JudgeError):  # generate.py --export says why
            judge = shipped(self.dataset) if self.dataset in SHIPPED else None
            html, _ = page(name, gan, gan.sampling_generator, self.images.test, judge)
            files.write(self.folder / PLAYGROUND, html.encode())
