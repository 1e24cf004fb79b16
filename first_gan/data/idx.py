"""IDX, the file format of MNIST: a magic number, the sizes, then unsigned bytes. Everything is checked on reading."""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from first_gan.data import (
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TEST_ROWS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    TRAIN_ROWS,
    DataError,
    raw_folder,
)

UNSIGNED_BYTE = 0x08
SHAPES = {
    TRAIN_IMAGES: (TRAIN_ROWS, 28, 28),
    TRAIN_LABELS: (TRAIN_ROWS,),
    TEST_IMAGES: (TEST_ROWS, 28, 28),
    TEST_LABELS: (TEST_ROWS,),
}


def find(data_dir: Path, dataset: str) -> dict[str, Path] | None:
    """The four files of `dataset` under `data_dir`: in torchvision's layout or in the folder itself, gzipped or not.

    Returns:
        File name to path, or None where there is none of the four.

    Raises:
        DataError: Some of the four are there and some are not, or the folder cannot be read.
    """
    folders = [raw_folder(data_dir, dataset)]
    if dataset != "digits":  # ours are never mistaken for a folder of MNIST
        folders.append(data_dir)
    for folder in folders:
        try:
            present = {path.name for path in folder.iterdir()}
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise DataError(f"{folder} cannot be read: {error.strerror}") from error
        found = {name: folder / n for name in FILES for n in (name + ".gz", name) if n in present}
        missing = [name for name in FILES if name not in found]
        if found and missing:
            raise DataError(
                f"{folder} lacks {', '.join(missing)} (or .gz); add it, or remove that folder to start anew"
            )
        if found:
            return found
    return None


def read(path: Path, shape: tuple[int, ...]) -> Tensor:
    """Reads one IDX file of unsigned bytes, gzipped or not.

    Args:
        path: The file; a name ending in `.gz` is decompressed.
        shape: What the file must hold: (rows, 28, 28) or (rows,).

    Returns:
        uint8 tensor of that shape.

    Raises:
        DataError: The file cannot be read, or is not what its name says.
    """
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a gzip file ({error}); download it again") from error
    except EOFError as error:
        raise DataError(f"{path} is cut short; download it again") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
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
