"""Where the images come from: IDX files on disk, their download, and the built-in digits."""

from pathlib import Path

from torchvision import datasets

TORCHVISION = {"mnist": datasets.MNIST, "fashion_mnist": datasets.FashionMNIST, "kmnist": datasets.KMNIST}
FOLDERS = {name: dataset.__name__ for name, dataset in TORCHVISION.items()} | {"digits": "Digits"}

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
TRAIN_ROWS, TEST_ROWS = 60_000, 10_000
VALIDATION_ROWS = slice(50_000, 60_000)  # of the training set, as in Goodfellow et al. 2014


class DataError(Exception):
    """The images cannot be had; the message is for the person who asked, and says what to do."""


def raw_folder(data_dir: Path, dataset: str) -> Path:
    """Where torchvision's layout keeps the four files of `dataset`."""
    return data_dir / FOLDERS[dataset] / "raw"
