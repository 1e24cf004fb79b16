"""Trains a study's trials, each a process of train.py, and tells Optuna what becomes of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from first_gan.diagnosis.history import FCD, digits
from first_gan.run.folder import METRICS, RunFolderError, read_rows
from first_gan.study.processes import RunProcess, environment, side_by_side
from first_gan.study.results import result_of
from first_gan.study.space import Setting, Slot, typed_words
from first_gan.study.trials import REASON, RESULT, Trials


class Job(RunProcess):
    """A trial that this process trains.

    Args:
        slot: Its place in the study.
        trial: Optuna's.
        setting: What it tries.
        root: The study's folder.
    """

    def __init__(self, slot: Slot, trial: Trial, setting: Setting, root: Path) -> None:
        super().__init__(slot.run_name, root)
        self.slot, self.trial, self.setting = slot, trial, setting
        self.reported = -1  # the last epoch whose score Optuna knows
        self.pruned = False  # whether it is being stopped since others did better
        self.read_at = 0.0

    def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        own = [*typed_words(self.setting), f"--seed_everything={self.slot.seed}"]
        super().start([*arguments, *own], environment)

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
        result = result_of(self.folder) if self.folder.is_dir() else {}
        if result:
            self.trial.set_user_attr(RESULT, result)
        if self.pruned and self.process.returncode:
            trials.study.tell(self.trial.number, state=TrialState.PRUNED)
            return f"stopped after epoch {self.reported}: worse than most"
        reason = self.failure()
        if reason is None and result.get("fcd") is not None:
            trials.study.tell(self.trial.number, result["fcd"])
            return f"FCD {digits(result['fcd'])}, {result['verdict']}"
        reason = reason or "no FCD was measured"
        self.trial.set_user_attr(REASON, reason)
        trials.study.tell(self.trial.number, state=TrialState.FAIL)
        return f"failed: {reason}"


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
    own, slots = environment(at_once), trials.plan()

    def following() -> Job | None:
        claimed = trials.claim(slots)
        return None if claimed is None else Job(*claimed, root)

    def done(job: Job) -> bool:
        nonlocal slots
        if not _step(job, trials, arguments, own, finished):
            return False
        slots = trials.plan()
        return True

    def shown() -> None:
        trials.beat(job.trial.number for job in jobs)
        progress()

    try:
        side_by_side(jobs, at_once, following, done, shown)
    finally:  # Ctrl-C, or a storage that cannot be reached: the runs can be gone on with
        for job in jobs:
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
