"""What a run folder holds, read for a report."""

import json
import math
import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from first_gan import files
from first_gan.diagnosis import diagnose, verdict_of
from first_gan.diagnosis.history import FCD, History
from first_gan.diagnosis.verdicts import Diagnosis
from first_gan.report.pictures import MOST_FRAMES, MOST_SIDE, open_picture, thinned
from first_gan.run.config import load
from first_gan.run.finding import folder_called
from first_gan.run.folder import RECORD, SIGNATURE, RunFolderError, read_rows
from first_gan.run.names import flat

Row = dict[str, float]


@dataclass(frozen=True)
class Record:
    """What a run says of itself when it ends.

    Args:
        updates: Done when it was written.
        seconds: Training time; that of earlier parts of a resumed run included, if they were not killed.
        images: Trained on, likewise.
        classes: Each class's share of the training images; fewer than two where they are not labelled.
        distances: From the samples of report/nearest.png to their nearest training images, in pixels of [0, 1] (L2).
        real_distance: The same from real images to others; the median.
        class_names: Of the classes; empty where they have none but their numbers.
        d_samples: D(G(z)) of the last samples, of report/opinion.png's first rows, from the highest down; like those below empty
            where D was not asked.
        d_doubted: D(x) of real images that are not trained on: of those that D doubts most, in a row of their own.
        d_trusted: Of those that it doubts least.
    """

    updates: int
    seconds: float
    images: int
    classes: list[float]
    distances: list[float]
    real_distance: float
    class_names: list[str] = field(default_factory=list)
    d_samples: list[float] = field(default_factory=list)
    d_doubted: list[float] = field(default_factory=list)
    d_trusted: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> "Record | None":
        """From its file; None where there is none or it is broken."""
        try:
            kept = json.loads(files.text(path))
            classes, distances = list(map(float, kept["classes"])), list(map(float, kept["distances"]))
            seconds, real_distance = float(kept["seconds"]), float(kept["real_distance"])
            names = kept.get("class_names", [])  # which earlier records lack
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                return None
            believed = [list(map(float, kept.get(name, []))) for name in ("d_samples", "d_doubted", "d_trusted")]
            if not all(map(math.isfinite, (*classes, *distances, seconds, real_distance, *chain(*believed)))):
                return None
            counts = int(kept["updates"]), int(kept["images"])
            return cls(counts[0], seconds, counts[1], classes, distances, real_distance, names, *believed)
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            return None


@dataclass(frozen=True)
class Run:
    """A run, as its folder tells it.

    Args:
        folder: The run folder.
        header: The comment lines of config.yaml: git revision, start, versions, device.
        config: The options as YAML, as they were resolved.
        options: The same by name: `model.lr_d`, `model.generator.widths`.
        rows: Of metrics.csv, in order.
        skipped: Lines of metrics.csv that could not be read.
        record: What the run left for its report when it ended (see callbacks/report.py); None if it was killed or goes on.
    """

    folder: Path
    header: list[str]
    config: str
    options: dict[str, Any]
    rows: list[Row]
    skipped: list[int]
    record: Record | None

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Reads a run folder.

        Raises:
            RunFolderError: It is not one, has no epoch yet, or cannot be read.
        """
        try:
            text = files.text(folder / "config.yaml")
            if not text.startswith(SIGNATURE):
                raise FileNotFoundError
            nested = load(text)
            skipped: list[int] = []
            metrics = folder / "metrics.csv"
            rows = read_rows(metrics, skipped) if metrics.is_file() else []
        except (FileNotFoundError, NotADirectoryError):
            raise RunFolderError(f"{folder} is not a run folder of train.py: it has no config.yaml of a run") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{folder / 'config.yaml'} is broken; mend it") from error
        except OSError as error:
            raise RunFolderError(f"{folder} cannot be read: {error.strerror}") from error
        if not rows:
            unread = f"; {len(skipped)} lines of metrics.csv are broken" if skipped else ""
            raise RunFolderError(f"{folder} has no epoch yet, so there is nothing to report{unread}")
        header = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
        config = "".join(f"{line}\n" for line in text.splitlines() if not line.startswith("# "))
        options = flat(nested) if isinstance(nested, dict) else {}
        record = Record.read(folder / RECORD)
        if record is not None and record.updates < rows[-1]["step"]:
            record = None  # it was resumed since
        run = cls(folder, header, config, options, rows, skipped, record)
        try:  # it is kept
            run.diagnosis  # noqa: B018
        except (TypeError, ValueError, ArithmeticError, AttributeError) as error:
            what = "config.yaml or metrics.csv holds values that train.py does not write; mend them"
            raise RunFolderError(f"{folder}: {what}") from error
        return run

    @classmethod
    def called(cls, name: str = "last") -> "Run":
        """Reads the run that commands know by this name: its folder, the folder's name, or `last` for the newest.

        Raises:
            RunFolderError: There is none, it has no epoch yet, or it cannot be read.
        """
        return cls.read(folder_called(name))

    @property
    def name(self) -> str:
        return self.folder.absolute().name

    def skipped_note(self) -> str:
        """What to say of the lines that could not be read."""
        lines = ", ".join(map(str, self.skipped[:5])) + (", ..." if len(self.skipped) > 5 else "")
        return f"{len(self.skipped)} broken line{'s' * (len(self.skipped) > 1)} of metrics.csv left out: {lines}"

    @cached_property
    def history(self) -> History:
        return History.of(self.rows)

    @cached_property
    def diagnosis(self) -> Diagnosis:
        return diagnose(self.rows, self.options)

    @cached_property
    def verdicts(self) -> list[str]:
        """The verdict after each epoch of the history."""
        epochs = self.history.epochs
        return [verdict_of(History(epochs[: done + 1])) for done in range(len(epochs))]

    @cached_property
    def frames(self) -> dict[int, Path]:
        """The sample grids, by epoch."""
        found = ((re.fullmatch(r"epoch_(\d+)\.png", path.name), path) for path in self.folder.glob("samples/*.png"))
        return dict(sorted((int(match[1]), path) for match, path in found if match))

    def grids(self, most: int = MOST_FRAMES, width: int = MOST_SIDE) -> dict[int, Image.Image]:
        """At most so many of the sample grids, evenly spread, the best epoch's among them, made smaller where they are wider.

        Broken ones are left out.
        """
        shown = thinned(list(self.frames), [self.best_epoch], most)
        return {epoch: grid for epoch in shown if (grid := open_picture(self.frames[epoch], width)) is not None}

    @cached_property
    def best_epoch(self) -> int | None:
        """The epoch of lowest FCD; None where none was scored."""
        scored = {int(row["epoch"]) + 1: row[FCD] for row in self.rows if math.isfinite(row.get(FCD, math.nan))}
        return min(scored, key=scored.__getitem__, default=None)
