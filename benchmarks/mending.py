"""Does the advice mend? `python -m benchmarks.mending`: an hour or two.

Of each sick run that benchmarks/diagnosis_suite.py recorded, the first advice is typed into a new run of the same length; where that is not healthy, the
first two. A run is mended when the diagnosis finds nothing wrong with it any more. (AutoTrainer, Zhang et al. 2021, ICSE, mended supervised
networks this way.) Each is an ordinary run folder: type the same again, and those that are done are kept, and those that were cut off are gone on with.
"""

import math
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from benchmarks import runs
from benchmarks.diagnosis_suite import Labelled, arguments_by, options_of, wanted_by
from benchmarks.runs import markdown
from datamodule import MNISTDataModule
from first_gan.diagnosis import diagnose
from first_gan.diagnosis.history import FCD, History
from first_gan.diagnosis.verdicts import HEALTHY, VERDICTS, Diagnosis
from first_gan.run import cli
from first_gan.run.cli import Parser
from first_gan.run.folder import read_metrics, read_rows
from first_gan.run.names import flat
from first_gan.run.options import build_parser
from first_gan.study.processes import train_all
from first_gan.study.statistics import share_interval
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


def bench(argv: Sequence[str]) -> int:
    """Trains, diagnoses, prints and writes the table; returns the exit code."""
    options = options_of("Follows the advice given to the suite's sick runs.").read(argv)
    arguments = arguments_by(options)
    found = [(run, *outcome(read_rows(run.file), arguments(run))) for run in wanted_by(options)]
    cases = [Case(run, diagnosis, fcd) for run, diagnosis, fcd in found if diagnosis.verdict not in HEALTHY]
    for pieces in (1, 2):
        sick = [case for case in cases if not case.mended and len(case.found.advice) >= pieces]
        advised = {case.run.run_name(*typed(case.found, pieces)): case for case in sick}
        wanted = {name: [*arguments(case.run), *typed(case.found, pieces)] for name, case in advised.items()}
        for name, folder in train_all(wanted, options.out, options.at_once).items():
            after, fcd = outcome(read_metrics(folder), wanted[name])
            advised[name].after.append(after)
            advised[name].fcds.append(fcd)
    runs.write(options.out, "mending", report(cases))
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
    if not cases:
        return "no sick runs"
    rows = []
    for verdict in VERDICTS:
        of_verdict = [case for case in cases if case.found.verdict == verdict]
        if of_verdict:
            first = sum(case.mended and len(case.after) == 1 for case in of_verdict)
            better = sum(case.fcds[-1] < case.fcd or math.isnan(case.fcd) for case in of_verdict)
            rows.append((verdict, *map(str, (len(of_verdict), first, sum(case.mended for case in of_verdict), better))))
    n, done = len(cases), sum(case.mended for case in cases)
    low, high = share_interval(done, n)
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
    sys.exit(cli.run_command("mending.py", bench, None))
