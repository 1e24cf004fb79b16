"""Draws from a trained generator. Try it: `python generate.py lightning_logs/version_0/checkpoints/best.ckpt`

Images as a grid, one by one or as an array; walks through latent space; a run's grids as a film; the generator itself as ONNX.
"""

from first_gan.run import stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jsonargparse import Namespace
from PIL.Image import Image
from torch import nn

from first_gan.data import DataError
from first_gan.data.sources import cache_folder
from first_gan.drawing import export as exporting
from first_gan.drawing.images import draw_pixels, images_in, save, written
from first_gan.drawing.latent import STEPS, anchors, closed_walk, draw, latent_vectors, slerp
from first_gan.drawing.pictures import FILM_ACROSS, enlarged, gif, grid, png
from first_gan.report import film
from first_gan.report.pictures import MOST_FRAMES
from first_gan.run import cli
from first_gan.run.checkpoints import data_options, images_of, load_checkpoint, load_gan
from first_gan.run.cli import Parser, RunFailed, Steps, UserError, expand
from first_gan.run.finding import checkpoint_of, run_called
from first_gan.run.folder import ROOT, RunFolderError, python_command
from first_gan.sampling import Trained
from first_gan.scores.judge import SHIPPED, Judge, JudgeError, judge_of, shipped

HERE = Path(__file__).parent
CANDIDATES = 50  # drawn for each image that --digit keeps
GRID, WALKS, ARRAY = 10_000, 1_000, 1_000_000  # the most images in a grid, walks, and images in all
BYTES = 28 * 28  # of the images that these are for; of larger ones as many as take no more memory
WALK_MS = 80  # that a walk's film shows each step


@dataclass(frozen=True)
class Mode:
    """What can be drawn.

    Args:
        out: The default of --out.
        suffixes: That --out may have.
        options: That have a meaning here, with their defaults.
    """

    out: str
    suffixes: tuple[str, ...]
    options: dict[str, Any]


DRAWN = {"seed": 0, "weights": None, "batch_size": 1000}
IMAGE_SUFFIXES = (".png", ".npz", ".pt", "")
MODES = {
    "images": Mode("samples.png", IMAGE_SUFFIXES, {"num": 64} | DRAWN),
    "digit": Mode("digit.png", IMAGE_SUFFIXES, {"num": 64, "digit": None, "data_dir": None} | DRAWN),
    "interpolate": Mode("walk.gif", (".gif", ".png"), {"num": 16, "interpolate": True} | DRAWN),
    "evolution": Mode("evolution.gif", (".gif",), {"evolution": None, "frames": MOST_FRAMES}),
    "export": Mode("", (".onnx", ".pt2"), {"export": None, "weights": None}),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("generate.py", generate, argv)


def generate(argv: Sequence[str]) -> int:
    """Draws what the arguments ask for; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
        RunFailed: An exported generator does not draw the same images.
    """
    options = parse(argv)
    mode = with_defaults(options)
    out = expand(options.export or options.out)
    try:
        check_free(out, options.overwrite)
        with Steps() as steps:
            if mode == "evolution":
                steps.now("making the film")
                said = written(
                    out, large_film(*film.evolution(run_called(str(expand(options.evolution))), options.frames))
                )
            else:
                said = from_checkpoint(options, mode, out, steps)
    except (RunFolderError, DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    except exporting.ExportError as error:
        raise RunFailed(str(error)) from error
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    print(said)
    return 0


def parse(argv: Sequence[str]) -> Namespace:
    """Reads the arguments; those that were not given are None."""
    parser = Parser(prog="generate.py", description="Draws from a trained generator.")
    add = parser.add_argument
    add(
        "checkpoint",
        type=str | None,
        nargs="?",
        help="a checkpoint of train.py, its run folder (the best epoch's), or last: the newest run",
    )
    add("--num", type=int | None, help="how many images (64), or walks (16)")
    add("--seed", type=int | None, help="decides the latent vectors; 0 or more (0)")
    add(
        "--out",
        type=str | None,
        help="samples.png: a grid; .npz, .pt: uint8; no suffix: a folder; a walk: .gif or .png",
    )
    add(
        "--digit",
        type=int | None,
        help=f"this class alone, a number from 0: of {CANDIDATES} times as many, those the judge is surest of",
    )
    add("--interpolate", action="store_true", help="spherical walks between latent vectors: walk.gif")
    add(
        "--evolution",
        type=str | None,
        help="a run folder: its sample grids as a film, evolution.gif; needs no checkpoint",
    )
    add("--frames", type=int | None, help=f"of that film, at most ({MOST_FRAMES})")
    add("--export", type=str | None, help="the generator itself, as a file .onnx or .pt2")
    add("--weights", type=Literal["ema", "raw"] | None, help="moving average, or trained (ema, where there is one)")
    add("--batch_size", type=int | None, help="images drawn at a time: memory, never the images (1000)")
    add("--data_dir", type=str | None, help="where the images are, if --digit needs a judge trained on them")
    add("--overwrite", action="store_true", help="may replace files that are there")
    return parser.parse_args(list(argv))


def with_defaults(options: Namespace) -> str:
    """Finds out what is to be drawn and fills in its defaults; returns the name of its mode.

    Raises:
        UserError: Options do not go together, or one is out of range.
    """
    modes = [
        name for name in MODES if options.get(name) not in (None, False) or (name == "digit" and options.digit == 0)
    ]
    mode = modes[0] if modes else "images"
    known = MODES[mode].options
    named = {name for each in MODES.values() for name in each.options}
    if strange := [name for name in sorted(named - known.keys()) if options[name] not in (None, False)]:
        raise UserError(f"--{strange[0]} means nothing {f'with --{mode}' if modes else 'here'}")
    if (options.checkpoint is None) != (mode == "evolution"):
        evolution = mode == "evolution"
        raise UserError("--evolution takes a run folder alone" if evolution else "name a checkpoint of train.py")
    for name, default in known.items():
        options[name] = default if options[name] is None else options[name]
    if mode == "export":
        if options.out is not None:
            raise UserError("--export names its file itself; leave out --out")
        check_suffix("--export", options.export, MODES[mode].suffixes)
        if options.export.lower().endswith(".onnx") and (missing := exporting.missing()):
            install = python_command("-m", "pip", "install", "-r", ROOT / "requirements-onnx.txt")
            raise UserError(f"--export {options.export} needs {', '.join(missing)}: {install}")
    else:
        options.out = options.out or MODES[mode].out
        check_suffix("--out", options.out, MODES[mode].suffixes)
    check_ranges(options, mode)
    return mode


def check_suffix(option: str, name: str, suffixes: Sequence[str]) -> None:
    """Makes sure that a file's name tells what to write."""
    suffix = Path(name).suffix.lower()
    if suffix not in suffixes or Path(name).name.startswith("."):
        legal = " or ".join(filter(None, suffixes)) + (", or none for a folder" if "" in suffixes else "")
        raise UserError(f"{option} {name}: its suffix must be {legal}")


def check_ranges(options: Namespace, mode: str) -> None:
    """Makes sure that numbers are legal."""
    check_number(options, mode, (1, 28, 28))
    ranges = {"seed": (0, 2**63 - 1), "frames": (3, 1000), "batch_size": (1, ARRAY)}
    for name, (low, high) in ranges.items():
        if options[name] is not None and not low <= options[name] <= high:
            raise UserError(f"--{name} must be {low} to {high}, got {options[name]}")
    if options.digit is not None and options.digit < 0:  # how far it goes, the judge knows
        raise UserError(f"--digit must be at least 0, got {options.digit}")


def check_number(options: Namespace, mode: str, shape: Sequence[int]) -> None:
    """Makes sure that what is drawn, images of this shape (C, H, W), fits into memory."""
    if options.num is None:
        return
    in_grid = Path(options.out or "").suffix.lower() == ".png"
    most = WALKS if mode == "interpolate" else GRID if in_grid else ARRAY // (CANDIDATES if mode == "digit" else 1)
    most = max(1, min(most, most * BYTES // math.prod(shape)))
    if not 1 <= options.num <= most:
        of_size = "" if math.prod(shape) <= BYTES else f" for images of {'×'.join(map(str, shape))}"
        more = "; --out images.npz takes more" if in_grid and mode != "interpolate" else ""
        raise UserError(f"--num must be 1 to {most}{of_size}, got {options.num}{more}")


def check_free(path: Path, overwrite: bool) -> None:
    """Makes sure that nothing is overwritten unasked.

    Raises:
        UserError: Something is there already.
        OSError: The name cannot be looked up.
    """
    if path.suffix == "" and path.is_dir():
        taken = f"{path} has images" if images_in(path) else ""
    else:
        taken = f"{path} exists" if os.path.lexists(path) else ""
        if taken and path.exists() and not path.is_file():
            raise UserError(f"{path} is {'a folder' if path.is_dir() else 'no file'}; --out names another")
        if taken and (path.is_dir() or path.suffix == ""):
            raise UserError(f"{path} is a {'folder' if path.is_dir() else 'file'}; --out names another")
    if taken and not overwrite:
        raise UserError(f"{taken}; --overwrite replaces, --out names another")


def from_checkpoint(options: Namespace, mode: str, out: Path, steps: Steps) -> str:
    """Draws or exports from the checkpoint; returns what to say of it."""
    steps.now("loading")
    path = checkpoint_of(str(expand(options.checkpoint)))
    checkpoint = load_checkpoint(path)
    gan = load_gan(path, checkpoint, HERE)
    network = weights_of(gan, options.weights)
    if mode == "export":
        steps.now("exporting")
        return exporting.export(network, gan.latent_dim, out)
    check_number(options, mode, draw(network, latent_vectors(1, gan.latent_dim, options.seed)).shape[1:])
    if mode == "interpolate":
        return interpolate(network, gan.latent_dim, options, out, steps)
    if mode == "images":
        z = latent_vectors(options.num, gan.latent_dim, options.seed)
        return save(draw_pixels(network, z, options.batch_size, steps), out, steps)
    judge = judge_for(path, checkpoint, options)
    if options.digit >= (classes := judge.classifier.out_features):
        raise UserError(f"--digit must be 0 to {classes - 1}, got {options.digit}")
    z = latent_vectors(options.num * CANDIDATES, gan.latent_dim, options.seed)
    candidates = draw_pixels(network, z, options.batch_size, steps)
    steps.now("judging")
    _, opinions = judge.opinion(candidates)
    p, rows = opinions[:, options.digit].sort(descending=True, stable=True)
    said = f"{save(candidates[rows[: options.num]], out, steps)}\n"
    said += f"the {options.num} of {len(z):,} that the judge is surest of: {p[0]:.3f} to {p[options.num - 1]:.3f}"
    return said if p[0] > 0.5 else f"{said}; it takes none of them for class {options.digit}"


def weights_of(gan: Trained, wanted: str | None) -> nn.Module:
    """The generator that samples come from, or the one that was asked for."""
    if wanted == "ema" and gan.ema is None:
        raise UserError("--weights ema: this run kept no moving average (--model.ema_decay 0); use raw")
    return gan.generator if wanted == "raw" else gan.sampling_generator


def judge_for(path: Path, checkpoint: dict[str, Any], options: Namespace) -> Judge:
    """The judge of the dataset that the checkpoint was trained on."""
    dataset = str(data_options(checkpoint).get("data.dataset"))
    if dataset in SHIPPED:
        return shipped(dataset)
    data, dataset, place = images_of(path, checkpoint, options.data_dir)
    return judge_of(dataset, data, cache_folder(dataset, place))


def interpolate(network: nn.Module, latent_dim: int, options: Namespace, out: Path, steps: Steps) -> str:
    """Walks as a film that ends where it began, or as a strip: a row for each, from one latent vector to another."""
    start, end, *_ = ends = anchors(options.num, latent_dim, options.seed)
    if out.suffix.lower() == ".png":
        z = torch.stack([slerp(start, end, step / (STEPS - 1)) for step in range(STEPS)], dim=1)
        pixels = draw_pixels(network, z.flatten(0, 1), options.batch_size, steps)
        return written(out, png(enlarged(grid(pixels, columns=STEPS))))
    pixels = draw_pixels(network, closed_walk(ends).flatten(0, 1), options.batch_size, steps)
    steps.now("making the film")
    return written(out, large_film([grid(part) for part in pixels.split(options.num)], WALK_MS))


def large_film(frames: Sequence[Image], milliseconds: int | Sequence[int]) -> bytes:
    return gif([enlarged(frame, FILM_ACROSS) for frame in frames], milliseconds)


if __name__ == "__main__":
    stopping.leave(main())
