"""A study's trials in Optuna's storage: which are wanted, whose turn it is, and those whose process died.

Every process of a study runs the same loop: it adds what is wanted and not there yet, takes a trial that waits, and looks whether
others' processes live. A trial whose process was killed fails without a reason, and its slot is wanted again.
"""

import logging
import os
import secrets
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import OptunaError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, fail_stale_trials
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from first_gan.run.cli import UserError
from first_gan.study.processes import is_free
from first_gan.study.space import Sampled, Setting, Slot, Space, text_of

JOURNAL, WORKERS = "study.journal", "workers"  # in a study's folder
BEAT, GRACE = 60, 180  # seconds: between signs of life in a database, and after the last of them
SLOT, SETTING, WORKER, RESULT, REASON = "slot", "setting", "worker", "result", "reason"  # what trials keep
OPEN = (TrialState.WAITING, TrialState.RUNNING)
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turns what Optuna and SQLAlchemy raise about a storage into one line, without a URL's password.

    Raises:
        UserError: The storage cannot be used.
    """
    try:
        yield
    except (
        OptunaError,
        SQLAlchemyError,
        OSError,
        ImportError,
        ValueError,
        KeyError,
        TypeError,
        AssertionError,
    ) as error:
        lines = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"the study's storage {where} cannot be used: {lines[0]}") from error


def opened(url: str | None, folder: Path) -> BaseStorage:
    """A storage of Optuna's: a journal in the study's folder, or a database.

    Args:
        url: As SQLAlchemy takes it; None for the journal.
        folder: The study's.

    Raises:
        UserError: It cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    if url is not None:
        with readable(place(url)):
            return _database(url)
    path = folder / JOURNAL
    if path.is_symlink():
        raise UserError(f"{path} is a link, by which a file elsewhere would be changed: remove it")
    with readable(str(path)):
        folder.mkdir(parents=True, exist_ok=True)
        lock = JournalFileOpenLock(str(path)) if os.name == "nt" else None  # links are for administrators there
        return JournalStorage(JournalFileBackend(str(path), lock))


def _database(url: str, attempts: int = 10) -> RDBStorage:
    """Its tables may be made by another process at the same moment, at which Optuna fails."""
    patient = {"connect_args": {"timeout": BEAT}} if url.startswith("sqlite") else {}  # one process writes at a time
    try:
        return RDBStorage(url, patient, heartbeat_interval=BEAT, grace_period=GRACE)
    except (IntegrityError, OperationalError, ProgrammingError):
        if attempts <= 1:
            raise
        time.sleep(0.3)
        return _database(url, attempts - 1)


def place(url: str) -> str:
    """A database's URL without who may use it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rsplit('@', 1)[-1]}"


class Worker:
    """This process, as the others of the study see it: alive while it holds its lock in the study's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / WORKERS
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = secrets.token_hex(8)
        self._lock = FileLock(self._path(self.name))
        self._lock.acquire(timeout=0)

    def leave(self) -> None:
        self._lock.release()
        with suppress(OSError):
            self._path(self.name).unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    def dead(self, name: str) -> bool:
        """Whether another one was killed; of one on a machine with another disk only a database tells."""
        path = self._path(name)
        if name == self.name or not name.isalnum() or not path.is_file() or path.is_symlink():
            return False
        return is_free(path)


class Trials:
    """The trials of a study.

    Args:
        storage: Optuna's.
        name: Of the study in it.
        space: What is tried.
        epochs: That a run has; None where they have no end.
        worker: This process.
    """

    def __init__(self, storage: BaseStorage, name: str, space: Space, epochs: int | None, worker: Worker) -> None:
        self.storage, self.space, self.worker = storage, space, worker
        self.study = optuna.create_study(
            storage=storage,
            study_name=name,
            direction="minimize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=max(1, (epochs or 0) // 4)),
        )
        self._id = storage.get_study_id_from_name(name)
        self._beaten = time.monotonic()

    def id_of(self, number: int) -> int:
        """A trial's id in the storage."""
        return self.storage.get_trial_id_from_study_id_trial_number(self._id, number)

    def all(self) -> list[FrozenTrial]:
        return [trial for trial in self.study.get_trials(deepcopy=False) if SLOT in trial.user_attrs]

    def wanted(self) -> list[Slot]:
        """The grid; of a search its settings, and all seeds of those that were not pruned."""
        slots = self.space.slots()
        if self.space.sampled:
            first = {trial.user_attrs[SLOT] for trial in self.all() if trial.state == TrialState.COMPLETE}
            begun = [slot for slot in slots if slot.key in first]
            slots += [Slot(seed, sample=slot.sample) for seed in self.space.seeds[1:] for slot in begun]
        return slots

    def plan(self, retry: bool = False) -> list[Slot]:
        """Adds what is wanted and has no trial yet, or none but lost ones; returns all that is wanted.

        Args:
            retry: Whether trials that failed are tried again.
        """
        slots, trials = self.wanted(), self.all()
        known = standing(trials)
        for slot in slots:
            there = known.get(slot.key)
            if there is not None and not (retry and there.state == TrialState.FAIL):
                continue
            attributes: dict[str, Any] = {SLOT: slot.key}
            if slot.setting is not None:
                attributes[SETTING] = slot.setting
            self.study.enqueue_trial(self._params(slot, trials), user_attrs=attributes)
        return slots

    def _params(self, slot: Slot, trials: list[FrozenTrial]) -> dict[str, Any]:
        """What a search has drawn for the slot's setting before, by a trial that was lost or of another seed."""
        if slot.sample is None:
            return {}
        first = Slot(self.space.seeds[0], sample=slot.sample).key
        drawn = [trial for trial in trials if trial.user_attrs[SLOT] == first and trial.params]
        return dict(drawn[-1].params) if drawn else {}

    def claim(self, slots: Iterable[Slot]) -> tuple[Slot, Trial, Setting] | None:
        """Takes the next of these trials that waits; None where none does.

        A slot alone is taken that this process was asked for: what a storage says beyond that is not typed to train.py.
        """
        self.give_up_the_dead()
        mine, trials = {slot.key: slot for slot in slots}, self.all()
        first = standing(trials)
        for trial in trials:
            slot = mine.get(trial.user_attrs[SLOT])
            if trial.state != TrialState.WAITING or slot is None:
                continue
            with suppress(UpdateFinishedTrialError):
                if first[slot.key].number != trial.number:  # two processes added it at once
                    self.storage.set_trial_state_values(self.id_of(trial.number), TrialState.FAIL)
                elif self.storage.set_trial_state_values(self.id_of(trial.number), TrialState.RUNNING):
                    self.storage.set_trial_user_attr(self.id_of(trial.number), WORKER, self.worker.name)
                    self.beat([trial.number], now=True)
                    return slot, *self._begun(slot, trial.number)
        return None

    def _begun(self, slot: Slot, number: int) -> tuple[Trial, Setting]:
        """The trial as Optuna reports to it, and its setting, drawn now where it is a search's."""
        if not self.space.sampled:
            return Trial(self.study, self.id_of(number)), dict(slot.setting or {})
        # A seed of its own for each draw: the same study draws the same settings, and no two processes alike.
        self.study.sampler = optuna.samplers.TPESampler(seed=self.space.seeds[0] + number, constant_liar=True)
        trial = Trial(self.study, self.id_of(number))
        setting = {name: _drawn(trial, name, sampled) for name, sampled in self.space.sampled.items()}
        trial.set_user_attr(SETTING, setting)
        return trial, setting

    def beat(self, numbers: Iterable[int], now: bool = False) -> None:
        """Says in a database that these trials' process lives; in a journal's folder its lock does."""
        if isinstance(self.storage, RDBStorage) and (now or time.monotonic() - self._beaten > BEAT):
            for number in numbers:
                self.storage.record_heartbeat(self.id_of(number))
            self._beaten = time.monotonic()

    def give_up_the_dead(self) -> None:
        """Fails, without a reason, the trials of processes that were killed: they are wanted again."""
        fail_stale_trials(self.study)
        running = [trial for trial in self.all() if trial.state == TrialState.RUNNING]
        dead = {name for trial in running if self.worker.dead(name := str(trial.user_attrs.get(WORKER, "")))}
        for trial in running:
            if trial.user_attrs.get(WORKER) in dead:
                self.lose(trial.number)
        if dead:
            self.plan()

    def lose(self, number: int) -> None:
        """Gives a trial up, so that it is wanted again."""
        with suppress(UpdateFinishedTrialError):
            self.storage.set_trial_state_values(self.id_of(number), TrialState.FAIL)


def _drawn(trial: Trial, name: str, sampled: Sampled) -> Any:
    """A value from a range: drawn now, or kept by the storage.

    Raises:
        UserError: It lies outside: the storage was written by something else.
    """
    if sampled.form == "categorical":  # as texts, since Optuna keeps no lists
        choices = {text_of(value): value for value in sampled.bounds}
        return choices[trial.suggest_categorical(name, list(choices))]
    low, high = sampled.bounds
    if sampled.form == "int":
        value: float = trial.suggest_int(name, low, high)
    else:
        value = trial.suggest_float(name, low, high, log=sampled.form == "loguniform")
    if not low <= value <= high:
        raise UserError(f"the study's storage holds {name}={value}, outside {sampled}")
    return value


def standing(trials: Iterable[FrozenTrial]) -> dict[str, FrozenTrial]:
    """Of each slot the trial that counts: the first that waits, runs or is done; else the last that failed for a reason."""
    found: dict[str, FrozenTrial] = {}
    for trial in trials:
        slot = trial.user_attrs[SLOT]
        before = found.get(slot)
        alive = trial.state in (*OPEN, *DONE)
        if (alive and (before is None or before.state == TrialState.FAIL)) or (
            REASON in trial.user_attrs and (before is None or before.state == TrialState.FAIL)
        ):
            found[slot] = trial
    return found
