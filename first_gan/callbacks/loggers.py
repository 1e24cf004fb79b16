"""Where metrics go: TensorBoard's events and metrics.csv, both fit to be resumed, each x once."""

import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pytorch_lightning import Trainer
from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from first_gan.callbacks import board
from first_gan.diagnosis.history import FCD
from first_gan.run.folder import read_metrics, write_rows


class RunTensorBoard(TensorBoardLogger):
    """TensorBoard events right in the run folder, arranged as `board` says: groups, a layout, runs compared by FCD.

    Args:
        folder: The run folder.
        first_update: Where a resumed run goes on: what an earlier process logged at this x or later is purged.
        options: The run's options by name, which it is compared with other runs by.
        best: The lowest FCD of a resumed run so far.
    """

    def __init__(
        self,
        folder: Path,
        first_update: int | None = None,
        options: Mapping[str, Any] = MappingProxyType({}),
        best: float = math.inf,
    ) -> None:
        version = folder.name
        super().__init__(
            folder.parent.parent, folder.parent.name, version, default_hp_metric=False, purge_step=first_update
        )
        self.options, self.best = board.hyperparameters(options), best

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Called by the Trainer as training begins, with the module's own; the run's are all of it."""
        self.experiment.add_custom_scalars(board.layout())
        for summary in board.comparison(self.options):
            self.experiment.file_writer.add_summary(summary)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        shown = {board.tag(name): value for name, value in metrics.items()}
        if FCD in metrics:
            self.best = min(self.best, metrics[FCD])
            shown |= {board.BEST_FCD: self.best} if math.isfinite(self.best) else {}
        try:
            super().log_metrics(shown, step)
        except ValueError as error:
            if isinstance(error.__cause__, OSError):  # a full disk; Lightning takes it for a value of a wrong kind
                raise error.__cause__ from error
            raise

    @rank_zero_only
    def save(self) -> None:
        self.experiment.flush()  # and no hparams.yaml: config.yaml says it all

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if status == "success":
            self.experiment.file_writer.add_summary(board.ended())  # TensorBoard keeps the first that it reads
        super().finalize(status)


@contextmanager
def quiet_writer() -> Iterator[None]:
    """Within it TensorBoard's thread, which cannot write, prints no traceback: the next call of the writer raises the same error."""
    before = threading.excepthook

    def hook(failure: threading.ExceptHookArgs) -> None:
        if not (isinstance(failure.exc_value, OSError) and type(failure.thread).__module__.startswith("tensorboard.")):
            before(failure)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before


class MetricsHistory(Logger):
    """What was logged, in memory: a row per x.

    Args:
        names: Metrics that another LightningModule logs under names of its own, with ours: {"d_loss": "train/d_loss"}.
    """

    def __init__(self, names: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__()
        self.names = names
        self.rows: dict[int, dict[str, Any]] = {}

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # config.yaml holds them

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is not None:
            named = {self.names.get(name, name): value for name, value in metrics.items()}
            self.rows.setdefault(step, {"step": step}).update(named)

    def ordered(self) -> list[dict[str, float]]:
        """The rows in order of their x, but for those that no epoch stands in."""
        return [self.rows[step] for step in sorted(self.rows) if "epoch" in self.rows[step]]


class MetricsCSV(MetricsHistory):
    """metrics.csv: a row per x, rewritten in one rename at each epoch's end.

    Lightning's CSVLogger deletes the file on resume; this one keeps the rows before `first_update`.

    Args:
        folder: The run folder.
        first_update: Where a resumed run goes on; what the file holds from there on is dropped.
        names: As for `MetricsHistory`.
    """

    def __init__(
        self, folder: Path, first_update: int | None = None, names: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(names)
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "metrics.csv"
        if first_update is not None and self.path.is_file():
            kept = [row for row in read_metrics(folder) if row["step"] < first_update]
            self.rows = {int(row["step"]): row for row in kept}
            self.save()

    def lowest(self, name: str) -> float:
        """The lowest value of a metric so far; infinite where there is none."""
        return min((row[name] for row in self.rows.values() if name in row), default=math.inf)

    @property
    def name(self) -> str:
        return self.path.parent.parent.name

    @property
    def version(self) -> str:
        return self.path.parent.name

    @rank_zero_only
    def save(self) -> None:
        if self.rows:
            write_rows(self.path.parent, self.ordered())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()


def history_of(trainer: Trainer, names: Mapping[str, str] = MappingProxyType({})) -> MetricsHistory:
    """The history among a Trainer's loggers, which a new one joins where there is none; from now on it knows these names too."""
    history = next((logger for logger in trainer.loggers if isinstance(logger, MetricsHistory)), None)
    if history is None:
        history = MetricsHistory()
        trainer.loggers = [*trainer.loggers, history]
    history.names = {**history.names, **names}
    return history
