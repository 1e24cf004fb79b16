"""Draws from a trained generator. Try it: `python generate.py lightning_logs/version_0/checkpoints/best.ckpt`

Images as a grid, one by one or as an array; walks through latent space; a run's grids as a film; the generator itself as ONNX.
"""

import stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jsonargparse import Namespace
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, track
from torch import Tensor, nn
from torchvision.transforms.functional import to_pil_image

import checkpoint_io
import cli
import exporting
from cli import Parser, RunFailed, UserError, expand
from data_sources import TRAIN_IMAGES, TRAIN_LABELS, DataError
from evaluation.judge import SHIPPED, Judge, JudgeError, as_input, judge_of
from gan_module import GAN
from reporting import film
from reporting.pictures import MOST_FRAMES
from run_folder import RunFolderError, relative, write_atomic
from sampling import grid, latent_vectors, slerp, to_pixels, walk

IMAGES, WALKS, MOST = 64, 16, 1_000_000  # drawn by default, of either kind; at most
CANDIDATES = 50  # drawn for each image that --digit keeps
ANCHORS, STEPS = 4, 12  # of a walk, and from one anchor to the next


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_door`)."""
    return cli.run_door("generate.py", generate, argv)


def generate(argv: Sequence[str]) -> int:
    """Draws what the arguments ask for; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
        RunFailed: An exported generator does not draw the same images.
    """
    options = parse(argv)
    out = expand(options.out)
    try:
        if options.evolution is not None:
            said = written(out, film.evolution(expand(options.evolution), options.frames))
        else:
            said = from_checkpoint(options, out)
    except (RunFolderError, DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    except exporting.ExportError as error:
        raise RunFailed(str(error)) from error
    except OSError as error:
        raise UserError(f"{error.filename or out} cannot be written: {error.strerror}") from error
    print(said)
    return 0


def parse(argv: Sequence[str]) -> Namespace:
    """Reads the arguments and checks that they fit together; `out` is set, and free unless --overwrite is given."""
    parser = Parser(prog="generate.py", description="Draws from a trained generator.")
    parser.add_argument("checkpoint", type=str | None, nargs="?", help="a checkpoint of train.py")
    parser.add_argument("--num", type=int | None, help=f"how many images ({IMAGES}), or walks ({WALKS})")
    parser.add_argument("--seed", type=int, default=0, help="decides the latent vectors; 0 or more")
    parser.add_argument(
        "--out",
        type=str | None,
        help="samples.png: a grid; a name without suffix: a folder of images; .npz, .pt: uint8; with --interpolate .gif or .png",
    )
    parser.add_argument(
        "--digit", type=int | None, help="only this class, 0 to 9: of many, those the judge is surest of"
    )
    parser.add_argument("--interpolate", action="store_true", help="spherical walks between latent vectors")
    parser.add_argument(
        "--evolution", type=str | None, help="a run folder: its sample grids as a film; needs no checkpoint"
    )
    parser.add_argument("--frames", type=int, default=MOST_FRAMES, help="of that film, at most")
    parser.add_argument("--export", type=str | None, help="write the generator itself: a file .onnx or .pt2")
    parser.add_argument(
        "--weights", type=Literal["ema", "raw"] | None, help="moving average (where there is one) or trained"
    )
    parser.add_argument(
        "--batch_size", type=int, default=1000, help="images at a time; changes memory, never the images"
    )
    parser.add_argument(
        "--data_dir", type=str | None, help="where the images are, if --digit needs a judge trained on them"
    )
    parser.add_argument("--overwrite", action="store_true", help="may replace files that are there")
    options = parser.parse_args(list(argv))
    check(options)
    return options


def check(options: Namespace) -> None:
    """Refuses what does not go together or is out of range, and finds the name of what is to be written.

    Raises:
        UserError: What is wrong.
    """
    modes = [name for name in ("digit", "interpolate", "evolution", "export") if options[name] not in (None, False)]
    if len(modes) > 1:
        raise UserError(f"--{modes[0]} and --{modes[1]} cannot go together")
    mode = modes[0] if modes else "images"
    if (options.checkpoint is None) != (mode == "evolution"):
        wanted = "--evolution takes a run folder alone" if mode == "evolution" else "name a checkpoint of train.py"
        raise UserError(wanted)
    default, suffixes = {
        "images": ("samples.png", (".png", "", ".npz", ".pt")),
        "digit": (f"digit_{options.digit}.png", (".png", "", ".npz", ".pt")),
        "interpolate": ("walk.gif", (".gif", ".png")),
        "evolution": ("evolution.gif", (".gif",)),
        "export": (options.export, (".onnx", ".pt2")),
    }[mode]
    if mode == "export" and options.out is not None:
        raise UserError("--export names its file itself; leave out --out")
    options.out = options.out or default
    if (suffix := Path(options.out).suffix.lower()) not in suffixes:
        name = "--export" if mode == "export" else "--out"
        raise UserError(
            f"{name} {options.out}: its suffix must be {' or '.join(filter(None, suffixes))}, got {suffix!r}"
        )
    options.num = options.num if options.num is not None else WALKS if mode == "interpolate" else IMAGES
    for name, low, high in (
        ("num", 1, MOST // CANDIDATES if mode == "digit" else MOST),
        ("seed", 0, 2**63 - 1),
        ("digit", 0, 9),
        ("frames", 2, 1000),
        ("batch_size", 1, MOST),
    ):
        if options[name] is not None and not low <= options[name] <= high:
            raise UserError(f"--{name} must be {low} to {high}, got {options[name]}")
    if mode == "export" and suffix == ".onnx" and (lacking := exporting.missing()):
        raise UserError(f"--export {options.out} needs {', '.join(lacking)}: pip install -r requirements-onnx.txt")
    free(expand(options.out), options.overwrite)


def free(path: Path, overwrite: bool) -> None:
    """Makes sure that nothing is overwritten unasked.

    Raises:
        UserError: Something is there already.
    """
    if path.is_dir() and path.suffix:
        raise UserError(f"{path} is a folder; --out names another file")
    if not overwrite and (path.is_file() or any(path.glob("image_*.png"))):
        raise UserError(
            f"{path} {'has images' if path.is_dir() else 'exists'}; --overwrite replaces, --out names another"
        )


def from_checkpoint(options: Namespace, out: Path) -> str:
    """Draws or exports from the checkpoint; returns what to say of it."""
    path = expand(options.checkpoint)
    checkpoint = checkpoint_io.load_checkpoint(path)
    gan = checkpoint_io.load_gan(path, checkpoint)
    network = weights_of(gan, options.weights)
    if options.export:
        with Console(stderr=True).status(f"exporting to {out.name}"):
            return exporting.export(network, gan.latent_dim, out)
    network = network.double()  # in float32 the last bits depend on the batch size, and now and then a pixel with them
    if options.interpolate:
        return interpolate(network, gan.latent_dim, options, out)
    if options.digit is None:
        return save(draw(network, latent_vectors(options.num, gan.latent_dim, options.seed), options.batch_size), out)
    z = latent_vectors(options.num * CANDIDATES, gan.latent_dim, options.seed)
    pixels, p = surest(draw(network, z, options.batch_size), judge_for(path, checkpoint, options), options)
    said = f"the {options.num} of {len(z):,} images that the judge is surest of: {p[-1]:.3f} to {p[0]:.3f}"
    return f"{save(pixels, out)}\n{said}" + ("" if p[0] > 0.5 else f"; it finds no {options.digit} among them")


def weights_of(gan: GAN, wanted: str | None) -> nn.Module:
    """The generator that samples come from, or the one that was asked for."""
    if wanted == "ema" and gan.ema is None:
        raise UserError("--weights ema: this run kept no moving average (--model.ema_decay 0); use raw")
    return gan.generator if wanted == "raw" else gan.sampling_generator


@torch.no_grad()
def draw(network: nn.Module, z: Tensor, batch_size: int) -> Tensor:
    """uint8 images (N, 1, 28, 28) of latent vectors (N, latent_dim), under a bar if it takes long."""
    parts = z.to(next(network.parameters())).split(batch_size)
    console = Console(stderr=True)
    bar = track(parts, "drawing", console=console, transient=True, disable=len(z) < 20_000)
    return torch.cat([to_pixels(network(part)) for part in bar])


def judge_for(path: Path, checkpoint: dict, options: Namespace) -> Judge:
    """The judge of the dataset that the checkpoint was trained on."""
    dataset = checkpoint["options"].get("data.dataset")
    if dataset in SHIPPED:
        return judge_of(dataset, torch.empty(0), torch.empty(0), Path())
    arrays, dataset, folder = checkpoint_io.images_of(path, checkpoint, options.data_dir)
    return judge_of(dataset, arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS], folder)


def surest(pixels: Tensor, judge: Judge, options: Namespace) -> tuple[Tensor, Tensor]:
    """Those of the images that the judge takes for `options.digit` with the highest probabilities, and these, in order."""
    columns = TextColumn("judging"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task("", total=None)
        _, probabilities = judge.opinion(as_input(pixels))
    p, rows = probabilities[:, options.digit].sort(descending=True, stable=True)
    return pixels[rows[: options.num]], p[: options.num]


def interpolate(network: nn.Module, latent_dim: int, options: Namespace, out: Path) -> str:
    """Walks as a film that ends where it began, or as a strip: a row for each, from one latent vector to another."""
    anchors = latent_vectors(ANCHORS * options.num, latent_dim, options.seed).view(ANCHORS, options.num, latent_dim)
    strip = out.suffix.lower() == ".png"
    if strip:
        z = torch.stack([slerp(anchors[0], anchors[1], step / (STEPS - 1)) for step in range(STEPS)], dim=1)
    else:
        z = walk(anchors, STEPS)
    pixels = draw(network, z.flatten(0, 1), options.batch_size)
    if strip:
        return written(out, png(grid(pixels, columns=STEPS)))
    return written(out, film.gif([grid(part) for part in pixels.split(options.num)], film.WALK_MS))


def save(pixels: Tensor, out: Path) -> str:
    """Writes uint8 images as `out` wants them; returns what to say of it."""
    suffix, buffer = out.suffix.lower(), io.BytesIO()
    if suffix == "":
        names = [f"image_{number:0{len(str(len(pixels) - 1))}d}.png" for number in range(len(pixels))]
        for name, image in track(
            list(zip(names, pixels, strict=True)), "writing", console=Console(stderr=True), transient=True
        ):
            write_atomic(out / name, png(to_pil_image(image)))
        return f"written {len(pixels):,} images to {relative(out)}/"
    if suffix == ".npz":
        np.savez_compressed(buffer, images=pixels.numpy())
    elif suffix == ".pt":
        torch.save(pixels, buffer)
    else:
        buffer.write(png(grid(pixels)))
    return written(out, buffer.getvalue(), f"{len(pixels):,} images ")


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def written(out: Path, content: bytes, what: str = "") -> str:
    """Writes a file in one step; returns what to say of it."""
    write_atomic(out, content)
    return f"written {what}to {relative(out)}"


if __name__ == "__main__":
    stopping.leave(main())
