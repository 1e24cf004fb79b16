"""Processes of a study: killed, interrupted, two at once; and trials that are stopped early."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from filelock import FileLock
from sqlalchemy.exc import IntegrityError

import study
from first_gan.study import session, trials, worker
from tests.test_study import FOLDER, ROOT, VARY, Study, began, rows


def test_a_trial_that_is_worse_than_most_is_stopped(fake: Path, tmp_path: Path) -> None:
    """By the scores of its first epochs: its process is ended, and its run can be gone on with."""
    space = session.Space([0], {}, {"model.lr": trials.Sampled("uniform", (0.0, 1.0))}, 7)
    held = worker_of(tmp_path / "s")
    found = trials.Trials(trials.opened(None, tmp_path / "s"), "s", space, 3, held)
    for number in range(5):
        done = found.study.ask()
        for epoch in (1, 2, 3):
            done.report(float(number), epoch)
        found.study.tell(done, float(number))
    slots = found.plan()
    claimed = found.claim(slots)
    assert claimed is not None
    job = worker.Job(*claimed, tmp_path / "s")
    (tmp_path / "s/hold").touch()
    job.start(["--max_epochs=3"], dict(os.environ) | {"PYTHONPATH": str(ROOT)})
    wait_for(lambda: job.report(True) or job.pruned)
    wait_for(job.ended)
    assert job.tell(found) == "stopped after epoch 1: worse than most"
    assert (job.folder / "checkpoints/last.ckpt").read_text(encoding="utf-8") == "1"
    held.leave()


def worker_of(folder: Path) -> trials.Worker:
    folder.mkdir(exist_ok=True)
    return trials.Worker(folder)


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


SCRIPT = """
import sys
from pathlib import Path
from first_gan.run.cli import RunFailed
from first_gan.study import processes, session
from first_gan.study.space import Space
processes.ROOT, processes.POLL = Path(sys.argv[1]), 0.02
space = Space([0, 1], {"model.lr": [0.01, 0.05]}, {})
session.run(Path("studies/lr"), None, space, {"max_epochs": 3}, ["--max_epochs=3"], 1, False)
"""


@pytest.fixture
def processes(fake: Path) -> Iterator[Callable[[], subprocess.Popen]]:
    """Starts processes of a study, which end with the test."""
    begun: list[subprocess.Popen] = []

    def start() -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(fake)]
        begun.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=None))
        return begun[-1]

    yield start
    for each in begun:
        each.kill()
        each.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="a killed process's children end otherwise")
def test_two_processes_share_a_study_and_one_takes_over_what_the_other_was_killed_in(
    processes: Callable[[], subprocess.Popen],
) -> None:
    """Its run goes on by itself, and is waited for; it is trained once, and its score counts."""
    FOLDER.mkdir(parents=True)
    (FOLDER / "hold").touch()
    killed, survivor = processes(), processes()
    wait_for(lambda: (FOLDER / "began.txt").is_file() and len(began()) == 2)
    # Both have reported their first epoch: one that is killed while it writes keeps the journal locked for half a minute.
    wait_for(lambda: (FOLDER / "study.journal").read_text(encoding="utf-8").count('"op_code":7') == 2)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (FOLDER / "hold").unlink()
    assert survivor.wait(60) == 0
    assert [row["state"] for row in rows()] == ["done"] * 4
    assert {row["fcd"] for row in rows()} == {"4.33333", "4.43333", "8.33333", "8.43333"}
    assert len({*began()}) == 4
    assert len(began()) <= 5  # of a run that ended meanwhile train.py says so


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_an_interrupted_study_stops_its_runs_and_goes_on_with_them(fake: Path, call: Study) -> None:
    FOLDER.mkdir(parents=True)
    (FOLDER / "hold").touch()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    script = SCRIPT.replace(
        "session.run(", "from first_gan.run import cli; sys.exit(cli.run_command('s', lambda _: session.run("
    )
    script = script.rstrip().removesuffix(")") + "), []))"
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, str(fake)], env=environment)
    last = FOLDER / "lightning_logs/lr=0.01_seed_0/checkpoints/last.ckpt"
    wait_for(last.is_file)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    (FOLDER / "hold").unlink()
    assert last.read_text(encoding="utf-8") == "1"
    store = trials.opened(None, FOLDER)
    study_there = optuna.load_study(study_name="lr", storage=store)
    assert not [trial for trial in study_there.trials if trial.state == optuna.trial.TrialState.RUNNING]
    study_there.set_user_attr("base", session_base())
    assert call(*VARY, "--seeds", "2")[0] == 0
    assert [row["state"] for row in rows()] == ["done"] * 4
    lines = (FOLDER / "began.txt").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("lr=0.01_seed_0 after 1 ") for line in lines) == 1


def session_base() -> dict[str, object]:
    options = study.resolver(["--max_epochs=3"])([])
    return {name: study.plain(value) for name, value in study.flat(options.as_dict()).items() if name not in study.FREE}


def test_a_slot_that_two_processes_added_is_trained_once(fake: Path, tmp_path: Path) -> None:
    space = session.Space([0], {"model.lr": [0.01]}, {})
    held = worker_of(tmp_path / "s")
    found = trials.Trials(trials.opened(None, tmp_path / "s"), "s", space, 3, held)
    found.plan()
    (slot,) = found.plan()
    found.study.enqueue_trial({}, user_attrs={"slot": slot.key, "setting": slot.setting})
    foreign = trials.Slot(0, {"model.generator": "os.system"})  # what a stranger's storage may hold
    found.study.enqueue_trial({}, user_attrs={"slot": foreign.key, "setting": foreign.setting})
    assert found.claim([slot]) is not None
    assert found.claim([slot]) is None
    states = [trial.state.name for trial in found.study.trials]
    assert states == ["RUNNING", "FAIL", "WAITING"]
    held.leave()


def test_tables_that_another_process_makes_at_once_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Optuna's own words when two processes began with one new database."""
    made, real = [], trials.RDBStorage

    def contested(*arguments: object, **named: object) -> object:
        made.append(arguments)
        if len(made) == 1:
            raise IntegrityError("INSERT", None, Exception("UNIQUE constraint failed: alembic_version.version_num"))
        return real(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "RDBStorage", contested)
    assert isinstance(trials.opened("sqlite:///study.db", tmp_path), real)
    assert len(made) == 2


def test_a_process_on_another_disk_is_taken_for_dead_when_its_heart_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "GRACE", 1)
    space = session.Space([0], {"model.lr": [0.01]}, {})
    of = [
        trials.Trials(trials.opened("sqlite:///study.db", tmp_path), "s", space, 3, worker_of(tmp_path / name))
        for name in ("here", "there")
    ]
    (slot,) = of[0].plan()
    assert of[0].claim([slot]) is not None
    assert of[1].claim([slot]) is None
    wait_for(lambda: (of[1].give_up_the_dead(), of[1].plan(), of[1].claim([slot]))[-1], 10)
    assert [trial.state.name for trial in of[1].study.trials] == ["FAIL", "RUNNING"]


def test_a_run_that_goes_on_by_itself_is_left_alone_until_it_ends(fake: Path, tmp_path: Path) -> None:
    job = worker.Job(trials.Slot(0, {"model.lr": 0.01}), None, {"model.lr": 0.01}, tmp_path)  # type: ignore[arg-type]
    (job.folder / "checkpoints").mkdir(parents=True)
    (job.folder / "checkpoints/last.ckpt").write_text("1", encoding="utf-8")
    environment = dict(os.environ) | {"PYTHONPATH": str(ROOT)}
    with FileLock(job.folder / ".lock"):
        job.start(["--max_epochs=3"], environment)
        assert job.process is None
    job.start(["--max_epochs=3"], environment)
    wait_for(job.ended)
    job.close()
    assert began(tmp_path) == ["lr=0.01_seed_0"]
    assert (job.folder / "checkpoints/last.ckpt").read_text(encoding="utf-8") == "3"
