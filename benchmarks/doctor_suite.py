"""How well the doctor finds faults in code: `python -m benchmarks.doctor_suite`, a few minutes.

Each loop of benchmarks/doctor_cases is trained on 2,048 images of MNIST for 224 updates under the doctor's eyes. The half called
`closed` was written by somebody else, and opened once, when the detectors stood: docs/doctor.md has what came out.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import runs
from benchmarks.doctor_cases import EPOCHS, Case, Images, cases
from datamodule import MNISTDataModule
from first_gan.doctor import Doctor, Fault
from first_gan.doctor.faults import CHECKS
from first_gan.run import cli
from first_gan.study.statistics import share_interval

IMAGES = 2048
EARLY = 200  # updates


@dataclass(frozen=True)
class Result:
    """What the doctor said of a loop."""

    case: Case
    faults: list[Fault]

    @property
    def found(self) -> Fault | None:
        """The planted fault."""
        return next((fault for fault in self.faults if fault.name == self.case.fault), None)

    @property
    def others(self) -> list[str]:
        return [fault.name for fault in self.faults if fault.name != self.case.fault]


def bench(argv: Sequence[str]) -> int:
    """Trains all loops, prints and writes the table; returns the exit code."""
    parser = runs.Options(
        "Trains correct and faulty loops under the doctor's eyes.", "doctor", epochs=(EPOCHS, "of 32 updates each")
    )
    parser.add_argument("names", nargs="*", help="of cases; all by default")
    parser.add_argument("--dataset", default="mnist", help="another of data.dataset, such as digits")
    parser.add_argument("--half", choices=("open", "closed"), help="this half alone")
    options = parser.read(argv)
    halves = {None: (True, False), "open": (False,), "closed": (True,)}[options.half]
    wanted = [case for case in cases() if case.name in (options.names or [case.name]) and case.closed in halves]
    data = images(options.dataset, options.data_dir)
    with cli.Steps() as steps:
        results = [examined(case, data, options.epochs) for case in steps.each(wanted, "examining {.name}")]
    runs.write(options.out, "doctor", report(results))
    return 0


def images(dataset: Any, data_dir: str | None) -> Images:
    """The first images of a dataset."""
    data = MNISTDataModule(dataset=dataset, data_dir=data_dir)
    data.prepare_data()
    data.setup("fit")
    return Images(data.images.train[:IMAGES], data.images.train_labels[:IMAGES].long())


def examined(case: Case, data: Images, epochs: int = EPOCHS) -> Result:
    """Trains a loop; the same each time."""
    torch.manual_seed(0)
    doctors: list[Doctor] = []

    def make_doctor(G: Any, D: Any, opt_G: Any, opt_D: Any) -> Doctor:
        doctors.append(Doctor(G, D, opt_G, opt_D, quiet=True))
        return doctors[-1]

    case.loop(make_doctor, data, epochs)
    doctors[-1].close()
    if doctors[-1].failure is not None:
        raise doctors[-1].failure
    return Result(case, doctors[-1].faults)


def report(results: Sequence[Result]) -> str:
    """The table by fault, the shares, and where the doctor was wrong."""
    rows = []
    for name, _ in CHECKS:
        planted = [result for result in results if result.case.fault == name]
        found = [result.found for result in planted if result.found is not None]
        early = sum(fault.update <= EARLY for fault in found)
        alarms = sum(name in result.others for result in results)
        if planted or alarms:
            rows.append((name, *map(str, (len(planted), len(found), early, alarms))))
    faulty = [result for result in results if result.case.fault]
    correct = [result for result in results if not result.case.fault]
    lines = []
    if faulty:
        early = sum(result.found is not None and result.found.update <= EARLY for result in faulty)
        low, high = share_interval(early, len(faulty))
        share = f"{early} of {len(faulty)} faults found within {EARLY} updates"
        lines.append(f"{share} (95 % interval {low:.0%} to {high:.0%})")
    if correct:
        alarms = sum(bool(result.faults) for result in correct)
        lines.append(f"{alarms} of {len(correct)} correct loops were found fault with")
    wrong = [
        f"{result.case.name}: {result.case.fault or 'correct'}, found {', '.join(names) or 'nothing'}"
        for result in results
        if result.others or (result.case.fault and result.found is None)
        for names in [[fault.name for fault in result.faults]]
    ]
    header = ("fault", "spellings", "found", f"found in the first {EARLY} updates", "named where there is none")
    return "\n\n".join(["; ".join(lines), runs.markdown(header, rows), *wrong])


if __name__ == "__main__":
    sys.exit(cli.run_command("doctor_suite.py", bench, None))
