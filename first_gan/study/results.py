"""What came out of a study: its trials by setting, as study.json and study.csv hold them."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from first_gan.diagnosis.history import D_ACCURACY, D_LOSS, DIVERSITY, FCD, G_LOSS, THUMBNAIL_FD
from first_gan.report.run import Run
from first_gan.run.folder import RunFolderError
from first_gan.study.space import Setting, Slot, label
from first_gan.study.statistics import Comparison, comparisons, interval
from first_gan.study.trials import REASON, RESULT, SETTING, SLOT

SCORES = {
    "fcd": FCD,
    "coverage": "val/coverage",
    "precision": "val/precision",
    "recall": "val/recall",
    "diversity": DIVERSITY,
}
CURVES = (FCD, "val/coverage", THUMBNAIL_FD, DIVERSITY, D_ACCURACY, D_LOSS, G_LOSS)
STATES = {
    TrialState.COMPLETE: "done",
    TrialState.PRUNED: "stopped early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "training",
    TrialState.WAITING: "waiting",
}


def result_of(folder: Path) -> dict[str, Any]:
    """What a study keeps of a run: last scores, verdict, and curves by epoch; of one that has no epoch nothing."""
    try:
        run = Run.read(folder)
    except RunFolderError:
        return {}
    scores = {name: run.history.last(metric) for name, metric in SCORES.items()}
    curves = {
        metric: {str(int(means["epoch"]) + 1): _short(means[metric]) for means in run.history.epochs if metric in means}
        for metric in CURVES
    }
    return {
        **{name: _short(value) if math.isfinite(value) else None for name, value in scores.items()},
        "best_epoch": run.best_epoch,
        "best_fcd": min(map(_short, run.history.series(FCD)), default=None),
        "epochs": run.history.epoch,
        "verdict": run.diagnosis.verdict,
        "confidence": run.diagnosis.confidence,
        "seconds": None if run.record is None else round(run.record.seconds, 1),
        "curves": {
            metric: {epoch: value for epoch, value in curve.items() if math.isfinite(value)}
            for metric, curve in curves.items()
        },
    }


def _short(value: float) -> float:
    return float(f"{value:.6g}")


@dataclass(frozen=True)
class Outcome:
    """A trial, as a study's files and page tell of it.

    Args:
        run: The name of its run folder.
        seed: Of its run.
        setting: What it tried; None where that was not drawn yet.
        state: done, stopped early, failed, training or waiting.
        result: What `result_of` kept; empty before its end.
        reason: Why it failed.
    """

    run: str
    seed: int
    setting: Setting | None
    state: str
    result: Mapping[str, Any]
    reason: str | None = None

    @property
    def fcd(self) -> float | None:
        """After its last epoch; of a run that came to its end alone."""
        return self.result.get("fcd") if self.state == STATES[TrialState.COMPLETE] else None


@dataclass(frozen=True)
class Group:
    """A setting with its trials.

    Args:
        setting: Values by option.
        outcomes: Its trials, by seed.
    """

    setting: Setting
    outcomes: Sequence[Outcome]

    @property
    def label(self) -> str:
        return label(self.setting)

    @property
    def scores(self) -> dict[int, float]:
        """FCD by seed, of the trials that came to their end."""
        return {each.seed: each.fcd for each in self.outcomes if each.fcd is not None}

    @property
    def mean(self) -> float | None:
        return fmean(self.scores.values()) if self.scores else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return interval(list(self.scores.values()))

    @property
    def verdicts(self) -> dict[str, int]:
        """How often each was reached, the most frequent first."""
        return dict(Counter(each.result["verdict"] for each in self.outcomes if "verdict" in each.result).most_common())

    def mean_of(self, score: str) -> float | None:
        found = [
            each.result[score] for each in self.outcomes if each.fcd is not None and each.result.get(score) is not None
        ]
        return fmean(found) if found else None


@dataclass(frozen=True)
class Results:
    """All of a study.

    Args:
        name: Of the study.
        base: Options that all trials share, by name.
        space: What is varied or drawn.
        outcomes: Its trials.
        importance: Each option's, adding up to 1; empty where too few trials are done to tell.
    """

    name: str
    base: Mapping[str, Any]
    space: Mapping[str, Any]
    outcomes: Sequence[Outcome]
    importance: Mapping[str, float]

    @property
    def groups(self) -> list[Group]:
        """By mean FCD, the best first; those without any last."""
        found: dict[str, list[Outcome]] = {}
        for each in self.outcomes:
            if each.setting is not None:
                found.setdefault(json.dumps(each.setting, sort_keys=True), []).append(each)
        groups = [Group(of[0].setting or {}, sorted(of, key=lambda each: each.seed)) for of in found.values()]
        return sorted(groups, key=lambda group: math.inf if group.mean is None else group.mean)

    @property
    def comparisons(self) -> list[Comparison]:
        return comparisons({group.label: group.scores for group in self.groups if group.scores})

    @property
    def best(self) -> Outcome | None:
        """The run of lowest FCD."""
        scored = [each for each in self.outcomes if each.fcd is not None]
        return min(scored, key=lambda each: each.fcd or 0.0, default=None)

    def count(self, state: str) -> int:
        return sum(each.state == state for each in self.outcomes)

    def as_json(self) -> str:
        """All of it but the curves."""
        groups = [
            {
                "setting": group.setting,
                "fcd": {
                    "mean": group.mean,
                    "interval": group.interval,
                    "by_seed": {str(seed): value for seed, value in group.scores.items()},
                },
                "coverage": group.mean_of("coverage"),
                "verdicts": group.verdicts,
                "trials": [_plain(each) for each in group.outcomes],
            }
            for group in self.groups
        ]
        pairs = [asdict(each) | {"words": each.words()} for each in self.comparisons]
        kept = {"study": self.name, **self.space, "base": self.base, "settings": groups, "comparisons": pairs}
        return json.dumps(kept | {"importance": self.importance}, indent=1) + "\n"

    def as_csv(self) -> str:
        """A line for each trial."""
        options = list(dict.fromkeys(name for each in self.outcomes for name in each.setting or {}))
        kept = [*SCORES, "best_fcd", "best_epoch", "epochs", "verdict", "confidence", "seconds"]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["run", "state", "seed", *options, *kept, "reason"])
        for each in self.outcomes:
            values = [(each.setting or {}).get(name) for name in options]
            shown = [json.dumps(value) if isinstance(value, (list, bool)) else value for value in values]
            results = [each.result.get(name) for name in kept]
            writer.writerow([each.run, each.state, each.seed, *shown, *results, each.reason])
        return text.getvalue()


def _plain(outcome: Outcome) -> dict[str, Any]:
    result = {name: value for name, value in outcome.result.items() if name != "curves"}
    return {"run": outcome.run, "seed": outcome.seed, "state": outcome.state, "reason": outcome.reason} | result


def outcomes(trials: Iterable[FrozenTrial]) -> list[Outcome]:
    """Trials as Optuna's storage holds them, one of each slot (see `trials.standing`)."""
    found = []
    for trial in trials:
        slot, kept = Slot.read(trial.user_attrs[SLOT]), trial.user_attrs
        found.append(
            Outcome(
                slot.run_name, slot.seed, kept.get(SETTING), STATES[trial.state], kept.get(RESULT, {}), kept.get(REASON)
            )
        )
    return found
