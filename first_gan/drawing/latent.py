"""Images out of a generator: by seed, along walks through latent space, as pixels and as grids."""

import io
import math
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms.functional import to_pil_image
from torchvision.utils import make_grid

ANCHORS, STEPS = 4, 12  # of a walk, and steps from one anchor to the next
CHUNK = 16  # torch draws normal numbers 16 at a time: so many vectors at once, and the first ones are the same however many follow


def latent_vectors(count: int, latent_dim: int, seed: int) -> Tensor:
    """z ~ N(0, I), (count, latent_dim), from the seed alone: vector i is the same for any `count`."""
    generator = torch.Generator().manual_seed(seed)
    chunks = [torch.randn(CHUNK, latent_dim, generator=generator) for _ in range(-(-count // CHUNK))]
    return torch.cat(chunks)[:count]


def slerp(start: Tensor, end: Tensor, t: float) -> Tensor:
    """Spherical interpolation between latent vectors (..., latent_dim), for t in [0, 1] (White 2016, arXiv 1609.04468).

    A straight line between two normal vectors passes nearer to 0 than any vector that G was trained on; this does not.
    Vectors that point the same or opposite ways are joined by a straight line.
    """
    cosine = torch.nn.functional.cosine_similarity(start, end, dim=-1).clamp(-1, 1)[..., None].double()
    angle = cosine.acos()
    straight = angle.sin() < 1e-6
    scale = torch.where(straight, 1.0, angle.sin())
    first = torch.where(straight, 1 - t, ((1 - t) * angle).sin() / scale)
    second = torch.where(straight, t, (t * angle).sin() / scale)
    return (first * start + second * end).to(start.dtype)


def anchors(walks: int, latent_dim: int, seed: int) -> Tensor:
    """What walks lead past, (ANCHORS, walks, latent_dim): walk i is the same for any number of them."""
    return latent_vectors(walks * ANCHORS, latent_dim, seed).view(walks, ANCHORS, latent_dim).transpose(0, 1)


def closed_walk(anchors: Tensor) -> Tensor:
    """From each anchor to the next in `STEPS` steps, and from the last to the first.

    Args:
        anchors: Latent vectors, (anchors, walks, latent_dim).

    Returns:
        (anchors × STEPS, walks, latent_dim).
    """
    legs = zip(anchors, anchors.roll(-1, dims=0), strict=True)
    return torch.stack([slerp(start, end, step / STEPS) for start, end in legs for step in range(STEPS)])


def to_pixels(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8 on the CPU."""
    return images.add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8).cpu()


def grid(pixels: Tensor, columns: int | None = None, padding: int = 2) -> Image.Image:
    """One picture of uint8 images (N, 1, 28, 28); about as wide as high if `columns` is None."""
    columns = columns or math.ceil(math.sqrt(len(pixels)))
    return to_pil_image(make_grid(pixels, nrow=columns, padding=padding)[:1])  # gray: three alike


def stacked(rows: Sequence[Tensor]) -> Image.Image:
    """uint8 images without space between them: a row of (N, 1, 28, 28) below the other."""
    return to_pil_image(torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1))


def png(picture: Image.Image) -> bytes:
    """As a PNG file's content."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()
