"""An .npz file as a dataset: which arrays, shapes, ranges and labels are taken, and what is refused; and datasets by name."""

import gzip
import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from first_gan.data import DataError, ImageSet, npz
from first_gan.data.npz import read_npz
from first_gan.data.sources import DATASETS, cache_folder, read
from tests.test_readme import DOCUMENTS

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (40, 3, 8, 8), np.uint8)
GRAY = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None], (40, 8, 8))  # each image in its number
PATH = Path("images.npz")  # in the empty working directory of each test


def saved(**arrays: Any) -> Path:
    np.savez_compressed(PATH, **arrays)
    return PATH


def together(data: ImageSet) -> torch.Tensor:
    return torch.cat([data.train, data.test])


def test_images_alone_are_mixed_and_the_last_tenth_is_the_test_set() -> None:
    torch.manual_seed(1)
    data = read_npz(saved(images=GRAY, labels=np.arange(40) // 20 * 7 - 3))
    assert (data.shape, data.classes, len(data.train), len(data.test)) == ((1, 8, 8), ("-3", "4"), 36, 4)
    values = together(data)[:, 0, 0, 0]
    assert sorted(values.tolist()) == list(range(40)) != values.tolist()
    assert torch.equal(torch.cat([data.train_labels, data.test_labels]), (values >= 20).long())
    torch.manual_seed(2)
    assert torch.equal(read_npz(PATH).train, data.train)
    unlabelled = read_npz(saved(images=GRAY))
    assert (unlabelled.classes, int(unlabelled.train_labels.sum())) == ((), 0)
    assert torch.equal(unlabelled.train, data.train)


def test_keras_arrays_keep_their_order_and_their_test_set() -> None:
    labels = np.arange(30) % 5
    data = read_npz(saved(x_train=GRAY[:30], y_train=labels[:, None], x_test=GRAY[30:], y_test=labels[:10] + 1))
    assert data.train[:, 0, 0, 0].tolist() == list(range(30))
    assert data.test[:, 0, 0, 0].tolist() == list(range(30, 40))
    assert data.train_labels.tolist() == labels.tolist()
    assert data.test_labels.tolist() == (labels[:10] + 1).tolist()
    assert data.classes == tuple("012345")
    assert len(read_npz(saved(x_train=GRAY, y_train=np.arange(40) % 2)).test) == 4


def test_keras_arrays_in_the_order_of_their_classes_are_mixed() -> None:
    for labels in (np.arange(40) // 20, 1 - np.arange(40) // 20):
        data = read_npz(saved(x_train=GRAY, y_train=labels, x_test=GRAY[:10], y_test=np.zeros(10, int)))
        assert 0 < data.train_labels[data.validation].sum() < 6
        assert torch.equal((data.train[:, 0, 0, 0] >= 20).long() == labels[-1], data.train_labels.bool())


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS.transpose(0, 2, 3, 1),
        np.asfortranarray(PIXELS),
        PIXELS / 255,
        (PIXELS / 255).astype(">f4"),
        (PIXELS / 127.5 - 1).astype(np.float32),
    ],
)
def test_every_layout_and_range_is_the_same_images(array: np.ndarray) -> None:
    assert torch.equal(read_npz(saved(images=array)).train, read_npz(saved(images=PIXELS)).train)
    assert read_npz(PATH).shape == (3, 8, 8)


@pytest.mark.parametrize("shape", [(40, 8, 8), (40, 8, 8, 1), (40, 1, 8, 8)])
def test_gray_images_with_or_without_their_channel(shape: tuple[int, ...]) -> None:
    assert read_npz(saved(images=GRAY.reshape(shape))).shape == (1, 8, 8)


def test_images_are_scaled_with_antialiasing_and_cropped_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "CHUNK", 7)
    wide = np.zeros((40, 32, 96), np.uint8)  # the middle third is noise, which averaging makes gray
    wide[:, :, 32:64] = RANDOM.integers(0, 2, (40, 32, 32)) * 255
    for images in (wide, wide.transpose(0, 2, 1)):
        data = read_npz(saved(images=images), 8)
        assert data.shape == (1, 8, 8)
        inner = together(data)[:, :, 1:-1, 1:-1].float()
        assert 120 < inner.mean() < 135
        assert inner.std() < 45  # of pixels picked out it would be about 100


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"pictures": GRAY}, "has none of them"),
        ({"labels": np.zeros(40, int)}, "has labels"),
        ({"images": GRAY.astype(int)}, "images is int64; images must be uint8"),
        ({"images": GRAY > 3}, "images is bool"),
        ({"images": GRAY.astype(float)}, r"values from 0 to 39; floats must be in \[0, 1\] or \[-1, 1\]"),
        ({"images": GRAY / 39 - 2}, "values from -2 to 0"),
        ({"images": np.full((40, 8, 8), np.nan)}, "values from nan"),
        ({"images": np.full((40, 8, 8), np.inf)}, "to inf"),
        ({"images": PIXELS[:, :2]}, r"images is of shape \(40, 2, 8, 8\)"),
        ({"images": GRAY.reshape(40, 64)}, r"images is of shape \(40, 64\)"),
        ({"images": PIXELS[:, :, :0]}, r"images is of shape"),
        ({"images": np.uint8(3)}, "images is no array"),
        ({"images": GRAY[:, :, :7]}, r"7×8 pixels.*\n.*--data\.image_size"),
        ({"images": GRAY[:, :4, :4]}, r"4×4 pixels.*8 to 256"),
        ({"images": GRAY[:19]}, "19 images; 20 images are the fewest"),
        ({"images": GRAY[:0]}, "0 images"),
        ({"x_train": GRAY, "x_test": GRAY[:1]}, "40 x_train and 1 x_test"),
        ({"x_train": GRAY, "x_test": PIXELS}, "alike in channels and size"),
        ({"images": GRAY, "labels": np.zeros(39, int)}, "labels must be 40 integers"),
        ({"images": GRAY, "labels": np.zeros(40)}, "it is float64"),
        ({"images": GRAY, "labels": np.zeros((40, 10), int)}, r"of shape \(40, 10\)"),
        ({"x_train": GRAY, "y_train": np.zeros(40, int), "x_test": GRAY}, "y_test is missing"),
        ({"images": GRAY, "labels": np.array([{}] * 40)}, "pickled Python objects.*refused"),
    ],
)
def test_what_are_no_images_or_labels_is_said(arrays: dict[str, Any], words: str) -> None:
    with pytest.raises(DataError, match=f"(?s){words}") as caught:
        read_npz(saved(**arrays))
    assert str(PATH) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2


def test_what_is_no_npz_file_is_said() -> None:
    with pytest.raises(DataError, match=r"nowhere.npz is no file; name an .npz file by --data\.data_dir"):
        read_npz(Path("nowhere.npz"))
    with pytest.raises(DataError, match="is a folder"):
        read_npz(Path())
    PATH.write_text("text", encoding="utf-8")
    with pytest.raises(DataError, match="damaged or not an"):
        read_npz(PATH)
    saved(images=PIXELS)
    PATH.write_bytes(PATH.read_bytes()[:300])
    with pytest.raises(DataError, match="damaged or not"):
        read_npz(PATH)
    content = bytearray(saved(images=PIXELS).read_bytes())
    content[200] ^= 1
    PATH.write_bytes(content)
    with pytest.raises(DataError, match="damaged or not"):
        read_npz(PATH)
    with pytest.raises(DataError, match=r"--data\.image_size must be 8 to 256"):
        read_npz(PATH, 300)


def test_what_would_not_fit_into_memory_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    saved(images=GRAY, labels=np.zeros(40, int), other=np.zeros(10**6))
    size = 40 * 64 + 40 * 8 + 2 * 128  # both arrays and their headers
    monkeypatch.setattr(npz, "LARGEST", size)
    assert len(read_npz(PATH).train) == 36
    monkeypatch.setattr(npz, "LARGEST", size - 1)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(DataError, match="GiB are the most"):
        read_npz(PATH)


def test_an_array_that_is_larger_than_the_file_says_is_damaged() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**12, 8, 8)})
    with zipfile.ZipFile(PATH, "w") as archive:
        archive.writestr("images.npy", buffer.getvalue() + bytes(100))
    with pytest.raises(DataError, match="damaged"):
        read_npz(PATH)


def test_emnists_files_become_an_npz_file_as_the_readme_says() -> None:
    (code,) = (code for code in re.findall(r"```python\n(.*?)```", DOCUMENTS, re.DOTALL) if "emnist" in code)
    with gzip.open("emnist-letters-train-images-idx3-ubyte.gz", "wb") as file:
        lying = np.broadcast_to(GRAY[:, :1, :1], (40, 28, 28)).copy()
        lying[:, 14:] = 0  # the upper half in the file is the left one of the image
        file.write(bytes(16) + lying.tobytes())
    with gzip.open("emnist-letters-train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(bytes(8) + (np.arange(40, dtype=np.uint8) % 26).tobytes())
    exec(code, {})
    data = read_npz(Path("letters.npz"))
    assert (data.shape, len(data.classes), len(data.train)) == ((1, 28, 28), 26, 36)
    values = torch.cat([data.train, data.test])[:, 0, 20, 5]
    assert int(data.train[:, :, :, 14:].max()) == 0
    assert torch.equal(torch.cat([data.train_labels, data.test_labels]), values.long() % 26)


def test_every_dataset_is_read_by_its_name(images_dir: Path, arrays: dict[str, torch.Tensor], tmp_path: Path) -> None:
    assert DATASETS == ("mnist", "fashion_mnist", "kmnist", "digits", "folder", "npz")
    data = read("mnist", images_dir)
    assert data is not None
    assert (data.shape, data.classes, len(data.train), len(data.test)) == (
        (1, 28, 28),
        tuple("0123456789"),
        60_000,
        10_000,
    )
    found = (data.train, data.train_labels, data.test, data.test_labels)
    for array, name in zip(
        found, ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"), strict=True
    ):
        assert torch.equal(array, arrays[f"{name}-ubyte"])
    assert all(read(dataset, tmp_path / "nowhere") is None for dataset in DATASETS)
    with pytest.raises(DataError, match=r"--data\.image_size is for folder and npz"):
        read("mnist", images_dir, 32)
    with pytest.raises(DataError, match="holds 0 pictures"):
        read("folder", tmp_path)
    images = read("npz", saved(images=PIXELS), 16)
    assert images is not None
    assert images.shape == (3, 16, 16)
    assert cache_folder("npz", Path("a/b.npz")) == cache_folder("folder", Path("a")) == Path("a")
