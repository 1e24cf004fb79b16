"""MNIST, its relatives or your own pictures as a LightningDataModule: minibatches of (images, labels), on the training device.

Try it: `python train.py --data.dataset digits --fast_dev_run true`
"""

import os
from pathlib import Path
from typing import Literal

import torch
from pytorch_lightning import LightningDataModule
from torch import Tensor

from first_gan.data import FOLDERS, TRAIN_ROWS, DataError, ImageSet, ImageShape, idx, places
from first_gan.data.digits import make_digits
from first_gan.data.download import download
from first_gan.data.loader import EpochOrder, MinibatchLoader
from first_gan.data.sources import OWN, read

DatasetName = Literal["mnist", "fashion_mnist", "kmnist", "digits", "auto", "folder", "npz"]


class MNISTDataModule(LightningDataModule):
    """The images of one dataset; those to train on are shuffled anew each epoch.

    Args:
        dataset: mnist, fashion_mnist, kmnist (all three on disk or downloaded), digits (built in, needs no network), auto:
            mnist if it can be had, else digits, with a warning; folder: pictures, in subfolders by class or not; npz: a
            numpy file with images, and labels or not.
        data_dir: Folder in torchvision's layout or with the four IDX files, gzipped or not, or a folder that holds such a
            one; where downloads go, unless it holds something else. By default the environment variable MNIST_DIR (mnist and
            auto alone), else `data`. Of folder and npz the place itself.
        batch_size: Images per minibatch and process; 1 to 60000.
        train_rows: How many rows of the training set are trained on, from the first; None for all.
        image_size: Side that pictures are scaled and cropped to, for folder and npz; 8 to 256; None leaves them as they are.
        seed: With the epoch, decides the shuffle; at least 0; None takes torch's seed.

    Raises:
        ValueError: An option is outside its legal range; the message names both.
    """

    def __init__(
        self,
        dataset: DatasetName = "mnist",
        data_dir: str | None = None,
        batch_size: int = 128,
        train_rows: int | None = None,
        image_size: int | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        seed = torch.initial_seed() if seed is None else seed
        if dataset not in (*FOLDERS, "auto", *OWN):
            raise ValueError(f"data.dataset must be one of {', '.join(FOLDERS)}, auto, folder or npz, got {dataset}")
        if not 1 <= batch_size <= TRAIN_ROWS:
            raise ValueError(f"data.batch_size must be 1 to {TRAIN_ROWS}, got {batch_size}")
        if image_size is not None and (dataset not in OWN or not 8 <= image_size <= 256):
            raise ValueError(f"data.image_size must be 8 to 256, and goes with folder and npz alone, got {image_size}")
        if dataset in OWN and data_dir is None:
            raise ValueError(
                f"data.data_dir must name the {'folder of pictures' if dataset == 'folder' else '.npz file'}"
            )
        self.save_hyperparameters(logger=False)
        self.batch_size, self.image_size, self.seed = batch_size, image_size, seed
        self.dataset: str = dataset
        self.data_dir, self.data_dir_from = _data_dir(dataset, data_dir)
        self.own_dir = Path(data_dir or "data").expanduser()  # never MNIST_DIR: what is rendered does not go there
        self.fallback_reason = ""  # why `auto` became the digits
        self._images: ImageSet | None = None
        self._train_rows = train_rows
        if dataset not in OWN:
            self._check_train_rows(TRAIN_ROWS)

    @property
    def folder(self) -> Path:
        """Where the dataset lies, once it is known which one it is."""
        return self.own_dir if self.dataset == "digits" else self.data_dir

    @property
    def images(self) -> ImageSet:
        """The whole dataset; fetched and read where that was not done yet."""
        if self._images is None:
            self.prepare_data()
            self.setup()
        assert self._images is not None
        return self._images

    @property
    def train_rows(self) -> int:
        """How many images are trained on."""
        return self._train_rows or (len(self.images.train) if self.dataset in OWN else TRAIN_ROWS)

    @property
    def train_images(self) -> Tensor:
        """The images that are trained on, uint8, (train_rows, C, H, W)."""
        return self.images.train[: self.train_rows]

    @property
    def held_out_images(self) -> Tensor:
        """Images that are not trained on, uint8: the rows after `train_rows`, or the test set where it has more."""
        rest = self.images.train[self.train_rows :]
        return rest if len(rest) >= len(self.images.test) else self.images.test

    @property
    def image_shape(self) -> ImageShape:
        """Channels, height and width; known before they are read, but for your own pictures."""
        return self.images.shape if self.dataset in OWN else (1, 28, 28)

    def prepare_data(self) -> None:
        """Fetches what is not on disk yet.

        Raises:
            DataError: The dataset cannot be had, or what is on disk is not it.
        """
        if self.dataset in OWN:
            return
        if self.dataset == "digits":
            if idx.find(self.own_dir, "digits") is None:
                places.check_free(self.own_dir, "digits")
                make_digits(self.own_dir)
            return
        name = "mnist" if self.dataset == "auto" else self.dataset
        if idx.find(self.data_dir, name) is not None:
            return
        if self.data_dir_from == "MNIST_DIR":
            what = f"MNIST_DIR={self.data_dir} holds no MNIST files: point it to the four IDX files or unset it"
            raise DataError(what + places.or_else(self.data_dir))
        places.check_free(self.data_dir, name)
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
        """Reads and checks the images; `auto` becomes the dataset that was found.

        Raises:
            DataError: They are not there, or not what they should be.
        """
        if self._images is None:
            if self.dataset == "auto":
                self.dataset = "mnist" if idx.find(self.data_dir, "mnist") else "digits"
            images = read(self.dataset, self.folder, self.image_size)
            if images is None and self.dataset in OWN:
                raise DataError(f"--data.data_dir: there is nothing at {self.folder}")
            if images is None:
                raise DataError(f"{self.folder} holds no {self.dataset}; prepare_data() fetches it")
            self._check_train_rows(len(images.train))
            self._images = images
            self.hparams["dataset"] = self.dataset  # which a checkpoint keeps

    def train_dataloader(self) -> MinibatchLoader:
        """Minibatches of (images, labels), shuffled by seed and epoch."""
        return self._loader(self.train_images, self.images.train_labels[: self.train_rows], self.seed)

    def val_dataloader(self) -> MinibatchLoader:
        """The last sixth of the training set, in order: of MNIST rows 50,000 to 59,999, which `train_rows` 50000 holds out."""
        rows = self.images.validation
        return self._loader(self.images.train[rows], self.images.train_labels[rows], None)

    def test_dataloader(self) -> MinibatchLoader:
        """The test set, in order."""
        return self._loader(self.images.test, self.images.test_labels, None)

    def _loader(self, images: Tensor, labels: Tensor, seed: int | None) -> MinibatchLoader:
        device, rank, world_size = torch.device("cpu"), 0, 1
        if self.trainer is not None:
            device = self.trainer.strategy.root_device
            rank, world_size = self.trainer.global_rank, self.trainer.world_size
        order = EpochOrder(len(images), seed, rank, world_size)
        return MinibatchLoader(images.to(device), labels.to(device), self.batch_size, order)

    def _check_train_rows(self, most: int) -> None:
        if self._train_rows is not None and not 1 <= self._train_rows <= most:
            raise ValueError(f"data.train_rows must be 1 to {most}, got {self._train_rows}")


def _data_dir(dataset: str, data_dir: str | None) -> tuple[Path, str]:
    """The folder to look in, and what named it."""
    if data_dir is not None:
        return Path(data_dir).expanduser(), "data.data_dir"
    if dataset in ("mnist", "auto") and os.environ.get("MNIST_DIR"):
        return Path(os.environ["MNIST_DIR"]).expanduser(), "MNIST_DIR"
    return Path("data"), "default"
