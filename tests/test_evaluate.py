"""evaluate.py: what it prints and writes, and what it refuses."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import evaluate
import generate
from first_gan.run import checkpoints
from first_gan.run.finding import checkpoint_of
from first_gan.run.folder import SIGNATURE
from first_gan.scores import judge as judges
from first_gan.scores import scoring
from tests.test_readme import DOCUMENTS
from tests.test_train import FOLDER

Run = Callable[..., tuple[int, str, str]]
CHECKPOINT = FOLDER / "checkpoints/last.ckpt"
PIXELS = np.random.default_rng(0).integers(0, 128, (1100, 28, 28), np.uint8)
PIXELS[::2] += 100  # every other image is brighter
MINE = Path("mine.ckpt")


def test_a_checkpoint_is_scored_raw_averaged_and_beside_the_floor(
    run: Run, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a fifth of the 10,000 samples that it takes by protocol."""
    assert scoring.sample_count((1, 28, 28)) == 10_000
    monkeypatch.setattr(scoring, "SAMPLES", 2000)
    monkeypatch.setenv("COLUMNS", "120")
    run(*small, "--model.ema_decay", "0.9")
    assert "python evaluate.py lightning_logs/version_0/checkpoints/last.ckpt" in DOCUMENTS  # what is run here
    assert evaluate.main([str(CHECKPOINT)]) == 0
    out, err = capsys.readouterr()
    assert err.strip() == ""
    for words in ("trained", "moving average", "real images", "225 ± 2", "FCD", "coverage"):
        assert words in out
    result = json.loads((tmp_path / CHECKPOINT).with_name("last.evaluation.json").read_text(encoding="utf-8"))
    assert (result["epoch"], result["samples"], result["dataset"]) == (2, 2000, "mnist")
    assert result["judge"].startswith(out.split("judge ")[-1].split(";")[0])
    scores = result["scores"]
    assert set(scores) == {"raw", "ema", "floor"}
    assert scores["floor"]["fcd"] < scores["raw"]["fcd"] / 10  # after 20 updates G draws noise
    assert scores["floor"]["modes_covered"] == 10
    assert scores["floor"]["parzen"] > scores["raw"]["parzen"]
    assert scores["raw"]["fcd"] != scores["ema"]["fcd"]
    assert sum(scores["ema"]["histogram"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "checkpoint"),
        (["nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
        (["~nosuchuser/x.ckpt"], "~nosuchuser"),
        (["text.ckpt"], "damaged or not a checkpoint"),
        (["text.ckpt", "--seed", "-1"], "--seed must be 0"),
        (["text.ckpt", "--nonsense", "1"], "--nonsense"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("text.ckpt").write_text("no checkpoint", encoding="utf-8")
    assert evaluate.main(arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert len(err.splitlines()) <= 2
    assert out == ""


@pytest.mark.parametrize(
    ("config", "found"), [("data: [", ""), ("", ""), ("data:", ""), ("data: {data_dir: /images}", "/images")]
)
def test_a_broken_config_is_as_good_as_none(config: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run/config.yaml").write_text(f"{SIGNATURE}\n{config}\n", encoding="utf-8")
    assert checkpoints.data_dir_of_run(tmp_path / "run/checkpoints/last.ckpt") == found


@pytest.mark.parametrize("name", ["last", str(FOLDER), str(CHECKPOINT)])
def test_a_run_and_the_newest_one_are_as_good_as_a_checkpoint(name: str, trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    assert checkpoint_of(name) == (CHECKPOINT if name == str(CHECKPOINT) else CHECKPOINT.with_name("best.ckpt"))
    assert generate.main([name, "--num", "4"]) == 0
    assert Path("samples.png").is_file()
    CHECKPOINT.with_name("best.ckpt").unlink()
    assert checkpoint_of(name) == CHECKPOINT


def test_last_without_a_run_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["last"]) == 2
    assert "last: no run in lightning_logs has a last.ckpt yet" in capsys.readouterr().err


def test_images_that_moved_are_asked_for_and_a_missing_folder_writes_nothing(
    run: Run, small: list[str], images_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*small)
    CHECKPOINT.rename("copy.ckpt")
    assert evaluate.main(["copy.ckpt"]) == 2
    assert "name its place by --data_dir" in capsys.readouterr().err
    assert not Path("copy.evaluation.json").exists()


@pytest.fixture
def own(trained_run: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a checkpoint, mine.ckpt, as if it had been trained on one's own images."""
    monkeypatch.setattr(scoring, "SAMPLES", 300)
    monkeypatch.setattr(judges, "MOST_EPOCHS", 8)

    def make(dataset: str, place: str | None, image_size: int | None = None) -> None:
        checkpoint = torch.load(trained_run / "checkpoints/last.ckpt", weights_only=True)
        checkpoint["options"] |= {"data.dataset": dataset, "data.data_dir": place, "data.image_size": image_size}
        torch.save(checkpoint, MINE)

    return make


def scored(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, Any], str]:
    """What evaluate.py wrote and printed."""
    capsys.readouterr()
    assert evaluate.main([str(MINE), *arguments]) == 0
    return json.loads(Path("mine.evaluation.json").read_text(encoding="utf-8")), capsys.readouterr().out


def test_a_folder_with_classes_has_a_judge_of_its_own_and_may_move(
    own: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("bright", "dark")):
        (Path("pictures") / name).mkdir(parents=True)
        for index, pixels in enumerate(PIXELS[number::2]):
            Image.fromarray(pixels).save(f"pictures/{name}/{index}.png")
    own("folder", "pictures", 28)
    result, out = scored(capsys)
    assert (result["dataset"], result["samples"], len(result["judge"])) == ("folder", 300, 64)
    assert result["judge"][:12] in out
    assert "classifier score, 1 to 2" in out
    assert "2014" not in out
    floor, raw = (result["scores"][name] for name in ("floor", "raw"))
    assert (floor["modes_covered"], len(floor["histogram"])) == (2, 2)
    assert floor["fcd"] < raw["fcd"] / 10
    assert floor["classifier_score"] > 1.5
    assert 0.9 < floor["diversity"] < 1.1
    assert len(list(Path("pictures").glob(".first-gan-judge-*.pt"))) == 1
    Path("pictures").rename("moved")
    assert evaluate.main([str(MINE)]) == 2
    assert "no folder of pictures in pictures; name its place by --data_dir" in capsys.readouterr().err
    assert scored(capsys, "--data_dir", "moved")[0] == result


def test_images_without_labels_get_what_needs_no_judge(
    own: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("images.npz", images=PIXELS)
    own("npz", "images.npz")
    result, out = scored(capsys)
    assert "the images have no labels, so there is no judge: no FCD" in out
    assert result["judge"] is None
    pixels = {"parzen", "parzen_standard_error", "parzen_sigma", "nearest_training_distance", "diversity"}
    assert {name: set(scores) for name, scores in result["scores"].items()} == dict.fromkeys(
        ("raw", "ema", "floor"), pixels
    )
    for words in ("Parzen", "distance to training set", "diversity"):
        assert words in out
    assert "FCD (" not in out
    assert [path.name for path in Path().iterdir() if "judge" in path.name] == []


def test_a_test_set_too_small_for_fcd_is_said(own: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("images.npz", images=PIXELS[:300], labels=np.arange(300) % 2)
    own("npz", "images.npz")
    result, out = scored(capsys)
    assert "FCD needs more than 96 real images; here are 30" in out
    assert "FCD (" not in out
    assert "fcd" not in result["scores"]["raw"]
    assert "coverage" in result["scores"]["raw"]


@pytest.mark.parametrize(
    ("dataset", "place", "image_size", "words"),
    [
        ("npz", "images.npz", 16, "draws images of 1×28×28 (channels × height × width), and the dataset's are 1×16×16"),
        ("npz", None, None, "nothing says where the .npz file is; name its place by --data_dir"),
        ("folder", "images.npz", None, "cannot be read: Not a directory"),
        ("cifar", "images.npz", None, "trained on cifar, which is not a dataset of this program"),
        ("npz", "images.npz", "many", "not a dataset of this program"),
    ],
)
def test_images_that_do_not_fit_the_checkpoint_are_refused(
    own: Callable[..., None],
    dataset: str,
    place: str | None,
    image_size: Any,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    np.savez("images.npz", images=PIXELS[:40])
    own(dataset, place, image_size)
    capsys.readouterr()
    assert evaluate.main([str(MINE)]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert out == ""
    assert not Path("mine.evaluation.json").exists()
