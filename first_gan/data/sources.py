"""Every dataset by its name, wherever its images come from."""

from pathlib import Path

from first_gan.data import (
    FILES,
    FOLDERS,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DataError,
    ImageSet,
    idx,
    published,
)
from first_gan.data.npz import read_npz
from first_gan.data.pictures import read_folder

OWN = ("folder", "npz")  # the person's own images
DATASETS = (*FOLDERS, *OWN)


def read(dataset: str, place: Path, image_size: int | None = None) -> ImageSet | None:
    """Reads and checks a dataset.

    Args:
        dataset: One of `DATASETS`.
        place: A folder with the IDX files (see `idx.find`), the folder of pictures, or the .npz file.
        image_size: Side in pixels that pictures are scaled and cropped to; folder and npz alone.

    Returns:
        The dataset, or None where there is nothing at that place.

    Raises:
        DataError: What is there is not that dataset, or is known to be another one, or cannot be read.
    """
    if dataset in OWN:
        reader = read_folder if dataset == "folder" else read_npz
        return reader(place, image_size) if place.exists() else None
    if image_size is not None:
        raise DataError(f"--data.image_size is for folder and npz; the images of {dataset} are 28×28")
    paths = idx.find(place, dataset)
    if paths is None:
        return None
    arrays = idx.read_dataset(paths)
    owners = {name: published.owner(paths[name], arrays[name]) for name in FILES}
    if wrong := next((name for name in FILES if owners[name] not in (dataset, None)), None):
        raise DataError(
            f"{paths[wrong]} is of {FOLDERS[str(owners[wrong])]}, not of {FOLDERS[dataset]} (its checksum says so)\n"
            f"to train on it: --data.dataset {owners[wrong]}; for {FOLDERS[dataset]}, name its folder, or a new one, by --data.data_dir"
        )
    whole = set(owners.values()) == {dataset}
    train, test = (arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]), (arrays[TEST_IMAGES], arrays[TEST_LABELS])
    return ImageSet(*train, *test, published=whole)


def cache_folder(dataset: str, place: Path) -> Path:
    """Where what belongs to a dataset is kept, such as its judge: beside the images."""
    return place.parent if dataset == "npz" else place
