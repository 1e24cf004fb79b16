"""A folder of pictures as a dataset. Try it: `python train.py --data.dataset folder --data.data_dir pictures`

Class folders (`pictures/cats/1.png`, `pictures/dogs/deep/2.jpg`) or pictures alone, which have no labels then.
"""

import hashlib
import io
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from first_gan import files, tensors
from first_gan.data import FEWEST, PICTURES, SIDES, DataError, ImageSet, check_image_size, places, split

FORMATS = ("PNG", "JPEG", "WEBP")
GIANT = 100_000_000  # pixels
NAMED = 5  # pictures left out that are named one by one
LAYOUT = 1  # of the cache; another number makes old ones void
T = TypeVar("T")


@dataclass
class Decoded:
    """Pictures as they lie in the cache, in the order of their names.

    Args:
        images: uint8, (N, C, S, S).
        names: Their paths relative to the folder, as `cats/1.png`.
        left_out: Names of pictures that cannot be used, and why.
    """

    images: Tensor
    names: list[str]
    left_out: dict[str, str]


def read_folder(folder: Path, image_size: int | None = None) -> ImageSet:
    """Reads every PNG, JPEG and WebP under a folder, or what was kept of an earlier reading if no file has changed since.

    Each direct subfolder with pictures at any depth is a class; without subfolders there are no labels. Pictures are turned
    as their EXIF data say, scaled so that the shorter side is `image_size`, and cropped in the middle to a square; what is
    transparent becomes white. One channel if every picture is gray, else three. Hidden files and folders are skipped, links
    to folders not followed; pictures that are broken, animated or over 100 megapixels are left out, and named on stderr.
    The order is mixed, but always the same; the last tenth, 10,000 at most, is the test set.

    Args:
        folder: Where the pictures are; the decoded ones are kept in it as `.first-gan-*.pt` if it can be written, and nowhere
            else: they can be gigabytes, and reading the pictures again is slower, but gives the same.
        image_size: Side of the square that each becomes, 8 to 256 pixels; None where all are squares of one size already.

    Raises:
        DataError: The folder cannot be read, or holds too few pictures, or pictures beside class folders, or ones of several
            sizes without an `image_size`.
    """
    check_image_size(image_size)
    names = _candidates(folder)
    signature = _signature(folder, names, image_size)
    cache = folder / f".first-gan-{image_size or 'original'}.pt"
    decoded = _kept(cache, signature)
    if fresh := decoded is None:
        with _strict_pillow():
            decoded = _decode(folder, names, image_size or _common_side(folder, names))
    _say_left_out(folder, decoded)
    if len(decoded.names) < FEWEST:
        raise DataError(
            f"{folder} holds {len(decoded.names)} pictures that can be read, and {FEWEST} are the fewest to train on: "
            f"PNG, JPEG or WebP, in class folders or alone" + ("" if names else places.or_else(folder))
        )
    if fresh:
        _keep(cache, signature, decoded)
    classes = tuple(sorted({_class(name) for name in decoded.names} - {""}))
    labels = torch.tensor([classes.index(_class(name)) if classes else 0 for name in decoded.names])
    return split(decoded.images, labels, classes)


def _candidates(folder: Path) -> list[str]:
    """Paths of all pictures relative to the folder, sorted.

    Raises:
        DataError: The folder cannot be read, or some are in class folders and some are not.
    """

    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename} cannot be read: {error.strerror}; name a folder by --data.data_dir"
            + places.or_else(folder)
        ) from error

    names = []
    for root, folders, names_there in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        pictures = (name for name in names_there if not name.startswith(".") and name.lower().endswith(PICTURES))
        names += [(Path(root) / name).relative_to(folder).as_posix() for name in pictures]
    names.sort()
    alone = next((name for name in names if not _class(name)), None)
    in_class = next((name for name in names if _class(name)), None)
    if alone and in_class:
        raise DataError(
            f"{folder} holds pictures of its own, such as {alone}, and class folders, such as {_class(in_class)}; "
            "move the former into a class folder, or the latter elsewhere"
        )
    return names


def _class(name: str) -> str:
    """The class folder of a picture; empty for one that lies in none."""
    return name.split("/")[0] if "/" in name else ""


def _decode(folder: Path, names: list[str], side: int) -> Decoded:
    """Reads the pictures as squares of `side` pixels."""
    images = torch.zeros(len(names), 3, side, side, dtype=torch.uint8)
    kept: list[str] = []
    left_out: dict[str, str] = {}
    coloured = False
    results = _in_parallel(lambda name: square(folder / name, side), names, "Reading pictures")
    for name, result in zip(names, results, strict=True):
        if isinstance(result, str):
            left_out[name] = result
        else:
            images[len(kept)] = result
            kept.append(name)
            coloured = coloured or len(result) == 3
    return Decoded(images[: len(kept), : 3 if coloured else 1].contiguous(), kept, left_out)


def square(path: Path, side: int) -> Tensor | str:
    """One picture as uint8 (1, side, side) if it is gray, else (3, side, side); or why it cannot be used."""
    try:
        if not path.is_file():  # a pipe would never end
            return "not a file"
        with Image.open(path, formats=FORMATS) as image:
            if (
                getattr(image, "is_animated", False) and image.format != "MPO"
            ):  # MPO: a JPEG with more of the camera's views
                return "animated"
            image.draft(None, (2 * side, 2 * side))  # a large JPEG is decoded at half its size or less, which is faster
            whole = _plain(ImageOps.exif_transpose(image))
            fitted = ImageOps.fit(whole, (side, side), Image.Resampling.BICUBIC)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return f"over {GIANT // 10**6} megapixels"
    except UnidentifiedImageError:
        return "not a PNG, JPEG or WebP"
    except Exception as error:  # Pillow raises many kinds on broken pictures
        return f"broken or cut short ({getattr(error, 'strerror', None) or error or type(error).__name__})"
    if fitted.mode == "RGBA":
        fitted = Image.alpha_composite(Image.new("RGBA", fitted.size, "white"), fitted).convert("RGB")
    pixels = torch.from_numpy(np.array(fitted)).view(side, side, -1).permute(2, 0, 1)
    return pixels[:1] if (pixels == pixels[:1]).all() else pixels


def _plain(image: Image.Image) -> Image.Image:
    """In one of the modes L, RGB and RGBA, which can be scaled without a loss."""
    if image.mode.startswith("I"):  # 16-bit gray: convert() would cut it off at 255
        return Image.fromarray((np.asarray(image, np.float32) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _common_side(folder: Path, names: list[str]) -> int:
    """The side of the pictures, where all are squares of one size.

    Raises:
        DataError: They are not, or that side is not a legal one.
    """

    def size(name: str) -> tuple[int, int] | None:
        if (folder / name).is_file():
            with suppress(Exception), Image.open(folder / name, formats=FORMATS) as image:
                return image.size
        return None  # left out later, with the reason

    found: dict[tuple[int, int], str] = {}  # each size's first picture
    for name, shape in zip(names, _in_parallel(size, names, "Looking at sizes"), strict=True):
        if shape is not None:
            found.setdefault(shape, name)
        if len(found) == 2:
            break
    width, height = next(iter(found), (0, 0))
    if len(found) == 1 and width == height and width in SIDES:
        return width
    if not found:
        return SIDES[0]  # none can be read, which is said later
    named = " and ".join(f"{name} is {width}×{height}" for (width, height), name in found.items())
    raise DataError(
        f"{folder}: {named}, and images must be squares of one size, {SIDES[0]} to {SIDES[-1]} pixels\n"
        "to scale and crop them, say how large: --data.image_size 32"
    )


def _in_parallel(function: Callable[[str], T], names: Sequence[str], description: str) -> Iterator[T]:
    """The function's results in order, under a bar; Pillow decodes outside Python's lock, so threads do."""
    console = Console(stderr=True)
    pool = ThreadPoolExecutor()
    try:
        with Progress(transient=True, console=console, disable=not console.is_terminal) as bar:
            yield from bar.track(pool.map(function, names), total=len(names), description=description)
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _strict_pillow() -> Iterator[None]:
    """Within it Pillow refuses giant pictures from their header, and keeps its other warnings to itself."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = GIANT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _say_left_out(folder: Path, decoded: Decoded) -> None:
    if not decoded.left_out:
        return
    pictures = len(decoded.names) + len(decoded.left_out)
    print(f"{folder}: {len(decoded.left_out):,} of {pictures:,} pictures left out", file=sys.stderr)
    for name, reason in list(decoded.left_out.items())[:NAMED]:
        print(f"  {name if name.isprintable() else ascii(name)}: {' '.join(reason.split())}", file=sys.stderr)
    if (more := len(decoded.left_out) - NAMED) > 0:
        print(f"  and {more:,} more", file=sys.stderr)


def _signature(folder: Path, names: list[str], image_size: int | None) -> str:
    """Changes when a picture does, or appears, or vanishes."""
    digest = hashlib.sha256(json.dumps([LAYOUT, image_size]).encode())
    for name in names:
        try:
            stat = (folder / name).stat()
            digest.update(json.dumps([name, stat.st_size, stat.st_mtime_ns]).encode())
        except OSError:  # a broken link
            digest.update(json.dumps([name]).encode())
    return digest.hexdigest()


def _kept(cache: Path, signature: str) -> Decoded | None:
    """What an earlier reading of the same files kept; None where there is nothing whole."""
    try:
        found = tensors.load(cache)
        if found.pop("signature") != signature:
            return None
        decoded = Decoded(**found)
        return decoded if decoded.images.dtype == torch.uint8 and len(decoded.images) == len(decoded.names) else None
    except Exception:  # torch.load raises many kinds; none of them executes what it reads
        return None


def _keep(cache: Path, signature: str, decoded: Decoded) -> None:
    buffer = io.BytesIO()
    torch.save({"signature": signature} | vars(decoded), buffer)
    with suppress(OSError):  # a folder that cannot be written is read anew each time
        files.write(cache, buffer.getvalue())
