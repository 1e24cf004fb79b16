"""What train.py can be asked for: its parser, and the checks that need several options or the machine."""

import os
from collections.abc import Mapping
from typing import Any

from jsonargparse import ActionConfigFile, Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.accelerators import CPUAccelerator
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from datamodule import MNISTDataModule, limited
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.messages import LESSON_EPOCHS
from first_gan.callbacks.quality import QualityMonitor
from first_gan.run.cli import Parser, UserError
from gan_module import GAN

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
DDP = "ddp_find_unused_parameters_true"
STRATEGIES = ("auto", "ddp", DDP)


def build_parser() -> Parser:
    """Trainer options at the top, those of the model, the data, the quality scores and the diagnosis below."""
    parser = Parser(REFUSED, prog="train.py", description="Trains a GAN on MNIST.")
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of options; may be repeated")
    parser.add_argument("--seed_everything", type=int, default=0, help="seed of every random draw; 0 or more")
    parser.add_argument(
        "--ckpt_path", type=str | None, default=None, help="resume: a checkpoint's path, or `last` for the newest run's"
    )
    parser.add_class_arguments(GAN, "model", skip={"seed"})
    parser.add_class_arguments(MNISTDataModule, "data", skip={"seed", "limit", "steps_per_execution"})
    parser.add_class_arguments(QualityMonitor, "quality", skip={"seed"})
    parser.add_class_arguments(HealthMonitor, "health", skip={"seed"})
    parser.add_class_arguments(Trainer, None, skip=NOT_OFFERED)
    parser.set_defaults(max_epochs=LESSON_EPOCHS, log_every_n_steps=50, precision="32-true", enable_model_summary=False)
    return parser


def what_must_not_change(options: Namespace, processes: int) -> dict[str, Any]:
    """What decides the outcome of a run, by option name: a resumed run must have it alike."""
    groups = {"model": options.model, "data": options.data}
    nested = {f"{name}.{key}": value for name, group in groups.items() for key, value in group.items()}
    del nested["data.data_dir"], nested["model.steps_per_execution"]
    top = {key: options[key] for key in ("seed_everything", "precision", "limit_train_batches")}
    top["quality.samples"] = options.quality.samples  # scores of few images differ from scores of many
    return top | nested | {"devices × num_nodes": processes}


def as_defaults(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a checkpoint keeps, for a parser's defaults."""
    return {key: value for key, value in kept.items() if key != "devices × num_nodes"}


def check_trainer_options(options: Namespace, gan: GAN) -> tuple[dict[str, Any], Trainer]:
    """Lets Lightning check its own options, by making a Trainer that is not used for training.

    Returns:
        The Trainer's arguments in Lightning's counting, and that Trainer, for what it found out about the machine.

    Raises:
        UserError: The Trainer refuses them, or they cannot work here.
    """
    not_the_trainers = {"config", "seed_everything", "ckpt_path", "model", "data", "quality", "health"}
    arguments = {key: value for key, value in options.items() if key not in not_the_trainers and "." not in key}
    if str(options.precision) in ("16", "16-mixed", "16-true"):
        raise UserError("--precision 16 needs loss scaling, which would hide the gradients; use bf16-mixed or 32-true")
    if options.precision == "bf16-true" and options.model.ema_decay:
        raise UserError("--model.ema_decay averages in steps too small for bf16-true; use bf16-mixed or 32-true")
    if options.log_every_n_steps is None or options.log_every_n_steps < 1:
        raise UserError(f"--log_every_n_steps must be at least 1, got {options.log_every_n_steps}")
    for name in ("max_epochs", "max_steps"):
        if options[name] == 0:
            raise UserError(f"--{name} must be at least 1, or -1 for no end, got 0")
    if options.strategy not in STRATEGIES:
        raise UserError(f"--strategy {options.strategy} cannot be used here; use auto or ddp")
    if options.max_steps > 0:
        arguments["max_steps"] = options.max_steps * (gan.d_steps + 1)  # Lightning counts optimizer steps, we updates
    try:
        trainer = Trainer(**arguments, logger=False, enable_checkpointing=False)
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise UserError(" ".join(str(error).split())) from error
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > (os.cpu_count() or 1):
        raise UserError(f"--devices {options.devices}: this machine has {os.cpu_count()} CPU cores")
    arguments["limit_train_batches"] = None  # the loader's business: it hands out several minibatches at a time
    if isinstance(trainer.strategy, DDPStrategy):
        arguments["strategy"] = DDP
    return arguments, trainer


def check_batches(options: Namespace, processes: int) -> None:
    """Makes sure that every process gets images, that an epoch has updates, and batch normalization two images or more.

    Raises:
        UserError: It does not.
    """
    rows, batch_size, limit = options.data.train_rows // processes, options.data.batch_size, options.limit_train_batches
    if rows == 0:
        raise UserError(f"--data.train_rows {options.data.train_rows} is fewer than the {processes} processes")
    batches = -(-rows // batch_size)
    if limited(batches, limit) < 1:
        raise UserError(f"--limit_train_batches {limit} leaves no update in an epoch of {batches}")
    if options.model.batch_norm and (rows % batch_size or batch_size) == 1:
        raise UserError(
            f"--model.batch_norm needs 2 images or more, and the last of {rows} in batches of {batch_size} is alone; "
            "change --data.batch_size"
        )
