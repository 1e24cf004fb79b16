"""Trains a study's trials, each a process of train.py, and tells Optuna what becomes of them."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from first_gan.diagnosis.history import FCD, digits
from first_gan.run.folder import LAST, LOCK, LOGS, METRICS, ROOT, RunFolderError, read_rows
from first_gan.study.results import result_of
from first_gan.study.space import Setting, Slot, typed_words
from first_gan.study.trials import REASON, RESULT, Trials, is_free

POLL = 0.5  # seconds between looks at the processes
PATIENCE = 60  # seconds that a process has for its last checkpoint and report when it is stopped
OUTPUT = "output"  # what the trials print, in a study's folder
# What train.py says, with exit code 2, of a run that had ended when the process died that was to tell.
ENDED = re.compile(r"has trained \d+ of \d+ (epochs|updates)")


@dataclass
class Job:
    """A trial that this process trains, or that goes on by itself since the process that began it was killed.

    Args:
        slot: Its place in the study.
        trial: Optuna's.
        setting: What it tries.
        root: The study's folder.
        process: Of train.py; None until the run folder is free.
        output: What that prints.
        reported: The last epoch whose score Optuna knows.
        pruned: Whether it is being stopped since others did better.
    """

    slot: Slot
    trial: Trial
    setting: Setting
    root: Path
    process: subprocess.Popen | None = None
    output: IO[bytes] | None = None
    reported: int = -1
    pruned: bool = False
    read_at: float = field(default=0.0)

    @property
    def folder(self) -> Path:
        return self.root / LOGS / self.slot.run_name

    @property
    def printed(self) -> Path:
        return self.root / OUTPUT / f"{self.slot.run_name}.txt"

    def start(self, arguments: Sequence[str], environment: dict[str, str]) -> None:
        """Begins the run, or goes on with it exactly where it was cut off, once nobody else trains it."""
        if self.folder.exists():
            if not is_free(self.folder / LOCK):
                return  # it goes on by itself since the process was killed that began it
            if not (self.folder / LAST).is_file():
                shutil.rmtree(self.folder)  # cut off in its first epoch: it holds nothing yet
        self.printed.parent.mkdir(exist_ok=True)
        own = [f"--seed_everything={self.slot.seed}", f"--name={self.slot.run_name}", "--ckpt_path=auto"]
        own += [f"--default_root_dir={self.root}", "--enable_progress_bar=false"]
        command = [sys.executable, str(ROOT / "train.py"), *arguments, *typed_words(self.setting), *own]
        self.output = self.printed.open("wb")
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=os.name != "nt",  # a Ctrl-C is this process's, which then stops them all
        )

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def close(self) -> None:
        """Waits for its end, with patience."""
        if self.process is not None:
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.output is not None:
            self.output.close()

    def report(self, prunes: bool) -> None:
        """Tells Optuna the score of each new epoch; stops a run that is worse than most were then.

        Args:
            prunes: Whether it may be stopped.
        """
        path = self.folder / METRICS
        with suppress(OSError, RunFolderError):
            changed = path.stat().st_mtime
            if changed == self.read_at:
                return
            self.read_at = changed
            for row in read_rows(path, []):
                epoch = int(row["epoch"]) + 1
                if FCD in row and epoch > self.reported:
                    self.trial.report(row[FCD], epoch)
                    self.reported = epoch
                    if prunes and not self.pruned and self.trial.should_prune():
                        self.pruned = True
                        self.stop()

    def tell(self, trials: Trials) -> str:
        """Writes down how the trial ended; returns a line about it."""
        assert self.process is not None
        code, last = self.process.returncode, self._last_words()
        if self.folder.is_dir():
            self.trial.set_user_attr(RESULT, result := result_of(self.folder))
        else:
            result = {}
        if self.pruned and code:
            trials.study.tell(self.trial.number, state=TrialState.PRUNED)
            return f"stopped after epoch {self.reported}: worse than most"
        if (code == 0 or (code == 2 and ENDED.search(last))) and result.get("fcd") is not None:
            trials.study.tell(self.trial.number, result["fcd"])
            return f"FCD {digits(result['fcd'])}, {result['verdict']}"
        reason = _reason(code, last)
        self.trial.set_user_attr(REASON, reason)
        trials.study.tell(self.trial.number, state=TrialState.FAIL)
        return f"failed: {reason}"

    def _last_words(self) -> str:
        with suppress(OSError):
            return self.printed.read_bytes()[-4000:].decode(errors="replace")
        return ""


def _reason(code: int, last: str) -> str:
    """Why a run failed, in one line, without the folders of this machine."""
    if code < 0:
        return f"killed by signal {-code}" + (", as a machine out of memory does it" if code == -9 else "")
    if code == 0:
        return "no FCD was measured"
    said = [line.strip() for line in last.splitlines() if line.strip()]
    line = next((line for line in reversed(said) if line.startswith("train.py: ")), said[-1] if said else "")
    line = re.sub(r"(?<![\w.])(?:[A-Za-z]:)?[~/\\][^\s:'\"]*[/\\](?=[^/\\\s])", "…/", line)
    return line.removeprefix("train.py: ").removeprefix("error: ")[:300] or f"exit code {code}"


def environment(at_once: int) -> dict[str, str]:
    """Of a trial's process: its share of the cores, unless a person said how many threads."""
    share = max(1, (os.cpu_count() or 1) // at_once)
    own = {} if at_once == 1 else {"OMP_NUM_THREADS": str(share)}
    return own | os.environ | {"PYTHONIOENCODING": "utf-8"}


def work(
    trials: Trials,
    arguments: Sequence[str],
    root: Path,
    at_once: int,
    progress: Callable[[], Any],
    finished: Callable[[Job, str], Any],
) -> None:
    """Trains what waits until nothing does, a few at a time.

    Args:
        trials: The study's.
        arguments: Train.py's, of all trials.
        root: The study's folder.
        at_once: How many processes.
        progress: Called often.
        finished: Called after each trial with what to say of it.
    """
    jobs: list[Job] = []
    own = environment(at_once)
    slots = trials.plan()
    try:
        while True:
            while len(jobs) < at_once and (claimed := trials.claim(slots)) is not None:
                jobs.append(Job(*claimed, root))
            if not jobs:
                return
            for job in list(jobs):
                if _step(job, trials, arguments, own, finished):
                    jobs.remove(job)
                    slots = trials.plan()
            trials.beat(job.trial.number for job in jobs)
            progress()
            time.sleep(POLL)
    finally:  # Ctrl-C, or a storage that cannot be reached: the runs can be gone on with
        for job in jobs:
            job.stop()
        for job in jobs:
            job.close()
            with suppress(Exception):  # what ended it is what is said
                trials.lose(job.trial.number)


def _step(
    job: Job, trials: Trials, arguments: Sequence[str], own: dict[str, str], finished: Callable[[Job, str], Any]
) -> bool:
    """Looks after a job; returns whether it is done with."""
    prunes = bool(trials.space.sampled) and job.slot.seed == trials.space.seeds[0]
    try:
        if job.process is None:
            job.start(arguments, own)
        ended = job.ended()  # before its scores are read, so that none is missed
        job.report(prunes)
        if not ended:
            return False
        job.close()
        said = job.tell(trials)
    except UpdateFinishedTrialError:  # another process took this one for dead, and has taken the trial over
        job.stop()
        job.close()
        return True
    finished(job, said)
    return True
