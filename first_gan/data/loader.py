"""Minibatches of images that lie on the training device, shuffled by index and scaled there."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from first_gan.data import scaled

SHUFFLE_STREAM = 1  # keeps the shuffle's random stream apart from the noise's, which has the same seed and epoch


class EpochOrder:
    """The order of one rank's images: its slice of a shuffle that (seed, epoch) decides alike on every rank.

    Every rank gets equally many, so that none waits for another at the end: up to world_size - 1 images, other ones each
    epoch, are left out. Lightning calls `set_epoch`.

    Args:
        rows: Images of the dataset.
        seed: Decides the shuffle, with the epoch; None keeps the dataset's order.
        rank: Of this process.
        world_size: Processes.
    """

    def __init__(self, rows: int, seed: int | None, rank: int = 0, world_size: int = 1) -> None:
        self.rows, self.seed, self.rank, self.world_size = rows, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.rows // self.world_size

    def indices(self) -> Tensor:
        """int64 row numbers, (len(self),)."""
        order = torch.arange(self.rows)
        if self.seed is not None:
            entropy = np.random.SeedSequence([self.seed, self.epoch], spawn_key=(SHUFFLE_STREAM,))
            generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
            order = torch.randperm(self.rows, generator=generator)
        return order[self.rank :: self.world_size][: len(self)]


class MinibatchLoader:
    """Yields (images, labels) of an epoch: float32 (N, C, H, W) in [-1, 1], and int64 (N,).

    Args:
        images: uint8, (rows, C, H, W), on the device that trains.
        labels: Integers, (rows,), there too.
        batch_size: Images per minibatch; the epoch's last one may be smaller.
        sampler: The order of an epoch; under this name Lightning tells it the epoch.
    """

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int, sampler: EpochOrder) -> None:
        self.images, self.labels, self.batch_size, self.sampler = images, labels.long(), batch_size, sampler
        self.batch_sampler = None  # Lightning looks for one beside a sampler

    def __len__(self) -> int:
        return math.ceil(len(self.sampler) / self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in self.sampler.indices().to(self.images.device).split(self.batch_size):
            yield scaled(self.images[rows]), self.labels[rows]
