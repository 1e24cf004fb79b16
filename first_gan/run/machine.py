"""What the machine allows: Lightning's check of its own options, accelerators, clusters, notebooks."""

import inspect
import os
import re
import sys
from typing import Any

import torch
from jsonargparse import Namespace
from pytorch_lightning import Trainer
from pytorch_lightning.accelerators import CPUAccelerator, CUDAAccelerator, MPSAccelerator
from pytorch_lightning.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from first_gan.run.cli import UserError

# Each loss trains one network and leaves the other's gradients unused, which plain DDP takes for an error.
DDP = "ddp_find_unused_parameters_true"
STRATEGIES = ("auto", "ddp", DDP)
MOST, MOST_DEVICES = 2**31, 100_000
GPUS = {"gpu": (CUDAAccelerator, MPSAccelerator), "cuda": (CUDAAccelerator,), "mps": (MPSAccelerator,)}


def check_trainer_options(options: Namespace, d_steps: int) -> tuple[dict[str, Any], Trainer]:
    """Lets Lightning check its own options, by making a Trainer that is not used for training.

    Returns:
        The Trainer's arguments in Lightning's counting, and that Trainer, for what it found out about the machine.

    Raises:
        UserError: The Trainer refuses them, or they cannot work here.
    """
    trainers = inspect.signature(Trainer).parameters.keys() - {"logger"}  # which is ours
    arguments = {key: value for key, value in options.items() if key in trainers}
    counts = {f"model.{name}": options.model[name] for name in ("d_steps", "steps_per_execution")}
    for name, value in (arguments | counts).items():
        if isinstance(value, int) and abs(value) >= MOST:
            raise UserError(f"--{name} must be below {MOST}, got {value}")
    limit, devices = options.limit_train_batches, options.devices
    if isinstance(limit, float) and not 0 < limit <= 1:
        raise UserError(f"--limit_train_batches must be a whole number, or a share above 0 and at most 1, got {limit}")
    if re.fullmatch(r"\d+", str(devices)) and not (len(str(devices)) < 9 and int(devices) <= MOST_DEVICES):
        raise UserError(f"--devices {devices}: at most {MOST_DEVICES}")
    if str(options.precision) in ("16", "16-mixed", "16-true"):
        raise UserError("--precision 16 needs loss scaling, which would hide the gradients; use bf16-mixed or 32-true")
    if options.precision == "bf16-true" and options.model.ema_decay:
        raise UserError("--model.ema_decay averages in steps too small for bf16-true; use bf16-mixed or 32-true")
    if options.log_every_n_steps is None or options.log_every_n_steps < 1:
        raise UserError(f"--log_every_n_steps must be at least 1, got {options.log_every_n_steps}")
    for name in ("max_epochs", "max_steps"):
        if options[name] == 0:
            raise UserError(f"--{name} must be at least 1, or -1 for no end, got 0")
    if options.model.lr_decay and options.max_epochs == options.max_steps == -1:
        raise UserError("--model.lr_decay needs an end to fall towards: --max_epochs or --max_steps")
    if options.strategy not in STRATEGIES:
        raise UserError(f"--strategy {options.strategy} cannot be used here; use auto or ddp")
    if options.max_steps > 0:
        arguments["max_steps"] = options.max_steps * (d_steps + 1)  # Lightning counts optimizer steps, we updates
    if updates := int(options.fast_dev_run):  # Lightning's own would count optimizer steps too
        short = {"max_epochs": 1, "max_steps": updates * (d_steps + 1), "limit_train_batches": updates}
        arguments |= {"fast_dev_run": False} | short
    arguments["enable_checkpointing"] = not options.fast_dev_run
    check_accelerator(str(options.accelerator))
    # Under SLURM Lightning resumes, unasked, from an hpc_ckpt_*.ckpt in this folder: so it is one that is none.
    arguments["default_root_dir"] = os.devnull
    try:
        arguments["plugins"] = cluster_plugins()
        trainer = Trainer(**(arguments | {"logger": False, "enable_checkpointing": False}))
    except (MisconfigurationException, ValueError, TypeError, RuntimeError, ImportError) as error:
        raise UserError(" ".join(str(error).split())) from error
    if isinstance(trainer.accelerator, CPUAccelerator) and trainer.num_devices > (os.cpu_count() or 1):
        raise UserError(f"--devices {options.devices}: this machine has {os.cpu_count()} CPU cores")
    if trainer.num_devices > 1 and (hasattr(sys, "ps1") or sys.flags.interactive):
        raise UserError(
            f"--devices {options.devices}: a notebook or prompt cannot start several processes\n"
            "run train.py from a terminal, or on one device: --devices 1"
        )
    if isinstance(trainer.strategy, DDPStrategy):
        arguments["strategy"] = DDP
    return arguments, trainer


def check_accelerator(accelerator: str) -> None:
    """Says what to do where a GPU is asked for and there is none; of all else Lightning speaks."""
    if accelerator not in GPUS or any(kind.is_available() for kind in GPUS[accelerator]):
        return
    built_for = torch.version.cuda or torch.version.hip
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        why = "the environment variable CUDA_VISIBLE_DEVICES hides all GPUs: unset it"
    elif built_for is None:
        why = f"torch {torch.__version__} is built without CUDA: https://pytorch.org/get-started has one with it"
    else:
        why = f"torch {torch.__version__} finds no GPU, or no driver for its CUDA {built_for}: see what nvidia-smi says"
    raise UserError(f"--accelerator {accelerator}: there is no GPU here; leave it out to train on the CPU\n({why})")


def cluster_plugins() -> list[SLURMEnvironment]:
    """SLURM's environment without Lightning's requeue, which keeps its checkpoint outside the run folder."""
    if TorchElasticEnvironment.detect() or not SLURMEnvironment.detect():
        return []
    return [SLURMEnvironment(auto_requeue=False)]


def device_name(trainer: Trainer, library: str | None) -> str:
    """`cuda NVIDIA H100`, `cpu 2 threads, matrix products by oneDNN`."""
    device = trainer.strategy.root_device
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu {threads} thread{'s' * (threads != 1)}, matrix products by {library}"
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type
