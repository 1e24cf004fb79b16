"""What a place holds that is not the dataset that was asked for, and what to type instead."""

import hashlib
from pathlib import Path

from torch import Tensor

from first_gan.data import FILES, FOLDERS, TEST_IMAGES, TEST_LABELS, TORCHVISION, TRAIN_IMAGES, TRAIN_LABELS, DataError

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MOST = 3  # entries that are named
# SHA-256 of the pixels and labels of MNIST's four files, which may be packed anew.
MNIST = {
    TRAIN_IMAGES: "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    TRAIN_LABELS: "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    TEST_IMAGES: "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    TEST_LABELS: "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


def hint(place: Path) -> str:
    """What to type for what is at a place: pictures, a numpy file or IDX files; empty where there is none of them."""
    if place.is_file():
        entries, place = [place], place.parent
    else:
        entries = entries_of(place)
    if npz := next((path for path in entries if path.suffix == ".npz"), None):
        return f"to train on {npz.name}: --data.dataset npz --data.data_dir {npz}"
    if any(path.name.startswith("emnist-") for path in entries):
        return (
            "EMNIST is not MNIST, and its images lie on their side: turn them upright, and save them with their labels by "
            "numpy.savez for --data.dataset npz"
        )
    if any("-ubyte" in path.name for path in entries):
        return f"to train on IDX files, name their folder: --data.dataset mnist --data.data_dir {place}"
    below = [path for folder in entries[:100] if folder.is_dir() for path in entries_of(folder)[:100]]
    if any(path.suffix.lower() in PICTURES for path in (*entries, *below)):
        return f"to train on pictures: --data.dataset folder --data.data_dir {place}"
    return ""


def entries_of(folder: Path) -> list[Path]:
    """What is in a folder but hidden files, sorted; nothing where it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def refuse_to_download(data_dir: Path, dataset: str) -> None:
    """Makes sure that a download does not go where something else is.

    Raises:
        DataError: It would.
    """
    ours = {*FOLDERS.values(), *(f"judge_{name}.pt" for name in FOLDERS)}
    others = [path.name for path in entries_of(data_dir) if path.name not in ours]
    if data_dir.exists() and not data_dir.is_dir():
        others = [data_dir.name]
    if others:
        named = ", ".join(others[:MOST]) + (", ..." if len(others) > MOST else "")
        way = (
            hint(data_dir)
            or f"name another folder by --data.data_dir, where {FOLDERS[dataset]} is or can be downloaded to"
        )
        raise DataError(f"{data_dir} holds no {FOLDERS[dataset]}, but something else ({named})\n{way}")


def refuse_other(dataset: str, paths: dict[str, Path], arrays: dict[str, Tensor]) -> None:
    """Makes sure that files which are known by their checksum are not those of another dataset.

    Args:
        dataset: mnist, fashion_mnist or kmnist.
        paths: The four files.
        arrays: What they hold.

    Raises:
        DataError: They are.
    """
    packed = {
        path: hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in paths.values()
        if path.suffix == ".gz"
    }
    for name, known in TORCHVISION.items():
        sums = {md5 for _, md5 in known.resources}
        if name != dataset and packed and sums.issuperset(packed.values()) and len(packed) == len(FILES):
            raise DataError(_taken_for(dataset, name, paths))
    if dataset != "mnist" and all(
        hashlib.sha256(arrays[name].numpy().data).hexdigest() == MNIST[name]
        for name in (TEST_LABELS, TEST_IMAGES, TRAIN_IMAGES)
    ):
        raise DataError(_taken_for(dataset, "mnist", paths))


def _taken_for(dataset: str, name: str, paths: dict[str, Path]) -> str:
    folder = paths[TRAIN_IMAGES].parent
    return (
        f"the files in {folder} are {FOLDERS[name]}'s, not {FOLDERS[dataset]}'s\n"
        f"to train on them: --data.dataset {name} --data.data_dir {folder}"
    )
