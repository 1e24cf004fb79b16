"""The playground: G and D of a run as one page that computes them itself, so that one can play with them.

Try it: `python generate.py last --export playground.html`
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from first_gan.data import DataError, mixed, scaled
from first_gan.drawing.images import written
from first_gan.drawing.latent import latent_vectors
from first_gan.drawing.layers import CENTERED, LINEAR, Layer, PlaygroundError, chain_of, compute
from first_gan.drawing.pictures import to_pixels
from first_gan.files import MIB
from first_gan.report import playground
from first_gan.run.checkpoints import data_options, epochs_done, images_of
from first_gan.run.folder import folder_of
from first_gan.scores.judge import SHIPPED, Judge, shipped

TRIED = 32  # latent vectors that what is stored is tried on
FAR_PIXELS = 2e-5  # share of the pixels that may differ from torch's by more than 1 of 255
FAR_LOGIT = 0.03  # by which D's logit may differ
MANY = 1 << 16  # weights of a layer that are worth storing in fewer bits than 16
BLOCK = 64  # weights at most that share a scale then, if that can be
DIRECTIONS = 6
REAL_BYTES, FEWEST_REAL, MOST_REAL = 256 << 10, 10, 40  # of the real images in the page
LARGEST = 16 * MIB  # of a page: 6 million weights
INTEGERS = {"int8": 8, "int12": 12}  # bits
FLOATS = {"float16": torch.float16, "float32": torch.float32}
BYTES = 2 * 4 / 3  # of a weight in float16, as base64


def page(
    name: str, gan: Any, generator: nn.Module, real: Tensor | None = None, judge: Judge | None = None
) -> tuple[str, str]:
    """The page as HTML, and what to say of it: how near its networks come to torch's.

    Args:
        name: What it is a playground of.
        gan: Has `discriminator`, `latent_dim` and `image_shape`; on any device, in any dtype.
        generator: G, or the average of its weights.
        real: Images that were not trained on, uint8, (N, C, H, W); some of them are in the page. None: no duel.
        judge: Whose opinion of images is shown; None: of none.

    Raises:
        PlaygroundError: The page cannot compute these networks, or would be too large.
    """
    discriminator, latent_dim, image_shape = gan.discriminator, gan.latent_dim, gan.image_shape
    weights = sum(each.numel() for network in (generator, discriminator) for each in network.parameters())
    if weights * BYTES > LARGEST:  # before it takes memory and time
        raise PlaygroundError(f"its networks have {weights:,} weights, too many for a page")
    z = latent_vectors(TRIED, latent_dim, seed=0).double()
    g = chain_of("G", generator, z)
    images = compute(g, z).reshape(-1, *image_shape)
    shown = images.new_zeros(0, *image_shape, dtype=torch.uint8) if real is None else _some(real)
    seen = torch.cat([images, scaled(shown).double()])
    d = chain_of("D", discriminator, seen)
    if g[0].kind != "linear":
        raise PlaygroundError("G does not begin with a fully connected layer, whose directions the playground shows")
    if not {layer.kind for layer in d} <= {"linear", "conv", CENTERED}:
        raise PlaygroundError("D has a layer whose gradient the playground does not know: of pooling, or transposed")
    pixels, logits = to_pixels(images).int(), compute(d, seen)

    def far_pixels(stored: list[Layer]) -> float:
        found = to_pixels(compute(stored, z).reshape(-1, *image_shape)).int()
        return ((found - pixels).abs() > 1).double().mean().item()

    def far_logit(stored: list[Layer]) -> float:
        return (compute(stored, seen) - logits).abs().max().item()

    g_layers, g_type, _ = _stored(g, z, ("int12", "float16", "float32"), far_pixels, FAR_PIXELS)
    d_layers, d_type, d_error = _stored(d, seen, ("int8", "int12", "float16", "float32"), far_logit, FAR_LOGIT)
    model: dict[str, Any] = {
        "latent": latent_dim,
        "shape": image_shape,
        "generator": g_layers,
        "discriminator": d_layers,
        "judge": None,
        "directions": directions(g).tolist(),
        "real": _base64(shown),
    }
    if judge is not None:
        model["judge"] = _packed(chain_of("the judge", judge, seen[:2]), seen, "float16")[0]
    html = playground.render(name, model)
    said = f"{len(html) / MIB:.1f} MiB; G in {g_type}: its images are torch's to 1 of 255; "
    return html, f"{said}D in {d_type}: its logit differs by {d_error:.1g} at most"


def export(
    path: Path, checkpoint: dict[str, Any], gan: Any, generator: nn.Module, data_dir: str | None, out: Path
) -> str:
    """Writes the page of a checkpoint; returns what to say of it.

    Args:
        path: Of the checkpoint.
        checkpoint: It.
        gan: Its networks, as for `page`.
        generator: G, or the average of its weights.
        data_dir: Where the images are; None looks for them, and leaves the duel out where they are not found.
        out: The file.

    Raises:
        PlaygroundError: There can be no page of these networks.
        DataError: The images are not in `data_dir`.
        OSError: The file cannot be written.
    """
    run, dataset = folder_of(path), str(data_options(checkpoint).get("data.dataset"))
    try:
        real, without = images_of(path, checkpoint, data_dir)[0].test, ""
    except DataError as error:
        if data_dir is not None:
            raise
        real, without = None, f"\nwithout a duel, for want of real images: {error}"
    judge = shipped(dataset) if dataset in SHIPPED else None
    try:
        html, said = page(after(run or path, epochs_done(checkpoint)), gan, generator, real, judge)
    except PlaygroundError as error:
        raise PlaygroundError(f"{path} can have no playground: {error}") from error
    return f"{written(out, html.encode())}: {said}{without}"


def after(run: Path, epochs: int) -> str:
    """What a playground is of."""
    return f"{run.absolute().name} after {epochs} epoch{'s' * (epochs != 1)}"


def directions(generator: list[Layer]) -> Tensor:
    """Steps of length 1 in latent space that change G's first layer most, (DIRECTIONS or fewer, latent_dim).

    Its leading right singular vectors: closed-form factorization, Shen & Zhou 2021 (arXiv 2007.06600).
    """
    weight = generator[0].weight
    return torch.linalg.eigh(weight.T @ weight).eigenvectors.T.flip(0)[:DIRECTIONS]  # the smaller of the two matrices


def _some(real: Tensor) -> Tensor:
    """A few of the images, always the same."""
    count = min(MOST_REAL, max(FEWEST_REAL, REAL_BYTES // real[0].numel()))
    return real[mixed(len(real))[:count]].cpu()


def _stored(
    chain: list[Layer], inputs: Tensor, types: Sequence[str], error: Callable[[list[Layer]], float], most: float
) -> tuple[list[dict[str, Any]], str, float]:
    """A chain for the page in the smallest type whose error is small enough, or else the last; its type, and the error."""
    for stored_as in types:
        layers, read = _packed(chain, inputs, stored_as)
        found = error(read)
        if found <= most:
            break
    return layers, stored_as, found


def _packed(chain: list[Layer], inputs: Tensor, stored_as: str) -> tuple[list[dict[str, Any]], list[Layer]]:
    """A chain as plain data with its weights in base64, and as the page will read it.

    What rounded weights change on the average of the inputs, the biases make good: half of the error of D's logit.
    """
    layers, read, x, x_read = [], list[Layer](), inputs, inputs
    for layer in chain:
        kept, scales = layer.weight, torch.zeros(0)
        if stored_as in INTEGERS and kept.numel() >= MANY:
            kind, most = stored_as, 2 ** (INTEGERS[stored_as] - 1) - 1
            blocks = kept.reshape(-1, _block(kept[0].numel()))
            scales = blocks.abs().amax(1).clamp(min=1e-30).float() / most
            kept = (blocks / scales.double()[:, None]).round().clamp(-most, most)
            weight = (kept * scales[:, None]).view_as(layer.weight)
            kept = kept.to(torch.int8) if kind == "int8" else _twelve_bits(kept)
        else:
            kind = stored_as if stored_as in FLOATS else "float16"
            kept = kept.to(FLOATS[kind])
            weight = kept.double()
        rounded = replace(layer, weight=weight)
        bare: dict[str, Any] = {"slope": LINEAR, "tanh": False}
        lost = compute([replace(layer, **bare)], x) - compute([replace(rounded, **bare)], x_read)
        bias = (layer.bias + lost.transpose(0, 1).flatten(1).mean(1)[: len(layer.bias)]).float()  # a pool has none
        rounded = replace(rounded, bias=bias.double())
        x, x_read = compute([layer], x), compute([rounded], x_read)
        layers.append(
            {
                **{name: getattr(layer, name) for name in ("kind", "before", "after", "stride", "padding")},
                **{"slope": layer.slope, "tanh": layer.tanh, "type": kind},
                **{"weight": _base64(kept), "scales": _base64(scales), "bias": _base64(bias)},
            }
        )
        read.append(rounded)
    return layers, read


def _twelve_bits(values: Tensor) -> Tensor:
    """Whole numbers from -2048 to 2047 as bytes: of two numbers in three, the lowest bits first."""
    bits = values.flatten().int() & 0xFFF
    first, second = nn.functional.pad(bits, (0, len(bits) % 2)).view(-1, 2).unbind(1)
    packed = torch.stack([first & 0xFF, first >> 8 | (second & 0xF) << 4, second >> 4], 1).to(torch.uint8)
    return packed.flatten()[: (3 * len(bits) + 1) // 2]


def _block(row: int) -> int:
    """How many weights of a row, which is of one output, share a scale: such that no block goes beyond its row."""
    return next((size for size in range(BLOCK, BLOCK // 4, -1) if row % size == 0), row)


def _base64(tensor: Tensor) -> str:
    """Its numbers in C's order, the lowest byte first."""
    array = tensor.contiguous().numpy()
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode()
