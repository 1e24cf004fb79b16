"""Files of tensors, as torch.save writes them: read whole and undamaged or not at all, and never as code."""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from first_gan import files


class Damaged(ValueError):
    """A file is not what torch.save wrote."""


def load(path: Path) -> Any:
    """What torch.save wrote, onto the CPU; tensors and plain values alone.

    torch itself does not look at the checksums that it writes: of 300 files with a flipped bit, 290 loaded with other values.

    Raises:
        Damaged: Contents and checksums differ, it is no such file, or it holds what no one saves: tensors without memory of
            their own, which a few bytes claim to be gigabytes.
        pickle.UnpicklingError: It holds Python objects, which could run code.
        OSError: It cannot be read (see `files.opened`).
    """
    with files.opened(path) as file:
        return read(file)


def read(file: BinaryIO) -> Any:
    """`load` of an open file."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            stored = all(each.compress_type == zipfile.ZIP_STORED for each in archive.infolist())
            if not stored or len(set(names)) < len(names) or archive.testzip() is not None:
                raise Damaged
    except OSError:
        raise
    except Exception as error:  # zipfile lets through whatever the fields of a damaged header lead to
        raise Damaged from error
    file.seek(0)
    content = torch.load(file, map_location="cpu", weights_only=True)
    if not all(map(_has_memory, tensors(content))):
        raise Damaged
    return content


def tensors(content: Any) -> list[Tensor]:
    """All tensors in nested dicts, lists and tuples."""
    found, todo = [], [content]
    while todo:
        each = todo.pop()
        if isinstance(each, Tensor):
            found.append(each)
        elif isinstance(each, dict):
            todo += each.values()
        elif isinstance(each, (list, tuple)):
            todo += each
    return found


def _has_memory(tensor: Tensor) -> bool:
    """Whether a tensor is an ordinary one, as large as it says."""
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def fits(given: Any, wanted: Tensor) -> bool:
    """Whether a value of a file can take a tensor's place: of its shape and kind, floats of any usual precision, and finite."""
    if not isinstance(given, Tensor) or given.shape != wanted.shape:
        return False
    if not wanted.is_floating_point():
        return given.dtype == wanted.dtype
    return given.dtype in FLOATS and bool(given.isfinite().all())


FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
