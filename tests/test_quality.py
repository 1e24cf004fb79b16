"""Scores while training: what is measured, against what, which epoch is kept, and that measuring changes nothing."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from first_gan.callbacks.quality import QualityMonitor
from first_gan.data import FILES, TEST_IMAGES, TRAIN_IMAGES, TRAIN_ROWS, idx
from first_gan.diagnosis.history import digits
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from first_gan.scores.judge import JudgeError, shipped
from first_gan.scores.scoring import Reference, draw, feature_scores
from gan_module import HERE
from tests.test_train import FOLDER, steps, weights

Run = Callable[..., tuple[int, str, str]]
SCORED = ["--quality.every_n_epochs", "1", "--quality.samples", "500", "--model.ema_decay", "0.8", "--model.lr", "1e-3"]


def scores_of(folder: Path) -> list[dict[str, float]]:
    """The rows of metrics.csv that have scores, those alone."""
    rows = run_folder.read_metrics(folder)
    return [
        {key: value for key, value in row.items() if key.startswith(("val/", "step", "epoch"))}
        for row in rows
        if "val/fcd" in row
    ]


def test_scores_are_those_of_the_sampling_generator_and_of_the_trained_weights_on_held_out_rows(
    run: Run, small: list[str], arrays: dict[str, torch.Tensor]
) -> None:
    code, out, err = run(*small, *SCORED)
    assert (code, err) == (0, "")
    assert "against training rows 50,000 to 59,999, held out" in out
    rows = scores_of(FOLDER)
    assert [row["step"] for row in rows] == steps(FOLDER, "val/fcd") == steps(FOLDER, "val_raw/fcd") == [10, 20]

    path = FOLDER / "checkpoints/last.ckpt"
    gan = checkpoints.load_gan(path, checkpoints.load_checkpoint(path), HERE)
    assert gan.ema is not None
    judge = shipped("mnist")
    reference = Reference(judge, arrays[TRAIN_IMAGES][50_000:60_000])
    for prefix, network in (("val/", gan.ema), ("val/raw_", gan.generator)):
        for name, value in feature_scores(draw(network, gan.latent_dim, 500, seed=0), reference).items():
            if prefix == "val/raw_" and name.startswith("class_"):
                continue  # the classes are those of the samples
            assert rows[-1][prefix + name] == pytest.approx(value, rel=1e-4, abs=1e-4), prefix + name
    assert rows[-1]["val/fcd"] != rows[-1]["val/raw_fcd"]
    real = feature_scores(arrays[TRAIN_IMAGES][:500].float() / 127.5 - 1, reference)
    assert rows[-1]["val/floor_fcd"] == pytest.approx(real["fcd"], rel=1e-4)
    assert f"real images reach FCD {digits(real['fcd'])}, coverage {real['coverage']:.2f}" in out
    assert f"FCD {digits(rows[-1]['val/fcd'])}, coverage" in out.split("Trained to")[1]


def test_the_best_epoch_is_kept(run: Run, small: list[str]) -> None:
    run(*small, *SCORED, "--max_epochs", "4")
    rows = scores_of(FOLDER)
    best = min(rows, key=lambda row: row["val/fcd"])
    checkpoint = checkpoints.load_checkpoint(FOLDER / "checkpoints/best.ckpt")
    assert (checkpoint["epoch"], checkpoint["global_step"]) == (best["epoch"], 2 * best["step"])
    _, out, _ = run("--ckpt_path", "last", "--max_epochs", "5")
    best = min(scores_of(FOLDER), key=lambda row: row["val/fcd"])
    assert f"FCD {digits(best['val/fcd'])} after epoch {best['epoch'] + 1:.0f}: {FOLDER}/checkpoints/best.ckpt" in out
    assert checkpoints.load_checkpoint(FOLDER / "checkpoints/best.ckpt")["epoch"] == best["epoch"]
    epochs = steps(FOLDER, "train/epoch")
    assert len(epochs) == len(set(epochs))


def test_a_run_from_a_copied_checkpoint_has_a_best_epoch_of_its_own(
    run: Run, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*small, *SCORED)
    (tmp_path / "mine").mkdir()
    shutil.copy(FOLDER / "checkpoints/last.ckpt", tmp_path / "mine/copy.ckpt")
    monkeypatch.setattr(
        "first_gan.callbacks.quality.feature_scores", lambda *_: {"fcd": 1e6, "coverage": 0.0}
    )  # never so bad
    data = ["--data.data_dir", small[1]]
    code, out, err = run("--ckpt_path", "mine/copy.ckpt", "--max_epochs", "3", *data)
    assert (code, err) == (0, "")
    assert "FCD 1e+06 after epoch 3: lightning_logs/version_1/checkpoints/best.ckpt" in out
    assert Path("lightning_logs/version_1/checkpoints/best.ckpt").is_file()


def test_fast_dev_run_scores_and_keeps_nothing(run: Run, small: list[str]) -> None:
    code, out, err = run(*small, *SCORED, "--fast_dev_run", "true")
    assert (code, err) == (0, "")
    assert " FCD " in out.split("Epoch 1")[1]
    assert not Path("lightning_logs").exists()


def test_a_judge_that_cannot_be_kept_is_said_with_the_way_out(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise JudgeError("data cannot keep the judge of kmnist: Read-only file system")

    monkeypatch.setattr("train.judge_of", refuse)
    code, _, err = run(*small, *SCORED)
    assert code == 2
    assert "--quality.every_n_epochs 0" in err
    assert not Path("lightning_logs").exists()


def test_an_epoch_that_is_worse_is_not_kept_also_after_a_resume(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*small, *SCORED)
    assert (FOLDER / "checkpoints/best.ckpt").is_file()
    before = (FOLDER / "checkpoints/best.ckpt").read_bytes()
    best = min(row["val/fcd"] for row in scores_of(FOLDER))
    worse = {"fcd": best * 1.01, "coverage": 0.0}
    monkeypatch.setattr("first_gan.callbacks.quality.feature_scores", lambda *_: worse)
    run("--ckpt_path", "last", "--max_epochs", "3")
    assert scores_of(FOLDER)[-1]["val/fcd"] == pytest.approx(best * 1.01)
    assert (FOLDER / "checkpoints/best.ckpt").read_bytes() == before


def test_measuring_changes_nothing_and_a_resumed_run_measures_the_same(run: Run, small: list[str]) -> None:
    regular = ["--model.r1", "0.3", "--model.generator.batch_norm", "true"]  # running statistics
    run(*small, *SCORED, *regular)
    run(*small, *SCORED, *regular, "--quality.every_n_epochs", "0")
    off = Path("lightning_logs/version_1")
    assert scores_of(off) == []
    assert [path.name for path in (off / "checkpoints").iterdir()] == ["last.ckpt"]
    ours, theirs = weights(), weights(off)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    run(*small, *SCORED, *regular, "--max_epochs", "1")
    run("--ckpt_path", "last", "--max_epochs", "2")
    resumed = Path("lightning_logs/version_2")
    assert scores_of(resumed) == scores_of(FOLDER)
    best = [weights(folder, "best") for folder in (FOLDER, resumed)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def test_every_n_epochs(run: Run, small: list[str]) -> None:
    _, out, _ = run(*small, *SCORED, "--quality.every_n_epochs", "2", "--max_epochs", "3")
    assert [row["step"] for row in scores_of(FOLDER)] == [20]
    lines = [line for line in out.splitlines() if line.startswith("Epoch")]
    assert ["FCD" in line for line in lines] == [False, True, True]
    assert "(epoch 2)" in lines[2]


def test_the_test_set_is_never_looked_at(run: Run, small: list[str], tmp_path: Path) -> None:
    run(*small, *SCORED, "--max_epochs", "1")
    paths = idx.find(Path(small[1]), "mnist")
    assert paths is not None
    for name in FILES:
        shutil.copy(paths[name], tmp_path / paths[name].name)
    noise = torch.randint(0, 256, (10_000, 28, 28), dtype=torch.uint8).numpy().tobytes()
    (tmp_path / paths[TEST_IMAGES].name).unlink()
    header = b"\x00\x00\x08\x03" + b"".join(n.to_bytes(4, "big") for n in (10_000, 28, 28))
    (tmp_path / TEST_IMAGES).write_bytes(header + noise)
    code, _, err = run(*small, *SCORED, "--max_epochs", "1", "--data.data_dir", str(tmp_path))
    assert (code, err) == (0, "")
    assert scores_of(FOLDER) == scores_of(Path("lightning_logs/version_1"))


def test_rows_that_are_trained_on_are_called_so(run: Run, small: list[str]) -> None:
    every_row = ["--data.train_rows", str(TRAIN_ROWS), "--data.batch_size", "60000", "--max_epochs", "1"]
    narrow = ["--model.generator.widths", "[8]", "--model.discriminator.widths", "[8]"]
    _, out, _ = run(*small, *SCORED, *every_row, *narrow)
    assert "50,000 to 59,999, which it is trained on as well" in out


@pytest.mark.parametrize(("option", "value"), [("every_n_epochs", -1), ("samples", 499), ("samples", 5001)])
def test_an_illegal_option_is_named(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"quality.{option} must be .*, got {value}"):
        QualityMonitor(**{option: value})
