"""Latent vectors, by seed and along walks, and what a generator draws for them."""

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

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


@torch.no_grad()
def draw(
    network: nn.Module,
    z: Tensor,
    batch_size: int = 1000,
    convert: Callable[[Tensor], Tensor] = lambda images: images.float().cpu(),
    each: Callable[[Sequence[Tensor]], Iterable[Tensor]] = iter,
) -> Tensor:
    """What a generator draws for latent vectors, in eval mode, so many at a time.

    Args:
        network: Takes (n, latent_dim) to images (n, C, H, W) in [-1, 1], on any device and in any dtype.
        z: Latent vectors, (N, latent_dim).
        batch_size: How many are drawn at once: memory.
        convert: What is kept of a batch of images; by default all of it, as float32 on the CPU.
        each: Goes through the batches, under a progress bar, say.

    Returns:
        The converted images, (N, C, H, W).
    """
    weight = next(network.parameters(), z)
    was_training = network.training
    network.eval()
    try:
        return torch.cat([convert(network(batch.to(weight))) for batch in each(z.split(batch_size))])
    finally:
        network.train(was_training)
