"""Does the advice mend? `python -m benchmarks.mending`: an hour or two.

Of each sick run that benchmarks/diagnosis_suite.py recorded, the first advice is typed into a new run of the same length; where that is not healthy, the first two. A run is
mended when the diagnosis finds nothing wrong with it any more. (AutoTrainer, Zhang et al. 2021, ICSE, mended supervised
networks this way.) Runs that are done are kept, so it can be broken off and taken up again.
"""

import argparse
import math
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import odd_data, runs
from benchmarks.diagnosis_suite import SUITES, Labelled, suite, wilson
from benchmarks.quality import RUN, all_at_once, trained
from benchmarks.speed import markdown
from datamodule import MNISTDataModule
from first_gan.diagnosis import diagnose
from first_gan.diagnosis.history import FCD, History
from first_gan.diagnosis.verdicts import HEALTHY, VERDICTS, Diagnosis
from first_gan.run import cli
from first_gan.run.cli import Parser
from first_gan.run.folder import read_metrics, read_rows
from first_gan.run.names import flat
from first_gan.run.options import build_parser
from gan_module import GAN


@dataclass
class Case:
    """A sick run and what became of it.

    Args:
        run: Of the suite.
        found: Its diagnosis.
        fcd: The last; NaN where it was not scored.
        after: The diagnosis with the first advice, and with the first two where that did not mend.
        fcds: The last FCD of each of these.
    """

    run: Labelled
    found: Diagnosis
    fcd: float
    after: list[Diagnosis] = field(default_factory=list)
    fcds: list[float] = field(default_factory=list)

    @property
    def mended(self) -> bool:
        return bool(self.after) and self.after[-1].verdict in HEALTHY


def main() -> int:
    return cli.run_command("mending.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Trains, diagnoses, prints and writes the table; returns the exit code."""
    parser = argparse.ArgumentParser(description="Follows the advice given to the suite's sick runs.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--at_once", type=int, default=os.cpu_count(), help="runs at a time, which share the cores")
    parser.add_argument("--suite", choices=SUITES, help="the runs of this suite alone")
    parser.add_argument("--half", choices=("tune", "test"), help="the runs of this half alone")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/diagnosis"), help="where the suite's runs are"
    )
    options = parser.parse_args(argv)
    if options.at_once < 1:
        parser.error("--at_once must be at least 1")
    wanted = [run for run in suite() if options.suite in (None, run.suite) and options.half in (None, run.half)]
    runs.folder_for_results(parser, options.out)
    odd = odd_data.all_made(options.data_dir, options.out / "data")
    plain = [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
    threads = max(1, (os.cpu_count() or 1) // options.at_once)

    def arguments_of(run: Labelled) -> list[str]:
        return [*run.arguments, *(odd[run.data] if run.data else plain)]

    found = [(run, *outcome(read_rows(run.file), arguments_of(run))) for run in wanted]
    cases = [Case(run, diagnosis, fcd) for run, diagnosis, fcd in found if diagnosis.verdict not in HEALTHY]

    def follow(case: Case, pieces: int) -> None:
        arguments = [*arguments_of(case.run), *typed(case.found, pieces)]
        folder = options.out / f"{case.run.name}, {pieces}"
        trained(folder, arguments, threads, may_diverge=True)
        after, fcd = outcome(read_metrics(folder / RUN), arguments)
        case.after.append(after)
        case.fcds.append(fcd)

    all_at_once(follow, [(case, 1) for case in cases], options.at_once)
    all_at_once(
        follow, [(case, 2) for case in cases if not case.mended and len(case.found.advice) > 1], options.at_once
    )
    text = report(cases)
    (options.out / "mending.md").write_text(f"{text}\n", encoding="utf-8")
    print(f"\n{text}")
    return 0


def outcome(rows: list[dict[str, float]], arguments: Sequence[str]) -> tuple[Diagnosis, float]:
    """A run's diagnosis, with advice relative to its options, and its last FCD."""
    return diagnose(rows, given(arguments)), History.of(rows).last(FCD)


def given(arguments: Sequence[str]) -> dict[str, Any]:
    """The options of train.py's arguments, by name."""
    options = _parser().parse(list(arguments))
    names = ("precision", "max_epochs")
    nested = {"model": options.model.as_dict(), "data": options.data.as_dict()}
    return flat(nested) | {name: options[name] for name in names}


@cache
def _parser() -> Parser:
    return build_parser(GAN, MNISTDataModule)


def typed(found: Diagnosis, pieces: int) -> list[str]:
    """The first pieces of advice as arguments."""
    return [part for advice in found.advice[:pieces] for part in shlex.split(advice.option)]


def report(cases: Sequence[Case]) -> str:
    """A table by verdict, the share, and the runs that were not mended."""
    rows = []
    for verdict in VERDICTS:
        of_verdict = [case for case in cases if case.found.verdict == verdict]
        if of_verdict:
            first = sum(case.mended and len(case.after) == 1 for case in of_verdict)
            better = sum(case.fcds[-1] < case.fcd or math.isnan(case.fcd) for case in of_verdict)
            rows.append((verdict, *map(str, (len(of_verdict), first, sum(case.mended for case in of_verdict), better))))
    n, done = len(cases), sum(case.mended for case in cases)
    low, high = wilson(done, n)
    left = [
        f"{case.run.name}: {case.found.verdict} (FCD {case.fcd:.0f}) → {case.after[-1].verdict} (FCD {case.fcds[-1]:.0f}) with "
        + " ".join(typed(case.found, len(case.after)))
        for case in cases
        if not case.mended
    ]
    header = ("verdict", "sick runs", "mended by the first advice", "by the first two", "lower FCD, or none")
    share = f"{done} of {n} sick runs mended, {done / n:.0%} (95 % interval {low:.0%} to {high:.0%})"
    return "\n\n".join([share, markdown(header, rows), *left])


if __name__ == "__main__":
    sys.exit(main())
