"""IDX, the file format of MNIST: a magic number, the sizes, then unsigned bytes. Everything is checked on reading."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from first_gan import files
from first_gan.data import (
    FILES,
    FOLDERS,
    LARGEST,
    TEST_IMAGES,
    TEST_LABELS,
    TEST_ROWS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    TRAIN_ROWS,
    DataError,
    places,
    raw_folder,
)

UNSIGNED_BYTE = 0x08
GZIP = b"\x1f\x8b"  # what every gzip file begins with
SHAPES = {
    TRAIN_IMAGES: (TRAIN_ROWS, 28, 28),
    TRAIN_LABELS: (TRAIN_ROWS,),
    TEST_IMAGES: (TEST_ROWS, 28, 28),
    TEST_LABELS: (TEST_ROWS,),
}


def find(data_dir: Path, dataset: str) -> dict[str, Path] | None:
    """The four files of `dataset`, by any of their common names (see `places.role`), gzipped or not.

    They may lie in the folder itself, in torchvision's layout under it (whose own `MNIST` or `MNIST/raw` may be named as
    well), or in either way in one of its subfolders. Kaggle's folders of one file each are as good as the files.

    Returns:
        File name to path, or None where there is none of the four.

    Raises:
        DataError: `data_dir` is a file, or another dataset's folder; some of the four are there and some are not; several
            subfolders have them; or the folder cannot be read.
    """
    places.check_folder(data_dir, dataset)
    folder = _folder(data_dir, dataset)
    if folder is None and dataset != "digits":  # those lie where this program put them
        inner = [each for each in places.subfolders(data_dir) if places.namesake(each) in ("", dataset)]
        several = [inside for each in inner if (inside := _folder(each, dataset))]
        if len(several) > 1:
            named = " and ".join(map(str, several))
            raise DataError(f"{named} hold files named like {FOLDERS[dataset]}'s: name one of them by --data.data_dir")
        folder = next(iter(several), None)
    if folder is None:
        return None
    found = _files(folder)
    if missing := [name for name in FILES if name not in found]:
        raise DataError(
            f"{folder} lacks {', '.join(missing)} (or .gz): add what is missing, or name another folder by --data.data_dir"
        )
    return {name: found[name] for name in FILES}


def _folder(place: Path, dataset: str) -> Path | None:
    """Where the files, or some of them, lie if `place` is named: the likeliest first."""
    folders = [raw := raw_folder(place, dataset), raw.parent, place]
    if dataset == "digits":  # ours are never mistaken for a folder of MNIST
        folders = [raw, *([place, place / "raw"] if places.dataset_of(place) == "digits" else [])]
    return next(filter(_files, folders), None)


def _files(folder: Path) -> dict[str, Path]:
    """Those of the four that lie in a folder, by their name; unpacked ones before packed ones, and files before folders."""
    found: dict[str, Path] = {}
    paths = [path for path in places.listing(folder) if places.role(path.name)]
    for path in sorted(paths, key=lambda path: (path.is_dir(), path.suffix == ".gz", path.name not in FILES)):
        name = str(places.role(path.name))
        inside = (each for each in (places.listing(path) if path.is_dir() else []) if places.role(each.name) == name)
        found.setdefault(name, next(inside, path))
    return found


def unpacked(path: Path) -> bytes:
    """What a file holds, decompressed if it is gzipped, whatever its name says: browsers unpack files and keep the name.

    Raises:
        DataError: The file cannot be read, or is not whole.
    """
    try:
        content = files.read(path, LARGEST)
        if not content.startswith(GZIP):
            return content
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            content = file.read(LARGEST + 1)
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is a damaged gzip file ({error}); download it again") from error
    except EOFError as error:
        raise DataError(f"{path} is cut short; download it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LARGEST:
        raise DataError(f"{path} unpacks to more than {LARGEST >> 20} MiB, which no file of these datasets does")
    return content


def read(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Reads one IDX file of unsigned bytes, gzipped or not.

    Args:
        path: The file.
        shape: What the file must hold: (rows, 28, 28) or (rows,).

    Returns:
        uint8 tensor of that shape.

    Raises:
        DataError: The file cannot be read, or is not what its name says.
    """
    content = unpacked(path)
    header = 4 + 4 * len(shape)
    magic = bytes([0, 0, UNSIGNED_BYTE, len(shape)])
    if content[:4] != magic:
        raise DataError(
            f"{path} is not the IDX file its name says: it starts with {content[:4].hex()}, not {magic.hex()}"
        )
    sizes = struct.unpack(f">{len(shape)}I", content[4:header]) if len(content) >= header else ()
    if sizes != shape:
        raise DataError(f"{path} holds {_times(sizes)} values, where {_times(shape)} belong")
    if len(content) != header + int(np.prod(shape)):
        wanted = header + int(np.prod(shape))
        raise DataError(f"{path} holds {len(content):,} bytes instead of {wanted:,}; download it again")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy())


def read_dataset(paths: dict[str, Path]) -> dict[str, Tensor]:
    """Reads and checks the four files; images become (rows, 1, 28, 28).

    Raises:
        DataError: One of them is not what its name says, or holds a label over 9.
    """
    arrays = {name: read(paths[name], SHAPES[name]) for name in FILES}
    for name in (TRAIN_LABELS, TEST_LABELS):
        if (highest := int(arrays[name].max())) > 9:
            raise DataError(f"{paths[name]} holds the label {highest}; labels are 0 to 9")
    return {name: array.unsqueeze(1) if array.ndim == 3 else array for name, array in arrays.items()}


def write(path: Path, array: Tensor) -> None:
    """Writes a uint8 tensor as an IDX file."""
    with path.open("wb") as file:
        file.write(bytes([0, 0, UNSIGNED_BYTE, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape))
        file.write(array.contiguous().numpy().tobytes())


def _times(sizes: tuple[int, ...]) -> str:
    return "×".join(f"{size:,}" for size in sizes) or "no"
