"""Where a dataset's files are found, under which names, and what is said of a place that holds something else."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datamodule
from datamodule import MNISTDataModule
from first_gan.data import FILES, DataError, idx, places
from first_gan.data.sources import read
from tests.test_train import Run

SPELLINGS = {
    "torchvision": "{split}-{kind}-{idx}-ubyte",
    "packed": "{split}-{kind}-{idx}-ubyte.gz",
    "a dot": "{split}-{kind}.{idx}-ubyte",
    "a dot, packed": "{split}-{kind}.{idx}-ubyte.gz",
    "Kaggle": "{split}-{kind}-{idx}-ubyte/{split}-{kind}-{idx}-ubyte",
    "Kaggle, a dot": "{split}-{kind}-{idx}-ubyte/{split}-{kind}.{idx}-ubyte",
}


def lay(folder: str, spelling: str = "torchvision", test: str = "t10k") -> dict[str, Path]:
    """Makes four empty files, and says which is which."""
    kinds = [(split, *kind) for split in ("train", test) for kind in (("images", "idx3"), ("labels", "idx1"))]
    paths = [Path(folder, SPELLINGS[spelling].format(split=split, kind=kind, idx=idx)) for split, kind, idx in kinds]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return dict(zip(FILES, paths, strict=True))


def pictures(folder: str) -> None:
    Path(folder).mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(Path(folder, f"{number}.png"))


@pytest.mark.parametrize("test", ["t10k", "test"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_files_are_found_under_each_of_their_names(spelling: str, test: str) -> None:
    laid = lay("d", spelling, test)
    assert idx.find(Path("d"), "mnist") == laid
    laid["train-labels-idx1-ubyte"].unlink()
    if "Kaggle" not in spelling:
        with pytest.raises(DataError, match="d lacks train-labels-idx1-ubyte"):
            idx.find(Path("d"), "mnist")


def test_of_several_copies_the_plainest_is_read() -> None:
    for spelling in ("a dot, packed", "packed", "a dot", "torchvision"):
        laid = lay("d", spelling)
        assert idx.find(Path("d"), "mnist") == laid
    lay("k", "Kaggle")
    laid = lay("k", "a dot")
    assert idx.find(Path("k"), "mnist") == laid


@pytest.mark.parametrize(
    ("at", "named"),
    [
        *(("d/MNIST/raw", named) for named in ("d", "d/MNIST", "d/MNIST/raw")),
        *(("d/MNIST", named) for named in ("d", "d/MNIST")),
        *(("d/mine", named) for named in ("d", "d/mine")),
        ("d/raw", "d"),
        ("d/data/MNIST/raw", "d"),
    ],
)
def test_a_folder_may_be_named_by_its_parent_or_a_part_of_it(at: str, named: str) -> None:
    laid = lay(at)
    lay("d/FashionMNIST/raw")
    lay("d/Digits/raw")
    pictures("d/cats")
    assert idx.find(Path(named), "mnist") == laid


@pytest.mark.parametrize("named", ["d", "d/Digits", "d/Digits/raw"])
def test_the_built_in_digits_are_found_in_their_own_folder_alone(named: str) -> None:
    laid = lay("d/Digits/raw")
    assert idx.find(Path(named), "digits") == laid
    lay("plain/below")
    lay("plain")
    assert idx.find(Path("plain"), "digits") is None


@pytest.mark.parametrize("other", ["FashionMNIST/raw", "KMNIST/raw", "Digits/raw", "fashion-mnist", "kmnist", "EMNIST"])
def test_a_folder_called_after_another_dataset_is_not_taken_for_mnists(other: str) -> None:
    lay(f"d/{other}")
    assert idx.find(Path("d"), "mnist") is None


@pytest.mark.parametrize(
    ("named", "dataset", "owner"),
    [
        ("d/FashionMNIST", "mnist", "fashion_mnist"),
        ("d/FashionMNIST/raw", "mnist", "fashion_mnist"),
        ("d/Digits", "mnist", "digits"),
        ("d/Digits/raw", "mnist", "digits"),
        ("d/MNIST", "fashion_mnist", "mnist"),
    ],
)
def test_the_folder_of_another_dataset_is_refused_with_the_option_for_it(named: str, dataset: str, owner: str) -> None:
    lay(named if named.endswith("raw") else f"{named}/raw")
    with pytest.raises(DataError, match=f"{named} is the folder of .*\n.*: --data.dataset {owner}$"):
        idx.find(Path(named), dataset)
    assert idx.find(Path(named), owner) is not None


def test_of_several_folders_none_is_chosen() -> None:
    lay("d/old")
    lay("d/new/MNIST/raw")
    with pytest.raises(
        DataError, match=r"d/new/MNIST/raw and d/old hold files .*: name one of them by --data\.data_dir"
    ):
        idx.find(Path("d"), "mnist")


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datamodule, "download", None)  # a download would fail as one of our own errors does
    monkeypatch.setattr(datamodule, "make_digits", None)


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "digits", "auto"])
@pytest.mark.parametrize(
    ("content", "way"),
    [
        (["cats/0.png"], "--data.dataset folder --data.data_dir d"),
        (["0.JPG"], "--data.dataset folder --data.data_dir d"),
        (["mnist.npz"], "--data.dataset npz --data.data_dir d/mnist.npz"),
        (["emnist-mnist-train-images-idx3-ubyte.gz"], "docs/data.md shows under 'Your own images'"),
        (["gzip/emnist-letters-test-labels-idx1-ubyte"], "docs/data.md shows under 'Your own images'"),
        (["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"], "d holds a.csv, b.csv, c.csv and 2 more, and no "),
        (["Digits/mine.txt", "MNIST/mine.txt", "FashionMNIST/mine.txt"], "NIST holds mine.txt|Digits holds mine.txt"),
        (["Digits/raw/mine.txt", "MNIST/raw/mine.txt", "FashionMNIST/raw/mine.txt"], "raw holds mine.txt"),
    ],
)
def test_nothing_is_put_into_a_folder_that_holds_something_else(
    run: Run, dataset: str, content: list[str], way: str
) -> None:
    for name in content:
        Path("d", name).parent.mkdir(parents=True, exist_ok=True)
        Path("d", name).touch()
    before = sorted(Path().rglob("*"))
    code, _, err = run("--data.dataset", dataset, "--data.data_dir", "d")
    assert code == 2
    assert any(each in err for each in way.split("|"))
    assert "nothing is put into a folder that holds something else" in err
    assert err.count("\n") == 2
    assert sorted(Path().rglob("*")) == before


def test_a_folder_that_holds_what_this_program_and_torchvision_put_there_is_downloaded_into(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("Digits/raw", "FashionMNIST/raw", "KMNIST", "EMNIST/raw", "MNIST/raw", "MNIST/processed"):
        Path("data", name).mkdir(parents=True)
    for name in (".DS_Store", ".first-gan-judge-0123.pt", "judge_kmnist.pt", "Thumbs.db", "MNIST/raw/.DS_Store"):
        Path("data", name).touch()
    asked = []
    monkeypatch.setattr(datamodule, "download", lambda place, dataset, **_: asked.append((str(place), dataset)))
    MNISTDataModule().prepare_data()
    MNISTDataModule(data_dir="new").prepare_data()
    assert asked == [("data", "mnist"), ("new", "mnist")]


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize("dataset", ["mnist", "digits", "auto"])
@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("mnist.npz", "--data.dataset npz --data.data_dir 'my files/mnist.npz'"),
        ("train-images.idx3-ubyte.gz", "--data.dataset mnist --data.data_dir 'my files'"),
        ("0.png", "--data.dataset folder --data.data_dir 'my files'"),
        ("notes.txt", "'s folder belongs"),
    ],
)
def test_a_file_where_a_folder_belongs_is_said_with_the_option_for_it(
    run: Run, dataset: str, name: str, way: str
) -> None:
    Path("my files").mkdir()
    Path("my files", name).touch()
    code, _, err = run("--data.dataset", dataset, "--data.data_dir", f"my files/{name}")
    assert code == 2
    assert f"my files/{name} is a file" in err
    assert way in err


@pytest.mark.parametrize(
    ("dataset", "named", "way"),
    [
        ("folder", "idx", "--data.dataset mnist --data.data_dir idx"),
        ("folder", "layout", "--data.dataset kmnist --data.data_dir layout/KMNIST/raw"),
        ("folder", "arrays", "--data.dataset npz --data.data_dir arrays/x.npz"),
        ("folder", "arrays/x.npz", "--data.dataset npz --data.data_dir arrays/x.npz"),
        ("npz", "idx", "--data.dataset mnist --data.data_dir idx"),
        ("npz", "idx/train-images-idx3-ubyte", "--data.dataset mnist --data.data_dir idx"),
        ("npz", "arrays", "--data.dataset npz --data.data_dir arrays/x.npz"),
        ("npz", "cats", "--data.dataset folder --data.data_dir cats"),
        ("npz", "cats/0.png", "--data.dataset folder --data.data_dir cats"),
    ],
)
def test_a_place_of_another_kind_is_said_with_the_options_for_it(dataset: str, named: str, way: str) -> None:
    lay("idx")
    lay("layout/KMNIST/raw")
    pictures("cats")
    Path("arrays").mkdir()
    Path("arrays/x.npz").touch()
    with pytest.raises(DataError, match=f"\nto train on .*{way}$"):
        read(dataset, Path(named))


@pytest.mark.usefixtures("no_download")
def test_what_mnist_dir_leads_to_is_named_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures("cats")
    monkeypatch.setenv("MNIST_DIR", "cats")
    code, _, err = run()
    assert code == 2
    assert "MNIST_DIR=cats holds no MNIST files" in err
    assert "--data.dataset folder --data.data_dir cats" in err


def test_a_place_that_cannot_be_looked_into_is_one_line(run: Run) -> None:
    code, _, err = run("--data.data_dir", "x" * 300)
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot be read: File name too long" in err


def test_the_search_is_short_in_a_large_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100):
        Path(f"d/{number:03d}").mkdir(parents=True)
    lay("d/099")
    assert idx.find(Path("d"), "mnist") is None
    assert len(places.subfolders(Path("d"))) == places.LOOKED_INTO
