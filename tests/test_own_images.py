"""Runs on a person's own images, from the pictures to the report."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

import evaluate
import generate
from first_gan.callbacks import quality
from first_gan.report.pictures import open_picture
from first_gan.run import folder as run_folder
from first_gan.scores import judge as judges
from tests.test_networks import DCGAN, NARROW
from tests.test_train import FOLDER, Run

QUICK = ["--accelerator", "cpu", "--max_epochs", "1", "--data.batch_size", "64", "--log_every_n_steps", "4"]
OWN = ["--data.dataset", "folder", "--data.data_dir", "pictures", "--data.image_size", "16"]


@pytest.fixture(autouse=True)
def hasty_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "EPOCHS", 1)
    monkeypatch.setattr(judges, "FEWEST_STEPS", 0)


def pictures(count: int = 720, classes: str = "ab", folder: str = "pictures") -> Path:
    """Noise in colour, tinted by class."""
    generator = np.random.default_rng(0)
    for number in range(count):
        name = classes[number % len(classes)] if classes else ""
        path = Path(folder, name, f"{number:04d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        image = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
        image[..., number % 3 if not classes else classes.index(name)] = 250
        Image.fromarray(image).save(path)
    return Path(folder)


def test_a_folder_of_classes_is_trained_on_scored_drawn_from_and_reported(run: Run) -> None:
    pictures()
    code, out, err = run(*QUICK, *OWN, *DCGAN, *NARROW, "--quality.samples", "500")
    assert code == 0, err
    assert "folder, 648 images from pictures" in out
    assert "against training rows 540 to 647" in out
    assert " FCD " in out
    assert open_picture(FOLDER / "samples/epoch_0001.png", 1000).mode == "RGB"  # type: ignore[union-attr]
    assert Image.open(FOLDER / "samples/real.png").size == (4 * (8 * 18 + 2),) * 2
    page = (FOLDER / "report.html").read_text(encoding="utf-8")
    assert "Is it copying?" in page
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    assert (config["data"]["train_rows"], config["data"]["image_size"]) == (648, 16)
    assert generate.main([str(FOLDER / run_folder.LAST), "--digit", "1", "--num", "4", "--out", "ones.png"]) == 0
    assert Image.open("ones.png").mode == "RGB"
    assert evaluate.main([str(FOLDER / run_folder.LAST)]) == 0
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 0, err


def test_images_without_labels_are_trained_on_without_scores(run: Run) -> None:
    pictures(classes="")
    code, out, err = run(*QUICK, *OWN, "--model.generator.widths", "[16]")
    assert code == 0, err
    assert "not labelled" in out
    assert "FCD" not in out.split("Verdict")[1]
    row = run_folder.read_metrics(FOLDER)[-1]
    assert row["train/diversity"] > 0
    assert "val/fcd" not in row
    assert "no labels" in (FOLDER / "report.html").read_text(encoding="utf-8")
    assert not (FOLDER / "checkpoints/best.ckpt").exists()


def test_pictures_that_changed_since_are_neither_trained_on_nor_scored_against(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures(count=240)
    assert run(*QUICK, *OWN, "--quality.every_n_epochs", "0")[0] == 0
    shutil.copy("pictures/a/0000.png", "pictures/b/0001.png")
    assert evaluate.main([str(FOLDER / run_folder.LAST)]) == 2
    assert "they have changed" in capsys.readouterr().err
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 2
    assert "contents of the images was" in err


def test_a_numpy_file_of_few_images_is_trained_on_and_says_why_it_is_not_scored(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = np.random.default_rng(0)
    np.savez("own.npz", images=generator.random((300, 12, 12)), labels=np.arange(300) % 3)
    code, out, err = run(
        *QUICK, "--data.dataset", "npz", "--data.data_dir", "own.npz", "--model.generator.widths", "[16]"
    )
    assert code == 0, err
    assert "npz, 270 images from own.npz" in out
    assert "No scores: FCD needs more than 96 real images" in out
    assert torch.load(FOLDER / run_folder.LAST, weights_only=True)["hyper_parameters"]["image_shape"] == (1, 12, 12)
    monkeypatch.setenv("MNIST_DIR", "elsewhere")  # means nothing to it
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 0, err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--data.train_rows", "217"], "--data.train_rows must be 1 to 216, got 217"),
        (["--data.image_size", "7"], "--data.image_size must be 8 to 256"),
        (["--data.image_size", "30", *DCGAN], "sides must be multiples of 4, got 30 × 30"),
    ],
)
def test_what_does_not_fit_the_pictures_is_one_line(run: Run, argv: list[str], said: str) -> None:
    pictures(count=240)
    code, _, err = run(*QUICK, *OWN, *argv)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1
    assert not Path("lightning_logs").exists()


def test_a_folder_that_is_refused_is_left_as_it_was(run: Run) -> None:
    folder = pictures(count=10)
    before = sorted(folder.rglob("*"))
    assert run(*QUICK, *OWN)[0] == 2
    assert sorted(folder.rglob("*")) == before


def test_the_floor_is_of_images_that_it_is_not_compared_with(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    scores = quality.feature_scores
    monkeypatch.setattr(
        quality, "feature_scores", lambda images, *by: (counts.append(len(images)), scores(images, *by))[1]
    )
    pictures()
    assert run(*QUICK, *OWN, "--model.generator.widths", "[16]", "--quality.samples", "600")[0] == 0
    assert counts == [540, 600]  # the floor's, before the validation rows, then the generator's
