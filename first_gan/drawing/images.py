"""Draws images from a generator, under a bar, and writes them in the formats of generate.py."""

import io
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from first_gan import files
from first_gan.drawing.latent import draw
from first_gan.drawing.pictures import enlarged, grid, picture, png, to_pixels
from first_gan.run.cli import Steps
from first_gan.run.shell import relative


def draw_pixels(network: nn.Module, z: Tensor, batch_size: int, steps: Steps) -> Tensor:
    """uint8 images (N, C, H, W) of latent vectors (N, latent_dim), the same for every batch size.

    In float32 the last bits depend on the batch size, and now and then a pixel with them; so it computes in float64.
    """
    return draw(network.double(), z, batch_size, to_pixels, lambda batches: steps.each(batches, "drawing"))


def save(pixels: Tensor, out: Path, steps: Steps) -> str:
    """Writes uint8 images (N, C, H, W) as `out` wants them; returns what to say of it."""
    suffix, buffer = out.suffix.lower(), io.BytesIO()
    if suffix == "":
        save_each(pixels, out, steps)
        return f"written {len(pixels):,} images to {relative(out)}/"
    steps.now("writing")
    if suffix == ".npz":
        np.savez_compressed(buffer, images=pixels.numpy())
    elif suffix == ".pt":
        torch.save(pixels, buffer)
    else:
        buffer.write(png(enlarged(grid(pixels))))
    return written(out, buffer.getvalue(), f"{len(pixels):,} images ")


def save_each(pixels: Tensor, folder: Path, steps: Steps) -> None:
    """Writes images one by one: first beside the folder, so that it never holds half of them, nor an earlier call's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for number, image in enumerate(steps.each(list(pixels), "writing")):
            picture(image).save(beside / f"image_{number:06d}.png")
        folder.mkdir(exist_ok=True)
        for earlier in images_in(folder):
            earlier.unlink()
        for path in beside.iterdir():
            path.rename(folder / path.name)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def images_in(folder: Path) -> list[Path]:
    """What an earlier call wrote into a folder."""
    return [path for path in folder.glob("image_*.png") if path.stem.removeprefix("image_").isdecimal()]


def written(out: Path, content: bytes, what: str = "") -> str:
    """Writes a file in one step; returns what to say of it."""
    out.parent.mkdir(parents=True, exist_ok=True)
    files.write(out, content)
    return f"written {what}to {relative(out)}"
