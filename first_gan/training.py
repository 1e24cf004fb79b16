"""What every GAN's update needs and no paper spells out: gradients frozen and measured, weights averaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within it, no gradients of `network`'s own weights are computed: G's step would throw D's away."""
    weights = [parameter for parameter in network.parameters() if parameter.requires_grad]
    for parameter in weights:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in weights:
            parameter.requires_grad_(True)


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


def transferred(batch: Any, module: LightningModule) -> Any:
    """A batch on the module's device, by its and its datamodule's transfer hooks, which Lightning leaves to who takes the iterator."""
    data = module.trainer.datamodule  # type: ignore[attr-defined]
    owners = [module] if data is None else [data, module]
    for owner in owners:
        batch = owner.on_before_batch_transfer(batch, 0)
    batch = owners[0].transfer_batch_to_device(batch, module.device, 0)
    for owner in owners:
        batch = owner.on_after_batch_transfer(batch, 0)
    return batch
