"""Datasets on which GANs fail that MNIST alone does not show: unequal classes, few classes, few or unlabelled pictures.

All are made of MNIST's training images, always the same.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datamodule import MNISTDataModule

COUNTS: dict[str, Sequence[int]] = {  # images of each digit
    "ones": [78, 6300, *[78] * 8],  # 90 % of them
    "unequal": [2000, 200, 2000, 200, 2000, 200, 2000, 200, 2000, 200],
    "two": [5000, 5000, *[0] * 8],
    "few of two": [167, 167, *[0] * 8],
    "folder": [600] * 10,
    "few pictures": [45] * 10,
}
FOLDERS = ("folder", "few pictures")  # of PNG files without labels


def all_made(data_dir: str | None, to: Path) -> dict[str, list[str]]:
    """Of each dataset the options of train.py that name it.

    Args:
        data_dir: Where MNIST is; by default MNIST_DIR, else data.
        to: Folder of such datasets.
    """
    mnist = MNISTDataModule(data_dir=data_dir).images
    return {name: made(name, mnist.train[:, 0].numpy(), mnist.train_labels.numpy(), to) for name in COUNTS}


def made(name: str, images: np.ndarray, labels: np.ndarray, to: Path) -> list[str]:
    """Writes a dataset, unless it is there; returns the options of train.py that name it.

    Args:
        name: One of `COUNTS`.
        images: uint8, (N, 28, 28).
        labels: Their digits, (N,).
        to: Folder of such datasets.
    """
    rows = np.concatenate([np.flatnonzero(labels == digit)[:count] for digit, count in enumerate(COUNTS[name])])
    path = to / name if name in FOLDERS else to / f"{name}.npz"
    if not path.exists():
        new = path.with_name(f".{path.name}")  # takes its place when it is whole
        if name in FOLDERS:
            new.mkdir(parents=True, exist_ok=True)
            for row in rows:
                Image.fromarray(images[row]).save(new / f"{row:05}.png")
        else:
            to.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(new, images=images[rows], labels=labels[rows])
        new.rename(path)
    return [f"--data.dataset={'folder' if name in FOLDERS else 'npz'}", f"--data.data_dir={path}"]
