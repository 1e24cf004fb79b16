"""What training goes on from, apart from the weights: checked to be what the Trainer writes, before it is handed to it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from first_gan import tensors
from first_gan.networks import is_plain
from first_gan.run.folder import RunFolderError

MOST = 2**53  # a count beyond is none


def check_state(path: Path, checkpoint: Mapping[str, Any], gan: LightningModule, trainer: Trainer) -> None:
    """Makes sure that a checkpoint's optimizers, loops and callbacks are such as this run writes.

    Args:
        path: The checkpoint's path.
        checkpoint: The checkpoint, with the options of the run.
        gan: The model, whose optimizers are as the options say.
        trainer: A Trainer, whose loops have not begun.

    Raises:
        RunFolderError: They are not.
    """
    loops, kinds = checkpoint.get("loops"), ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    optimizers: Any = gan.configure_optimizers()
    states = checkpoint["optimizer_states"]
    good = (
        re.fullmatch(r"\d+(\.\w+){1,4}", str(checkpoint.get("pytorch-lightning_version")), re.ASCII)
        and _alike(loops, {kind: getattr(trainer, kind).state_dict() for kind in kinds})
        and _counts_agree(checkpoint)
        and _callbacks_are_whole(checkpoint.get("callbacks"))
        and checkpoint.get("lr_schedulers") == []
        and len(states) == len(optimizers)
        and all(map(_is_of, states, optimizers))
    )
    if not good:
        what = "holds a state that training cannot go on from: it is damaged, or of another version of this program"
        raise RunFolderError(f"{path} {what}")


def _alike(given: Any, wanted: Any) -> bool:
    """Whether nested dicts of counts and flags have the same form."""
    if isinstance(wanted, dict):
        return (
            isinstance(given, dict)
            and given.keys() == wanted.keys()
            and all(map(_alike, given.values(), map(wanted.get, given)))
        )
    return type(given) is type(wanted) and 0 <= given < MOST


def _counts_agree(checkpoint: Mapping[str, Any]) -> bool:
    """Whether the Trainer would go on from the epoch and update that the checkpoint says it is of."""
    fit = checkpoint["loops"]["fit_loop"]
    steps = fit["epoch_loop.manual_optimization.optim_step_progress"]["total"]["completed"]
    epochs = fit["epoch_progress"]["current"]["processed"]
    return (steps, epochs) == (checkpoint["global_step"], checkpoint["epoch"] + 1)


def _callbacks_are_whole(states: Any) -> bool:
    if not isinstance(states, dict) or not all(isinstance(name, str) for name in states):
        return False
    quality, timer = states.get("QualityMonitor"), states.get("Timer", {"time_elapsed": {}})
    if not isinstance(quality, dict) or not isinstance(timer, dict) or not isinstance(timer.get("time_elapsed"), dict):
        return False
    best, epoch, seconds = quality.get("best_fcd"), quality.get("best_epoch"), timer["time_elapsed"].values()
    numbers = all(isinstance(each, (int, float)) and 0 <= each < MOST for each in seconds)
    return numbers and isinstance(best, float) and best >= 0 and isinstance(epoch, int) and 0 <= epoch < MOST


def _is_of(state: Any, optimizer: Optimizer) -> bool:
    """Whether a state is of an optimizer with these options, of parameters with these shapes."""
    fresh = optimizer.state_dict()["param_groups"]
    groups = state.get("param_groups")
    if not isinstance(groups, list) or len(groups) != len(fresh):
        return False
    for group, own in zip(groups, fresh, strict=True):
        if not isinstance(group, dict) or not all(is_plain(value) for value in group.values()):
            return False
        if any(_plain(group.get(name)) != _plain(value) for name, value in own.items()):
            return False
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    averages = state["state"]
    if not isinstance(averages, dict) or not averages.keys() <= set(range(len(parameters))):
        return False  # of a layer that is frozen there are none
    return all(_averages(kept, parameters[number]) for number, kept in averages.items())


def _averages(kept: Any, parameter: Tensor) -> bool:
    """Whether these are Adam's of a parameter."""
    if not isinstance(kept, dict) or kept.keys() != {"step", "exp_avg", "exp_avg_sq"}:
        return False
    step = kept["step"]
    return tensors.fits(step, parameter.new_zeros(())) and all(
        tensors.fits(kept[name], parameter) for name in ("exp_avg", "exp_avg_sq")
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
