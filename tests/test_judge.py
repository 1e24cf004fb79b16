"""The judge: what is shipped is what was trained, and it knows its digits."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from first_gan.data import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS, ImageSet, scaled
from first_gan.scores import judge as judges
from first_gan.scores.judge import SHIPPED, WEIGHTS, JudgeError, accuracy, judge_of, load, save, train
from tests.conftest import REAL_MNIST


@pytest.mark.skipif(not REAL_MNIST, reason="needs MNIST_DIR")
def test_mnists_judge_reads_the_test_set(arrays: dict[str, Tensor]) -> None:
    judge = load(WEIGHTS / "mnist.pt", SHIPPED["mnist"])
    assert accuracy(judge, arrays[TEST_IMAGES], arrays[TEST_LABELS]) >= 0.993


def test_shipped_judges_are_small_and_checked(tmp_path: Path) -> None:
    assert set(SHIPPED) == {"mnist", "digits"}
    for dataset, sha256 in SHIPPED.items():
        path = WEIGHTS / f"{dataset}.pt"
        assert path.stat().st_size < 1 << 20
        assert load(path, sha256).sha256 == sha256
    copy = tmp_path / "mnist.pt"
    content = bytearray((WEIGHTS / "mnist.pt").read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(JudgeError, match="SHA-256 differs"):
        load(copy, SHIPPED["mnist"])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two epochs, however few images there are."""
    monkeypatch.setattr(judges, "EPOCHS", 2)
    monkeypatch.setattr(judges, "FEWEST_STEPS", 0)


def digits(arrays: dict[str, Tensor], rows: int = 3000) -> ImageSet:
    return ImageSet(arrays[TRAIN_IMAGES][:rows], arrays[TRAIN_LABELS][:rows], arrays[TEST_IMAGES], arrays[TEST_LABELS])


def colours(side: int = 16, rows: int = 240, classes: int = 3) -> ImageSet:
    """Noise of three colours, a class each."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(rows) % classes
    noise = torch.randint(0, 160, (rows, 3, side, side), generator=generator)
    noise += 95 * torch.eye(3, dtype=torch.int64)[labels][:, :, None, None]
    pixels, tenth = noise.to(torch.uint8), rows // 10
    names = tuple("abc"[:classes])
    return ImageSet(pixels[tenth:], labels[tenth:], pixels[:tenth], labels[:tenth], names)


@pytest.mark.usefixtures("quick")
def test_training_is_deterministic_and_neither_it_nor_loading_moves_the_global_generator(
    arrays: dict[str, Tensor], tmp_path: Path
) -> None:
    data = digits(arrays)
    state = torch.get_rng_state()
    judge, again = (train(data.train, data.train_labels) for _ in range(2))
    save(judge, tmp_path / "judge.pt")
    load(tmp_path / "judge.pt")
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(judge.state_dict()[name], again.state_dict()[name]) for name in judge.state_dict())


def test_mnists_judge_is_trained_as_long_as_ever_and_a_small_datasets_longer() -> None:
    assert [judges.epochs_for(rows) for rows in (60_000, 50_000, 10_000, 1_620, 20)] == [8, 8, 26, 40, 40]


@pytest.mark.usefixtures("quick")
def test_other_datasets_get_a_judge_once(
    arrays: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = digits(arrays)
    judge = judge_of("kmnist", data, tmp_path)
    assert accuracy(judge, data.test, data.test_labels) > 0.8
    monkeypatch.setattr(judges, "train", None)  # a second training would fail
    assert judge_of("kmnist", data, tmp_path).sha256 == judge.sha256
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(b"broken")
    with pytest.raises(JudgeError, match="remove it"):
        judge_of("kmnist", data, tmp_path)


@pytest.mark.parametrize("side", [8, 16, 33, 64])
def test_ones_own_images_of_any_size_get_a_judge_of_their_classes(
    side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "MOST_EPOCHS", 10)
    data = colours(side)
    judge = judge_of("folder", data, tmp_path)
    assert accuracy(judge, data.test, data.test_labels) > 0.9
    features, opinions = judge.opinion(data.test)
    assert (features.shape, opinions.shape) == ((24, judges.FEATURES), (24, 3))
    scaled_first = judge.opinion(scaled(data.test), batch_size=5)[0]
    torch.testing.assert_close(scaled_first, features, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("dataset", ["npz", "kmnist"])  # the latter's files may have been others, and were replaced
def test_changed_images_or_labels_get_a_new_judge(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = colours()
    trained = []
    train_once = judges.train_with_bar

    def counted(dataset: str, data: ImageSet) -> judges.Judge:
        trained.append(data)
        return train_once(dataset, data)

    monkeypatch.setattr(judges, "train_with_bar", counted)
    other_pixel, other_label = data.train.clone(), data.train_labels.clone()
    other_pixel[0, 0, 0, 0] ^= 1
    other_label[0] = 0 if other_label[0] else 1
    for changed in (data, replace(data, train=other_pixel), replace(data, train_labels=other_label), data):
        judge_of(dataset, changed, tmp_path)
    assert len(trained) == 3
    assert all(path.name.startswith(".first-gan-judge-") for path in tmp_path.iterdir())
    judge_of(dataset, replace(data, test=data.test[:1], test_labels=data.test_labels[:1]), tmp_path)
    assert len(trained) == 3


@pytest.mark.parametrize("classes", [(), ("one",)])
def test_images_without_labels_have_no_judge(classes: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(JudgeError, match="no judge without labels"):
        judge_of("folder", replace(colours(), classes=classes), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("quick")
def test_a_judge_of_images_on_a_read_only_disk_is_kept_in_the_persons_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "disk").write_text("", encoding="utf-8")  # in a file nothing can be made, not even by root
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TORCH_HOME", raising=False)
    judge = judge_of("folder", colours(), tmp_path / "disk")
    (kept,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert kept.parent == judges.user_cache()
    said = f"{tmp_path / 'disk'} cannot be written, so the judge of folder is kept in {kept.parent}\n"
    assert said in capsys.readouterr().err
    monkeypatch.setattr(judges, "train", None)  # a second training would fail
    assert judge_of("folder", colours(), tmp_path / "disk").sha256 == judge.sha256
    assert said not in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_a_judge_is_kept_beside_the_images_where_it_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    judge_of("folder", colours(), tmp_path / "images")
    assert len(list((tmp_path / "images").iterdir())) == 1
    assert not (tmp_path / "cache").exists()
    assert "cannot be written" not in capsys.readouterr().err


def test_that_no_folder_can_keep_a_judge_is_said_before_training(
    arrays: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "train", None)
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
    with pytest.raises(JudgeError, match=r"file cannot keep the judge of kmnist: .*first-gan cannot keep the judge"):
        judge_of("kmnist", digits(arrays), tmp_path / "file")


def test_a_saved_judge_is_the_same_judge(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    judge = load(WEIGHTS / "digits.pt", SHIPPED["digits"])
    save(judge, tmp_path / "copy.pt")
    images = scaled(arrays[TEST_IMAGES][:10])
    assert torch.equal(load(tmp_path / "copy.pt")(images), judge(images))
