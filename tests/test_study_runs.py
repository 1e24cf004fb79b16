"""Lists of runs as the benchmarks train them: what has ended stays, what was cut off is gone on with. Its runs are tests/fake_train.py's."""

import os
from pathlib import Path

import pytest

from first_gan.run.cli import RunFailed
from first_gan.study import processes
from tests.test_study import began


def test_a_list_of_runs_is_trained_and_gone_on_with(
    fake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs that have ended stay, one that diverged too; one that failed is said, and the others are trained all the same."""
    lrs = {"one": 0.01, "cut": 0.01, "diverges": 7, "fails": 9}
    wanted = {name: [f"--model.lr={lr}", "--max_epochs=3", "--seed_everything=0"] for name, lr in lrs.items()}
    last = tmp_path / "lightning_logs/cut/checkpoints/last.ckpt"
    last.parent.mkdir(parents=True)
    last.write_text("2", encoding="utf-8")
    with pytest.raises(
        RunFailed, match=r"1 of 4 runs failed, such as fails: diverged in epoch 1 \(…/x\): a loss became"
    ):
        processes.train_all(wanted, tmp_path, 2)
    assert "fails: diverged in epoch 1" in capsys.readouterr().out
    assert sorted(began(tmp_path)) == ["cut", "diverges", "fails", "one"]
    text = (tmp_path / "began.txt").read_text(encoding="utf-8")
    assert "cut after 2 " in text
    assert [processes.has_ended(tmp_path / "lightning_logs" / name) for name in lrs] == [True, True, True, False]
    del wanted["fails"]
    done = processes.train_all(wanted, tmp_path, 2)
    assert done == {name: tmp_path / "lightning_logs" / name for name in wanted}
    assert len(began(tmp_path)) == 4
    longer = {"one": [*wanted["one"][::2], "--max_epochs=4"]}
    (done["one"] / "report/record.json").unlink()  # killed before its end
    assert processes.train_all(longer, tmp_path, 1).keys() == {"one"}
    assert len(began(tmp_path)) == 5


def test_runs_side_by_side_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert processes.environment(3)["OMP_NUM_THREADS"] == "2"
    assert "OMP_NUM_THREADS" not in processes.environment(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert processes.environment(3)["OMP_NUM_THREADS"] == "5"


def test_one_run_alone_has_all_cores(fake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many may run at once, and however many have ended before."""
    asked = list[int]()
    own = processes.environment
    monkeypatch.setattr(processes, "environment", lambda at_once: asked.append(at_once) or own(at_once))
    wanted = {name: ["--model.lr=0.01", "--max_epochs=2", "--seed_everything=0"] for name in ("one", "two", "three")}
    processes.train_all({"one": wanted["one"]}, tmp_path, 8)
    processes.train_all(wanted, tmp_path, 8)
    processes.train_all(wanted, tmp_path, 8)
    assert asked == [1, 2, 1]
