"""What every GAN's update needs and no paper spells out: gradients frozen and measured, weights averaged."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within it, no gradients of `network`'s own weights are computed: G's step would throw D's away."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


def gradient_norm(optimizer: torch.optim.Optimizer) -> Tensor:
    """L2 norm of the gradient of all weights of one optimizer."""
    gradients = [weights.grad for group in optimizer.param_groups for weights in group["params"]]
    return torch.stack([gradient.norm() for gradient in gradients if gradient is not None]).norm()


@torch.no_grad()
def move_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Moves a network's moving average on: decay times itself and the rest of the network, weights and buffers alike.

    As torch's AveragedModel, but without asking the device how often it was called, which a GPU's host would wait for.
    Integers, batch normalization's counters, are copied.
    """
    pairs = [
        (mean, now)
        for means, nows in ((average.parameters(), network.parameters()), (average.buffers(), network.buffers()))
        for mean, now in zip(means, nows, strict=True)
    ]
    floats = [(mean, now) for mean, now in pairs if mean.is_floating_point()]
    get_ema_multi_avg_fn(decay)([mean for mean, _ in floats], [now for _, now in floats], 0)
    for mean, now in pairs:
        if not mean.is_floating_point():
            mean.copy_(now)
