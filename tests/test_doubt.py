"""Wrong images under the right names: known by their checksums, or doubted by a judge."""

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchvision import datasets

from first_gan.data import (
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DataError,
    ImageSet,
    idx,
    published,
    raw_folder,
)
from first_gan.data.sources import read
from first_gan.run import checkpoints
from first_gan.run.folder import LAST
from first_gan.scores import doubt as doubts
from first_gan.scores.doubt import doubt
from tests.conftest import REAL_MNIST
from tests.test_train import Run

PLACE = Path("place")


def digest(array: Tensor) -> str:
    return hashlib.sha256(array.contiguous().numpy().data).hexdigest()


@pytest.fixture
def four(arrays: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the four files, unpacked, which are known as MNIST's."""
    monkeypatch.setattr(published, "MNIST", {name: digest(arrays[name]) for name in FILES})
    (tmp_path / "four").mkdir()
    for name, array in arrays.items():
        idx.write(tmp_path / "four" / name, array.squeeze(1) if array.ndim == 4 else array)
    return tmp_path / "four"


@pytest.mark.skipif(not REAL_MNIST, reason="needs MNIST_DIR")
def test_the_checksums_are_mnists(arrays: dict[str, Tensor], images_dir: Path) -> None:
    assert {name: digest(array) for name, array in arrays.items()} == published.MNIST
    data = read("mnist", images_dir)
    assert data is not None
    assert data.published


@pytest.mark.parametrize("packed", [False, True])
def test_mnists_files_under_another_name_are_refused_however_they_are_packed(four: Path, packed: bool) -> None:
    if packed:
        for name in FILES:
            (four / f"{name}.gz").write_bytes(gzip.compress((four / name).read_bytes(), 1))
            (four / name).unlink()
    said = rf"{TRAIN_IMAGES}\S* is of MNIST, not of FashionMNIST .*\nto train on it: --data.dataset mnist;"
    with pytest.raises(DataError, match=said):
        read("fashion_mnist", four)
    data = read("mnist", four)
    assert data is not None
    assert data.published


def test_one_file_of_another_dataset_is_enough(
    four: Path, arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = arrays[TEST_IMAGES].squeeze(1).clone()
    changed[0, 0, 0] = 1
    idx.write(four / TEST_IMAGES, changed)
    data = read("mnist", four)
    assert data is not None
    assert not data.published
    packed = gzip.compress((four / TEST_IMAGES).read_bytes(), 1)
    (four / TEST_IMAGES).write_bytes(packed)
    sums = [("t10k-images-idx3-ubyte.gz", hashlib.md5(packed, usedforsecurity=False).hexdigest())]
    monkeypatch.setattr(datasets.KMNIST, "resources", sums)
    with pytest.raises(DataError, match=f"{TEST_IMAGES} is of KMNIST, not of MNIST"):
        read("mnist", four)


@pytest.fixture
def data(arrays: dict[str, Tensor]) -> ImageSet:
    return ImageSet(*(arrays[name] for name in (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)))


def share(said: str) -> int:
    found = re.search(r"recognizes (\d+)%", said)
    assert found, said
    return int(found[1])


WRONG: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "transposed": (lambda images: images.transpose(2, 3), "They are transposed"),
    "mirrored": (lambda images: images.flip(3), "They are mirrored"),
    "upside down": (lambda images: images.flip(2), "They are upside down"),
    "inverted": (lambda images: 255 - images, "They are inverted"),
    "other images": (
        lambda images: images[torch.randperm(len(images))],
        "They are other images, or labelled otherwise",
    ),
    "nearly black": (lambda images: images // 255, "They are other images"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_images_that_the_judge_does_not_recognize_are_doubted_with_what_is_wrong(data: ImageSet, wrong: str) -> None:
    change, reason = WRONG[wrong]
    said = doubt("mnist", replace(data, train=change(data.train).contiguous()), PLACE)
    assert "of the images in place by their labels, and 99% of MNIST's own" in said
    assert reason in said
    assert share(said) < 55


def test_images_that_are_what_they_should_be_are_not_doubted(data: ImageSet) -> None:
    for change in (lambda images: images, lambda images: images // 2, lambda images: (images > 127).byte() * 255):
        assert doubt("mnist", replace(data, train=change(data.train)), PLACE) == ""


def test_labels_are_looked_at_from_all_over(data: ImageSet) -> None:
    order = data.train_labels.argsort()
    half = data.train_labels[order].clone()
    half[30_000:] = 9 - half[30_000:]
    said = doubt("mnist", replace(data, train=data.train[order], train_labels=half), PLACE)
    assert 35 < share(said) < 65


def test_mnists_digits_under_a_relatives_name_are_doubted_and_the_relatives_images_are_not(data: ImageSet) -> None:
    for dataset, name in (("fashion_mnist", "FashionMNIST"), ("kmnist", "KMNIST")):
        said = doubt(dataset, data, PLACE)
        assert "A classifier of MNIST recognizes" in said
        assert share(said) > 80
        assert f"and not {name}'s. To train on MNIST: --data.dataset mnist" in said
        assert doubt(dataset, replace(data, train=data.train.transpose(2, 3)), PLACE) == ""


def test_training_looks_at_training_images_and_scoring_at_test_images(data: ImageSet) -> None:
    wrong = replace(data, test=data.test.transpose(2, 3).contiguous())
    assert doubt("mnist", wrong, PLACE) == ""
    assert "transposed" in doubt("mnist", wrong, PLACE, test=True)


def test_what_is_known_by_its_checksum_and_a_persons_own_images_need_no_judge(
    data: ImageSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "shipped", None)
    assert doubt("mnist", replace(data, published=True), PLACE) == ""
    assert doubt("folder", data, PLACE) == doubt("npz", data, PLACE) == ""


@pytest.fixture
def transposed(arrays: dict[str, Tensor], tmp_path: Path) -> Path:
    folder = raw_folder(tmp_path / "wrong", "mnist")
    folder.mkdir(parents=True)
    for name, array in arrays.items():
        idx.write(folder / name, array.squeeze(1).transpose(1, 2) if array.ndim == 4 else array)
    return tmp_path / "wrong"


def test_train_warns_once_and_evaluate_too(
    run: Run, small: list[str], transposed: Path, trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(*small, "--max_epochs", "1", "--data.data_dir", str(transposed))
    assert code == 0
    assert err.count("NOT MNIST?") == 1
    assert "transposed" in err
    path = trained_run / LAST
    checkpoints.images_of(path, checkpoints.load_checkpoint(path), str(transposed))
    assert capsys.readouterr().err.count("NOT MNIST?") == 1


def test_train_does_not_warn_of_the_right_images(run: Run, small: list[str]) -> None:
    assert run(*small, "--max_epochs", "1")[::2] == (0, "")
