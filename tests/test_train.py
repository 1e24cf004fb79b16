"""Whole runs through the command line: what a run folder holds, what ends a run, what resuming refuses."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from gan_module import GAN
from tests.conftest import offline
from tests.forks import Forked

Run = Callable[..., tuple[int, str, str]]
CONFIGS = sorted((Path(train.__file__).parent / "configs").glob("*.yaml"))
SCALARS = {
    *("train/d_loss", "train/g_loss", "train/d_real", "train/d_fake", "train/d_accuracy"),
    *("train/d_grad_norm", "train/g_grad_norm", "train/images_per_second"),
}
FOLDER = Path("lightning_logs/version_0")


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    accumulator.Reload()
    return accumulator


def steps(folder: Path, tag: str) -> list[int]:
    accumulator = events(folder)
    read = accumulator.Images if tag in accumulator.Tags()["images"] else accumulator.Scalars
    return [event.step for event in read(tag)]


def test_a_run_folder_holds_what_it_promises(run: Run, small: list[str], drawn_curves: None) -> None:
    shown = ["--enable_progress_bar", "true", "--enable_model_summary", "true"]
    code, out, err = run(*small, "--model.ema_decay", "0.9", *shown)
    assert (code, err) == (0, "")
    assert "│ generator.model.4     │ Linear        │      402 K │" in out
    assert "FLOPs" not in out
    assert str(FOLDER) in out
    assert "Epoch 2/2" in out
    assert out.count("--max_epochs") == 2  # the advice, and the command that follows it
    assert out.endswith(f"--ckpt_path {FOLDER} --max_epochs 8\n")
    files = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    samples = {f"samples/{name}.png" for name in ("real", "epoch_0000", "epoch_0001", "epoch_0002")}
    event_files = {name for name in files if name.startswith("events.")}
    assert len(event_files) == 1
    assert files - event_files == {
        "config.yaml",
        "metrics.csv",
        "curves.png",
        "evolution.png",
        "summary.json",
        "report.html",
        "playground.html",
        "report/record.json",
        "report/latent_walk.png",
        "report/nearest.png",
        "report/opinion.png",
        "checkpoints/last.ckpt",
        ".lock",
        *samples,
    }
    assert Image.open(FOLDER / "samples/epoch_0002.png").size == (3 * 242, 3 * 242)
    assert Image.open(FOLDER / "evolution.png").size == (80 + 3 * 242, 3 * 3 * 30 + 6)  # three epochs of eight images
    assert Image.open(FOLDER / "curves.png").size == (960, 720)  # two panels
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    assert (config["model"]["ema_decay"], config["data"]["train_rows"], config["max_epochs"]) == (0.9, 600, 2)
    assert f"torch {torch.__version__.split('+')[0]}" in (FOLDER / "config.yaml").read_text(encoding="utf-8")
    checkpoint = torch.load(FOLDER / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 40
    assert any(name.startswith("ema.") for name in checkpoint["state_dict"])


def test_scalars_and_pictures_share_one_x_the_updates(run: Run, small: list[str]) -> None:
    run(*small)
    tags = events(FOLDER).Tags()
    assert set(tags["scalars"]) >= SCALARS
    assert set(tags["images"]) == {"samples/real", "samples/generated"}
    logged = [4, 8, 10, 12, 16, 20]  # every 4 updates and at each epoch's end
    for tag in SCALARS:
        assert steps(FOLDER, tag) == logged
    assert steps(FOLDER, "samples/generated") == [0, 10, 20]
    assert steps(FOLDER, "samples/real") == [0]
    rows = run_folder.read_metrics(FOLDER)
    assert [row["step"] for row in rows] == logged
    assert [row["epoch"] for row in rows] == [0, 0, 0, 1, 1, 1]
    assert all(set(row) >= SCALARS for row in rows)
    assert all(0 < row["train/d_real"] < 1 for row in rows)


def test_logged_values_are_the_means_over_their_updates(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    losses: list[float] = []
    step = GAN.update

    def recording(self: GAN, *args: Any) -> dict[str, torch.Tensor]:
        metrics = step(self, *args)
        losses.append(metrics["train/g_loss"].item())
        return metrics

    monkeypatch.setattr(GAN, "update", recording)
    run(*small)
    rows = run_folder.read_metrics(FOLDER)
    assert len(losses) == 20
    assert rows[1]["train/g_loss"] == pytest.approx(sum(losses[4:8]) / 4, rel=1e-5)
    assert rows[2]["train/g_loss"] == pytest.approx(sum(losses[8:10]) / 2, rel=1e-5)


def test_every_logged_speed_is_a_speed(run: Run, small: list[str]) -> None:
    """Also at an epoch's end right after a point inside the same training_step."""
    run(*small, "--model.steps_per_execution", "7")
    rows = run_folder.read_metrics(FOLDER)
    assert [row["step"] for row in rows] == [4, 8, 10, 12, 16, 20]
    assert all(row["train/images_per_second"] > 1 for row in rows)


@pytest.mark.parametrize("precision", ["32-true", "bf16-true", "bf16-mixed", "64-true"])
def test_precisions_train(run: Run, small: list[str], precision: str) -> None:
    code, _, err = run(*small, "--precision", precision, "--max_epochs", "1")
    assert (code, err) == (0, "")
    assert all(0 < row["train/d_real"] < 1 for row in run_folder.read_metrics(FOLDER))


def weights(folder: Path = FOLDER, name: str = "last") -> dict[str, torch.Tensor]:
    return torch.load(folder / f"checkpoints/{name}.ckpt", weights_only=True)["state_dict"]


def test_seeds_decide_everything_and_zero_is_one_of_them(run: Run, small: list[str]) -> None:
    for seed in ("0", "0", "1"):
        run(*small, "--seed_everything", seed)
    first, again, other = (weights(Path(f"lightning_logs/version_{n}")) for n in range(3))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))
    grids = [Path(f"lightning_logs/version_{n}/samples/epoch_0002.png").read_bytes() for n in range(3)]
    assert grids[0] == grids[1] != grids[2]


def test_drawing_samples_changes_nothing_that_is_learned(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*small, "--model.r1", "0.2")
    monkeypatch.setattr(train, "SampleGrids", lambda *args: train.Callback())
    run(*small, "--model.r1", "0.2")
    first, second = weights(), weights(Path("lightning_logs/version_1"))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("value", ["true", "1"])
def test_fast_dev_run_of_every_config_keeps_nothing(run: Run, images_dir: Path, config: Path, value: str) -> None:
    data = ["--data.data_dir", str(images_dir)]
    if yaml.safe_load(config.read_text(encoding="utf-8"))["data"]["dataset"] == "digits":
        data += ["--data.dataset", "mnist"]  # rendering is tested elsewhere
    code, out, err = run("--config", str(config), "--fast_dev_run", value, "--accelerator", "cpu", *data)
    assert (code, err) == (0, "")
    assert "nothing was kept" in out
    assert list(Path().iterdir()) == []


def test_fast_dev_run_with_auto_and_no_network_renders_digits_and_shouts(tmp_path: Path) -> None:
    command = [sys.executable, train.__file__, "--data.dataset", "auto", "--fast_dev_run", "true"]
    done = subprocess.run(command, env=offline(), capture_output=True, text=True, cwd=tmp_path, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "BUILT-IN DIGITS" in done.stderr
    assert "NOT MNIST" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.parametrize("at_once", ["1", "4", "10", "64"])  # an epoch has 10 updates
def test_limits_and_logging_count_updates_however_many_a_training_step_runs(
    run: Run, small: list[str], at_once: str
) -> None:
    options = [*small, "--model.steps_per_execution", at_once]
    run(*options, "--max_steps", "7", "--model.d_steps", "3")
    assert [row["step"] for row in run_folder.read_metrics(FOLDER)] == [4, 7]
    assert not (FOLDER / "checkpoints/last.ckpt").exists()  # the epoch was cut short
    run(*options, "--max_steps", "13", "--log_every_n_steps", "1")
    folder = Path("lightning_logs/version_1")
    assert [row["step"] for row in run_folder.read_metrics(folder)] == list(range(1, 14))
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 20
    for limit in ("3", "0.39"):
        run(*options, "--limit_train_batches", limit)
    for number in (2, 3):
        rows = run_folder.read_metrics(Path(f"lightning_logs/version_{number}"))
        assert [row["step"] for row in rows] == [3, 4, 6]
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "on_train_end", lambda self: done.append(self.updates))
        run(*options, "--fast_dev_run", "5")
    assert done == [5]


def test_how_many_updates_a_training_step_runs_changes_nothing_that_is_learned_or_logged(
    run: Run, small: list[str]
) -> None:
    for at_once in ("1", "3", "32"):
        run(*small, "--model.steps_per_execution", at_once, "--model.r1", "0.2", "--model.ema_decay", "0.9")
    folders = [Path(f"lightning_logs/version_{number}") for number in range(3)]
    first, *others = (weights(folder) for folder in folders)
    assert all(torch.equal(first[name], other[name]) for other in others for name in first)
    speed = "train/images_per_second"
    logs = [[{**row, speed: 0} for row in run_folder.read_metrics(folder)] for folder in folders]
    assert logs[0] == logs[1] == logs[2]


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_a_loss_that_is_no_number_stops_the_run(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    step = GAN.update

    def poisoned(self: GAN, *args: Any) -> dict[str, torch.Tensor]:
        if self.updates == 12:
            next(getattr(self, network).parameters()).data.fill_(float("nan"))
        return step(self, *args)

    monkeypatch.setattr(GAN, "update", poisoned)
    code, out, err = run(*small)
    assert code == 1
    assert "diverged in epoch 2, update 13: train/d_loss became" in err
    assert "Verdict: diverging" in out
    assert "Traceback" not in err
    checkpoint = torch.load(FOLDER / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 20
    assert all(tensor.isfinite().all() for tensor in checkpoint["state_dict"].values())


def test_weights_that_are_no_numbers_are_never_saved(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = GAN.update

    def poisoned(self: GAN, *args: Any) -> dict[str, torch.Tensor]:
        metrics = step(self, *args)
        if self.updates == 20:  # the losses of this update were still finite
            next(self.generator.parameters()).data.fill_(float("nan"))
        return metrics

    monkeypatch.setattr(GAN, "update", poisoned)
    code, _, err = run(*small)
    assert code == 1
    assert "a weight became" in err
    assert torch.load(FOLDER / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 20


def test_a_far_too_high_learning_rate_ends_in_one_clear_line(run: Run, small: list[str]) -> None:
    code, _, err = run(*small, "--model.lr", "1e30")
    assert code == 1
    assert "diverged in epoch 1, update" in err


def test_full_disk_leaves_the_last_checkpoint_whole(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second checkpoint's write fails half-way, as on a full disk."""
    fsync, last = os.fsync, FOLDER / "checkpoints/last.ckpt"

    def full(descriptor: int) -> None:
        if last.exists() and os.fstat(descriptor).st_size > last.stat().st_size // 2:  # a checkpoint's
            os.ftruncate(descriptor, 1000)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        code, _, err = run(*small)
    assert code == 1
    assert "No space left on device" in err
    assert "--ckpt_path" in err
    assert [path.name for path in (FOLDER / "checkpoints").iterdir()] == ["last.ckpt"]
    assert checkpoints.load_checkpoint(FOLDER / "checkpoints/last.ckpt")["global_step"] == 20


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_file_size_limit_in_a_real_process(finished_run: None, tmp_path: Path) -> None:
    """A process that may not write a file as large as a checkpoint says so, and the checkpoint before stays whole."""
    before = (tmp_path / FOLDER / "checkpoints/last.ckpt").read_bytes()
    limit = "import resource, runpy, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20)); sys.argv = sys.argv[1:]; "
    limit += "runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", limit, train.__file__, "--ckpt_path", "last", "--max_epochs", "3"]
    environment = os.environ | {"PYTHONPATH": str(Path(train.__file__).parent)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, encoding="utf-8")
    assert done.returncode == 1, done.stderr
    assert "last.ckpt cannot be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / FOLDER / "checkpoints").iterdir()] == ["last.ckpt"]
    assert (tmp_path / FOLDER / "checkpoints/last.ckpt").read_bytes() == before


def test_two_runs_started_at_once_get_two_folders(small: list[str], tmp_path: Path) -> None:
    runs = [Forked("train", tmp_path, *small) for _ in range(2)]
    assert [process.end(seconds=60) for process in runs] == [(0, ""), (0, "")]
    for number in range(2):
        rows = run_folder.read_metrics(tmp_path / f"lightning_logs/version_{number}")
        assert [row["step"] for row in rows] == [4, 8, 10, 12, 16, 20]


def test_metrics_csv_is_plain(run: Run, small: list[str]) -> None:
    run(*small)
    header = (FOLDER / "metrics.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header[:2] == ["step", "epoch"]
    assert json.dumps(run_folder.read_metrics(FOLDER)[0])
