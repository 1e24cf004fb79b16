"""The benchmarks run and count equal work; how fast anything is, no test says."""

import subprocess
import sys
from pathlib import Path

import pytest

import train
from benchmarks import busy, runs
from benchmarks.limit import flops, products
from benchmarks.runs import Run, RunError, equal_work
from benchmarks.worker import Job
from gan_module import GAN

ROOT = Path(train.__file__).parent


def bench(images_dir: Path, tmp_path: Path, module: str, *options: str) -> str:
    command = [sys.executable, "-m", f"benchmarks.{module}", "--data_dir", str(images_dir), "--out", str(tmp_path)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, timeout=300, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speed_times_the_programs_on_equal_work(images_dir: Path, tmp_path: Path) -> None:
    out = bench(
        images_dir, tmp_path, "speed", "--rows", "300", "--batch_sizes", "128", "--rounds", "1", "--epochs", "1"
    )
    for program in ("(a) the lesson's loop", "(b) Lightning's idiom", "(c) bare math", "(d) train.py", "(e) train.py"):
        assert out.count(f"| {program}") == 1  # ratios, shares, start-up
    assert "matrix products alone" in out
    assert {path.name for path in tmp_path.iterdir()} >= {"speed.md", "speed.json", "speed.png"}


def test_growth_measures_every_setting(images_dir: Path, tmp_path: Path) -> None:
    out = bench(images_dir, tmp_path, "growth", "--batch_sizes", "4096", "--widths", "1", "--processes", "1")
    assert out.count("| ×1 ") == 1
    assert {path.name for path in tmp_path.iterdir()} >= {"growth.md", "growth.png"}


def test_busy_times_each_way_to_wait_and_leaves_no_process_behind(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen = []

    def trained(job: Job, environment: dict[str, str], threads: int | None) -> Run:
        seen.append((environment, threads))
        return Run(1, 1, seconds=9.0, epoch_seconds=1.0 + (threads == 1), startup=1.0, peak_mib=1.0)

    monkeypatch.setattr(runs, "train", trained)
    monkeypatch.setattr(runs, "torchvision_layout", lambda data_dir, to: to)
    assert busy.bench(["--rows", "300", "--busy", "1", "--rounds", "2", "--out", str(tmp_path)]) == 0
    assert seen == [*busy.SETTINGS.values()] * 2
    out = capsys.readouterr().out
    assert "| as train.py waits   | 300      | 1.00             | 2.00          |" in out
    assert {path.name for path in tmp_path.iterdir()} == {"busy.md", "busy.json"}
    with busy.busy_processes(2) as processes:
        assert [each.poll() for each in processes] == [None, None]
    assert None not in [each.poll() for each in processes]


def test_a_timed_process_has_the_environment_and_threads_it_is_given() -> None:
    show = "import os; print(os.environ['GOMP_SPINCOUNT'], os.environ['OMP_NUM_THREADS'])"
    out, peak = runs.process([sys.executable, "-c", show], 3, {"GOMP_SPINCOUNT": "7"})
    assert out == "7 3\n"
    assert peak > 1


def test_unequal_work_is_refused() -> None:
    run = Run(3, 300, seconds=1.0, epoch_seconds=1.0, startup=1.0, peak_mib=1.0)
    equal_work({"a": run, "b": Run(3, 300, 2.0, 2.0, 1.0, 1.0)})
    for other in (Run(4, 300, 1.0, 1.0, 1.0, 1.0), Run(3, 301, 1.0, 1.0, 1.0, 1.0)):
        with pytest.raises(RunError, match="unequal work"):
            equal_work({"a": run, "b": other})


def test_the_limits_products_are_those_of_an_update() -> None:
    """Against the lesson's networks counted by hand, in multiplications per image."""
    g, d = 100 * 256 + 256 * 512 + 512 * 784, 784 * 512 + 512 * 256 + 256
    d_step = g + 2 * d + 2 * d + 2 * (512 * 256 + 256)  # fakes; both passes; gradients of weights and inner inputs
    g_step = g + d + d + g + (256 * 512 + 512 * 784)  # both forward; through D to the image; weights and inner inputs
    assert flops(products(GAN(), 128)) == 2 * 128 * (d_step + g_step)
