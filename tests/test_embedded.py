"""train.py in a process that is not its own: a notebook's, a thread's, another program's."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import train
from first_gan.run import stopping
from tests.test_cli import Run

# As IPython's %run does it: the script's lines run as __main__ within a process that goes on afterwards.
HOST = """
import runpy, signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin without
{before}
handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
sys.argv = ["train.py", *sys.argv[1:]]
try:
    runpy.run_path({script!r}, run_name="__main__")
except SystemExit as end:
    print("ended with", end.code)
print("handlers given back:", handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("the host is alive")
"""
# Interrupts the run as soon as it trains, as the stop button of a notebook does.
INTERRUPT = """
from first_gan.callbacks.process import OwnProcess
started = OwnProcess.on_train_epoch_start
def interrupt(self, trainer, gan):
    started(self, trainer, gan)
    signal.raise_signal(signal.SIGINT)
OwnProcess.on_train_epoch_start = interrupt
"""


@pytest.mark.parametrize(("before", "code"), [("", 0), (INTERRUPT, 130)], ids=["whole", "interrupted"])
def test_a_host_survives_the_run_and_its_interruption(small: list[str], tmp_path: Path, before: str, code: int) -> None:
    host = tmp_path / "host.py"
    host.write_text(HOST.format(before=before, script=train.__file__), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(train.__file__).parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(host), *small],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-3:] == [f"ended with {code}", "handlers given back: True", "the host is alive"]
    assert "Traceback" not in done.stderr


def test_a_process_of_our_own_leaves_at_once_and_no_other_does(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    lines = (
        "import atexit\nfrom first_gan.run import stopping\natexit.register(print, 'unloaded')\nstopping.leave(130)\n"
    )
    script.write_text(lines, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(train.__file__).parent)}
    for before, unloaded in (([], False), (["-m", "cProfile"], True), (["-i"], True)):
        done = subprocess.run(
            [sys.executable, *before, str(script)],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
        )
        assert ("unloaded" in done.stdout) == unloaded, before


def test_it_trains_in_a_thread(small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(train.main([*small, "--max_epochs", "1"])))
    thread.start()
    thread.join()
    assert codes == [0]
    assert Path("lightning_logs/version_0/checkpoints/last.ckpt").is_file()


def test_handlers_are_given_back(run: Run, small: list[str]) -> None:
    def theirs(number: int, frame: Any) -> None:
        raise AssertionError

    before = [signal.signal(number, theirs) for number in stopping.SIGNALS]
    try:
        assert run(*small, "--max_epochs", "1")[0] == 0
        assert [signal.getsignal(number) for number in stopping.SIGNALS] == [theirs] * len(before)
    finally:
        for number, handler in zip(stopping.SIGNALS, before, strict=True):
            signal.signal(number, handler)


def test_a_notebook_trains_on_one_device(run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "ps1", "In : ", raising=False)
    code, _, err = run(
        *small, "--devices", "2", "--data.data_dir", "nowhere"
    )  # else it might start this test's command
    assert code == 2
    assert "--devices 2: a notebook or prompt cannot start several processes\n" in err
    assert "--devices 1" in err
    assert not Path("lightning_logs").exists()
    assert run(*small, "--devices", "1", "--max_epochs", "1")[0] == 0
