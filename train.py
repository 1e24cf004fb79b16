"""Trains a GAN on MNIST. Try it: `python train.py --max_epochs 5`, or on a GPU: `python train.py --accelerator gpu`

Config files come first and flags over them, in whatever order they are typed.
"""

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cli

if __name__ == "__main__":
    cli.exit_on_signals()  # while torch loads, which takes seconds; main() takes over

from jsonargparse import ActionConfigFile, Namespace
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import LambdaCallback, ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_only
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from rich.console import Console
from rich.panel import Panel

import run_folder
from callbacks.curves import Curves
from callbacks.loggers import MetricsCSV, RunTensorBoard
from callbacks.messages import LESSON_EPOCHS, RunMessages, how_to_resume
from callbacks.metrics import MetricsLogger, TrainingDiverged
from callbacks.progress import TrainingProgress
from callbacks.samples import SampleGrids
from cli import STOP, RunFailed, UserError
from data_sources import DataError
from datamodule import MNISTDataModule
from gan_module import GAN
from run_folder import AtomicCheckpointIO

MANUAL = "the GAN steps its two optimizers itself (manual optimization)"
NO_VALIDATION = "there is no validation loop: a GAN's losses on held-out images say nothing"
REFUSED = {
    "gradient_clip_val": f"{MANUAL}, and the Trainer cannot clip there; try a lower --model.lr",
    "gradient_clip_algorithm": f"{MANUAL}, and the Trainer cannot clip there",
    "accumulate_grad_batches": f"{MANUAL}; a larger --data.batch_size does the same",
    "limit_val_batches": NO_VALIDATION,
    "val_check_interval": NO_VALIDATION,
    "check_val_every_n_epoch": NO_VALIDATION,
    "num_sanity_val_steps": NO_VALIDATION,
}
NOT_OFFERED = {
    *REFUSED,
    *("callbacks", "logger", "plugins", "profiler", "barebones", "model_registry", "enable_checkpointing"),
    *("overfit_batches", "limit_test_batches", "limit_predict_batches", "reload_dataloaders_every_n_epochs"),
    *("use_distributed_sampler", "min_epochs", "min_steps", "enable_autolog_hparams", "inference_mode"),
}
# Each loss trains one network and leaves the other's gradients unused, which plain DDP takes for an error.
DDP_VARIANTS = {"auto": "ddp", "ddp": "ddp", "ddp_spawn": "ddp_spawn", "ddp_fork": "ddp_fork"}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_door`)."""
    return cli.run_door("train.py", train, argv)


def build_parser() -> cli.Parser:
    """Trainer options at the top, the model's and the data's below."""
    parser = cli.Parser(REFUSED, prog="train.py", description=__doc__)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of options; may be repeated")
    parser.add_argument("--seed_everything", type=int, default=0, help="seed of every random draw; 0 or more")
    parser.add_argument(
        "--ckpt_path", type=str | None, default=None, help="resume: a checkpoint's path, or `last` for the newest run's"
    )
    parser.add_class_arguments(GAN, "model", skip={"seed"})
    parser.add_class_arguments(MNISTDataModule, "data", skip={"seed"})
    parser.add_class_arguments(Trainer, None, skip=NOT_OFFERED)
    parser.set_defaults(max_epochs=LESSON_EPOCHS, log_every_n_steps=50, precision="32-true", enable_model_summary=False)
    return parser


def train(argv: Sequence[str]) -> int:
    """Reads the options, builds the parts and fits; returns the exit code.

    Raises:
        UserError: Bad input; nothing was started or left behind.
        RunFailed: The run could not go on.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)  # the lines below say what a person needs
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # a resumed run's own checkpoints
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")  # epoch ends are logged too
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # Lightning's own, of torch's pytree
    parser = build_parser()
    options = parser.parse(argv)
    root = Path(options.default_root_dir or ".")
    try:
        checkpoint_path, folder, checkpoint = None, None, None
        if options.ckpt_path is not None:
            checkpoint_path = run_folder.find_checkpoint(options.ckpt_path, root)
            checkpoint = run_folder.load_checkpoint(checkpoint_path)
            folder = run_folder.folder_of(checkpoint_path)
            options = resumed_options(parser, argv, folder, checkpoint)
        gan, data = build_parts(options)
        trainer_options, world_size = check_trainer_options(options, gan)
        check_last_batch(options, world_size)
        if checkpoint_path is not None and checkpoint is not None:
            hyperparameters = hyperparameters_of(options)
            check_weights(checkpoint_path, checkpoint, gan)
            run_folder.check_resumable(checkpoint_path, checkpoint, hyperparameters, options.max_epochs)
        first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
        if first:
            fetch(data, options)  # before a run folder is claimed: bad data leaves nothing behind
        lock = None
        if first and not options.fast_dev_run:
            folder = folder or run_folder.claim(root)
            lock = run_folder.lock(folder)
            run_folder.write_config(folder, parser.dump(options, skip_unset=False), trainer_options)
    except (DataError, run_folder.RunFolderError) as error:
        raise UserError(str(error)) from error
    updates = None if checkpoint is None else checkpoint["global_step"] // (gan.d_steps + 1)
    trainer = Trainer(**trainer_options, **outputs(folder, options, updates))
    if options.fast_dev_run:  # Lightning takes its N for optimizer steps
        trainer.fit_loop.epoch_loop.max_steps = int(options.fast_dev_run) * (gan.d_steps + 1)
    code = fit(trainer, gan, data, folder, checkpoint_path)
    del lock  # held until here
    return code


def resumed_options(
    parser: cli.Parser, argv: Sequence[str], folder: Path | None, checkpoint: dict[str, Any]
) -> Namespace:
    """The options of the run that is resumed, with what is typed now over them."""
    options = parser.parse(argv, base=None if folder is None else str(folder / "config.yaml"))
    if options.data.dataset == "auto":
        options.data.dataset = checkpoint["datamodule_hyper_parameters"]["dataset"]
    if options.fast_dev_run:
        raise UserError("--fast_dev_run keeps nothing, so it cannot go with --ckpt_path")
    return options


def build_parts(options: Namespace) -> tuple[GAN, MNISTDataModule]:
    """The model, with initial weights from the seed alone, and the data; checks their options."""
    seed = options.seed_everything
    if not 0 <= seed < 2**32:
        raise UserError(f"--seed_everything must be 0 to {2**32 - 1}, got {seed}")
    seed_everything(seed, verbose=False)
    try:
        return GAN(**options.model, seed=seed), MNISTDataModule(**options.data, seed=seed)
    except ValueError as error:
        raise UserError(f"--{error}") from error


def check_trainer_options(options: Namespace, gan: GAN) -> tuple[dict[str, Any], int]:
    """The Trainer's arguments, in Lightning's counting, and the number of processes.

    Raises:
        UserError: The Trainer refuses them, or they cannot work here.
    """
    model_keys = {"config", "seed_everything", "ckpt_path", "model", "data"}
    arguments = {key: value for key, value in options.items() if key not in model_keys and "." not in key}
    if str(options.precision) in ("16", "16-mixed", "16-true"):
        raise UserError(
            "--precision 16 needs loss scaling, which would hide the true gradients; use bf16-mixed or 32-true"
        )
    if options.log_every_n_steps is not None and options.log_every_n_steps < 1:
        raise UserError(f"--log_every_n_steps must be at least 1, got {options.log_every_n_steps}")
    if options.max_epochs == 0:
        raise UserError("--max_epochs must be at least 1, or -1 for no end, got 0")
    if options.max_steps > 0:
        arguments["max_steps"] = options.max_steps * (gan.d_steps + 1)  # Lightning counts optimizer steps, we updates
    if (
        options.accelerator == "cpu"
        and str(options.devices).isdecimal()
        and int(options.devices) > (os.cpu_count() or 1)
    ):
        raise UserError(f"--devices {options.devices}: this machine has {os.cpu_count()} CPU cores")
    try:
        trainer = Trainer(**arguments, logger=False, enable_checkpointing=False)
        if isinstance(trainer.strategy, DDPStrategy) and arguments["strategy"] in DDP_VARIANTS:
            arguments["strategy"] = DDP_VARIANTS[arguments["strategy"]] + "_find_unused_parameters_true"
    except (MisconfigurationException, ValueError, TypeError, RuntimeError) as error:
        raise UserError(" ".join(str(error).split())) from error
    return arguments, trainer.world_size


def check_weights(path: Path, checkpoint: dict[str, Any], gan: GAN) -> None:
    """Makes sure that a checkpoint's weights are those of the networks that its options describe."""
    if checkpoint["hyper_parameters"] == dict(gan.hparams):
        shapes = [{key: value.shape for key, value in d.items()} for d in (checkpoint["state_dict"], gan.state_dict())]
        if shapes[0] != shapes[1]:
            raise UserError(f"{path} holds other networks than its options say: it is damaged")


def check_last_batch(options: Namespace, world_size: int) -> None:
    """Makes sure that every process gets images, and batch normalization more than one."""
    rows = options.data.train_rows // world_size
    if rows == 0:
        raise UserError(f"--data.train_rows {options.data.train_rows} is fewer than the {world_size} processes")
    if options.model.batch_norm and rows % options.data.batch_size == 1:
        raise UserError(
            f"--model.batch_norm needs 2 images or more, and the last of {rows} in batches of {options.data.batch_size} is "
            "alone; change --data.batch_size"
        )


def fetch(data: MNISTDataModule, options: Namespace) -> None:
    """Fetches and reads the images; the options then name what was found."""
    data.prepare_data()
    data.setup("fit")
    if data.fallback_reason:
        reason = f"MNIST could not be had, so this run trains on the BUILT-IN DIGITS.\n({data.fallback_reason})\n"
        ways = "For MNIST: name a folder with its four IDX files by --data.data_dir or MNIST_DIR."
        Console(stderr=True).print(Panel(reason + ways, title="NOT MNIST", style="bold yellow", expand=False))
    for found in (options.data, data.hparams):
        found["dataset"], found["data_dir"] = data.dataset, str(data.folder)


def hyperparameters_of(options: Namespace) -> dict[str, Any]:
    """What must not change when a run is resumed, by option name."""
    data = {f"data.{key}": value for key, value in options.data.items() if key != "data_dir"}
    model = {f"model.{key}": value for key, value in options.model.items()}
    return {"seed_everything": options.seed_everything} | model | data


def outputs(folder: Path | None, options: Namespace, updates: int | None) -> dict[str, Any]:
    """The Trainer's callbacks, loggers and plugins, which write into the run folder (None: nothing is kept).

    Args:
        folder: The run folder; None on all processes but the first.
        options: The command line's options.
        updates: How many updates a resumed run has done.
    """
    metrics = MetricsLogger()
    callbacks: list[Any] = [
        LambdaCallback(
            on_train_start=lambda *_: STOP.install(deferred=True),
            on_train_batch_end=lambda *_: STOP.check(),
            on_train_end=lambda *_: STOP.install(),
        ),
        metrics,
        SampleGrids(folder, options.seed_everything),
    ]
    if options.enable_progress_bar is not False:
        callbacks.append(TrainingProgress(metrics))
    loggers: list[Any] = []
    if folder is not None:
        first_update = None if updates is None else updates + 1
        loggers = [RunTensorBoard(folder, first_update), MetricsCSV(folder, first_update)]
        callbacks.append(Curves(folder))
    callbacks.append(RunMessages(folder))
    last = run_folder.LAST
    checkpoints = ModelCheckpoint(
        dirpath=(folder or Path()) / last.parent,
        filename=last.stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    return {"callbacks": [*callbacks, checkpoints], "logger": loggers or False, "plugins": [AtomicCheckpointIO()]}


def fit(trainer: Trainer, gan: GAN, data: MNISTDataModule, folder: Path | None, checkpoint_path: Path | None) -> int:
    """Trains, and says after an interruption how to go on; returns the exit code.

    Raises:
        RunFailed: A loss is no longer a number.
        UserError: The disk is full.
    """
    try:
        trainer.fit(gan, datamodule=data, ckpt_path=checkpoint_path, weights_only=True)
    except (SystemExit, RuntimeError):  # Lightning exits on Ctrl-C; other processes that ended first are a RuntimeError
        if STOP.received is None:
            raise
        if trainer.is_global_zero:
            print("\nInterrupted. " + how_to_resume(folder), file=sys.stderr)
        return cli.interrupted_code()
    except TrainingDiverged as error:
        raise RunFailed(f"{error}\n{how_to_resume(folder)}") from error
    except OSError as error:
        raise UserError(
            f"{error.filename or folder} cannot be written: {error.strerror}. {how_to_resume(folder)}"
        ) from error
    return 0


if __name__ == "__main__":
    cli.leave(main())
