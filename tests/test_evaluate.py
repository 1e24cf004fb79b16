"""evaluate.py: what it prints and writes, and what it refuses."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import evaluate
import train
from first_gan.run import checkpoints
from first_gan.run.folder import SIGNATURE
from tests.test_readme import README
from tests.test_train import FOLDER

Run = Callable[..., tuple[int, str, str]]
CHECKPOINT = FOLDER / "checkpoints/last.ckpt"


def test_a_checkpoint_is_scored_raw_averaged_and_beside_the_floor(run: Run, small: list[str], tmp_path: Path) -> None:
    run(*small, "--model.ema_decay", "0.9")
    assert f"python evaluate.py {CHECKPOINT}" in README  # what is run here
    command = [sys.executable, str(Path(train.__file__).parent / "evaluate.py"), str(CHECKPOINT)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"COLUMNS": "120"})
    assert (done.returncode, done.stderr.strip()) == (0, "")
    for words in ("trained", "moving average", "real images", "225 ± 2", "FCD", "coverage"):
        assert words in done.stdout
    result = json.loads((tmp_path / CHECKPOINT).with_name("last.evaluation.json").read_text())
    assert (result["epoch"], result["samples"], result["dataset"]) == (2, 10_000, "mnist")
    assert result["judge"].startswith(done.stdout.split("judge ")[-1].split(";")[0])
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
    Path("text.ckpt").write_text("no checkpoint")
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
    (tmp_path / "run/config.yaml").write_text(f"{SIGNATURE}\n{config}\n")
    assert checkpoints.data_dir_of_run(tmp_path / "run/checkpoints/last.ckpt") == found


def test_images_that_moved_are_asked_for_and_a_missing_folder_writes_nothing(
    run: Run, small: list[str], images_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(*small)
    CHECKPOINT.rename("copy.ckpt")
    assert evaluate.main(["copy.ckpt"]) == 2
    assert "name its folder by --data_dir" in capsys.readouterr().err
    assert not Path("copy.evaluation.json").exists()
