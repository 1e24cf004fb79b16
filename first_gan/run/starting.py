"""What a run starts from: nothing, the run that it goes on, or another run's weights; and the options that follow from it."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from pytorch_lightning import LightningModule
from torch import Tensor

from first_gan import tensors
from first_gan.networks import import_trusted, is_trusted
from first_gan.run import config_files
from first_gan.run.checkpoints import load_checkpoint
from first_gan.run.cli import Parser, UserError, expand
from first_gan.run.finding import find_checkpoint
from first_gan.run.folder import CONFIG, LOGS, RunFolderError, folder_of, lock
from first_gan.run.options import NETWORKS, check_file, check_kept, typed_checkpoint

AVERAGE = "ema."  # how the moving average's weights begin in a checkpoint


@dataclass(frozen=True)
class Start:
    """What a run starts from.

    Args:
        options: All options: what is typed, over those of the run that is resumed, or of the network that is trained on.
        path: Of the checkpoint, if there is one.
        resumed: The checkpoint, where its run goes on.
        folder: The run folder it lies in, where its run goes on there.
        weights: The checkpoint's weights by name, where a new run begins with them.
        note: What a person may want to know of it.
    """

    options: Namespace
    path: Path | None = None
    resumed: dict[str, Any] | None = None
    folder: Path | None = None
    weights: Mapping[str, Tensor] | None = None
    note: str = ""


def read(parser: Parser, argv: Sequence[str], project: Path, held: ExitStack | None) -> Start:
    """Reads the command line, and the checkpoint that `--ckpt_path` or `--init_from` names.

    Args:
        parser: train.py's.
        argv: What is typed.
        project: The folder of gan_networks.py and networks/, whose classes a file may name.
        held: Keeps the lock on a run folder that is resumed, which is taken before anything in it is read: what another
            process wrote meanwhile would be lost. None on all processes but the first, which alone writes.

    Raises:
        UserError: An option is bad.
        RunFolderError: The checkpoint is.
    """
    with config_files.checked(lambda options, file: check_file(options, file, argv, project)):
        return _read(parser, argv, project, held)


def _read(parser: Parser, argv: Sequence[str], project: Path, held: ExitStack | None) -> Start:
    typed, note = typed_checkpoint(argv), ""
    root = expand(typed.default_root_dir)
    if typed.ckpt_path is not None:
        path = find_checkpoint(str(expand(typed.ckpt_path)), root, typed.name)
        if path is not None:
            if typed.init_from is not None and typed.ckpt_path != "auto":
                raise UserError(
                    "--init_from begins a new run, and --ckpt_path goes on with an old one: leave one of them out"
                )
            return _resume(parser, argv, project, path, held)
        note = f"--ckpt_path auto: no run in {root / LOGS} has a checkpoint yet, so a new one begins."
    if typed.init_from is not None:
        path = expand(typed.init_from)
        return replace(_begin_with(parser, argv, project, find_checkpoint(str(path), root) or path), note=note)
    return Start(parser.parse(argv), note=note)


def _resume(parser: Parser, argv: Sequence[str], project: Path, path: Path, held: ExitStack | None) -> Start:
    """The run's own options, with what is typed now over them."""
    folder = folder_of(path)
    if folder is not None and held is not None:
        lock(folder, held)
    checkpoint = load_checkpoint(path)
    kept = _kept_options(path, checkpoint, parser, argv, project)
    parser.set_defaults(kept)
    options = parser.parse(argv, base=None if folder is None else str(folder / CONFIG))
    if options.data.dataset == "auto":
        options.data.dataset = kept["data.dataset"]
    typed = any(word.startswith("--data.data_dir") for word in argv)
    if not typed and options.data.dataset == "mnist" and not Path(options.data.data_dir or "").is_dir():
        options.data.data_dir = None if os.environ.get("MNIST_DIR") else options.data.data_dir  # it moved, to there
    if options.fast_dev_run:
        raise UserError("--fast_dev_run keeps nothing, so it cannot go with --ckpt_path")
    if options.name is not None and (folder is None or folder.name != options.name):
        raise UserError("--name is for a new run, and --ckpt_path goes on with an old one: leave one of them out")
    options.name = None  # which it has
    return Start(options, path, checkpoint, folder)


def _begin_with(parser: Parser, argv: Sequence[str], project: Path, path: Path) -> Start:
    """A new run with another's weights: its `--model.*` options, unless others are typed, and all else as in any new run."""
    checkpoint = load_checkpoint(path)
    kept = _kept_options(path, checkpoint, parser, argv, project)
    parser.set_defaults({name: value for name, value in kept.items() if name.startswith("model.")})
    options = parser.parse(argv)
    options.init_from = str(path.absolute())
    return Start(options, path, weights=checkpoint["state_dict"])


def _kept_options(
    path: Path, checkpoint: Mapping[str, Any], parser: Parser, argv: Sequence[str], project: Path
) -> dict[str, Any]:
    """The options that a checkpoint keeps, as a parser's defaults; nothing that they name is imported but what may be."""
    kept = checkpoint.get("options")
    check_file(kept, str(path), argv, project)
    for network in NETWORKS:
        if isinstance(kept, dict) and is_trusted(str(kept.get(network))):  # by its name now, where it has moved
            found = import_trusted(str(kept[network]), project)
            kept[network] = f"{found.__module__}.{found.__qualname__}"
    return check_kept(path, kept, parser)


def load_weights(gan: LightningModule, path: Path, weights: Mapping[str, Any]) -> None:
    """Gives G and D the weights of a checkpoint; a moving average begins anew, from G's.

    Raises:
        RunFolderError: They are of other networks.
    """
    own = {name: value for name, value in gan.state_dict().items() if not name.startswith(AVERAGE)}
    given = {name: value for name, value in weights.items() if not name.startswith(AVERAGE)}
    for name in sorted(own.keys() | given.keys()):
        here, there = (tuple(getattr(each.get(name), "shape", ())) for each in (own, given))
        if name not in own or name not in given or here != there:
            raise RunFolderError(
                f"--init_from {path}: its networks are others than this run's: {name} is of shape "
                f"{list(there) if name in given else 'none'} there, {list(here) if name in own else 'none'} here\n"
                "leave out options of the networks, or train on images of the same shape"
            )
        if not tensors.fits(given[name], own[name]):
            raise RunFolderError(f"--init_from {path}: {name} does not hold finite numbers of the usual kinds")
    gan.load_state_dict(given, strict=False)
    if gan.ema is not None:
        gan.ema.load_state_dict(gan.generator.state_dict())  # type: ignore[union-attr, operator]
