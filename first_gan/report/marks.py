"""What a run's curves and pictures have marked: epochs that matter, and what its findings speak of."""

import itertools
from collections.abc import Collection
from typing import Any

from first_gan.diagnosis.rules import missing_classes
from first_gan.diagnosis.verdicts import COLLAPSE, MEMORIZING, MODES_MISSING
from first_gan.report.run import Run

SECTIONS = {COLLAPSE: "samples", MODES_MISSING: "classes", MEMORIZING: "nearest"}  # that show what a finding speaks of


def marks(run: Run) -> list[dict[str, Any]]:
    """Epochs to mark in the curves: where the verdict changed, of the best quality, and since when something is wrong."""
    epochs = [int(means["epoch"]) + 1 for means in run.history.epochs]
    changes = [
        {"epoch": epoch, "label": verdict, "kind": "verdict"}
        for epoch, verdict, before in zip(epochs, run.verdicts, ["", *run.verdicts], strict=False)
        if verdict != before
    ]
    best = [{"epoch": epoch, "label": "best FCD", "kind": "best"} for epoch in epochs if epoch == run.best_epoch]
    faults = [
        {"epoch": finding.since, "label": f"{finding.verdict} since", "kind": "fault"}
        for finding in run.diagnosis.findings
        if finding.since is not None
    ]
    return sorted(changes + best + faults, key=lambda mark: mark["epoch"])


def faults(run: Run, metrics: Collection[str]) -> list[dict[str, Any]]:
    """The findings that rest on one of these metrics, each with the epochs, `start` to `end`, in which it shows."""
    found = []
    for finding in run.diagnosis.findings:
        if any(each.metric in metrics for each in finding.evidence):
            end = run.diagnosis.epoch
            found.append({"label": finding.verdict, "start": (finding.since or end) - 1, "end": end})
    return found


def faults_of_sections(run: Run) -> dict[str, list[str]]:
    """The findings that a section of the page shows, by its name."""
    found: dict[str, list[str]] = {name: [] for name in SECTIONS.values()}
    for finding in run.diagnosis.findings:
        if finding.verdict in SECTIONS:
            found[SECTIONS[finding.verdict]].append(finding.verdict)
    return found


def classes(run: Run) -> list[dict[str, Any]]:
    """Each class's name, share of the samples, and of the data, or None where that is not known, and whether it is missing.

    Empty where no judge told them.
    """
    scored = next((row for row in reversed(run.rows) if "val/class_0" in row), {})
    number = next(number for number in itertools.count() if f"val/class_{number}" not in scored)
    missing = missing_classes(scored)
    names, of_data = (run.record.class_names, run.record.classes) if run.record is not None else ([], [])
    return [
        {
            "name": names[each] if len(names) == number else str(each),
            "generated": scored[f"val/class_{each}"],
            "data": of_data[each] if len(of_data) == number else None,
            "missing": each in missing,
        }
        for each in range(number)
    ]
