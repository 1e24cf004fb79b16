"""An .npz file as a dataset: `images` (and `labels`), or Keras' `x_train`, `y_train`, `x_test`, `y_test`.

Try it: `python train.py --data.dataset npz --data.data_dir mnist.npz`
"""

import zipfile
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from first_gan.data import FEWEST, SIDES, DataError, ImageSet, check_image_size, mixed, places, split

LARGEST = 8 << 30  # bytes of all arrays, unpacked
CHUNK = 1000  # images at a time
Names = tuple[tuple[str, str], ...]  # of the images and labels to train on, and to test on
PLAIN: Names = (("images", "labels"),)
KERAS: Names = (("x_train", "y_train"), ("x_test", "y_test"))


def read_npz(path: Path, image_size: int | None = None) -> ImageSet:
    """Reads images, and labels where there are some.

    Images are (N, H, W), (N, H, W, 1 or 3) or (N, 1 or 3, H, W): uint8, or floats in [0, 1] or in [-1, 1]. Labels are
    integers (N,) or (N, 1) of any value; each value is a class. Images without test images are mixed in an order that is
    always the same, and the last tenth, 10,000 at most, becomes the test set; else they stay in theirs, unless that is the
    order of their classes.

    Args:
        path: The file; nothing in it is ever unpickled.
        image_size: Each image is scaled so that its shorter side is that, 8 to 256 pixels, and cropped in the middle to a
            square; None where they are squares already.

    Raises:
        DataError: The file cannot be read, is over 8 GiB unpacked, or its arrays are not such images and labels.
    """
    check_image_size(image_size)
    arrays = _arrays(path)
    names = next((names for names in (PLAIN, KERAS) if names[0][0] in arrays), None)
    if names is None:
        found = ", ".join(arrays) or "none of them"
        raise DataError(f"{path} must hold `images` (and `labels`), or `x_train` (and `y_train`, ...); it has {found}")
    names = tuple(pair for pair in names if pair[0] in arrays)  # Keras' without a test set are as good as plain ones
    try:
        labels, classes = _labels(arrays, names)
        images = _images({name: arrays[name] for name, _ in names}, image_size)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len(images[0]) < FEWEST or len(images[-1]) < 2:
        counts = " and ".join(f"{len(array)} {name}" for array, (name, _) in zip(images, names, strict=True))
        raise DataError(f"{path} holds {counts}; {FEWEST} images are the fewest to train on, 2 to test on")
    if len(names) == 1:
        return split(images[0], labels[0], classes)
    if len(classes) > 1 and _grouped(labels[0]):  # else the validation rows would be of the last class
        order = mixed(len(labels[0]))
        images[0], labels[0] = images[0][order], labels[0][order]
    return ImageSet(images[0], labels[0], images[1], labels[1], classes)


def _grouped(labels: Tensor) -> bool:
    """Whether equal labels lie together far more often than chance would have them."""
    shares = labels.bincount().double() / len(labels)
    return (labels.diff() != 0).double().mean().item() < (1 - shares.square().sum().item()) / 2


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Those of the file's arrays that have one of our names."""
    if not path.is_file():
        what = f"{path} is {'a folder' if path.is_dir() else 'no file'}; name an .npz file by --data.data_dir"
        raise DataError(what + places.or_else(path))
    wanted = {name for pairs in (PLAIN, KERAS) for pair in pairs for name in pair}
    try:
        with zipfile.ZipFile(path) as archive:  # which never reads more of a member than it says here
            sizes = {info.filename.removesuffix(".npy"): info.file_size for info in archive.infolist()}
        if (size := sum(sizes[name] for name in wanted & sizes.keys())) > LARGEST:
            raise DataError(f"{path} holds {size / 2**30:,.1f} GiB of images; {LARGEST >> 30} GiB are the most")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name in wanted}
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except DataError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds; none of them executes what it reads
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path} holds pickled Python objects, which could run code: refused, not loaded"
            ) from error
        hint = "" if path.suffix.lower() == ".npz" else places.or_else(path)
        raise DataError(f"{path} is damaged or not an .npz file{hint}") from error
    if odd := [name for name, array in arrays.items() if not isinstance(array, np.ndarray) or array.ndim == 0]:
        raise DataError(f"{path} is damaged: {odd[0]} is no array")
    return arrays


def _labels(arrays: dict[str, np.ndarray], names: Names) -> tuple[list[Tensor], tuple[str, ...]]:
    """Class numbers of each array of images, int64 from 0, and the classes' names; all 0 and () where there are no labels."""
    missing = [label for _, label in names if label not in arrays]
    if len(missing) == len(names):
        return [torch.zeros(len(arrays[name]), dtype=torch.int64) for name, _ in names], ()
    if missing:
        raise DataError(f"{missing[0]} is missing, where the other images have labels")
    for name, label in names:
        count, shape, dtype = len(arrays[name]), arrays[label].shape, arrays[label].dtype
        if not np.issubdtype(dtype, np.integer) or shape not in ((count,), (count, 1)):
            raise DataError(
                f"{label} must be {count:,} integers, one per image of {name}; it is {dtype} of shape {shape}"
            )
    values, codes = np.unique(np.concatenate([arrays[label].ravel() for _, label in names]), return_inverse=True)
    counts = [len(arrays[name]) for name, _ in names]
    return list(torch.from_numpy(codes).split(counts)), tuple(str(value) for value in values)


def _images(arrays: dict[str, np.ndarray], image_size: int | None) -> list[Tensor]:
    """Each array as uint8 squares (N, C, S, S), alike in C and S."""
    low = _lowest({name: array for name, array in arrays.items() if array.dtype != np.uint8})
    images = [_squares(name, array, low, image_size) for name, array in arrays.items()]
    if len({array.shape[1:] for array in images}) > 1:
        shapes = " and ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(f"images must be alike in channels and size, got {shapes}")
    return images


def _lowest(arrays: dict[str, np.ndarray]) -> float:
    """What black is in floats: 0 or -1, in all arrays alike."""
    for name, array in arrays.items():
        if not np.issubdtype(array.dtype, np.floating):
            raise DataError(f"{name} is {array.dtype}; images must be uint8, or floats in [0, 1] or [-1, 1]")
    low = min((array.min(initial=0) for array in arrays.values()), default=0)
    high = max((array.max(initial=0) for array in arrays.values()), default=0)
    if not -1 <= low <= high <= 1:  # nor is NaN
        raise DataError(
            f"{next(iter(arrays))} holds values from {low:g} to {high:g}; floats must be in [0, 1] or [-1, 1]\n"
            "divide pixels of 0 to 255 by 255, or keep them as uint8"
        )
    return -1.0 if low < 0 else 0.0


def _squares(name: str, array: np.ndarray, low: float, image_size: int | None) -> Tensor:
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3):
        array = np.moveaxis(array, 3, 1)
    if array.ndim != 4 or array.shape[1] not in (1, 3) or 0 in array.shape[2:]:
        raise DataError(
            f"{name} is of shape {array.shape}; images must be (N, height, width), with 1 or 3 channels behind or before these"
        )
    count, channels, height, width = array.shape
    if image_size is None and (height != width or height not in SIDES):
        raise DataError(
            f"{name} is {width}×{height} pixels, and images must be squares of {SIDES[0]} to {SIDES[-1]}\n"
            "to scale and crop them, say how large: --data.image_size 32"
        )
    side = image_size or height
    images = torch.empty(count, channels, side, side, dtype=torch.uint8)
    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as bar:
        for start in bar.track(range(0, count, CHUNK), description=f"Reading {name}"):
            part = array[start : start + CHUNK]
            if part.dtype != np.uint8:
                part = np.rint((part.astype(np.float32) - low) * (255 / (1 - low))).astype(np.uint8)
            pixels = torch.from_numpy(np.ascontiguousarray(part))
            if (height, width) != (side, side):
                from torchvision.transforms import InterpolationMode  # whose import takes a second
                from torchvision.transforms.functional import center_crop, resize

                pixels = center_crop(resize(pixels, [side], InterpolationMode.BICUBIC, antialias=True), [side])
            images[start : start + CHUNK] = pixels
    return images
