"""A line when other programs have made a run slow."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from first_gan.callbacks import slowdown
from first_gan.callbacks.slowdown import Slowdown


def seen_of(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    speeds: list[float],
    load: float,
    device: str = "cpu",
) -> str:
    """What is said while each window of 10 s goes by at such a speed, in images per second."""
    now = [0.0]
    monkeypatch.setattr(slowdown.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(slowdown, "load_and_cores", lambda: (load, 2))
    metrics: Any = SimpleNamespace(images=0)
    trainer: Any = SimpleNamespace(is_global_zero=True, strategy=SimpleNamespace(root_device=torch.device(device)))
    callback = Slowdown(metrics)
    callback.on_train_start(trainer, None)
    for speed in speeds:
        for _ in range(2):
            now[0] += 5
            metrics.images += 5 * speed
            callback.on_train_batch_end(trainer, None, {}, None, 0)
    return capsys.readouterr().out


def test_a_third_of_the_speed_on_a_loaded_machine_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = seen_of(monkeypatch, capsys, [900, 1000, 250, 200, 1000, 100], load=4.04)
    assert said == (
        "Training is 4 times slower than it was: other programs want this machine's 2 cores too (load 4.0)\n"
    )


@pytest.mark.parametrize(
    ("speeds", "load", "device"),
    [([1000, 400], 4, "cpu"), ([1000, 100], 2.2, "cpu"), ([100, 200], 4, "cpu"), ([1000, 100], 4, "cuda")],
)
def test_a_quiet_machine_a_lesser_fall_and_a_gpu_are_not_mentioned(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    speeds: list[float],
    load: float,
    device: str,
) -> None:
    assert seen_of(monkeypatch, capsys, speeds, load, device) == ""
