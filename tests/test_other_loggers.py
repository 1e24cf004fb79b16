"""The loggers that --logger adds: told what TensorBoard is told, gone on with by a resumed run, and no reason to end one."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from first_gan.callbacks import board, others
from first_gan.callbacks.quality import QualityMonitor
from first_gan.diagnosis.history import FCD
from first_gan.run import folder as run_folder
from first_gan.run import shell
from tests.other_loggers import MLFlow, StandIn, Wandb, stand_ins  # noqa: F401 - a fixture
from tests.test_boards import compared
from tests.test_health import SCORES
from tests.test_train import FOLDER, Run, steps


def test_a_resumed_run_goes_on_in_tensorboard_and_in_every_other_logger(
    run: Run,
    small: list[str],
    stand_ins: list[StandIn],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fcds = iter([5.0, 9.0])
    monkeypatch.setattr(QualityMonitor, "_score", lambda self, gan: {FCD: next(fcds), "val/coverage": 0.5} | self.floor)
    code, out, err = run(*small, *SCORES, "--max_epochs", "1", "--logger", "[wandb, mlflow, csv]")
    assert (code, err) == (0, "")
    assert "offline, in " in out
    ids = json.loads((FOLDER / others.IDS).read_text(encoding="utf-8"))
    assert ids.keys() == {"wandb", "mlflow"}
    assert run("--ckpt_path", "last", "--max_epochs", "2")[0] == 0
    first, last = stand_ins[:2], stand_ins[2:]
    assert [type(logger) for logger in stand_ins] == [Wandb, MLFlow] * 2
    assert last[0].options["version"] == ids["wandb"] == first[0].options["version"]
    assert (first[1].options["run_id"], last[1].options["run_id"]) == (None, ids["mlflow"])
    assert (first[0].options["project"], first[1].options["experiment_name"]) == ("first-gan", "first-gan")
    assert (first[0].options["name"], first[1].options["run_name"]) == ("version_0", "version_0")
    assert first[1].options["tracking_uri"].endswith("/lightning_logs/mlflow.db")
    assert last[0].of("finish") == [(0,)]
    for number, logger in enumerate(first + last):
        told: dict[int, dict[str, float]] = {}
        for metrics, step in logger.of("log_metrics"):
            told.setdefault(step, {}).update(metrics)
        assert sorted(told) == ([4, 8, 10] if number < 2 else [12, 16, 20])
        assert {"train/d_loss", "train/epoch", FCD, "val_floor/fcd", "verdict/convergence"} <= told[max(told)].keys()
        pictures = [(tag, step) for tag, _, step in logger.of("image")]
        assert pictures == (
            [("samples/real", 0), ("samples/generated", 0), ("samples/generated", 10)]
            if number < 2
            else [("samples/generated", 20)]
        )
        assert logger.of("log_hyperparams") == first[0].of("log_hyperparams")
        assert logger.of("log_hyperparams")[0][0]["data.train_rows"] == 600
        assert logger.of("finalize") == [("success",)]
    tables = [(FOLDER / f"csv/version_{number}/metrics.csv").read_text(encoding="utf-8") for number in range(2)]
    assert all("train/d_loss" in table and "epoch" in table for table in tables)
    _, runs = compared(FOLDER.parent)
    assert list(runs) == ["version_0"]  # and none of the loggers' own folders
    _, status, metrics = runs["version_0"]
    assert (status, metrics[FCD], metrics[board.BEST_FCD]) == ("STATUS_SUCCESS", (20, 9), (20, 5))
    assert steps(FOLDER, board.BEST_FCD) == [10, 20]


def test_an_unknown_logger_and_a_missing_package_leave_nothing_behind(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "_is_installed", lambda name: name not in ("wandb", "alembic"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for asked in ("tensorboard", "false", "[csv, none]"):
        code, _, err = run(*small, "--logger", asked)
        assert (code, err.count("\n")) == (2, 1)
    assert "--logger must be out of wandb, mlflow, csv, got none; TensorBoard's events and metrics.csv are" in err
    code, _, err = run(*small, "--logger", "[wandb, mlflow]")
    assert (code, err.count("\n")) == (2, 1)
    file = run_folder.ROOT / "requirements-loggers.txt"
    assert "--logger wandb and mlflow needs wandb, alembic: " in err
    assert f"-m pip install -r {shell.quoted(str(file))}" in err
    assert set(re.findall(r"^\w+", file.read_text(encoding="utf-8"), re.MULTILINE)) == {"wandb", "mlflow"}
    assert not Path("lightning_logs").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert others.check_loggers("mlflow") == ["mlflow"]  # a server has its own store


def test_a_folder_of_runs_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "wandbruns").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert not others._is_installed("wandbruns")
    assert not others._is_installed("no_such_package")
    assert others._is_installed("torch")


def test_a_logger_that_cannot_begin_is_one_line_and_nothing_is_left(
    run: Run,
    small: list[str],
    stand_ins: list[StandIn],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(MLFlow, "failing", ("log_hyperparams",))
    code, out, err = run(*small, "--logger", "[wandb, mlflow]")
    assert code == 2
    assert err == "train.py: error: --logger mlflow: log_hyperparams: nobody answers.\n"
    assert "Training" not in out
    assert stand_ins[0].of("finish") == [(1,)]
    assert not Path("lightning_logs").exists()


def test_a_logger_that_fails_later_is_left_out_and_the_run_goes_on(
    stand_ins: list[StandIn],  # noqa: F811
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (logger,) = others.started(["wandb"], tmp_path, {})
    monkeypatch.setattr(Wandb, "failing", ("log_metrics",))
    for step in (1, 2):
        logger.log_metrics({"train/d_loss": 1.0}, step)
    logger.finalize("success")
    assert capsys.readouterr().err == "--logger wandb: log_metrics: nobody answers.; the run goes on without it\n"


@pytest.mark.parametrize("text", ["{", "[]", '{"mlflow": "../../x"}', '{"wandb": 1.5}'])
def test_a_file_of_ids_that_is_no_such_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / others.IDS).write_text(text, encoding="utf-8")
    with pytest.raises(others.LoggerError, match=r"loggers\.json is broken"):
        others.read_ids(tmp_path)


def test_a_link_in_place_of_a_loggers_folder_is_refused(tmp_path: Path) -> None:
    for name in run_folder.GUESTS:
        link = tmp_path / name
        link.symlink_to(tmp_path.parent, target_is_directory=True)
        with pytest.raises(run_folder.RunFolderError, match="is a link"):
            run_folder.make_ready(tmp_path)
        link.unlink()


@pytest.mark.parametrize("kind", ["wandb", "mlflow"])
def test_the_real_logger_takes_a_run_and_its_resume(
    run: Run, small: list[str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its package is installed, which requirements-dev.txt leaves out: they weigh several hundred MB."""
    package: Any = pytest.importorskip(kind)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert run(*small, "--max_epochs", "1", "--logger", kind)[0] == 0
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 0
    assert "--logger" not in err
    known = others.read_ids(FOLDER)[kind]
    if kind == "wandb":
        kept = list((FOLDER / "wandb").glob(f"offline-run-*/run-{known}.wandb"))
        assert len(kept) in (1, 2)  # named by the second in which it began
        assert package.run is None
        assert not (FOLDER / "wandb/latest-run").is_symlink()
        assert len(list((FOLDER / "wandb").rglob("*.png"))) == 4
        return
    client = package.MlflowClient("sqlite:///lightning_logs/mlflow.db")
    (found,) = client.search_runs([client.get_experiment_by_name("first-gan").experiment_id])
    assert (found.info.run_id, found.info.status) == (known, "FINISHED")
    assert [each.step for each in client.get_metric_history(known, "train/d_loss")] == [4, 8, 10, 12, 16, 20]
    assert found.data.params["data.train_rows"] == "600"
    assert list(Path("lightning_logs/mlartifacts").rglob("*.png"))
