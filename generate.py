"""Draws from a trained generator. Try it: `python generate.py lightning_logs/version_0/checkpoints/best.ckpt`

Images as a grid, one by one or as an array; walks through latent space; a run's grids as a film; the generator itself as ONNX,
or with the discriminator as a page to play with.
"""

from first_gan.run import cli, startup, stopping
from first_gan.run.drawing_options import CANDIDATES, asked, check_number
from first_gan.run.scoring_options import checkpoint_there

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over
    cli.check_first("generate.py", asked)
    startup.say_loading("Loading PyTorch ...")

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jsonargparse import Namespace
from PIL.Image import Image
from torch import nn

from first_gan.data import DataError
from first_gan.data.sources import cache_folder
from first_gan.drawing import export as exporting
from first_gan.drawing import playground
from first_gan.drawing.images import draw_pixels, images_in, save, written
from first_gan.drawing.latent import STEPS, anchors, closed_walk, draw, latent_vectors, slerp
from first_gan.drawing.layers import PlaygroundError
from first_gan.drawing.pictures import FILM_ACROSS, enlarged, gif, grid, png
from first_gan.report import film
from first_gan.run.checkpoints import data_options, images_of, load_checkpoint, load_gan
from first_gan.run.cli import RunFailed, Steps, UserError, expand
from first_gan.run.finding import run_called
from first_gan.run.folder import ROOT, RunFolderError
from first_gan.run.shell import python_command
from first_gan.sampling import Trained
from first_gan.scores.judge import SHIPPED, Judge, JudgeError, judge_of, shipped

HERE = Path(__file__).parent
WALK_MS = 80  # that a walk's film shows each step


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("generate.py", generate, argv)


def generate(argv: Sequence[str]) -> int:
    """Draws what the arguments ask for; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
        RunFailed: An exported generator does not draw the same images.
    """
    mode, options = asked(argv)
    if mode == "export" and options.export.lower().endswith(".onnx") and (missing := exporting.missing()):
        install = python_command("-m", "pip", "install", "-r", ROOT / "requirements-onnx.txt")
        raise UserError(f"--export {options.export} needs {', '.join(missing)}: {install}")
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
    except (RunFolderError, DataError, JudgeError, PlaygroundError) as error:
        raise UserError(str(error)) from error
    except exporting.ExportError as error:
        raise RunFailed(str(error)) from error
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    print(said)
    return 0


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
    path = checkpoint_there(options.checkpoint)
    checkpoint = load_checkpoint(path)
    gan = load_gan(path, checkpoint, HERE)
    network = weights_of(gan, options.weights)
    if mode == "export":
        steps.now("exporting")
        if out.suffix.lower() == ".html":
            return playground.export(path, checkpoint, gan, network, options.data_dir, out)
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
    startup.loaded()
    stopping.leave(main())
