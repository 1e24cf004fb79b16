"""Checkpoints: loaded safely, checked, and what they belong to: the networks, the run, the images."""

import os
import pickle
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from first_gan import tensors
from first_gan.data import FOLDERS, DataError, ImageSet, sources
from first_gan.networks import NetworkError
from first_gan.run.cli import expand, shout
from first_gan.run.finding import no_checkpoint
from first_gan.run.folder import CONFIG, LAST, RunFolderError, folder_of, read_config
from first_gan.run.names import CONTENTS, LIBRARY
from first_gan.sampling import Trained
from first_gan.scores.doubt import doubt
from first_gan.scores.judge import fingerprint

HOLDS: dict[str, type] = {"epoch": int, "global_step": int, "state_dict": dict}


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Loads a checkpoint of this program onto the CPU, tensors and plain values alone.

    Raises:
        RunFolderError: It is damaged, not a checkpoint of this program, or holds pickled objects (never executed).
    """
    try:
        checkpoint = tensors.load(path)
    except (IsADirectoryError, FileNotFoundError) as error:
        raise no_checkpoint(path) from error
    except OSError as error:
        raise RunFolderError(f"{path} cannot be read: {error.strerror}") from error
    except pickle.UnpicklingError as error:
        raise RunFolderError(
            f"{path} holds a pickled Python object, which could run code: refused, not loaded"
        ) from error
    except Exception as error:  # torch.load raises many kinds; none of them executes what it reads
        raise RunFolderError(f"{path} is damaged or not a checkpoint") from error
    if not isinstance(checkpoint, dict) or not all(
        isinstance(checkpoint.get(key), kind) for key, kind in HOLDS.items()
    ):
        raise RunFolderError(f"{path} is not a checkpoint of this program")
    if not all(0 <= checkpoint[key] < 2**53 for key in ("epoch", "global_step")):
        raise RunFolderError(f"{path} is damaged: its epoch or step is no count")
    return checkpoint


def check_resumable(
    path: Path,
    checkpoint: Mapping[str, Any],
    options: Mapping[str, Any],
    max_epochs: int | None,
    max_steps: int,
    ended: bool = True,
) -> bool:
    """Makes sure that training on from a checkpoint is what its run began.

    Args:
        path: The checkpoint's path.
        checkpoint: The checkpoint.
        options: What must not change, by option name, as it is now.
        max_epochs: Epochs to train in all; None or -1 for no end.
        max_steps: Updates to train in all; -1 for no end.
        ended: Whether the run was not killed after its last epoch, before its end.

    Returns:
        Whether anything is left to train. If not, the run's end is.

    Raises:
        RunFolderError: An option changed (the message has the diff), all is trained already, or the checkpoint's run has
            gone on since.
    """
    states = checkpoint.get("optimizer_states")
    if (
        not isinstance(states, list)
        or len(states) != 2
        or not all(isinstance(each, dict) and each.get("state") for each in states)
    ):
        raise RunFolderError(f"{path} lacks the optimizers' state, so training cannot go on from it")
    before = checkpoint["options"]
    changed = [
        f"--{key} was {before.get(key)}, is {value} now"
        for key, value in options.items()
        if _plain(before.get(key)) != _plain(value) and key != LIBRARY and (key in before or value)
    ]  # an option that it lacks came with a later version, where it is off: 0, false or null
    if changed:
        raise RunFolderError(f"{path} was trained with other options: {'; '.join(changed)}\nleave them out to resume")
    done = epochs_done(checkpoint)
    last = path.with_name(LAST.name)
    if path.name != LAST.name and folder_of(path) and last.is_file():
        newer = epochs_done(load_checkpoint(last))
        if newer > done:
            raise RunFolderError(
                f"{path} is of epoch {done}, and its run has gone on to epoch {newer}, which resuming would overwrite\n"
                "copy the checkpoint out of the run folder to start a new run from it"
            )
    if not ended and (max_epochs == done or max_steps == done_updates(checkpoint)):
        return False
    if max_epochs is not None and 0 <= max_epochs <= done:
        raise RunFolderError(
            f"{path} has trained {done} of {max_epochs} epochs: pass a --max_epochs over {done} to train on"
        )
    updates = done_updates(checkpoint)
    if 0 <= max_steps <= updates:
        raise RunFolderError(
            f"{path} has trained {updates} of {max_steps} updates: pass a larger --max_steps (-1: no limit) to train on"
        )
    return True


def check_weights(path: Path, checkpoint: Mapping[str, Any], now: Mapping[str, torch.Tensor]) -> None:
    """Makes sure that a checkpoint's weights fit the networks that its options describe.

    Raises:
        RunFolderError: They do not.
    """
    before = checkpoint["state_dict"]
    if before.keys() != now.keys() or not all(map(tensors.fits, before.values(), (now[key] for key in before))):
        raise RunFolderError(f"{path} holds other networks than its options say, or weights that are no finite numbers")


def epochs_done(checkpoint: Mapping[str, Any]) -> int:
    """How many whole epochs a checkpoint has behind it."""
    return checkpoint["epoch"] + 1


def done_updates(checkpoint: Mapping[str, Any]) -> int:
    """How many updates a checkpoint of train.py has behind it."""
    return checkpoint["global_step"] // (checkpoint["options"]["model.d_steps"] + 1)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def load_gan(path: Path, checkpoint: dict[str, Any], project: Path) -> Trained:
    """The checkpoint's networks, in eval mode on the CPU, in float32.

    Args:
        path: The checkpoint's path.
        checkpoint: The checkpoint.
        project: The folder of gan_networks.py and networks/, whose classes alone a checkpoint may name.

    Raises:
        RunFolderError: Its options or weights are not those of a GAN.
    """
    hyperparameters = checkpoint.get("hyper_parameters")
    if not isinstance(hyperparameters, dict):
        raise RunFolderError(f"{path} lacks the model's options")
    try:
        with suppress(NetworkError), torch.device("meta"):  # shapes alone, and refused before they take memory
            shapes = Trained(project, **hyperparameters)  # but for networks that cannot run without values
            shapes.configure_model()
            check_weights(path, checkpoint, shapes.state_dict())
        with torch.random.fork_rng(devices=[]):
            gan = Trained(project, **hyperparameters)
            gan.configure_model()
        check_weights(path, checkpoint, gan.state_dict())
        gan.load_state_dict(checkpoint["state_dict"])
        gan.float().eval().check()
    except NetworkError as error:
        raise RunFolderError(f"{path}: {error}") from error
    except (TypeError, ValueError, RuntimeError, OverflowError, LookupError, AttributeError) as error:
        raise RunFolderError(f"{path} is of another version of this program: {str(error).splitlines()[0]}") from error
    return gan


def images_of(path: Path, checkpoint: dict[str, Any], data_dir: str | None) -> tuple[ImageSet, str, Path]:
    """The dataset that the checkpoint was trained on, its name, and the place it was found at.

    Looks in `data_dir` where that is given, else where the run had it, in MNIST_DIR (for mnist) and, but for one's own
    images, in `data`. Warns on stderr if the images there seem to be others.

    Raises:
        DataError: It is not there, or is not that dataset.
    """
    options = data_options(checkpoint)
    dataset, image_size = str(options.get("data.dataset")), options.get("data.image_size")
    if dataset not in sources.DATASETS or not isinstance(image_size, int | None):
        what = (
            "on images that it does not name"
            if dataset == "None"
            else f"on {dataset}, which is not a dataset of this program"
        )
        raise DataError(f"the checkpoint was trained {what}")
    if data_dir is not None:
        places = [data_dir]
    else:
        kept = options.get("data.data_dir")
        places = [data_dir_of_run(path), kept if isinstance(kept, str) else ""]
        places.append(os.environ.get("MNIST_DIR", "") if dataset == "mnist" else "")
        places.append("" if dataset in sources.OWN else "data")
    places = list(dict.fromkeys(filter(None, places)))
    for place in map(expand, places):
        if data := sources.read(dataset, place, image_size):
            contents = options.get(CONTENTS)
            if contents is not None and contents != fingerprint(data):
                raise DataError(
                    f"the images at {place} are not those that the checkpoint was trained on: they have changed"
                )
            if doubts := doubt(dataset, data, place, test=True):
                shout(f"NOT {FOLDERS[dataset]}?", doubts)
            return data, dataset, place
    wanted = ({"folder": "folder of pictures", "npz": ".npz file"} | FOLDERS)[dataset]
    tried = f"no {wanted} in {', '.join(places)}" if places else f"nothing says where the {wanted} is"
    raise DataError(f"{tried}; name its place by --data_dir")


def data_options(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its images, by option name: train.py's, or a plain Trainer's, of its datamodule; else nothing."""
    options, of_datamodule = checkpoint.get("options"), checkpoint.get("datamodule_hyper_parameters")
    if isinstance(options, dict):
        return options
    return {f"data.{name}": value for name, value in of_datamodule.items()} if isinstance(of_datamodule, dict) else {}


def data_dir_of_run(checkpoint: Path) -> str:
    """Where the checkpoint's run had its images, if its config.yaml is there to say so; else an empty string."""
    folder = folder_of(checkpoint)
    try:
        found = "" if folder is None else read_config(folder / CONFIG)["data"]["data_dir"]
        return found if isinstance(found, str) else ""
    except (RunFolderError, KeyError, TypeError):
        return ""
