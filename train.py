"""Trains a GAN on MNIST. Try it: `python train.py --max_epochs 5`, or on a GPU: `python train.py --accelerator gpu`

Config files come first and flags over them, in whatever order they are typed.
"""

from first_gan.run import stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from jsonargparse import Namespace
from pytorch_lightning import LightningModule, Trainer, seed_everything
from pytorch_lightning.callbacks import LambdaCallback
from pytorch_lightning.utilities import rank_zero_only
from rich.console import Console
from rich.panel import Panel

from datamodule import MNISTDataModule
from first_gan.callbacks.checkpoints import EpochCheckpoint
from first_gan.callbacks.curves import Curves
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.loggers import MetricsCSV, RunTensorBoard
from first_gan.callbacks.messages import RunMessages, how_to_resume
from first_gan.callbacks.metrics import MetricsLogger, TrainingDiverged
from first_gan.callbacks.progress import TrainingProgress
from first_gan.callbacks.quality import QualityMonitor
from first_gan.callbacks.report import ReportWriter
from first_gan.callbacks.samples import SampleGrids
from first_gan.data import DataError
from first_gan.run import checkpoints, cli
from first_gan.run import folder as run_folder
from first_gan.run.checkpoints import AtomicCheckpointIO
from first_gan.run.cli import RunFailed, UserError, expand
from first_gan.run.folder import RunFolderError
from first_gan.run.options import (
    as_defaults,
    build_parser,
    check_batches,
    check_trainer_options,
    what_must_not_change,
)
from first_gan.run.stopping import STOP
from first_gan.scores.judge import SHIPPED, JudgeError, judge_of
from gan_module import GAN


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("train.py", train, argv)


def train(argv: Sequence[str]) -> int:
    """Reads the options, builds the parts and fits; returns the exit code.

    Raises:
        UserError: Bad input; nothing was started or left behind.
        RunFailed: The run could not go on.
    """
    hush()
    # Lightning sets it, for programs that fork; with it torch loads the GPU driver's library anew at every optimizer step.
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    parser = build_parser()
    options = parser.parse(argv)
    checkpoint_path, folder, checkpoint = None, None, None
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    try:
        if options.ckpt_path is not None:
            checkpoint_path = run_folder.find_checkpoint(options.ckpt_path, expand(options.default_root_dir))
            checkpoint = checkpoints.load_checkpoint(checkpoint_path)
            folder = run_folder.folder_of(checkpoint_path)
            options = resumed_options(parser, argv, folder, checkpoint)
        gan, data, quality, health = build_parts(options)
        arguments, probe = check_trainer_options(options, gan)
        check_batches(options, probe.world_size)
        if first:  # fetched and read before a run folder is claimed: bad data leaves nothing behind
            fetch(data, options)
        kept = what_must_not_change(options, probe.world_size)
        health.options = kept | {"max_epochs": options.max_epochs}
        if checkpoint_path is not None and checkpoint is not None:
            limits = options.max_epochs, options.max_steps
            checkpoints.check_resumable(checkpoint_path, checkpoint, kept, *limits)
            checkpoints.check_weights(checkpoint_path, checkpoint, gan.state_dict())
            quality.keeps_best = folder is not None and (folder / run_folder.BEST).is_file()
        if first and quality.every_n_epochs and not (options.fast_dev_run and data.dataset not in SHIPPED):
            quality.judge = judge_of(data.dataset, data.images, data.labels, data.folder)
        lock = None
        if first and not options.fast_dev_run:
            options.ckpt_path = options.max_time = None  # of this process, not of the run
            folder, lock = open_folder(folder, options, parser.dump(options, skip_unset=False), probe)
    except JudgeError as error:
        raise UserError(f"{error}\nto train without scores: --quality.every_n_epochs 0") from error
    except (DataError, RunFolderError) as error:
        raise UserError(str(error)) from error
    updates = None if checkpoint is None else checkpoint["global_step"] // (gan.d_steps + 1)
    try:
        parts = outputs(folder if first else None, kept, quality, health, updates, options.enable_progress_bar)
        trainer = Trainer(**arguments, **parts)
        if options.fast_dev_run:  # Lightning takes its N for optimizer steps
            trainer.fit_loop.epoch_loop.max_steps = int(options.fast_dev_run) * (gan.d_steps + 1)
        code = fit(trainer, gan, data, health, folder, checkpoint_path)
        if code == 0 and gan.updates == (updates or 0):
            raise UserError("nothing was left to train: --max_time or another limit was reached before")
        return code
    except (DataError, RunFolderError) as error:  # bad data on another machine, or a broken metrics.csv
        raise UserError(str(error)) from error
    except OSError as error:
        what = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise UserError(f"{what}. {how_to_resume(folder)}") from error
    finally:
        del lock  # held until here


def hush() -> None:
    """Silences what Lightning says and `callbacks/messages.py` says better, or what does not concern a person here."""
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # a resumed run's own checkpoints
    warnings.filterwarnings("ignore", message=".*dirpath has changed.*")  # a folder that moved, or a copied checkpoint
    warnings.filterwarnings("ignore", message=".*callbacks used to create the checkpoint.*")  # the Timer of --max_time
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")  # epoch ends are logged too
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own, of torch's pytree


def resumed_options(
    parser: cli.Parser, argv: Sequence[str], folder: Path | None, checkpoint: dict[str, Any]
) -> Namespace:
    """The options of the run that is resumed, with what is typed now over them."""
    try:
        parser.set_defaults(as_defaults(checkpoint["options"]))
    except KeyError as error:
        raise UserError(f"--ckpt_path: the checkpoint is of another version of this program: {error}") from error
    options = parser.parse(argv, base=None if folder is None else str(folder / "config.yaml"))
    if options.data.dataset == "auto":
        options.data.dataset = checkpoint["options"]["data.dataset"]
    if os.environ.get("MNIST_DIR") and not Path(options.data.data_dir or "").is_dir():
        options.data.data_dir = None  # the images moved, and MNIST_DIR says where to
    if options.fast_dev_run:
        raise UserError("--fast_dev_run keeps nothing, so it cannot go with --ckpt_path")
    return options


def build_parts(options: Namespace) -> tuple[GAN, MNISTDataModule, QualityMonitor, HealthMonitor]:
    """The model, with initial weights from the seed alone, the data, who scores and who diagnoses; checks their options."""
    seed = options.seed_everything
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed_everything must be 0 to {2**32 - 1}, got {seed}")
    seed_everything(seed, verbose=False)
    expand(options.data.data_dir)
    try:
        loading = {"limit": options.limit_train_batches, "steps_per_execution": options.model.steps_per_execution}
        data = MNISTDataModule(**options.data, seed=seed, **loading)
        quality, health = QualityMonitor(**options.quality, seed=seed), HealthMonitor(**options.health, seed=seed)
        return GAN(**options.model, seed=seed), data, quality, health
    except ValueError as error:
        raise UserError(f"--{error}") from error
    except (RuntimeError, TypeError, OverflowError) as error:  # what torch says of sizes beyond memory and int64
        raise UserError(f"the networks cannot be made: {str(error).splitlines()[0]}") from error


def fetch(data: MNISTDataModule, options: Namespace) -> None:
    """Fetches and reads the images; the options then name what was found."""
    data.prepare_data()
    data.setup("fit")
    if data.fallback_reason:
        reason = f"MNIST could not be had, so this run trains on the BUILT-IN DIGITS.\n({data.fallback_reason})\n"
        ways = "For MNIST: name a folder with its four IDX files by --data.data_dir or MNIST_DIR."
        Console(stderr=True).print(Panel(reason + ways, title="NOT MNIST", style="bold yellow", expand=False))
    options.data.dataset, options.data.data_dir = data.dataset, str(data.folder)


def open_folder(folder: Path | None, options: Namespace, config: str, probe: Trainer) -> tuple[Path, FileLock]:
    """Claims a run folder where none is resumed, locks it, and writes its config.yaml.

    Raises:
        RunFolderError: The folder cannot be written, or another process trains there.
    """
    fresh = folder is None
    folder = folder or run_folder.claim(expand(options.default_root_dir))
    try:
        lock = run_folder.lock(folder)
        run_folder.write_config(folder, config, device_name(probe.strategy.root_device))
    except OSError as error:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise RunFolderError(f"{folder} cannot be written: {error.strerror}") from error
    return folder, lock


def device_name(device: torch.device) -> str:
    """`cuda NVIDIA H100`, `cpu 2 threads`."""
    if device.type == "cpu":
        return f"cpu {torch.get_num_threads()} threads"
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def outputs(
    folder: Path | None,
    kept: dict[str, Any],
    quality: QualityMonitor,
    health: HealthMonitor,
    updates: int | None,
    show_progress: bool | None,
) -> dict[str, Any]:
    """The Trainer's callbacks, loggers and plugins.

    Args:
        folder: The run folder; None on all processes but the first, and where nothing is kept.
        kept: Options that a checkpoint holds, so that a resumed run has them alike.
        quality: Who scores the generator.
        health: Who diagnoses the run.
        updates: How many updates a resumed run has done.
        show_progress: False for no bar.
    """
    metrics = MetricsLogger()
    callbacks: list[Any] = [
        LambdaCallback(on_train_start=stop_between_steps),
        metrics,
        SampleGrids(folder, kept["seed_everything"]),
        quality,
    ]
    if show_progress is not False:
        callbacks.append(TrainingProgress(metrics, quality))
    callbacks.append(health)
    loggers: list[Any] = []
    if folder is not None:
        first_update = None if updates is None else updates + 1
        history = MetricsCSV(folder, first_update)
        health.keep(folder, history)
        loggers = [RunTensorBoard(folder, first_update), history]
        callbacks += [Curves(folder), ReportWriter(folder, history, metrics, kept["seed_everything"])]
    callbacks.append(RunMessages(folder, metrics, quality, health))
    callbacks.append(EpochCheckpoint(folder or Path(), kept, quality))
    # The other processes would end while the first still writes; Lightning takes that for a failure where they end with a code.
    callbacks.append(LambdaCallback(on_train_end=lambda trainer, gan: trainer.strategy.barrier()))
    return {"callbacks": callbacks, "logger": loggers or False, "plugins": [AtomicCheckpointIO()]}


def stop_between_steps(trainer: Trainer, gan: LightningModule) -> None:
    """From now on a signal ends the run before an optimizer's next step."""
    STOP.install(deferred=True)
    for optimizer in trainer.optimizers:
        optimizer.register_step_pre_hook(lambda *_: STOP.check())


def fit(
    trainer: Trainer,
    gan: GAN,
    data: MNISTDataModule,
    health: HealthMonitor,
    folder: Path | None,
    checkpoint_path: Path | None,
) -> int:
    """Trains, and says after an interruption how the run was and how to go on; returns the exit code.

    Raises:
        RunFailed: A loss is no longer a number, or the diagnosis is one to stop on.
        OSError: The run folder cannot be written any more.
    """
    try:
        trainer.fit(gan, datamodule=data, ckpt_path=checkpoint_path, weights_only=True)
    except (SystemExit, RuntimeError):  # Lightning exits on Ctrl-C; other processes that ended first are a RuntimeError
        if STOP.received is None:
            raise
        if trainer.is_global_zero:
            print("\nInterrupted. " + how_to_resume(folder), file=sys.stderr)
        return STOP.exit_code
    except TrainingDiverged as error:
        if not trainer.is_global_zero:
            return cli.FAILED  # the first process says it
        raise RunFailed(f"{error}\n{how_to_resume(folder)}") from error
    if health.stopped:
        if not trainer.is_global_zero:
            return cli.FAILED
        go_on = f"{how_to_resume(folder)} --health.stop_on '[]'"
        raise RunFailed(f"stopped on {health.stopped!r}, as --health.stop_on wants.\n{go_on}")
    return 0


if __name__ == "__main__":
    stopping.leave(main())
