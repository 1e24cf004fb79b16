"""Loggers beside TensorBoard and metrics.csv, by `--logger`: Weights & Biases, MLflow, Lightning's CSV files."""

import json
import logging
import os
import re
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL.Image import Image
from pytorch_lightning.loggers import CSVLogger, Logger, MLFlowLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from first_gan import files
from first_gan.callbacks import board
from first_gan.run.folder import ROOT
from first_gan.run.shell import python_command, relative

PROJECT = "first-gan"  # W&B's project and MLflow's experiment, unless the environment names another
IDS = "loggers.json"  # in the run folder: under which id each logger knows the run
STORE, ARTIFACTS = "mlflow.db", "mlartifacts"  # MLflow's, beside the run folders, so that it compares them
KINDS = ("wandb", "mlflow", "csv")


class LoggerError(Exception):
    """A logger cannot begin; the message is for the person who asked for it."""


def check_loggers(asked: str | Sequence[str] | None) -> list[str]:
    """The kinds of loggers that `--logger` asks for, each once.

    Raises:
        LoggerError: There is no such logger, or a package that one needs is not installed.
    """
    kinds = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked or []))
    if unknown := [kind for kind in kinds if kind not in KINDS]:
        always = "TensorBoard's events and metrics.csv are written in any case"
        raise LoggerError(f"--logger must be out of {', '.join(KINDS)}, got {unknown[0]}; {always}")
    needed: dict[str, list[str]] = {"wandb": ["wandb"], "mlflow": ["mlflow"], "csv": []}
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        needed["mlflow"] += ["sqlalchemy", "alembic"]  # of its store in a file
    if missing := [name for kind in kinds for name in needed[kind] if not _is_installed(name)]:
        install = python_command("-m", "pip", "install", "-r", ROOT / "requirements-loggers.txt")
        raise LoggerError(f"--logger {' and '.join(kinds)} needs {', '.join(missing)}: {install}")
    return kinds


def _is_installed(name: str) -> bool:
    spec = find_spec(name)
    return spec is not None and spec.origin is not None  # a folder wandb/ of runs is none


def started(kinds: Iterable[str], folder: Path, options: Mapping[str, Any]) -> list["OtherLogger"]:
    """Loggers of these kinds, begun: all, or none.

    Raises:
        LoggerError: One cannot begin.
    """
    loggers = [OtherLogger(kind, folder, options) for kind in kinds]
    for number, logger in enumerate(loggers):
        try:
            logger.start()
        except LoggerError:
            for other in loggers[:number]:
                other.finalize("failed")
            raise
    return loggers


class OtherLogger(Logger):
    """One of Lightning's loggers, with this program's metrics, pictures and x: the updates. A resumed run goes on there.

    After a resume the rows of an epoch that is trained again come a second time. Lightning's CSV files cannot be gone on
    with: each process writes new ones.

    A logger that fails later, when its server is gone, say, is left out from then on: that is no reason to end a run.

    Args:
        kind: One of `KINDS`.
        folder: The run folder.
        options: The run's options by name.

    Raises:
        LoggerError: It cannot be made, or the run folder's `loggers.json` is broken.
    """

    def __init__(self, kind: str, folder: Path, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.kind, self.folder, self.options = kind, folder, board.hyperparameters(options)
        self.lost = False
        known = read_ids(folder).get(kind)
        makers: dict[str, Callable[[Path, str | None], Logger]] = {"wandb": _wandb, "mlflow": _mlflow, "csv": _csv}
        self.logger = self._begun(lambda: makers[kind](folder, known))

    def start(self) -> None:
        """Begins the run there, or goes on with it, and says where.

        Raises:
            LoggerError: It cannot: nobody is logged in, or the server does not answer.
        """
        self._begun(lambda: self.logger.log_hyperparams(self.options))
        if self.kind == "csv":
            return
        known = str(self.logger.version)
        files.write(self.folder / IDS, (json.dumps(read_ids(self.folder) | {self.kind: known}) + "\n").encode())
        if isinstance(self.logger, WandbLogger):
            run = self.logger.experiment
            where = f"offline, in {relative(self.folder / 'wandb')}; wandb sync sends it" if run.offline else run.url
            print(f"W&B      run {known}, {where}")
        elif isinstance(self.logger, MLFlowLogger):
            self._begun(lambda: self.logger.experiment.update_run(known, status="RUNNING"))
            print(f"MLflow   run {known} in {_tracking_uri(self.folder)}")

    def _begun(self, what: Callable[[], Any]) -> Any:
        try:
            return what()
        except Exception as error:
            hint = "\nWANDB_MODE=offline keeps the run on this machine" if self.kind == "wandb" else ""
            raise LoggerError(f"--logger {self.kind}: {_one_line(error)}{hint}") from error

    def _pass(self, what: Callable[[], Any]) -> None:
        if self.lost:
            return
        try:
            what()
        except Exception as error:
            self.lost = True
            print(f"--logger {self.kind}: {_one_line(error)}; the run goes on without it", file=sys.stderr)

    @property
    def name(self) -> str:
        return self.kind

    @property
    def version(self) -> str:
        return ""

    @rank_zero_only
    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass  # the Trainer's call, with the module's own: the run's are there since the start

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        shown = dict(metrics) if self.kind == "csv" else {board.tag(name): value for name, value in metrics.items()}
        self._pass(lambda: self.logger.log_metrics(shown, step))

    @rank_zero_only
    def log_picture(self, tag: str, picture: Image, step: int) -> None:
        """Logs a picture, where that is possible."""
        if isinstance(self.logger, WandbLogger):
            self._pass(lambda: self.logger.log_image(tag, [picture], step=step))
        elif isinstance(self.logger, MLFlowLogger):
            self._pass(lambda: self.logger.experiment.log_image(self.logger.run_id, picture, key=tag, step=step))

    @rank_zero_only
    def save(self) -> None:
        self._pass(self.logger.save)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self._pass(lambda: self.logger.finalize(status))
        if isinstance(self.logger, WandbLogger):  # else the next run of this process would be written into this one
            self._pass(lambda: self.logger.experiment.finish(exit_code=int(status != "success")))


def _wandb(folder: Path, known: str | None) -> WandbLogger:
    import wandb

    # Terminal output and links stay as they are; and Lightning passes an option that wandb warns of.
    settings = wandb.Settings(console="off", symlink=False, quiet=True, show_warnings=False)
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    known = known or secrets.token_hex(4)
    return WandbLogger(folder.name, folder, known, project=project, settings=settings)


def _mlflow(folder: Path, known: str | None) -> MLFlowLogger:
    import mlflow  # noqa: F401 - which sets the levels of its own messages

    for name in ("mlflow", "alembic", "pytorch_lightning.loggers.mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)  # that a new store has been made is no warning
    return MLFlowLogger(
        os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT),
        run_name=folder.name,
        tracking_uri=_tracking_uri(folder),
        artifact_location=None
        if os.environ.get("MLFLOW_TRACKING_URI")
        else (folder.parent / ARTIFACTS).absolute().as_uri(),
        run_id=known,
    )


def _tracking_uri(folder: Path) -> str:
    """Of the server that the environment names, or of a file beside the run folders."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder.parent / STORE).absolute().as_posix()}"


def _csv(folder: Path, known: str | None) -> CSVLogger:
    return CSVLogger(folder, "csv")


def read_ids(folder: Path) -> dict[str, str]:
    """Under which id each logger knows the run of a folder.

    Raises:
        LoggerError: The file that says it is broken.
    """
    path = folder / IDS
    try:
        ids = json.loads(files.text(path))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LoggerError(f"{path} is broken; without it the loggers begin new runs") from error
    if not isinstance(ids, dict) or not all(
        re.fullmatch(r"[\w-]{1,64}", str(known), re.ASCII) for known in ids.values()
    ):
        raise LoggerError(f"{path} is broken; without it the loggers begin new runs")
    return {str(kind): str(known) for kind, known in ids.items()}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
