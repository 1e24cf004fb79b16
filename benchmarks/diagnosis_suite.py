"""How often the diagnosis is right: trains labelled runs and diagnoses them. `python -m benchmarks.diagnosis_suite`, hours.

What is trained, what an expert sees in each run, and which half it is in stand in diagnosis_suite.yaml (plain runs) and
harder_suite.yaml. Thresholds were set on the halves called `tune`; a half called `test` is opened once, when the rules are done (`--suite`,
`--half`). Each run is an ordinary run folder: type the same again, and those that are done are kept, and those that were cut off are gone on with.
`--recorded` diagnoses the histories in tests/histories instead, in seconds; `--record` writes them.
"""

import argparse
import os
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import odd_data, runs
from benchmarks.quality import run_name
from benchmarks.runs import markdown
from first_gan import files
from first_gan.diagnosis import diagnose
from first_gan.diagnosis.history import History
from first_gan.diagnosis.verdicts import HEALTHY, VERDICTS
from first_gan.run import cli
from first_gan.run.folder import read_metrics, read_rows, rows_as_text
from first_gan.study.processes import train_all
from first_gan.study.statistics import share_interval

SUITES = {name: Path(__file__).with_name(f"{name}_suite.yaml") for name in ("diagnosis", "harder")}
HISTORIES = runs.ROOT / "tests/histories"
# Of the recorded histories: the diagnosis does not read them.
LEFT_OUT = re.compile(
    r"val/raw_(?!fcd)|val/(kid|classifier_score|density|confidence|floor_coverage|precision|recall|coverage)|health/"
    r"|train/(images_per_second|._grad_norm|d_real)"
)


@dataclass(frozen=True)
class Labelled:
    """A run of the suite.

    Args:
        name: Of its setting and seed.
        arguments: Of train.py.
        labels: The verdicts that an expert finds right.
        half: `tune` or `test`.
        suite: One of `SUITES`.
        data: One of `odd_data.COUNTS`; none is the dataset that the arguments name.
    """

    name: str
    arguments: list[str]
    labels: list[str]
    half: str
    suite: str
    data: str | None = None

    @property
    def file(self) -> Path:
        """Where its history is recorded."""
        return HISTORIES / f"{self.name.replace(',', '').replace(' ', '_')}.csv"

    def run_name(self, *more: str) -> str:
        """The name of its run folder, with more arguments."""
        return run_name(self.file.stem, [*self.arguments, self.data or "", *more])


def suite() -> list[Labelled]:
    """All runs, in the order of the files."""
    return [
        run
        for suite, file in SUITES.items()
        for name, setting in yaml.safe_load(file.read_text(encoding="utf-8")).items()
        for run in _of_setting(suite, name, setting)
    ]


def _of_setting(suite: str, name: str, setting: dict) -> Iterator[Labelled]:
    config = ["--config", str(runs.ROOT / f"configs/{setting['config']}.yaml")] if "config" in setting else []
    for seed in setting.get("seeds", [0]):
        arguments = [*config, *setting.get("flags", "").split()]
        arguments += [f"--max_epochs={setting['epochs']}", f"--seed_everything={seed}"]
        labels = setting["labels"]
        yield Labelled(f"{name}, seed {seed}", arguments, labels, setting["half"], suite, setting.get("data"))


def options_of(description: str) -> runs.Options:
    """The options of what trains runs of the suites."""
    parser = runs.Options(description, "diagnosis", at_once=(os.cpu_count(), "runs at a time, which share the cores"))
    parser.add_argument("--suite", choices=SUITES, help="this suite alone")
    parser.add_argument("--half", choices=("tune", "test"), help="this half alone")
    return parser


def wanted_by(options: argparse.Namespace) -> list[Labelled]:
    return [run for run in suite() if options.half in (None, run.half) and options.suite in (None, run.suite)]


def arguments_by(options: argparse.Namespace) -> Callable[[Labelled], list[str]]:
    """Of each run train.py's arguments, with the images that it is trained on, which are made here."""
    odd = odd_data.all_made(options.data_dir, options.out / "data")
    plain = [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
    return lambda run: [*run.arguments, *(odd[run.data] if run.data else plain)]


def bench(argv: Sequence[str]) -> int:
    """Trains, diagnoses, prints and writes the table; returns the exit code."""
    parser = options_of("Trains labelled runs and diagnoses them.")
    parser.add_argument("--recorded", action="store_true", help="diagnose the recorded histories; train nothing")
    parser.add_argument("--record", action="store_true", help="write histories to tests/histories; diagnose nothing")
    options = parser.read(argv)
    wanted = wanted_by(options)
    if options.recorded:
        histories = {run.name: read_rows(run.file) for run in wanted}
    else:
        arguments = arguments_by(options)
        folders = train_all({run.run_name(): arguments(run) for run in wanted}, options.out, options.at_once)
        histories = {run.name: read_metrics(folders[run.run_name()]) for run in wanted}
    if options.record:
        for run in wanted:
            files.write(run.file, recorded(histories[run.name]).encode())
        return 0
    runs.write(options.out, "diagnosis", report([diagnosed(run, histories[run.name]) for run in wanted]))
    return 0


def recorded(rows: list[dict[str, float]]) -> str:
    """A history as CSV with a row per epoch, of which `diagnose` makes what it makes of the whole."""
    epochs, floor = [], dict[str, str]()
    for means in History.of(rows).epochs:
        epoch = int(means["epoch"])
        kept = {name: f"{value:.4g}" for name, value in means.items() if not LEFT_OUT.match(name)}
        for name in [name for name in kept if name.startswith("val/floor_")]:
            kept[name] = kept[name] if floor.get(name) != kept[name] else ""  # once is enough
            floor[name] = kept[name] or floor[name]
        step = max(int(row["step"]) for row in rows if row["epoch"] == epoch)
        epochs.append(kept | {"step": str(step), "epoch": str(epoch)})
    return rows_as_text(epochs)


@dataclass(frozen=True)
class Result:
    """What the diagnosis said of a run after each of its epochs."""

    run: Labelled
    verdicts: list[str]

    @property
    def right(self) -> bool:
        return self.verdicts[-1] in self.run.labels

    @property
    def first_right(self) -> int:
        """The first epoch after which the verdict was right; 0 for none."""
        return next((epoch for epoch, verdict in enumerate(self.verdicts, 1) if verdict in self.run.labels), 0)


def diagnosed(run: Labelled, rows: list[dict[str, float]]) -> Result:
    epochs = sorted({row["epoch"] for row in rows})
    return Result(run, [diagnose([row for row in rows if row["epoch"] <= epoch], {}).verdict for epoch in epochs])


def report(results: Sequence[Result]) -> str:
    """Of each half of each suite the table, what to compare it with, and the runs that the diagnosis got wrong."""
    parts = []
    for suite, half in dict.fromkeys((result.run.suite, result.run.half) for result in results):
        of_half = [result for result in results if (result.run.suite, result.run.half) == (suite, half)]
        parts += [f"{suite}, {half}: {score(of_half)}", table(of_half)]
        parts += [
            f"{result.run.name}: {result.verdicts[-1]}, not {' or '.join(result.run.labels)}"
            for result in of_half
            if not result.right
        ]
    return "\n\n".join(parts)


def table(results: Sequence[Result]) -> str:
    """Runs by the first of their labels."""
    rows = []
    for verdict in VERDICTS:
        labelled = [result for result in results if result.run.labels[0] == verdict]
        if not labelled:
            continue
        right = [result for result in labelled if result.right]
        early = [result.first_right for result in right if verdict not in HEALTHY]
        epoch = f"{statistics.median(early):g}" if early else "-"
        rows.append((verdict, str(len(labelled)), str(len(right)), epoch))
    return markdown(("an expert sees", "runs", "verdict right", "from epoch (median)"), rows)


def score(results: Sequence[Result]) -> str:
    """The share of right verdicts, beside what saying always the same would reach, and false alarms."""
    n, right = len(results), sum(result.right for result in results)
    low, high = share_interval(right, n)
    commonest = max(sum(verdict in result.run.labels for result in results) for verdict in VERDICTS)
    healthy = [result for result in results if set(result.run.labels) <= set(HEALTHY)]
    alarms = sum(result.verdicts[-1] not in HEALTHY for result in healthy)
    return (
        f"{right} of {n} verdicts right, {right / n:.0%} (95 % interval {low:.0%} to {high:.0%}); the commonest one for all "
        f"would score {commonest / n:.0%}; {alarms} of {len(healthy)} healthy runs called sick"
    )


if __name__ == "__main__":
    sys.exit(cli.run_command("diagnosis_suite.py", bench, None))
