"""The benchmarks run and count equal work; how fast anything is, no test says."""

import importlib
import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from benchmarks import busy, growth, runs, speed
from benchmarks.limit import flops, products
from benchmarks.runs import Run, RunError, equal_work
from benchmarks.worker import Job
from gan_module import GAN


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs to be timed need not load torch first."""

    def process(
        command: list[str], threads: int | None = None, environment: Mapping[str, str] | None = None
    ) -> tuple[str, float]:
        out = io.StringIO()
        name, argv = (command[2], command[3:]) if command[1] == "-m" else (Path(command[1]).stem, command[2:])
        monkeypatch.setattr(sys, "argv", [name, *argv])
        with redirect_stdout(out):
            assert importlib.import_module(name).main() in (None, 0)
        return out.getvalue(), 1.0

    monkeypatch.setattr(runs, "process", process)


def test_speed_times_the_programs_on_equal_work(
    images_dir: Path, tmp_path: Path, in_this_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--data_dir", str(images_dir), "--out", str(tmp_path / "out")]
    assert speed.bench([*place, "--rows", "300", "--batch_sizes", "128", "--rounds", "1", "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    for program in ("(a) the lesson's loop", "(b) Lightning's idiom", "(c) bare math", "(d) train.py", "(e) train.py"):
        assert out.count(f"| {program}") == 1  # ratios, shares, start-up
    assert "matrix products alone" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"speed.md", "speed.json", "speed.png"}


def test_growth_measures_every_setting(
    images_dir: Path,
    tmp_path: Path,
    in_this_process: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(growth, "WINDOW_IMAGES", 512)
    place = ["--data_dir", str(images_dir), "--out", str(tmp_path / "out")]
    assert growth.bench([*place, "--batch_sizes", "256", "--widths", "1", "--processes", "1"]) == 0
    assert capsys.readouterr().out.count("| ×1 ") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"growth.md", "growth.png"}


def test_a_loop_is_timed_in_a_process_of_its_own(images_dir: Path, tmp_path: Path) -> None:
    job = Job(runs.torchvision_layout(str(images_dir), str(tmp_path)), batch_size=128, rows=300)
    done = runs.loop("textbook", job)
    assert (done.updates, done.images) == (3, 300)
    assert 0 < done.seconds < done.startup
    assert done.peak_mib > 100


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
