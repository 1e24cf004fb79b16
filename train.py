"""Trains a GAN on MNIST. Try it: `python train.py --max_epochs 5`, or on a GPU: `python train.py --accelerator gpu`

Config files come first and flags over them, in whatever order they are typed.
"""

from first_gan.drawing import style
from first_gan.run import startup, stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over
    startup.wait_briefly()
    startup.say_loading()
    from first_gan.run import cli, declared

    cli.check_first("train.py", declared.check_names)
    style.import_matplotlib()

import errno
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import Callback, Trainer, seed_everything
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from datamodule import MNISTDataModule
from first_gan.callbacks.checkpoints import AtomicCheckpointIO, EpochCheckpoint
from first_gan.callbacks.curves import Curves
from first_gan.callbacks.ending import MissingEnding, lacks_ending
from first_gan.callbacks.evolution import EvolutionSheet
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.layers import Layers
from first_gan.callbacks.loggers import MetricsCSV, RunTensorBoard, quiet_writer
from first_gan.callbacks.messages import RunMessages, dropped, how_to_resume
from first_gan.callbacks.metrics import MetricsLogger, TrainingDiverged
from first_gan.callbacks.others import LoggerError, check_loggers, started
from first_gan.callbacks.playground import PlaygroundWriter
from first_gan.callbacks.process import OwnProcess, WaitForAll
from first_gan.callbacks.progress import TrainingProgress
from first_gan.callbacks.quality import QualityMonitor
from first_gan.callbacks.report import ReportWriter
from first_gan.callbacks.samples import SampleGrids
from first_gan.callbacks.slowdown import Slowdown
from first_gan.data import FOLDERS, DataError
from first_gan.data.sources import OWN, cache_folder
from first_gan.diagnosis.history import FCD
from first_gan.run import checkpoints, cli, hush, matmul, shell, starting
from first_gan.run import folder as run_folder
from first_gan.run.cli import RunFailed, UserError, expand
from first_gan.run.folder import RunFolderError
from first_gan.run.machine import check_trainer_options, device_name
from first_gan.run.matmul import MatmulError
from first_gan.run.names import LIBRARY
from first_gan.run.options import (
    build_parser,
    check_batches,
    fixed_options,
    typed_network,
)
from first_gan.run.state import check_state
from first_gan.run.stopping import STOP
from first_gan.scores.doubt import doubt
from first_gan.scores.judge import SHIPPED, JudgeError, fingerprint, judge_of
from gan_module import GAN, HERE

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # a disk, a person's share of it, or a file as large as may be

# Options of a process, not of its run.
OF_PROCESS = {"name": None, "ckpt_path": None, "max_time": None, "quiet": False, "verbose": False, "open": False}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("train.py", train, argv)


def train(argv: Sequence[str]) -> int:
    """Reads the options, builds the parts and fits; returns the exit code.

    Raises:
        UserError: Bad input; nothing was started or left behind.
        RunFailed: The run could not go on.
    """
    with ExitStack() as held:  # the lock on the run folder
        return _train(argv, held)


def _train(argv: Sequence[str], held: ExitStack) -> int:
    hush.hush()
    # Lightning sets it, for programs that fork; with it torch loads the GPU driver's library anew at every optimizer step.
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    parser = build_parser(GAN, MNISTDataModule)
    is_rank_zero = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    try:
        start = starting.read(parser, argv, HERE, held if is_rank_zero else None)
        options, checkpoint, folder = start.options, start.resumed, start.folder
        note = print if is_rank_zero and not options.quiet else lambda text: None
        if start.note:
            note(start.note)
        root = expand(options.default_root_dir)
        if is_rank_zero:  # the others are started when it has its folder
            run_folder.check_name(options.name, root)
        options.logger = check_loggers(options.logger)
        gan, data, quality, health = build_parts(options)
        if start.path is not None and start.weights is not None:
            starting.load_weights(gan, start.path, start.weights)
        arguments, validated_trainer = check_trainer_options(options, gan.d_steps)
        processes = validated_trainer.world_size
        check_batches(options, data.train_rows, processes)
        if is_rank_zero:  # fetched and read before a run folder is claimed: bad data leaves nothing behind
            fetch(data)
        options.data.dataset, options.data.data_dir = data.dataset, str(data.folder)
        options.data.train_rows = data.train_rows
        library = None  # on a GPU it is the GPU's
        if validated_trainer.strategy.root_device.type == "cpu":
            library = matmul.spelled(held.enter_context(matmul.chosen(options.matmul)))
        contents = fingerprint(data.images) if data.dataset in OWN else None
        fixed = fixed_options(options, processes, contents, library)
        health.options = fixed | {"max_epochs": options.max_epochs}
        updates, trains = None if checkpoint is None else checkpoints.done_updates(checkpoint), True
        if start.path is not None and checkpoint is not None:
            limits = options.max_epochs, options.max_steps
            ended = not lacks_ending(folder, updates or 0)
            trains = checkpoints.check_resumable(start.path, checkpoint, fixed, *limits, ended)
            checkpoints.check_weights(start.path, checkpoint, gan.state_dict())
            check_state(start.path, checkpoint, gan, validated_trainer)
            if (before := checkpoint["options"].get(LIBRARY)) not in (None, library):
                note(
                    f"Its matrix products were computed by {before}, here they are by {library}: last bits may differ."
                )
            if folder is not None and (folder / run_folder.METRICS).is_file():
                run_folder.read_metrics(folder)  # a broken line is found before anything is written
            quality.keeps_best = folder is not None and (folder / run_folder.BEST).is_file()
        if is_rank_zero:
            if not judged(quality, data, may_train=not options.fast_dev_run):
                note("The images are not labelled, so no judge can be trained: no FCD and other scores.")
            health.real, health.held_out = data.train_images, data.held_out_images
        if is_rank_zero and not options.fast_dev_run:
            kept = options.clone()
            kept.update(Namespace(OF_PROCESS))
            config, device = parser.dump(kept, skip_unset=False), device_name(validated_trainer, library)
            folder = run_folder.open_run(folder, root, config, device, held, options.name)
    except MatmulError as error:
        raise UserError(f"--{error}") from error
    except LoggerError as error:
        raise UserError(str(error)) from error
    except JudgeError as error:
        raise UserError(f"{error}\nto train without scores: --quality.every_n_epochs 0") from error
    except (DataError, RunFolderError) as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
            raise RunFailed(str(error)) from error
        raise UserError(str(error)) from error
    try:
        callbacks, loggers = outputs(folder if is_rank_zero else None, fixed, data, quality, health, updates, options)
        arguments["plugins"] += [AtomicCheckpointIO()]
        callbacks += [] if trains else [MissingEnding()]
        if options.verbose:
            hush.let_speak()
        if options.quiet:
            arguments["enable_progress_bar"] = False  # else Lightning's own
        trainer = Trainer(**arguments, callbacks=callbacks, logger=loggers or False)
        with quiet_writer():
            code = fit(trainer, gan, data, health, folder, start.path if checkpoint else None)
        if code == 0 and trains and gan.updates == (updates or 0):
            raise UserError("nothing was left to train: --max_time or another limit was reached before")
        return code
    except (DataError, RunFolderError) as error:  # bad data on another machine, or a broken metrics.csv
        raise UserError(str(error)) from error
    except LoggerError as error:
        if folder is not None and start.folder is None:
            run_folder.remove(folder)  # nothing of the new run is there yet
        raise UserError(str(error)) from error
    except OSError as error:
        what = f"{error.filename or folder} cannot be written: {error.strerror}"
        raise RunFailed(f"{what}. {how_to_resume(folder)}") from error


def build_parts(options: Namespace) -> tuple[GAN, MNISTDataModule, QualityMonitor, HealthMonitor]:
    """The model, with initial weights from the seed alone, the data, who scores and who diagnoses; checks their options."""
    seed = options.seed_everything
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed_everything must be 0 to {2**32 - 1}, got {seed}")
    seed_everything(seed, verbose=False)
    expand(options.data.data_dir), expand(options.default_root_dir), expand(os.environ.get("MNIST_DIR"))
    try:
        data = MNISTDataModule(**options.data, seed=seed)
        quality, health = QualityMonitor(**options.quality, seed=seed), HealthMonitor(**options.health, seed=seed)
        networks = {name: typed_network(options.model[name]) for name in ("generator", "discriminator")}
        gan = GAN(**{**vars(options.model), **networks}, image_shape=data.image_shape, seed=seed)
    except ValueError as error:
        raise UserError(f"--{error}") from error
    except (RuntimeError, TypeError, OverflowError) as error:  # what torch says of sizes beyond memory and int64
        raise UserError(f"the networks cannot be made: {str(error).splitlines()[0]}") from error
    gan.configure_model()
    return gan, data, quality, health


def fetch(data: MNISTDataModule) -> None:
    """Fetches and reads the images; says if they are not the ones that were wished for, or seem not to be."""
    data.prepare_data()
    data.setup("fit")
    if data.fallback_reason:
        reason = f"MNIST could not be had, so this run trains on the BUILT-IN DIGITS.\n({data.fallback_reason})\n"
        ways = "For MNIST: name a folder with its four IDX files by --data.data_dir or MNIST_DIR."
        cli.shout("NOT MNIST", reason + ways)
    if doubts := doubt(data.dataset, data.images, data.folder):
        cli.shout(f"NOT {FOLDERS[data.dataset]}?", doubts)


def judged(quality: QualityMonitor, data: MNISTDataModule, may_train: bool) -> bool:
    """Gives the scores their judge, which is trained first for a dataset that has none yet, and the real images.

    Returns:
        False if scores are wanted of images without labels, of which no judge can be trained.
    """
    if not quality.every_n_epochs:
        return True
    if len(data.images.classes) < 2:
        return False
    if may_train or data.dataset in SHIPPED:
        quality.judge = judge_of(data.dataset, data.images, cache_folder(data.dataset, data.folder))
        quality.images = data.images
    return True


def outputs(
    folder: Path | None,
    fixed: dict[str, Any],
    data: MNISTDataModule,
    quality: QualityMonitor,
    health: HealthMonitor,
    updates: int | None,
    options: Namespace,
) -> tuple[list[Callback], list[Logger]]:
    """The Trainer's callbacks and loggers.

    Args:
        folder: The run folder; None on all processes but the first, and where nothing is kept.
        fixed: Options that a checkpoint holds, so that a resumed run has them alike.
        data: The images.
        quality: Who scores the generator.
        health: Who diagnoses the run.
        updates: How many updates a resumed run has done.
        options: All options.
    """
    metrics, seed = MetricsLogger(), options.seed_everything
    grids = SampleGrids(folder, seed, health.real)  # real images: of the first process alone, which draws
    callbacks: list[Any] = [OwnProcess(), metrics, grids, quality]
    if not options.quiet:
        callbacks.append(Slowdown(metrics))
        if options.enable_progress_bar is not False:
            callbacks.append(TrainingProgress(metrics, quality, grids if options.show_samples else None))
    if options.enable_model_summary:
        callbacks.append(Layers())
    callbacks.append(health)
    loggers: list[Logger] = []
    if folder is not None:
        first_update = None if updates is None else updates + 1
        health.folder = folder
        table = MetricsCSV(folder, first_update)
        loggers = [RunTensorBoard(folder, first_update, fixed, table.lowest(FCD)), table]
        loggers += started(options.logger, folder, fixed)
        callbacks += [Curves(folder), EvolutionSheet(folder), PlaygroundWriter(folder, data.dataset, data.images)]
        callbacks += [ReportWriter(folder, seed, data.images, data.train_rows, health.held_out, options.open)]
    said = fixed[LIBRARY], options.init_from, options.quiet
    callbacks.append(RunMessages(folder, metrics, quality, health, *said))
    if not options.fast_dev_run:
        callbacks.append(EpochCheckpoint(folder or Path(), fixed, quality))
    callbacks.append(WaitForAll())
    return callbacks, loggers


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
        RunFailed: A loss is NaN or infinite, or the diagnosis is one to stop on.
        OSError: The run folder cannot be written any more.
    """
    try:
        trainer.fit(gan, datamodule=data, ckpt_path=checkpoint_path, weights_only=True)
    except (SystemExit, RuntimeError):  # Lightning exits on Ctrl-C; other processes that ended first are a RuntimeError
        if STOP.received is None:
            raise
        if trainer.is_global_zero:
            print(f"\nInterrupted.{dropped(trainer, gan)} {how_to_resume(folder)}", file=sys.stderr)
        return STOP.exit_code
    except TrainingDiverged as error:
        if not trainer.is_global_zero:
            return cli.FAILED  # the first process says it
        raise RunFailed(f"{error}\n{how_to_resume(folder)}") from error
    if health.stopped:
        if not trainer.is_global_zero:
            return cli.FAILED
        go_on = f"{how_to_resume(folder)} --health.stop_on {shell.quoted('[]')}"
        raise RunFailed(f"stopped on {health.stopped!r}, as --health.stop_on wants.\n{go_on}")
    return 0


if __name__ == "__main__":
    startup.loaded()
    stopping.leave(main())
