"""The judge: what is shipped is what was trained, and it knows its digits."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from first_gan.data import TEST_IMAGES, TEST_LABELS, TRAIN_IMAGES, TRAIN_LABELS
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


def test_training_is_deterministic_and_moves_no_global_generator(
    arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "EPOCHS", 2)
    images, labels = arrays[TRAIN_IMAGES][:3000], arrays[TRAIN_LABELS][:3000]
    state = torch.get_rng_state()
    first, again = (train(images, labels).state_dict() for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_other_datasets_get_a_judge_once(
    arrays: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "EPOCHS", 2)
    images, labels = arrays[TRAIN_IMAGES][:3000], arrays[TRAIN_LABELS][:3000]
    judge = judge_of("kmnist", images, labels, tmp_path)
    assert accuracy(judge, arrays[TEST_IMAGES], arrays[TEST_LABELS]) > 0.8
    monkeypatch.setattr(judges, "train", None)  # a second training would fail
    assert judge_of("kmnist", images, labels, tmp_path).sha256 == judge.sha256
    (tmp_path / "judge_kmnist.pt").write_bytes(b"broken")
    with pytest.raises(JudgeError, match="remove it"):
        judge_of("kmnist", images, labels, tmp_path)


def test_a_folder_that_cannot_keep_a_judge_is_said_before_training(
    arrays: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judges, "train", None)
    (tmp_path / "file").write_text("")
    with pytest.raises(JudgeError, match="cannot keep the judge of kmnist"):
        judge_of("kmnist", arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS], tmp_path / "file")


def test_a_saved_judge_is_the_same_judge(arrays: dict[str, Tensor], tmp_path: Path) -> None:
    judge = load(WEIGHTS / "digits.pt", SHIPPED["digits"])
    save(judge, tmp_path / "copy.pt")
    images = judges.as_input(arrays[TEST_IMAGES][:10])
    assert torch.equal(load(tmp_path / "copy.pt")(images), judge(images))
