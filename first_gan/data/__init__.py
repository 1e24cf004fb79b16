"""Where the images come from: IDX files on disk, their download, the built-in digits, and your own pictures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

ImageShape = tuple[int, int, int]  # channels, height, width

TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "kmnist": "KMNIST"}  # its names of these datasets
FOLDERS = TORCHVISION | {"digits": "Digits"}

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
TRAIN_ROWS, TEST_ROWS = 60_000, 10_000
VALIDATION_ROWS = slice(50_000, 60_000)  # of the training set, as in Goodfellow et al. 2014
SIDES = range(8, 257)  # legal sides of your own pictures, pixels
PICTURES = (".png", ".jpg", ".jpeg", ".webp")  # the suffixes of those that are read
FEWEST = 20  # images that can be split into those to train on, to validate and to test
LARGEST = 64 << 20  # bytes of one of the four files, packed or not; the largest is 47 MB


class DataError(Exception):
    """The images cannot be had; the message is for the person who asked, and says what to do."""


def of_torchvision(dataset: str) -> Any:
    """torchvision's class for a dataset, with the places and checksums of its files. Loaded when asked for: it takes a second."""
    from torchvision import datasets

    return getattr(datasets, TORCHVISION[dataset])


def raw_folder(data_dir: Path, dataset: str) -> Path:
    """Where torchvision's layout keeps the four files of `dataset`."""
    return data_dir / FOLDERS[dataset] / "raw"


@dataclass(frozen=True)
class ImageSet:
    """A dataset in memory.

    Args:
        train: uint8, (N, C, H, W).
        train_labels: Their classes, (N,), integers from 0; all 0 where there are none.
        test: Images that are never trained on, likewise.
        test_labels: Their classes.
        classes: Names of the classes; fewer than two where the images are not labelled.
        published: Whether checksums say that all of it is just what the dataset's authors published.
    """

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    classes: tuple[str, ...] = tuple("0123456789")
    published: bool = False

    @property
    def shape(self) -> ImageShape:
        """Of one image: channels, height, width."""
        channels, height, width = self.train.shape[1:]
        return channels, height, width

    @property
    def validation(self) -> slice:
        """The last sixth of the training rows, 10,000 at most: MNIST's 50,000 to 59,999, as in Goodfellow et al. 2014."""
        rows = len(self.train)
        return slice(rows - min(10_000, rows // 6), rows)


def mixed(rows: int) -> Tensor:
    """An order of rows that mixes them and is always the same: int64, (rows,)."""
    return torch.randperm(rows, generator=torch.Generator().manual_seed(0))


def split(images: Tensor, labels: Tensor, classes: tuple[str, ...]) -> ImageSet:
    """Mixes images that come without a test set, and holds the last tenth of them out as one, 10,000 at most.

    Args:
        images: uint8, (N, C, H, W), in an order that does not change; at least `FEWEST`.
        labels: int64, (N,).
        classes: Their names.
    """
    order = mixed(len(images))
    train, test = order.split([len(order) - (held_out := min(TEST_ROWS, len(order) // 10)), held_out])
    return ImageSet(images[train], labels[train], images[test], labels[test], classes)


def check_image_size(image_size: int | None) -> None:
    """Raises DataError if `data.image_size` is not one that images can have."""
    if image_size is not None and image_size not in SIDES:
        raise DataError(f"--data.image_size must be {SIDES[0]} to {SIDES[-1]} pixels, got {image_size}")


def scaled(images: Tensor) -> Tensor:
    """uint8 pixels 0 to 255 as float32 in [-1, 1]."""
    return images.float().div_(127.5).sub_(1.0)


def images_of(batch: Any, image_shape: ImageShape) -> Tensor:
    """The images of a batch, as any ordinary loader yields one.

    Args:
        batch: A tensor of images (N, *image_shape), or a tuple or list whose first item is one, such as (images, labels).
        image_shape: What one image must be: channels, height, width.

    Returns:
        Floats (N, *image_shape): uint8 pixels `scaled` to [-1, 1], floats as they are, in [-1, 1] by agreement.

    Raises:
        ValueError: The images are of another shape.
        TypeError: The batch holds no images, or their dtype is neither uint8 nor a float.
    """
    images = batch[0] if isinstance(batch, (tuple, list)) and batch else batch
    if not isinstance(images, Tensor):
        found = f"{type(batch).__name__} of {type(images).__name__}" if images is not batch else type(batch).__name__
        raise TypeError(f"a batch must be a tensor of images, or a tuple or list that begins with one, got {found}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"images must be uint8, or floats in [-1, 1], got {images.dtype}")
    if images.shape[1:] != image_shape:
        legal = ", ".join(map(str, image_shape))
        other = tuple(images.shape[1:]) if images.ndim == 4 else "(channels, height, width)"
        raise ValueError(
            f"a batch must be images of shape (N, {legal}), got {tuple(images.shape)}; "
            f"GAN(image_shape={other}) makes networks for other images"
        )
    return scaled(images) if images.dtype == torch.uint8 else images
