"""Runs by name: made once, found by every command, and the last one whatever it is called."""

import os
import shutil
from pathlib import Path

import pytest
import yaml

import generate
from first_gan.report.__main__ import main as report
from first_gan.run.finding import find_checkpoint, runs_in
from first_gan.run.folder import LAST, SAMPLES
from tests.test_train import Run

LOGS = Path("lightning_logs")


def test_a_named_run_is_found_by_every_command(run: Run, small: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(*small, "--name", "lr-1e-3")
    assert (code, err) == (0, "")
    assert [path.name for path in LOGS.iterdir()] == ["lr-1e-3"]
    assert "--ckpt_path lightning_logs/lr-1e-3" in out
    assert yaml.safe_load((LOGS / "lr-1e-3/config.yaml").read_text(encoding="utf-8"))["name"] is None  # for --config
    code, out, _ = run("--ckpt_path", "lr-1e-3", "--max_epochs", "3")
    assert code == 0
    assert "resumed after 20 updates" in out
    assert generate.main(["lr-1e-3", "--num", "4"]) == 0
    assert report(["lr-1e-3"]) == 0
    assert "<title>lr-1e-3: " in (LOGS / "lr-1e-3/report.html").read_text(encoding="utf-8")
    run(*small)
    assert report(["lr-1e-3", "last"]) == 0
    page = Path("comparison.html").read_text(encoding="utf-8")
    assert "Comparison of lr-1e-3, version_0" in page


@pytest.mark.parametrize("name", ["a/b", "..", ".hidden", "", "version_3", "last", "auto", "x" * 101, "a b", "ü"])
def test_a_name_that_no_folder_should_have_is_refused(name: str, run: Run, small: list[str]) -> None:
    code, out, err = run(*small, f"--name={name}")
    assert (code, out) == (2, "")
    assert "letters, digits and . _ + = - make a name" in err
    assert not LOGS.exists()


def test_a_name_that_is_taken_is_refused_before_anything_is_read(run: Run, small: list[str]) -> None:
    (LOGS / "mine").mkdir(parents=True)
    (LOGS / "mine/notes.txt").write_text("precious", encoding="utf-8")
    code, out, err = run(*small, "--name", "mine")
    assert (code, out) == (2, "")
    assert "lightning_logs/mine exists: --name another, or go on with it by --ckpt_path mine" in err
    assert [path.name for path in (LOGS / "mine").iterdir()] == ["notes.txt"]


def test_a_run_that_goes_on_keeps_its_name(run: Run, run_of_one_epoch: None) -> None:
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2", "--name", "other")
    assert code == 2
    assert "--name is for a new run" in err


def test_a_job_that_is_started_again_goes_on_with_its_own_run(run: Run, small: list[str]) -> None:
    job = ["--name", "job", "--ckpt_path", "auto"]
    assert run(*small, *job, "--max_epochs", "1")[0] == 0
    assert run(*small)[0] == 0  # another run, begun later
    code, out, err = run(*small, *job, "--max_epochs", "2")
    assert (code, err) == (0, "")
    assert "Run      lightning_logs/job, resumed after 10 updates" in out
    assert sorted(path.name for path in LOGS.iterdir()) == ["job", "version_0"]


def test_a_run_begins_with_anothers_weights_by_its_name_and_a_folder_beside_does_not_hide_it(
    run: Run, small: list[str]
) -> None:
    run(*small, "--name", "mine")
    Path("mine").mkdir()
    code, out, _ = run(*small, "--init_from", "mine")
    assert code == 0
    assert "Weights  at the start those of lightning_logs/mine/checkpoints/last.ckpt" in out


def test_a_run_that_began_with_a_copied_checkpoint_is_the_last(run: Run, finished_run: None, images_dir: Path) -> None:
    """It draws no grid before its first epoch."""
    shutil.copy(LOGS / "version_0" / LAST, "copy.ckpt")
    assert run("--ckpt_path", "copy.ckpt", "--max_epochs", "3", "--name", "onward")[0] == 2
    assert run("--ckpt_path", "copy.ckpt", "--max_epochs", "3", "--data.data_dir", str(images_dir))[0] == 0
    assert find_checkpoint("last", Path()) == LOGS / "version_1" / LAST


def test_the_last_run_is_the_one_that_was_begun_last() -> None:
    for begun, name in enumerate(("version_1", "mine", "version_0"), start=1):
        for path in (LOGS / name / LAST, LOGS / name / SAMPLES / "epoch_0000.png"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, (begun, begun))
    (LOGS / "no checkpoint").mkdir()
    os.utime(LOGS / "version_1" / LAST, (9, 9))  # it went on
    assert [folder.name for folder in runs_in(LOGS)] == ["version_0", "mine", "version_1"]
    assert find_checkpoint("last", Path()) == LOGS / "version_0" / LAST
