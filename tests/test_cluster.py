"""On a cluster: SLURM's SIGUSR1 ends a run cleanly, and the requeued job goes on with its own run, never another's."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import train
from first_gan.callbacks.process import OwnProcess
from first_gan.run import folder as run_folder
from tests.test_cli import Run
from tests.test_readme import PAGES, ROOT
from tests.test_train import FOLDER

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
SLURM = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"} | {
    "SLURM_NNODES": "1",
    "SLURM_NODELIST": "localhost",
    "SLURM_JOB_NAME": "gan",
}
REQUEUE = 128 + signal.SIGUSR1


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)


def test_usr1_ends_the_run_and_auto_goes_on_with_it(run: Run, small: list[str], slurm: None) -> None:
    started = OwnProcess.on_train_epoch_start

    def usr1_in_epoch_2(self: OwnProcess, trainer: Any, gan: Any) -> None:
        started(self, trainer, gan)
        if trainer.current_epoch == 1:
            signal.raise_signal(signal.SIGUSR1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OwnProcess, "on_train_epoch_start", usr1_in_epoch_2)
        code, out, err = run(*small, "--ckpt_path", "auto")
    assert code == REQUEUE
    assert "no run in lightning_logs has a checkpoint yet, so a new one begins" in out
    assert "To go on after the last whole epoch" in err
    assert not list(Path().glob("*.ckpt"))
    code, out, err = run(*small, "--ckpt_path", "auto")
    assert code == 0, err
    assert "lightning_logs/version_0, resumed after 10 updates" in out
    assert [path.name for path in Path("lightning_logs").iterdir()] == ["version_0"]
    assert [row["step"] for row in run_folder.read_metrics(FOLDER)] == [4, 8, 10, 12, 16, 20]


@pytest.mark.parametrize("argv", [[], ["--fast_dev_run", "true"]])
def test_what_another_program_left_is_never_resumed(
    run: Run, small: list[str], slurm: None, tmp_path: Path, argv: list[str]
) -> None:
    (tmp_path / "hpc_ckpt_1.ckpt").write_text("of another program", encoding="utf-8")
    code, out, err = run(*small, *argv)
    assert code == 0, err
    assert "resumed" not in out


def test_slurms_tasks_that_do_not_fit_the_devices_are_one_line(
    run: Run, small: list[str], slurm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_NTASKS", "4")
    code, _, err = run(*small)
    assert code == 2
    assert "Use `--ntasks-per-node=4` instead" in err
    assert err.count("\n") == 1
    assert not Path("lightning_logs").exists()


def wait_for(path: Path, text: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not path.exists() or text not in path.read_text(encoding="utf-8"):
        assert time.monotonic() < end, path.read_text(encoding="utf-8")
        time.sleep(0.05)


def test_the_readmes_job_from_usr1_to_its_end(small: list[str], tmp_path: Path) -> None:
    """The script itself, with an srun that just runs its command and an scontrol that notes what it was asked for."""
    (script,) = re.findall(r"```sh\n(#!/bin/bash\n.*?)```", PAGES[ROOT / "docs/machines.md"], re.DOTALL)
    options = " ".join([*small, "--max_epochs", "1000"])
    script = script.replace("--accelerator gpu --devices 4 --num_nodes 2 --strategy ddp", options)
    script = script.replace("python train.py", f"{sys.executable} -u {train.__file__}")
    (tmp_path / "bin").mkdir()
    fakes = {"srun": 'shift\necho $$ > pid\nexec "$@"\n', "scontrol": 'echo "$@" > asked\n'}
    for name, body in {"job": script, **{name: f"#!/bin/bash\n{body}" for name, body in fakes.items()}}.items():
        (tmp_path / "bin" / name).write_text(body, encoding="utf-8")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = os.environ | SLURM | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}

    def start(last: int) -> subprocess.Popen:
        job = (tmp_path / "bin/job").read_text(encoding="utf-8").replace("--max_epochs 1000", f"--max_epochs {last}")
        (tmp_path / "bin/job").write_text(job, encoding="utf-8")
        with (tmp_path / f"out_{last}").open("w", encoding="utf-8") as out:
            return subprocess.Popen(["job"], cwd=tmp_path, env=environment, stdout=out, stderr=out)

    job = start(1000)
    wait_for(tmp_path / "out_1000", "Epoch 2/")
    os.kill(int((tmp_path / "pid").read_text(encoding="utf-8")), signal.SIGUSR1)
    job.wait(30)
    assert "To go on after the last whole epoch" in (tmp_path / "out_1000").read_text(encoding="utf-8")
    assert (tmp_path / "asked").read_text(encoding="utf-8") == "requeue 7\n"
    root = tmp_path / "job_7/lightning_logs"
    done = len([row for row in run_folder.read_metrics(root / "version_0") if row["step"] % 10 == 0])
    assert start(done + 1).wait(60) == 1  # of its last line: nothing to requeue
    assert f"job_7/lightning_logs/version_0, resumed after {10 * done} updates" in (
        tmp_path / f"out_{done + 1}"
    ).read_text(encoding="utf-8")
    assert [path.name for path in root.iterdir()] == ["version_0"]


def test_ranks_end_together_when_one_is_told_to(small: list[str], tmp_path: Path) -> None:
    """Two processes as srun starts them; SIGUSR1 comes to the second alone."""
    shared = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29517"}
    command = [
        sys.executable,
        "-u",
        train.__file__,
        *small,
        "--max_epochs",
        "1000",
        "--devices",
        "2",
        "--strategy",
        "ddp",
    ]
    ranks = []
    for rank in ("0", "1"):
        environment = (
            os.environ | SLURM | shared | {"SLURM_PROCID": rank, "SLURM_LOCALID": rank, "OMP_NUM_THREADS": "1"}
        )
        with (tmp_path / rank).open("w", encoding="utf-8") as out:
            ranks.append(subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=out, stderr=out))
    wait_for(tmp_path / "0", "Epoch 2/")
    ranks[1].send_signal(signal.SIGUSR1)
    codes = [rank.wait(30) for rank in ranks]
    said = (tmp_path / "0").read_text(encoding="utf-8") + (tmp_path / "1").read_text(encoding="utf-8")
    assert codes == [REQUEUE, REQUEUE], said
    assert "Traceback" not in said
    assert said.count("To go on after the last whole epoch") == 1
    assert (tmp_path / FOLDER / "report.html").is_file()
