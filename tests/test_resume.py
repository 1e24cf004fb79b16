"""A run that is killed again and again ends with the same bits as one that never was."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from first_gan.run import folder as run_folder
from tests.forks import Forked
from tests.test_train import FOLDER, SCALARS, events, steps

EPOCHS = 18  # more than a fast machine gets through between the kills
KILL = getattr(signal, "SIGKILL", None)  # not on Windows, where the test that sends it is skipped
SIGNALS = [KILL, signal.SIGTERM]  # tests/attacks sends many more, to a smaller run
OPTIONS = [
    *("--data.train_rows", "3200", "--data.batch_size", "64", "--max_epochs", str(EPOCHS), "--log_every_n_steps", "30"),
    *("--model.generator.widths", "[64]", "--model.discriminator.widths", "[64]"),
    *("--model.ema_decay", "0.99", "--model.r1", "0.2", "--model.generator.batch_norm", "true", "--accelerator", "cpu"),
    *("--quality.every_n_epochs", "6", "--quality.samples", "500"),
]


def start(folder: Path, *argv: str) -> subprocess.Popen:
    command = [sys.executable, "-u", train.__file__, *argv]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # two processes at once would fight over the cores
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=folder, env=environment, **pipes)


def epochs_done(folder: Path) -> int:
    path = folder / FOLDER / "checkpoints/last.ckpt"
    return torch.load(path, weights_only=True)["epoch"] + 1 if path.exists() else 0


def kill_after_an_epoch(process: Forked, folder: Path, number: int, wait: float) -> tuple[int, str]:
    """Waits for the first epoch's line, then `wait` seconds, then sends the signal; returns exit code and stderr."""
    process.wait_for("\nEpoch")
    while not (folder / FOLDER / "checkpoints/last.ckpt").exists():  # the line comes a moment before it
        time.sleep(0.01)
    time.sleep(wait)
    sent = time.monotonic()
    process.send(number)
    ended = process.end()
    assert time.monotonic() - sent < 2
    return ended


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_killed_and_resumed_equals_uninterrupted(images_dir: Path, tmp_path: Path) -> None:
    data = ["--data.data_dir", str(images_dir)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    moments = random.Random(os.environ.get("KILL_SEED", time.time_ns()))
    argv = [*data, *OPTIONS]
    uninterrupted = Forked("train", whole, *argv)
    for kill, number in enumerate(SIGNALS):
        wait = moments.uniform(0, 0.4)
        code, err = kill_after_an_epoch(Forked("train", broken, *argv), broken, number, wait)
        done = epochs_done(broken)
        assert 0 < done < EPOCHS, f"kill {kill} after {wait:.3f} s came too late to test anything"
        assert {p.name for p in (broken / FOLDER / "checkpoints").glob("[!.]*")} <= {"best.ckpt", "last.ckpt"}
        if number == KILL:
            assert code == -number
        else:
            assert code == 128 + number
            assert "Traceback" not in err
            assert f"--ckpt_path {FOLDER}\n" in err
        if kill == 1:  # the folder moves to another place
            shutil.move(broken, tmp_path / "moved")
            broken = tmp_path / "moved"
        argv = ["--ckpt_path", "last"]
    for process in (Forked("train", broken, *argv), uninterrupted):
        code, err = process.end(240)
        assert code == 0, err

    expected, found = (torch.load(d / FOLDER / "checkpoints/last.ckpt", weights_only=True) for d in (whole, broken))
    assert expected["global_step"] == found["global_step"] == 2 * 50 * EPOCHS
    assert any(name.startswith("ema.") for name in expected["state_dict"])
    for name, tensor in expected["state_dict"].items():
        assert torch.equal(tensor, found["state_dict"][name]), name
    for ours, theirs in zip(expected["optimizer_states"], found["optimizer_states"], strict=True):
        for index, state in ours["state"].items():
            assert all(torch.equal(value, theirs["state"][index][key]) for key, value in state.items())

    rows = [run_folder.read_metrics(d / FOLDER) for d in (whole, broken)]
    for one, other in zip(*rows, strict=True):
        assert one | {"train/images_per_second": 0} == other | {"train/images_per_second": 0}
    for tag in (*SCALARS, "verdict/g_improving", "verdict/convergence", "samples/generated", "samples/real"):
        assert steps(broken / FOLDER, tag) == steps(whole / FOLDER, tag), tag
    values = [[e.value for e in events(d / FOLDER).Scalars("train/g_loss")] for d in (whole, broken)]
    assert values[0] == values[1]
    pictures = [sorted(p.name for p in (d / FOLDER / "samples").iterdir()) for d in (whole, broken)]
    assert pictures[0] == pictures[1]
    assert sorted(p.name for p in (broken / FOLDER / "checkpoints").iterdir()) == ["best.ckpt", "last.ckpt"]
    best = [torch.load(d / FOLDER / "checkpoints/best.ckpt", weights_only=True)["state_dict"] for d in (whole, broken)]
    assert all(torch.equal(tensor, best[1][name]) for name, tensor in best[0].items())


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["starting", "first epoch"])
def test_interrupted_before_the_first_epochs_end(images_dir: Path, tmp_path: Path, number: int, moment: str) -> None:
    process = start(tmp_path, "--data.data_dir", str(images_dir), "--accelerator", "cpu", "--data.batch_size", "4")
    assert process.stdout is not None
    if moment == "starting":
        time.sleep(1.5)  # torch is loading
    else:
        for line in process.stdout:
            if line.startswith("Run"):
                break
        while not (tmp_path / FOLDER / "samples/epoch_0000.png").exists():
            time.sleep(0.05)
    sent = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - sent < 2
    assert "Traceback" not in err
    if moment == "starting":
        assert process.returncode == -number  # 128 + number to a shell
    else:
        assert process.returncode == 128 + number
        assert "Interrupted" in err
        assert "there is nothing to resume" in err
        assert not (tmp_path / FOLDER / "checkpoints/last.ckpt").exists()
