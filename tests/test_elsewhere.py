"""The four files under their other names and in other places; what is there instead; images that are not what they are called."""

import gzip
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import datamodule
import evaluate
from datamodule import MNISTDataModule
from first_gan.data import FILES, TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, DataError, ImageSet, idx
from first_gan.data import elsewhere as elsewheres
from first_gan.scores.doubts import doubts
from tests.conftest import REAL_MNIST
from tests.test_cli import Run, refused


@pytest.fixture(autouse=True)
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(*_: object, **__: object) -> None:
        raise AssertionError("it downloads")

    monkeypatch.setattr(datamodule, "download", download)


@pytest.fixture
def four(images_dir: Path) -> dict[str, Path]:
    found = idx.find(images_dir, "mnist")
    assert found is not None
    return found


def lay(four: dict[str, Path], folder: Path) -> None:
    """Links to the four files."""
    folder.mkdir(parents=True)
    for path in four.values():
        (folder / path.name).symlink_to(path)


def found(data_dir: Path, dataset: str = "mnist") -> dict[str, Path]:
    paths = idx.find(data_dir, dataset)
    assert paths is not None
    return {name: path.resolve() for name, path in paths.items()}


@pytest.mark.parametrize("named", ["d", "d/MNIST", "d/MNIST/raw"])
def test_torchvisions_layout_by_each_of_its_folders(four: dict[str, Path], tmp_path: Path, named: str) -> None:
    lay(four, tmp_path / "d/MNIST/raw")
    lay(four, tmp_path / "d/FashionMNIST/raw")
    assert found(tmp_path / named) == {name: path.resolve() for name, path in four.items()}


def test_a_dot_instead_of_a_dash_and_a_folder_for_each_file(four: dict[str, Path], tmp_path: Path) -> None:
    for name, path in four.items():
        suffix = path.suffix if path.suffix == ".gz" else ""
        dotted = name.replace("-idx", ".idx") + suffix
        (tmp_path / "dotted").mkdir(exist_ok=True)
        (tmp_path / "dotted" / dotted).symlink_to(path)
        inner = tmp_path / "nested" / (name + suffix) / (name + suffix)
        inner.parent.mkdir(parents=True)
        inner.symlink_to(path)
    expected = {name: path.resolve() for name, path in four.items()}
    assert found(tmp_path / "dotted") == expected
    assert found(tmp_path / "nested") == expected


def test_the_folder_above_if_it_holds_them_once(four: dict[str, Path], tmp_path: Path) -> None:
    lay(four, tmp_path / "d/mnist-files")
    (tmp_path / "d/notes").mkdir()
    for other in ("Fashion-MNIST", "emnist_digits", "KMNIST"):
        lay(four, tmp_path / "d" / other)
    assert found(tmp_path / "d") == {name: path.resolve() for name, path in four.items()}
    lay(four, tmp_path / "d/copy")
    with pytest.raises(DataError, match=r"both .*copy and .*mnist-files hold the four files; name one"):
        idx.find(tmp_path / "d", "mnist")


@pytest.mark.parametrize("named", ["d/FashionMNIST", "d/FashionMNIST/raw"])
def test_another_datasets_folder_is_not_mnists(four: dict[str, Path], tmp_path: Path, named: str) -> None:
    lay(four, tmp_path / "d/FashionMNIST/raw")
    assert idx.find(tmp_path / "d", "mnist") is None
    with pytest.raises(
        DataError, match=r"where torchvision keeps FashionMNIST, not MNIST\nto train on it: --data.dataset fash"
    ):
        idx.find(tmp_path / named, "mnist")


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (28, 28)).save(path)


OTHERS = [
    ("cats/1.png", "to train on pictures: --data.dataset folder --data.data_dir d"),
    ("1.JPG", "to train on pictures: --data.dataset folder --data.data_dir d"),
    ("mnist.npz", "to train on mnist.npz: --data.dataset npz --data.data_dir d/mnist.npz"),
    ("emnist-letters-train-images-idx3-ubyte.gz", "EMNIST is not MNIST"),
    ("table.csv", "name another folder by --data.data_dir"),
]


@pytest.mark.parametrize("dataset", ["mnist", "auto", "fashion_mnist"])
@pytest.mark.parametrize(("name", "way"), OTHERS)
def test_nothing_is_downloaded_to_where_something_else_is(
    run: Run, tmp_path: Path, name: str, way: str, dataset: str
) -> None:
    path = tmp_path / "d" / name
    if path.suffix.lower() in (".png", ".jpg"):
        picture(path)
    else:
        path.parent.mkdir()
        path.write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    err = refused(run, "--data.dataset", dataset, "--data.data_dir", "d")
    assert (
        f"d holds no {'Fashion' if dataset == 'fashion_mnist' else ''}MNIST, but something else ({Path(name).parts[0]})"
        in err
    )
    assert way in err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_of_ours_is_downloaded_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(datamodule, "download", lambda *where, **_: asked.append(where))
    (tmp_path / "data/Digits/raw").mkdir(parents=True)
    (tmp_path / "data/judge_kmnist.pt").write_bytes(b"")
    (tmp_path / "data/.DS_Store").write_bytes(b"")
    MNISTDataModule().prepare_data()
    assert asked == [(Path("data"), "mnist")]


def test_a_file_where_a_folder_belongs(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=np.zeros((30, 28, 28), np.uint8))
    (tmp_path / f"{TRAIN_IMAGES}.gz").write_bytes(b"x")
    assert "--data.dataset npz --data.data_dir own.npz" in refused(run, "--data.data_dir", "own.npz")
    said = refused(run, "--data.data_dir", f"{TRAIN_IMAGES}.gz")
    assert "to train on IDX files, name their folder: --data.dataset mnist --data.data_dir ." in said


def test_a_folder_where_a_file_belongs_and_files_where_pictures_belong(run: Run, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    np.savez(tmp_path / "d/own.npz", images=np.zeros((30, 28, 28), np.uint8))
    way = "to train on own.npz: --data.dataset npz --data.data_dir d/own.npz"
    assert way in refused(run, "--data.dataset", "npz", "--data.data_dir", "d")
    assert way in refused(run, "--data.dataset", "folder", "--data.data_dir", "d")
    (tmp_path / "i").mkdir()
    (tmp_path / "i" / TRAIN_IMAGES).write_bytes(b"x")
    way = "to train on IDX files, name their folder: --data.dataset mnist --data.data_dir i"
    assert way in refused(run, "--data.dataset", "folder", "--data.data_dir", "i")
    assert way in refused(run, "--data.dataset", "npz", "--data.data_dir", f"i/{TRAIN_IMAGES}")


def test_mnist_dir_that_leads_to_pictures(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "own/1.png")
    monkeypatch.setenv("MNIST_DIR", "own")
    assert (
        "MNIST_DIR=own holds no MNIST files: to train on pictures: --data.dataset folder --data.data_dir own"
        in refused(run)
    )


@pytest.mark.skipif(not REAL_MNIST, reason="needs MNIST_DIR")
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("dataset", ["fashion_mnist", "kmnist"])
def test_mnist_under_anothers_name_is_refused(
    run: Run, four: dict[str, Path], tmp_path: Path, dataset: str, packed: bool
) -> None:
    (tmp_path / "d").mkdir()
    for name, path in four.items():
        if packed and path.suffix == ".gz":
            shutil.copy(path, tmp_path / "d")
        else:
            (tmp_path / "d" / name).write_bytes(gzip.decompress(path.read_bytes()))
    err = refused(run, "--data.dataset", dataset, "--data.data_dir", "d")
    assert f"the files in d are MNIST's, not {'Fashion' if dataset == 'fashion_mnist' else 'K'}MNIST's\n" in err
    assert "to train on them: --data.dataset mnist --data.data_dir d" in err


def test_packed_files_are_known_by_torchvisions_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of Fashion-MNIST are not here, so files are given its checksums."""
    paths = {name: tmp_path / f"{name}.gz" for name in FILES}
    for path in paths.values():
        path.write_bytes(path.name.encode())
    sums = [elsewheres.hashlib.md5(path.read_bytes()).hexdigest() for path in paths.values()]
    fashion = elsewheres.TORCHVISION["fashion_mnist"]
    monkeypatch.setattr(fashion, "resources", [(f"{name}.gz", md5) for name, md5 in zip(FILES, sums, strict=True)])
    with pytest.raises(DataError, match="are FashionMNIST's, not MNIST's"):
        elsewheres.refuse_other("mnist", paths, {})
    elsewheres.refuse_other("fashion_mnist", paths, {name: torch.zeros(1, dtype=torch.uint8) for name in FILES})


@pytest.fixture
def images(arrays: dict[str, torch.Tensor]) -> ImageSet:
    rows = slice(0, 1000)
    names = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    return ImageSet(*(arrays[name][rows] for name in names))


@pytest.mark.skipif(not REAL_MNIST, reason="needs MNIST_DIR")
def test_what_mnists_judge_does_not_recognize_is_doubted(images: ImageSet) -> None:
    assert doubts("mnist", images) is None
    for test, labels in (
        (images.test.mT, images.test_labels),
        (255 - images.test, images.test_labels),
        (images.test, images.test_labels.flip(0)),
    ):
        said = doubts("mnist", ImageSet(images.train, images.train_labels, test.contiguous(), labels))
        assert said is not None
        assert re.match(r"MNIST's judge recognizes 1?\d% of these images", said), said
    assert "These are MNIST's digits, not KMNIST" in str(doubts("kmnist", images))
    assert doubts("digits", images) is None


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_the_doubt_cannot_be_missed(
    run: Run,
    small: list[str],
    trained_run: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    for module in ("train.doubts", "first_gan.run.checkpoints.doubts"):
        monkeypatch.setattr(module, lambda dataset, data: f"{dataset} [is] not itself.")
    if command == "train":
        code, _, err = run(*small, "--max_epochs", "1")
    else:
        shutil.copytree(trained_run, "run")
        code = evaluate.main(["run/checkpoints/last.ckpt", "--data_dir", small[1]])
        err = capsys.readouterr().err
    assert code == 0
    assert "NOT MNIST?" in err
    assert "mnist [is] not itself." in err
