"""What a network's calls tell: its tensors, the activation that it ends in, layers that are in eval mode."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

BOUNDS = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0)}  # what an activation can put out
SHAPED = (
    "View",
    "Reshape",
    "Unsafe",
    "Squeeze",
    "Unsqueeze",
    "Flatten",
    "Unflatten",
    "Permute",
    "Transpose",
    "Clone",
    "ToCopy",
    "Alias",
)
FINGERPRINT = 256  # weights of each tensor of weights that are looked at


def tensors(value: Any) -> list[Tensor]:
    """All tensors in what a network takes or returns."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        value = list(value.values())
    return [each for item in value for each in tensors(item)] if isinstance(value, (list, tuple)) else []


def floats(value: Any) -> list[Tensor]:
    return [each for each in tensors(value) if each.is_floating_point() and each.ndim > 0 and len(each)]


def activations(output: Tensor) -> list[str]:
    """The activations that an output comes out of, the last first: `Tanh`, `Sigmoid`; found by autograd, through reshapings."""
    found, node = list[str](), output.grad_fn
    while node is not None and len(found) < 2:
        name = node.name().removesuffix("Backward0").removesuffix("Backward1")
        if name in BOUNDS:
            found.append(name)
        elif not name.startswith(SHAPED):
            break
        node = node.next_functions[0][0] if node.next_functions else None
    return found


def partly_in_eval_mode(network: nn.Module) -> bool:
    """Whether dropout or batch normalization of a network is in eval mode; other layers do the same in both."""
    return any(not layer.training for layer in network.modules() if isinstance(layer, (_DropoutNd, _BatchNorm)))


def same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(torch.equal(one, other))


def fingerprint(weights: Iterable[Tensor]) -> Tensor:
    """Some of the weights, always the same ones, as one vector."""
    parts = [each.detach().flatten()[:: max(1, each.numel() // FINGERPRINT)].float() for each in weights]
    return torch.cat(parts) if parts else torch.zeros(0)


def matrices(network: nn.Module) -> list[Tensor]:
    """The weights proper, without biases and what normalization has."""
    weights: list[Tensor] = list(network.parameters())
    return [each for each in weights if each.ndim >= 2] or weights


def as_images(points: Tensor) -> Tensor | None:
    """Images (N, C, H, W) of one or three channels; also from rows of pixels (N, C*H*W) that make squares; None of anything else."""
    if points.ndim == 4 and points.shape[1] in (1, 3):
        return points if min(points.shape[2:]) >= 8 else None
    if points.ndim == 3:
        return as_images(points[:, None])
    if points.ndim == 2:
        for channels in (1, 3):
            side = math.isqrt(points.shape[1] // channels)
            if side >= 8 and channels * side * side == points.shape[1]:
                return points.unflatten(1, (channels, side, side))
    return None
