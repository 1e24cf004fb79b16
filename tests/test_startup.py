"""What happens before torch is loaded, and what is not loaded at all."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import train
from first_gan.run import startup
from tests.test_train import FOLDER, Run

ROOT = Path(train.__file__).parent
HEAVY = ("pytorch_lightning", "lightning_fabric", "torchmetrics", "torchvision", "torch._dynamo")
HEAVY += ("tensorboard", "matplotlib", "scipy", "torch.distributed.tensor")


@pytest.mark.parametrize(
    ("own", "seen"),
    [({}, None), ({"GOMP_SPINCOUNT": "7"}, "7 None"), ({"OMP_WAIT_POLICY": "active"}, "None active")],
)
def test_how_threads_wait_is_set_before_torch_is_loaded(tmp_path: Path, own: dict[str, str], seen: str | None) -> None:
    (tmp_path / "torch.py").write_text(
        "import os\nprint(os.environ.get('GOMP_SPINCOUNT'), os.environ.get('OMP_WAIT_POLICY'))\nraise SystemExit(0)",
        encoding="utf-8",
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment |= own | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-W", "ignore", train.__file__]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8")
    legal = (f"{startup.QUIET} None", f"{startup.BUSY} None") if seen is None else (seen,)
    assert done.stdout.split("\n")[0] in legal


@pytest.mark.parametrize(("running", "spins"), [("1", startup.QUIET), ("2", startup.BUSY), ("9", startup.BUSY)])
def test_threads_wait_less_where_others_run(running: str, spins: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in startup.WAITING:
        monkeypatch.delenv(name, raising=False)
    read = Path.read_text
    said = f"0.00 0.01 0.05 {running}/120 4711\n"
    monkeypatch.setattr(
        Path, "read_text", lambda path, **how: said if str(path) == "/proc/loadavg" else read(path, **how)
    )
    startup.wait_briefly()
    assert os.environ.pop("GOMP_SPINCOUNT") == str(spins)


def test_where_the_system_does_not_say_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: Path, **how: str) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert startup.others_running() == 0


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_person_at_a_terminal_reads_that_it_is_loading_before_it_is(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(20)\n", encoding="utf-8")
    ours, its = os.openpty()
    command = [sys.executable, train.__file__]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(tmp_path)}, stdout=its, stderr=its)
    start = time.monotonic()
    said = ""
    while startup.LOADING not in said:
        said += os.read(ours, 1000).decode()
    assert time.monotonic() - start < 2  # 0.1 on a quiet machine
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["train.py", "--lr", "3"], 2, "train.py: error: unknown option --lr; did you mean --model.lr?"),
        (["generate.py", "nope.ckpt"], 2, "generate.py: error: no checkpoint at nope.ckpt"),
        (["generate.py", "--help"], 0, "usage: generate.py [RUN] [options]"),
        (["evaluate.py", "--seed", "x", "last"], 2, "evaluate.py: error: --seed: Expected a int, got x"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_help_and_bad_arguments_wait_for_no_torch(tmp_path: Path, command: list[str], code: int, said: str) -> None:
    (tmp_path / "torch.py").write_text("raise SystemExit('torch is loaded')", encoding="utf-8")
    process = [sys.executable, str(ROOT / command[0]), *command[1:]]
    done = subprocess.run(
        process, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, encoding="utf-8"
    )
    assert (done.returncode, (done.stdout + done.stderr).splitlines()[0]) == (code, said)


def test_a_file_and_a_pipe_are_told_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    startup.say_loading()
    startup.loaded()
    assert capsys.readouterr() == ("", "")


def loaded_by(command: str, *argv: str) -> set[str]:
    """Which heavy modules a command has loaded at its end."""
    script = f"import sys, {command} as command; assert command.main(sys.argv[1:]) == 0; print('loaded', *sys.modules)"
    process = [sys.executable, "-W", "ignore", "-c", script, *argv]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(process, env=environment, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()) & {*HEAVY, "torch"}


def test_drawing_loads_torch_alone(trained_run: Path) -> None:
    assert loaded_by("generate", str(trained_run / "checkpoints/last.ckpt")) == {"torch"}


def test_scoring_loads_torch_alone(run: Run, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8), np.uint8)
    np.savez("images.npz", images=images)
    run("--data.dataset", "npz", "--data.data_dir", "images.npz", "--max_epochs", "1", "--accelerator", "cpu")
    assert loaded_by("evaluate", str(tmp_path / FOLDER / "checkpoints/last.ckpt")) == {"torch"}


def test_reporting_loads_not_even_torch(trained_run: Path, tmp_path: Path) -> None:
    assert loaded_by("first_gan.report.__main__", str(trained_run), "--out", str(tmp_path / "r.html")) == set()


def test_a_studys_help_and_page_load_not_even_torch(tmp_path: Path) -> None:
    """Optuna itself loads none of it; scipy tells settings apart."""
    script = "import sys, study, first_gan.study.session; print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert set(done.stdout.split()) & {*HEAVY, "torch"} == {"scipy"}, done.stderr
    script = "import sys, study\ntry: study.main(['--help'])\nfinally: print('loaded', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")
    assert set(done.stdout.splitlines()[-1].split()) & {*HEAVY, "torch", "optuna", "jinja2"} == set()
