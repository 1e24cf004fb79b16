"""What generate.py can be asked for: its options, which mean something in some modes alone. Loads no torch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

from first_gan.report.pictures import MOST_FRAMES
from first_gan.run.cli import Parser, UserError
from first_gan.run.scoring_options import RUN, checkpoint_there

CANDIDATES = 50  # drawn for each image that --digit keeps
GRID, WALKS, ARRAY = 10_000, 1_000, 1_000_000  # the most images in a grid, walks, and images in all
BYTES = 28 * 28  # of the images that these are for; of larger ones as many as take no more memory
EXAMPLES = """\
examples:
  generate.py last                           64 by the newest run's best epoch
  generate.py last --digit 7 --out sevens.png
  generate.py last --num 10000 --out images.npz
  generate.py last --interpolate             a walk through latent space
  generate.py --evolution last               a run's grids as a film
"""


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
    "export": Mode("", (".onnx", ".pt2", ".html"), {"export": None, "weights": None, "data_dir": None}),
}


def asked(argv: Sequence[str]) -> tuple[str, Namespace]:
    """Reads the arguments; returns the name of what is to be drawn, and the options with its defaults.

    Raises:
        UserError: They do not go together, or one is out of range, or the checkpoint is not there.
    """
    options = parse(argv)
    mode = with_defaults(options)
    if options.checkpoint is not None:
        checkpoint_there(options.checkpoint)
    return mode, options


def parse(argv: Sequence[str]) -> Namespace:
    """Reads the arguments; those that were not given are None."""
    parser = Parser(
        prog="generate.py",
        usage="generate.py [RUN] [options]",
        description="Draws from a trained generator.",
        epilog=EXAMPLES,
    )
    parser.add_argument("checkpoint", type=str | None, nargs="?", metavar="RUN", help=RUN)
    add = parser.add_argument_group("what is drawn").add_argument
    add("--num", type=int | None, help="how many images (default: 64), or walks (16)")
    add("--seed", type=int | None, help="decides the latent vectors; 0 or more (default: 0)")
    add(
        "--digit",
        type=int | None,
        help=f"this class alone, a number from 0: of {CANDIDATES} times as many, those the judge is surest of",
    )
    add("--data_dir", type=str | None, metavar="DIR", help="the images, if --digit or a page needs them")
    add(
        "--weights",
        type=Literal["ema", "raw"] | None,
        help="moving average, or trained (default: ema, if there is one)",
    )
    add("--batch_size", type=int | None, help="images at a time: memory, never the images (default: 1000)")
    add = parser.add_argument_group("in place of images").add_argument
    add("--interpolate", action="store_true", help="spherical walks between latent vectors: walk.gif")
    add("--evolution", type=str | None, metavar="RUN", help="a run's sample grids as a film: evolution.gif")
    add("--frames", type=int | None, help=f"of that film, at most (default: {MOST_FRAMES})")
    add("--export", type=str | None, metavar="FILE", help="the generator as .onnx or .pt2, or with D as a page, .html")
    add = parser.add_argument_group("where it goes").add_argument
    add(
        "--out",
        type=str | None,
        metavar="FILE",
        help=".png: a grid; .npz, .pt: uint8; no suffix: a folder; a walk: .gif or .png (default: samples.png)",
    )
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
        if options.data_dir is not None and not options.export.lower().endswith(".html"):
            raise UserError("--data_dir means nothing with --export but of a page, .html")
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
