"""Where metrics go: TensorBoard's events and metrics.csv, both fit to be resumed, each x once."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from first_gan.run.folder import read_metrics, write_atomic


class RunTensorBoard(TensorBoardLogger):
    """TensorBoard events right in the run folder.

    Args:
        folder: The run folder.
        first_update: Where a resumed run goes on: what an earlier process logged at this x or later is purged.
    """

    def __init__(self, folder: Path, first_update: int | None = None) -> None:
        version = folder.name
        super().__init__(
            folder.parent.parent, folder.parent.name, version, default_hp_metric=False, purge_step=first_update
        )

    @rank_zero_only
    def save(self) -> None:
        self.experiment.flush()  # and no hparams.yaml: config.yaml says it all


class MetricsCSV(Logger):
    """metrics.csv: a row per x, rewritten in one rename at each epoch's end.

    Lightning's CSVLogger deletes the file on resume; this one keeps the rows before `first_update`.
    """

    def __init__(self, folder: Path, first_update: int | None = None) -> None:
        super().__init__()
        self.path = folder / "metrics.csv"
        self.rows: dict[int, dict[str, Any]] = {}
        if first_update is not None and self.path.is_file():
            kept = [row for row in read_metrics(folder) if row["step"] < first_update]
            self.rows = {int(row["step"]): row for row in kept}
            self.save()

    @property
    def name(self) -> str:
        return self.path.parent.parent.name

    @property
    def version(self) -> str:
        return self.path.parent.name

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # config.yaml holds them

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if step is not None:
            self.rows.setdefault(step, {"step": step}).update(metrics)

    @rank_zero_only
    def save(self) -> None:
        if not self.rows:
            return
        fields = list(dict.fromkeys(key for row in self.rows.values() for key in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fields, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[step] for step in sorted(self.rows))
        write_atomic(self.path, text.getvalue().encode())

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()
