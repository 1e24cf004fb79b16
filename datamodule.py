"""MNIST and its relatives as a LightningDataModule: one uint8 tensor on the training device, minibatches by index.

Try it: `python train.py --data.dataset digits --fast_dev_run true`
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from first_gan.data import FOLDERS, TRAIN_IMAGES, TRAIN_LABELS, TRAIN_ROWS, DataError, idx
from first_gan.data.digits import make_digits
from first_gan.data.download import download

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "digits", "auto"]
SHUFFLE_STREAM = 1  # keeps the shuffle's random stream apart from the noise's, which has the same seed and epoch


class MNISTDataModule(LightningDataModule):
    """The training images of one dataset, shuffled anew each epoch.

    Args:
        dataset: mnist, fashion_mnist, kmnist (all three on disk or downloaded), digits (built in, needs no network), or
            auto: mnist if it can be had, else digits, with a warning.
        data_dir: Folder in torchvision's layout or with the four IDX files, gzipped or not; where downloads go. By
            default the environment variable MNIST_DIR (mnist and auto alone), else `data`.
        batch_size: Images per minibatch and process; 1 to 60000.
        train_rows: How many rows of the training set are trained on, from the first; 1 to 60000.
        seed: With the epoch, decides the shuffle; at least 0.
        limit: Minibatches of an epoch that are trained on: a number, or a share of them as a float in [0, 1]; None for all.
        steps_per_execution: Minibatches that the loader hands out at once.

    Raises:
        ValueError: An option is outside its legal range; the message names both.
    """

    def __init__(
        self,
        dataset: DatasetName = "mnist",
        data_dir: str | None = None,
        batch_size: int = 128,
        train_rows: int = TRAIN_ROWS,
        seed: int = 0,
        limit: int | float | None = None,
        steps_per_execution: int = 1,
    ) -> None:
        super().__init__()
        if dataset not in (*FOLDERS, "auto"):
            raise ValueError(f"data.dataset must be one of {', '.join(FOLDERS)} or auto, got {dataset}")
        if not 1 <= batch_size <= TRAIN_ROWS:
            raise ValueError(f"data.batch_size must be 1 to {TRAIN_ROWS}, got {batch_size}")
        if not 1 <= train_rows <= TRAIN_ROWS:
            raise ValueError(f"data.train_rows must be 1 to {TRAIN_ROWS}, got {train_rows}")
        self.save_hyperparameters(logger=False)
        self.batch_size, self.train_rows, self.seed = batch_size, train_rows, seed
        self.limit, self.steps_per_execution = limit, steps_per_execution
        self.dataset: str = dataset
        self.data_dir, self.data_dir_from = _data_dir(dataset, data_dir)
        self.own_dir = Path(data_dir or "data").expanduser()  # never MNIST_DIR: what is rendered does not go there
        self.fallback_reason = ""  # why `auto` became the digits
        self.images, self.labels = torch.empty(0), torch.empty(0)  # the training set, all 60,000 rows
        self.train_images = torch.empty(0)

    @property
    def folder(self) -> Path:
        """Where the dataset lies, once it is known which one it is."""
        return self.own_dir if self.dataset == "digits" else self.data_dir

    def prepare_data(self) -> None:
        """Fetches what is not on disk yet.

        Raises:
            DataError: The dataset cannot be had, or what is on disk is not it.
        """
        if self.dataset == "digits":
            if idx.find(self.own_dir, "digits") is None:
                make_digits(self.own_dir)
            return
        name = "mnist" if self.dataset == "auto" else self.dataset
        if idx.find(self.data_dir, name) is not None:
            return
        if self.data_dir_from == "MNIST_DIR":
            raise DataError(
                f"MNIST_DIR={self.data_dir} holds no MNIST files: point it to the four IDX files or unset it"
            )
        try:
            download(self.data_dir, name, rounds=1 if self.dataset == "auto" else 2)
        except DataError as error:
            if self.dataset == "auto":
                self.dataset, self.fallback_reason = "digits", str(error)
                self.prepare_data()
                return
            named = "--data.data_dir (or MNIST_DIR)" if name == "mnist" else "--data.data_dir"
            raise DataError(
                f"no {FOLDERS[name]} in {self.data_dir}, and it cannot be downloaded: {error}\n"
                f"name a folder with its four IDX files by {named}, or train on the built-in digits: --data.dataset digits"
            ) from error

    def setup(self, stage: str | None = None) -> None:
        """Reads and checks the four files; `auto` becomes the dataset that was found."""
        if not self.train_images.numel():
            if self.dataset == "auto":
                self.dataset = "mnist" if idx.find(self.data_dir, "mnist") else "digits"
            paths = idx.find(self.folder, self.dataset)
            if paths is None:
                raise DataError(f"{self.folder} holds no {self.dataset}; prepare_data() fetches it")
            arrays = idx.read_dataset(paths)
            self.images, self.labels = arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]
            self.train_images = self.images[: self.train_rows]

    def train_dataloader(self) -> "MinibatchLoader":
        """Minibatches (N, 1, 28, 28) in [-1, 1], on the device that trains, a few at a time."""
        assert self.trainer is not None
        device = self.trainer.strategy.root_device
        shuffle = EpochShuffle(len(self.train_images), self.seed, self.trainer.global_rank, self.trainer.world_size)
        images = self.train_images.to(device)
        return MinibatchLoader(images, self.batch_size, shuffle, self.steps_per_execution, self.limit)


class EpochShuffle:
    """The order of one rank's images: its slice of a shuffle that (seed, epoch) decides alike on every rank.

    Every rank gets equally many, so that none waits for another at the end: up to world_size - 1 images, other ones each
    epoch, are left out. Lightning calls `set_epoch`.
    """

    def __init__(self, rows: int, seed: int, rank: int = 0, world_size: int = 1) -> None:
        self.rows, self.seed, self.rank, self.world_size = rows, seed, rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.rows // self.world_size

    def indices(self) -> Tensor:
        """int64 row numbers, (len(self),)."""
        entropy = np.random.SeedSequence([self.seed, self.epoch], spawn_key=(SHUFFLE_STREAM,))
        generator = torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0]))
        order = torch.randperm(self.rows, generator=generator)
        return order[self.rank :: self.world_size][: len(self)]


class Minibatches:
    """A few successive minibatches of float32 images (N, 1, 28, 28) in [-1, 1], each made when its turn comes.

    Args:
        images: uint8, (rows, 1, 28, 28).
        rows: int64 row numbers of all images of the minibatches, in order.
        batch_size: Images per minibatch; the last one may be smaller.
    """

    def __init__(self, images: Tensor, rows: Tensor, batch_size: int) -> None:
        self.images, self.rows, self.batch_size = images, rows, batch_size

    def __iter__(self) -> Iterator[Tensor]:
        for rows in self.rows.split(self.batch_size):
            yield scale(self.images[rows])


class MinibatchLoader:
    """Iterates over an epoch of images that lie on the device as uint8, a few minibatches at a time.

    Args:
        images: uint8, (rows, 1, 28, 28).
        batch_size: Images per minibatch; the epoch's last one may be smaller.
        sampler: The order of an epoch; under this name Lightning tells it the epoch.
        steps_per_execution: Minibatches per item; the last item may hold fewer.
        limit: Minibatches of an epoch: a number, or a share of them as a float; None for all.
    """

    def __init__(
        self,
        images: Tensor,
        batch_size: int,
        sampler: EpochShuffle,
        steps_per_execution: int = 1,
        limit: int | float | None = None,
    ) -> None:
        self.images, self.batch_size, self.sampler = images, batch_size, sampler
        self.updates_per_epoch = limited(math.ceil(len(sampler) / batch_size), limit)
        self.steps_per_execution = min(steps_per_execution, self.updates_per_epoch)

    def __len__(self) -> int:
        return math.ceil(self.updates_per_epoch / self.steps_per_execution)

    def __iter__(self) -> Iterator[Minibatches]:
        rows = self.sampler.indices()[: self.updates_per_epoch * self.batch_size].to(self.images.device)
        for part in rows.split(self.batch_size * self.steps_per_execution):
            yield Minibatches(self.images, part, self.batch_size)


def limited(minibatches: int, limit: int | float | None) -> int:
    """How many of an epoch's minibatches a limit leaves, as Lightning counts them."""
    if limit is None:
        return minibatches
    return min(limit, minibatches) if isinstance(limit, int) else int(minibatches * limit)


def scale(images: Tensor) -> Tensor:
    """uint8 pixels 0 to 255 as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1.0)


def _data_dir(dataset: str, data_dir: str | None) -> tuple[Path, str]:
    """The folder to look in, and what named it."""
    if data_dir is not None:
        return Path(data_dir).expanduser(), "data.data_dir"
    if dataset in ("mnist", "auto") and os.environ.get("MNIST_DIR"):
        return Path(os.environ["MNIST_DIR"]).expanduser(), "MNIST_DIR"
    return Path("data"), "default"
