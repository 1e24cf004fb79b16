"""Layers of a discriminator that PyTorch does not have. In eval mode each image is judged alone, by averages kept in training."""

from math import gcd

import torch
from torch import Tensor, nn

MEMORY = 1000  # batches that an average goes back over, about
GROUP = 8  # images at most that are compared with one another
EPSILON = 1e-8  # below the root, whose slope at 0 is infinite


class RunningMean(nn.Module):
    """The average over the batches seen so far, or over about the last thousand of them.

    Args:
        size: Numbers in it.
    """

    mean: Tensor
    batches: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def keep(self, values: Tensor) -> None:
        """Moves the average on by one batch, (N, size)."""
        self.batches += 1
        self.mean += (values.mean(0) - self.mean) / self.batches.clamp(max=MEMORY)


class Centering(RunningMean):
    """Inputs (N, size) minus the running mean of those seen in training: mean-only batch normalization by running statistics.

    Pixels of digits are nearly all -1, so that each gradient of a first layer is nearly the same one; without their mean a layer
    learns sooner. No image depends on the others of its batch.
    """

    def forward(self, inputs: Tensor) -> Tensor:
        centered = inputs - self.mean
        if self.training:
            self.keep(inputs)
        return centered


class MinibatchDeviation(RunningMean):
    """Features (N, F) and beside them `size` numbers that say how much those of a few images differ: (N, F + size).

    After Karras et al. 2018 (arXiv 1710.10196, section 3): the standard deviation of each feature over a group, averaged over
    F / size features. D sees by it where G draws a few images again and again. A group is 8 images that follow one another, or
    4 or 2 where 8 do not divide half of the batch: so none has both real and generated ones where a batch is half and half.

    Args:
        size: A divisor of F.
    """

    def forward(self, features: Tensor) -> Tensor:
        n, size = len(features), len(self.mean)
        if not self.training:
            return torch.cat([features, self.mean.to(features).expand(n, -1)], 1)
        group = max(1, gcd(n, 2 * GROUP) // 2)
        groups = features.view(-1, group, features.shape[1])
        spread = ((groups - groups.mean(1, keepdim=True)).square().mean(1) + EPSILON).sqrt()  # torch's var is slower
        deviation = spread.view(len(groups), size, -1).mean(2).repeat_interleave(group, 0)
        self.keep(deviation)
        return torch.cat([features, deviation], 1)


def judging(features: int, minibatch_std: int) -> list[nn.Module]:
    """The last layers of a D: from features to one logit, with or without what MinibatchDeviation says of them.

    Raises:
        ValueError: `minibatch_std` is neither 0 nor a divisor of `features`.
    """
    if minibatch_std < 0 or (minibatch_std and features % minibatch_std):
        raise ValueError(
            "model.discriminator.minibatch_std must be 0 or a divisor of the last layer's "
            f"{features} inputs, got {minibatch_std}"
        )
    compared = [MinibatchDeviation(minibatch_std)] if minibatch_std else []
    return [*compared, nn.Linear(features + minibatch_std, 1)]
