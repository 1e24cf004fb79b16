"""Two processes on the CPU (gloo): the same mathematics, one set of files, no hang."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import train
from datamodule import MNISTDataModule
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from first_gan.run.machine import check_trainer_options
from first_gan.run.options import build_parser
from gan_module import GAN
from tests import ddp_update
from tests.test_train import FOLDER

ROOT = Path(train.__file__).parent
DDP = ["--accelerator", "cpu", "--devices", "2", "--strategy", "ddp"]


def test_updates_of_two_ranks_equal_those_of_one(tmp_path: Path) -> None:
    options = build_parser(GAN, MNISTDataModule).parse([*DDP])
    strategy = check_trainer_options(options, 1)[0]["strategy"]
    weights = []
    for devices, name in ((1, "auto"), (2, strategy)):
        out = tmp_path / f"{devices}.pt"
        if devices == 1:
            ddp_update.main(devices, str(out), name)
        else:
            command = [sys.executable, str(ROOT / "tests/ddp_update.py"), str(devices), str(out), name]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run(command, check=True, env=environment, capture_output=True, timeout=120)
        weights.append(torch.load(out, weights_only=True))
    for name in weights[0]:
        torch.testing.assert_close(weights[0][name], weights[1][name], rtol=0, atol=1e-5)
    untrained = train.build_parts(options)[0].state_dict()
    assert any((weights[0][name] - untrained[name]).abs().max() > 1e-4 for name in weights[0])


@pytest.mark.parametrize("launcher", ["lightning", "torchrun"])
def test_training_on_ranks_that_do_not_divide_the_data(images_dir: Path, tmp_path: Path, launcher: str) -> None:
    start = (
        [sys.executable]
        if launcher == "lightning"
        else [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    )
    data = ["--data.data_dir", str(images_dir), "--data.train_rows", "513", "--data.batch_size", "64"]
    command = [
        *start,
        str(ROOT / "train.py"),
        *DDP,
        *data,
        "--max_epochs",
        "2",
        "--model.ema_decay",
        "0.9",
        "--quality.samples",
        "500",
        "--name",
        "two",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert "global batch 128 (2 processes × 64)" in done.stdout
    assert done.stdout.count("Run ") == 1
    (folder,) = (tmp_path / "lightning_logs").iterdir()
    assert folder.name == "two"
    rows = run_folder.read_metrics(folder)
    assert [row["step"] for row in rows] == [4, 8]  # 513 images: 256 for each rank
    assert len(list(folder.glob("events.*"))) == 1
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["strategy"] == "ddp"


def test_more_processes_than_images(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert train.main(["--accelerator", "cpu", "--devices", "40", "--data.train_rows", "30"]) == 2
    assert "--data.train_rows 30 is fewer than the 40 processes" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_two_ranks_stop_resume_and_keep_their_number(
    images_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data.data_dir", str(images_dir), "--data.train_rows", "2000", "--data.batch_size", "64"]
    command = [sys.executable, "-u", str(ROOT / "train.py")]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment}
    process = subprocess.Popen(
        [*command, *DDP, *data, "--max_epochs", "1000", "--quality.every_n_epochs", "0"], cwd=tmp_path, **pipes
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Epoch 2/"):
            break
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 5
    assert process.returncode == 143
    assert "--ckpt_path" in err
    assert "Traceback" not in err
    done = checkpoints.load_checkpoint(tmp_path / FOLDER / "checkpoints/last.ckpt")["epoch"] + 1
    resume = ["--ckpt_path", "last", "--max_epochs", str(done + 1)]
    assert train.main([*resume, "--devices", "1"]) == 2  # tmp_path is the working directory
    assert "--devices × num_nodes was 2, is 1 now" in capsys.readouterr().err
    subprocess.run([*command, *resume], cwd=tmp_path, check=True, capture_output=True, env=environment)
    assert [row["step"] for row in run_folder.read_metrics(tmp_path / FOLDER)] == sorted(
        {*range(16, 16 * (done + 1) + 1, 16), *range(50, 16 * (done + 1), 50)}
    )
