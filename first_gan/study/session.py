"""A process's part in a study: joins it, or begins it, trains what waits, and keeps study.html, .json and .csv up to date."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna import Study
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from first_gan import files
from first_gan.callbacks.terminal import say
from first_gan.diagnosis.history import digits
from first_gan.report.page import write
from first_gan.run.cli import UserError
from first_gan.run.shell import relative
from first_gan.study.importance import importance
from first_gan.study.page import said, study_page
from first_gan.study.processes import COUNT
from first_gan.study.results import Results, outcomes
from first_gan.study.space import Space, shown
from first_gan.study.trials import SLOT, Trials, Worker, opened, place, readable, standing
from first_gan.study.worker import Job, work

PAGE, JSON, CSV, LOCK = "study.html", "study.json", "study.csv", ".lock"
BASE, SPACE, FILES = "base", "space", "files"  # what Optuna keeps of a study


def results_of(study: Study) -> Results:
    """What a storage holds of a study."""
    trials = standing(trial for trial in study.get_trials(deepcopy=False) if SLOT in trial.user_attrs)
    found = outcomes(sorted(trials.values(), key=lambda trial: trial.number))
    kept = study.user_attrs
    return Results(study.study_name, kept.get(BASE, {}), kept.get(SPACE, {}), found, importance(found))


def write_all(study: Study, folder: Path) -> Results:
    """Writes study.html, study.json and study.csv; one process at a time, so that none overwrites newer ones.

    Raises:
        OSError: They cannot be written.
    """
    with FileLock(folder / LOCK):
        results = results_of(study)
        write(study_page(results, folder), folder / PAGE)
        files.write(folder / JSON, results.as_json().encode(errors="replace"))
        files.write(folder / CSV, results.as_csv().encode(errors="replace"))
    return results


def rewrite(folder: Path, storage: str | None) -> None:
    """Writes the files of a study that is there anew.

    Raises:
        UserError: There is none, or it cannot be read or written.
    """
    if storage is None and not folder.is_dir():
        raise UserError(f"no study at {folder}: name it by --name, or type its --vary or --sample")
    where = place(storage) if storage else str(folder)
    kept = opened(storage, folder)
    with readable(where):
        names = optuna.get_all_study_names(kept)
    if folder.name not in names:
        raise UserError(f"the storage {where} holds no study {folder.name}")
    with readable(where):
        folder.mkdir(parents=True, exist_ok=True)
        write_all(optuna.load_study(study_name=folder.name, storage=kept), folder)
    print(f"written to {relative(folder / PAGE)}: open it in a browser")


def run(
    folder: Path,
    storage: str | None,
    space: Space,
    base: Mapping[str, Any],
    arguments: Sequence[str],
    at_once: int,
    retry: bool,
) -> bool:
    """Takes part in a study until nothing waits; returns whether any trial of it is done.

    Args:
        folder: The study's, whose name is the study's.
        storage: A database's URL; None for a journal in the folder.
        space: What is tried.
        base: The options that all trials share, by name.
        arguments: Train.py's, of all trials.
        at_once: How many processes.
        retry: Whether trials that failed before are tried again.

    Raises:
        UserError: The storage cannot be used, or the study there is another.
    """
    where = place(storage) if storage else str(folder)
    kept = opened(storage, folder)
    with readable(where):
        worker = Worker(folder)
    try:
        with readable(where):
            trials = Trials(kept, folder.name, space, base.get("max_epochs"), worker)
        check_same(trials.study, folder, space, base)
        with readable(where):
            return _run(trials, folder, arguments, at_once, retry)
    finally:
        worker.leave()


def check_same(study: Study, folder: Path, space: Space, base: Mapping[str, Any]) -> None:
    """Makes sure that a study that is there tries the same options of the same base; a new one is told its own.

    Raises:
        UserError: It does not, or a config that it varies was changed since.
    """
    before = study.user_attrs
    if BASE not in before or SPACE not in before:
        study.set_user_attr(BASE, dict(base))
        study.set_user_attr(SPACE, space.described())
        study.set_user_attr(FILES, space.files())
        return
    another = f"type it alike to go on with {folder.name}, or begin another study by --name"
    if before[SPACE] != space.described():
        raise UserError(
            f"{relative(folder)} tries {_tried(before[SPACE])}, and not {_tried(space.described())}\n{another}"
        )
    own = space.options
    changed = [
        f"--{name} was {shown(before[BASE].get(name))}, is {shown(base.get(name))} now"
        for name in sorted(before[BASE].keys() | base.keys())
        if name not in own and before[BASE].get(name) != base.get(name)
    ]
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise UserError(f"{relative(folder)} is of other options: {'; '.join(changed[:3])}{more}\n{another}")
    known, files_now = before.get(FILES, {}), space.files()
    if edited := [path for path, contents in files_now.items() if known.get(path, contents) != contents]:
        raise UserError(
            f"{edited[0]} was changed since {relative(folder)} trained by it\n"
            "save the change under another name, or begin another study by --name"
        )
    study.set_user_attr(FILES, {**files_now, **known})


def _tried(space: Mapping[str, Any]) -> str:
    words = [*space["varied"], *(f"{name} {drawn}" for name, drawn in space["sampled"].items())]
    return ", ".join(words) or "seeds alone"


def _run(trials: Trials, folder: Path, arguments: Sequence[str], at_once: int, retry: bool) -> bool:
    slots = trials.plan(retry)
    results = write_all(trials.study, folder)
    settled = sum(each.state in ("done", "stopped early", "failed") for each in results.outcomes)
    tried = trials.space.trials or len(trials.space.settings())
    over = f" over {len(trials.space.seeds)} seeds" if len(trials.space.seeds) > 1 else ""
    before = f", {settled} were done before" if settled else ""
    print(f"Study    {relative(folder)}: {tried} setting{'s' * (tried != 1)}{over}, {len(slots)} trials{before}")
    for name, values in trials.space.varied.items():
        print(f"         {name}: {', '.join(map(shown, values))}")
    for name, sampled in trials.space.sampled.items():
        print(f"         {name}: {sampled}")
    print(f"Page     {relative(folder / PAGE)}, written anew after each trial", flush=True)
    console = Console(stderr=True)
    with Progress(
        TextColumn("Trials"), BarColumn(20), *COUNT, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        task = bar.add_task(_best(results), total=len(results.outcomes), completed=settled)

        def finished(job: Job, words: str) -> None:
            done = write_all(trials.study, folder)
            settled = sum(each.state in ("done", "stopped early", "failed") for each in done.outcomes)
            bar.update(task, total=len(done.outcomes), completed=settled, description=_best(done))
            say(f"[{settled}/{len(done.outcomes)}] {job.slot.run_name}: {words}")

        work(trials, arguments, folder, at_once, bar.refresh, finished)
    results = write_all(trials.study, folder)
    _ending(results, folder)
    return results.best is not None


def _best(results: Results) -> str:
    best = results.best
    return "" if best is None or best.fcd is None else f"best FCD {digits(best.fcd)}"


def _ending(results: Results, folder: Path) -> None:
    for sentence in said(results, results.comparisons):
        say(f"  {sentence}")
    if failed := [each for each in results.outcomes if each.reason]:
        say(f"  {len(failed)} failed, such as {failed[0].run}: {failed[0].reason} (--retry tries them again)")
    if elsewhere := results.count("training"):
        say(f"  {elsewhere} still trained by other processes of the study")
    say(f"  all of it    {relative(folder / PAGE)} (open it in a browser)")
