"""What a run's history says: is G improving, is D dominating, do the losses converge? With evidence, findings and advice."""

from collections.abc import Mapping, Sequence
from typing import Any

from first_gan.diagnosis import advice
from first_gan.diagnosis.advice import advise
from first_gan.diagnosis.answers import convergence, d_dominance, g_improving, improvement
from first_gan.diagnosis.history import DIVERSITY, FCD, History
from first_gan.diagnosis.progress import g_moves, gained
from first_gan.diagnosis.rules import LONG, MIN_SCORES, MIN_UPDATES, RULES, SURE
from first_gan.diagnosis.verdicts import (
    CONVERGED,
    DIVERGING,
    DOMINATES,
    IMPROVING,
    MODES_MISSING,
    TOO_EARLY,
    Diagnosis,
    Evidence,
    Finding,
)

ADVICE = {rule.verdict: rule.advise for rule in RULES} | {
    IMPROVING: advice.improving,
    CONVERGED: advice.converged,
    TOO_EARLY: advice.too_early,
}


def diagnose(rows: Sequence[Mapping[str, float]], options: Mapping[str, Any]) -> Diagnosis:
    """Diagnoses a run.

    Args:
        rows: Of metrics.csv, in order. Quality scores (`val/...`) may be missing: the diagnosis is less sure then.
        options: The run's options by name (`model.lr_d`, `max_epochs`), for the advice; what is missing is the lesson's.

    Raises:
        ValueError: There is no row.
    """
    if not rows:
        raise ValueError("a diagnosis needs at least one row of metrics")
    history = History.of(rows)
    verdict, evidence, findings = judged(history)
    answers = {
        "g_improving": g_improving(history),
        "d_dominance": d_dominance(history),
        "convergence": convergence(history),
    }
    sure = confidence(history, verdict)
    return Diagnosis(verdict, sure, answers, evidence, advise(ADVICE[verdict], options), history.epoch, findings)


def judged(history: History) -> tuple[str, list[Evidence], list[Finding]]:
    """The verdict, what it rests on, and all findings."""
    findings = [finding for rule in RULES if (finding := rule.check(history)) is not None]
    if history.updates < MIN_UPDATES and (not findings or findings[0].verdict != DIVERGING):
        return TOO_EARLY, [Evidence("updates", history.updates, f"at least {MIN_UPDATES}")], []
    grave = [finding for finding in findings if not mild(finding, history)]
    if grave:
        return grave[0].verdict, grave[0].evidence, findings
    verdict = health(history)
    if verdict == TOO_EARLY:
        return verdict, [Evidence("updates", history.updates, "enough that samples get better")], findings
    return verdict, improvement(history), findings


def verdict_of(history: History) -> str:
    return judged(history)[0]


def mild(finding: Finding, history: History) -> bool:
    """Whether a finding may still pass by itself: what is amiss in a run that gets better all the same."""
    if finding.verdict == MODES_MISSING:
        return g_moves(history) > 0 or history.updates < LONG
    return finding.verdict == DOMINATES and g_moves(history) > 0 and finding.evidence[0].value < SURE


def health(history: History) -> str:
    """The verdict where nothing is wrong, by what was measured."""
    if not improvement(history):
        return TOO_EARLY
    measured = len(history.series(history.distance) or history.series(DIVERSITY))
    if history.updates >= LONG and measured >= MIN_SCORES and g_moves(history) <= 0:
        return CONVERGED
    return IMPROVING if g_moves(history) > 0 or gained(history) else TOO_EARLY


def confidence(history: History, verdict: str) -> str:
    """High where three epochs in a row give the same verdict and images are scored; low for a new one."""
    if history.diverged:
        return "high"
    if verdict == IMPROVING and g_moves(history) < 0:
        return "low"
    same, before = 1, history.before()
    while same < 3 and before.epochs and verdict_of(before) == verdict:
        same, before = same + 1, before.before()
    return ("low", "medium", "high")[max(0, same - 1 - (FCD not in history.epochs[-1]))]
