"""What lies at a place that a person named, told by the names of the files, and what to type to train on it."""

import os
import re
from itertools import islice
from pathlib import Path

from first_gan.data import FOLDERS, PICTURES, TORCHVISION, DataError, raw_folder
from first_gan.run.shell import quoted

IDX = re.compile(r"(train|t10k|test)-(images[-.]idx3|labels[-.]idx1)-ubyte(\.gz)?")
EMNIST = re.compile(r"emnist-\w+-(train|test)-(images|labels)[-.].*")
ROOT = (*FOLDERS.values(), "EMNIST", "QMNIST")  # torchvision keeps them side by side
OURS = re.compile(r"\..*|judge_\w+\.pt|Thumbs\.db|desktop\.ini")  # or the system's; earlier versions kept judges there
LOOKED_INTO = 30  # subfolders: finding must not take long in a folder that is something else
NAMED = 3


def role(name: str) -> str | None:
    """Which of `first_gan.data.FILES` a file is by its name, in any of the spellings that are about; None for none of them.

    The dataset's own site and torchvision have `train-images-idx3-ubyte.gz`, packed or not, unpackers and Kaggle
    `train-images.idx3-ubyte`, and some copies call the test set `test` instead of `t10k`.
    """
    match = IDX.fullmatch(name)
    return match and f"{'train' if match[1] == 'train' else 't10k'}-{match[2].replace('.', '-')}-ubyte"


def listing(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; nothing where there is no folder.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error


def subfolders(folder: Path) -> list[Path]:
    """The first thirty that can be read and are not hidden."""
    inner = (path for path in listing(folder) if os.access(path, os.R_OK | os.X_OK) and path.is_dir())
    return list(islice((path for path in inner if not path.name.startswith(".")), LOOKED_INTO))


def dataset_of(folder: Path) -> str | None:
    """The dataset whose folder this is in torchvision's layout: `MNIST`, with a `raw` in it, or that `MNIST/raw` itself."""
    path = folder.absolute()
    name = path.parent.name if path.name == "raw" else path.name if (path / "raw").is_dir() else ""
    return next((dataset for dataset, own in FOLDERS.items() if own == name), None)


def namesake(folder: Path) -> str:
    """The dataset that a folder is called after, however it is spelled: `fashion-mnist` of `Fashion_MNIST`; empty for none."""
    plain = re.sub(r"[^a-z]", "", folder.name.lower())
    return next((name.lower() for name in (*FOLDERS, *ROOT) if name.lower().replace("_", "") == plain), "")


def check_folder(data_dir: Path, dataset: str) -> None:
    """Makes sure that a place can be the folder of a dataset's IDX files.

    Raises:
        DataError: It is a file, or the folder of another dataset, or cannot be read.
    """
    if not listing(data_dir) and data_dir.is_file():
        raise DataError(f"{data_dir} is a file, where {FOLDERS[dataset]}'s folder belongs{or_else(data_dir)}")
    other = dataset_of(data_dir)
    if other not in (None, dataset):
        raise DataError(
            f"{data_dir} is the folder of {FOLDERS[str(other)]}, not of {FOLDERS[dataset]}\n"
            f"to train on what is in it: --data.dataset {other}"
        )


def check_free(data_dir: Path, dataset: str) -> None:
    """Makes sure that a dataset may be put into a folder: there is nothing in it but what this program or torchvision put there.

    Raises:
        DataError: It holds something else; the message names that, and what to do.
    """
    name = FOLDERS[dataset] if dataset != "digits" else "built-in digits"
    raw = raw_folder(data_dir, dataset)
    for folder, ours in ((data_dir, ROOT), (raw.parent, ("raw", "processed")), (raw, ())):
        names = [path.name for path in listing(folder)]
        if others := [each for each in names if each not in ours and not OURS.fullmatch(each)]:
            more = f" and {len(others) - NAMED:,} more" if len(others) > NAMED else ""
            ways = [way(folder), f"for {name}, name another folder, which may be new, by --data.data_dir"]
            raise DataError(
                f"{folder} holds {', '.join(others[:NAMED])}{more}, and no {name}; nothing is put into a folder that holds "
                f"something else\n{'; '.join(filter(None, ways))}"
            )


def way(place: Path) -> str:
    """What to type to train on what lies at a place; empty where it is nothing that this program can read."""
    if not place.is_dir():
        return _way_of_file(place) if place.exists() else ""
    if found := _way_of_idx(place):
        return found
    if archive := next((path for path in listing(place) if path.suffix.lower() == ".npz"), None):
        return _way_of_file(archive)
    walk = islice(os.walk(place), LOOKED_INTO)
    if any(name.lower().endswith(PICTURES) for _, _, files in walk for name in files):
        return f"to train on these pictures: {_options('folder', place)}"
    inner = *(raw_folder(place, dataset) for dataset in FOLDERS), *subfolders(place)
    return next(filter(None, map(_way_of_idx, inner)), "")


def or_else(place: Path) -> str:
    """`way` as a second line of a message; empty where there is none."""
    return f"\n{found}" if (found := way(place)) else ""


def _way_of_idx(folder: Path) -> str:
    names = [path.name for path in listing(folder)]
    if found := next(filter(EMNIST.fullmatch, names), None):
        return (
            f"{found} is EMNIST's, which is not among the datasets: to train on it, save it as an .npz file, as docs/data.md "
            "shows under 'Your own images'"
        )
    if not any(map(role, names)):
        return ""
    dataset = dataset_of(folder) or (namesake(folder) if namesake(folder) in TORCHVISION else "mnist")
    return f"to train on these IDX files: {_options(dataset, folder)}"


def _way_of_file(path: Path) -> str:
    if path.suffix.lower() == ".npz":
        return f"to train on a numpy file: {_options('npz', path)}"
    if role(path.name):
        return f"to train on IDX files, name their folder: {_options('mnist', path.parent)}"
    if path.suffix.lower() in PICTURES:
        return f"to train on pictures, name their folder: {_options('folder', path.parent)}"
    return ""


def _options(dataset: str, place: Path) -> str:
    return f"--data.dataset {dataset} --data.data_dir {quoted(str(place))}"
