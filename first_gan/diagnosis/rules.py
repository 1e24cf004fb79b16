"""What a run's history says: is G improving, is D dominating, do the losses converge? With evidence and advice.

Few rules, asked in the order of `RULES`; the first that holds is the verdict. Their thresholds, in capitals, were set on one
half of the labelled runs of benchmarks/diagnosis_suite.py and checked on the other.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from first_gan.diagnosis import advice
from first_gan.diagnosis.advice import Advice, advise
from first_gan.diagnosis.history import (
    D_ACCURACY,
    D_FAKE,
    D_LOSS,
    DIVERGED,
    DIVERSITY,
    FCD,
    FLOOR,
    G_LOSS,
    MODES,
    History,
    digits,
)

IMPROVING, CONVERGED, TOO_EARLY = "improving", "converged", "too early to tell"
DOMINATES, TOO_WEAK = "discriminator dominates", "discriminator too weak"
COLLAPSE, DIVERGING = "mode collapse", "diverging"
VERDICTS = (IMPROVING, CONVERGED, DOMINATES, TOO_WEAK, COLLAPSE, DIVERGING, TOO_EARLY)
QUESTIONS = {
    "g_improving": "Is G improving?",
    "d_dominance": "Is D dominating too much or too little?",
    "convergence": "Are the losses converging or diverging?",
}


@dataclass(frozen=True)
class Evidence:
    """A metric's value and where it should be."""

    metric: str
    value: float
    expected: str

    def __str__(self) -> str:
        return f"{self.metric} {digits(self.value)} ({self.expected})"


@dataclass(frozen=True)
class Answer:
    """To one of the three questions. `score` is 1, 0 or -1: see `HealthMonitor`."""

    question: str
    answer: str
    score: int


@dataclass(frozen=True)
class Diagnosis:
    """What a run's history says.

    Args:
        verdict: One of `VERDICTS`.
        confidence: high, medium or low.
        answers: To the three questions, by the names in `QUESTIONS`.
        evidence: What the verdict rests on.
        advice: What to change, the first most of all.
        epoch: After which epoch.
    """

    verdict: str
    confidence: str
    answers: dict[str, Answer]
    evidence: list[Evidence]
    advice: list[Advice]
    epoch: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def headline(self) -> str:
        return f"{self.verdict} (confidence {self.confidence}): " + ", ".join(map(str, self.evidence))

    def text(self) -> str:
        """As lines for a terminal."""
        answers = [f"  {answer.question:40} {answer.answer}" for answer in self.answers.values()]
        ways = [f"    {each.option:40} {each.why}" for each in self.advice]
        return "\n".join(
            [f"Verdict: {self.headline()}", *answers, *([f"  {self.before_advice()}:"] if ways else []), *ways]
        )

    def markdown(self) -> str:
        """As TensorBoard shows it."""
        answers = [f"- {answer.question} {answer.answer}" for answer in self.answers.values()]
        ways = [f"- `{each.option}`: {each.why}" for each in self.advice]
        advice = ["", f"{self.before_advice()}:", "", *ways] if ways else []
        return "\n".join([f"**{self.headline()}**", "", *answers, *advice])

    def before_advice(self) -> str:
        return "Resume it and try" if self.verdict in (IMPROVING, TOO_EARLY) else "In a new run, try"


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
    verdict, evidence = verdict_of(history)
    answers = {
        "g_improving": g_improving(history),
        "d_dominance": d_dominance(history),
        "convergence": convergence(history),
    }
    epoch = int(history.epochs[-1]["epoch"]) + 1
    return Diagnosis(verdict, confidence(history, verdict), answers, evidence, advise(CHANGES[verdict], options), epoch)


def verdict_of(history: History) -> tuple[str, list[Evidence]]:
    """The first rule that holds, and what it rests on."""
    for verdict, rule in RULES:
        if evidence := rule(history):
            return verdict, evidence
    return IMPROVING, improvement(history)


def confidence(history: History, verdict: str) -> str:
    """High where three epochs in a row give the same verdict and images are scored; low for a new one."""
    if history.diverged:
        return "high"
    if verdict == IMPROVING and g_moves(history) < 0:
        return "low"
    same, before = 1, history.before()
    while same < 3 and before.epochs and verdict_of(before)[0] == verdict:
        same, before = same + 1, before.before()
    return ("low", "medium", "high")[max(0, same - 1 - (FCD not in history.epochs[-1]))]


# The answers.


def fcd_gain(history: History) -> float:
    """How far the best FCD of the last quarter of the run lies below the best before: 0.1 is 10 %; 0 where there are no two."""
    before, recent = history.recent(FCD)
    return math.log(max(min(before), 1e-9) / max(min(recent), 1e-9)) if recent else 0.0


def diversity_gain(history: History) -> float:
    """How far the highest diversity of the last quarter lies above the highest before; beyond real images' 1 there is nothing to gain."""
    before, recent = history.recent(DIVERSITY)
    return min(max(recent), 1.0) - min(max(before), 1.0) if recent else 0.0


def g_moves(history: History) -> int:
    """1 where samples get better, by FCD or by diversity, -1 where they get worse, else 0."""
    fcd, diversity = fcd_gain(history), diversity_gain(history)
    if fcd > MOVING or diversity > MOVING_DIVERSITY:
        return 1
    return -1 if fcd < -MOVING or (not history.series(FCD) and diversity < -MOVING_DIVERSITY) else 0


def g_improving(history: History) -> Answer:
    moves, question = g_moves(history), QUESTIONS["g_improving"]
    fcds, seen = history.series(FCD), history.series(DIVERSITY)
    if max(len(fcds), len(seen)) < 2:
        return Answer(question, "Too soon to say: its samples were measured once at most", 0)
    gained = fcds[0] > min(fcds) * math.exp(MOVING) if fcds else max(seen) > seen[0] + MOVING_DIVERSITY
    moves = -1 if moves == 0 and not gained else moves
    words = {1: "Yes", 0: "Not any more", -1: "No"}[moves]
    if fcds:
        words += f": FCD {digits(fcds[-1])}, at first {digits(fcds[0])}, at best {digits(min(fcds))} (real images {digits(history.last(FLOOR))})"
        words += f"; diversity {seen[-1]:.2f}, at first {seen[0]:.2f} (real images 1)" if seen else ""
    else:
        words += f", as far as diversity tells: {seen[-1]:.2f}, at first {seen[0]:.2f} (real images 1)"
    return Answer(question, words, moves)


def d_dominance(history: History) -> Answer:
    accuracy, fake = history.last(D_ACCURACY), history.last(D_FAKE)
    if math.isnan(accuracy):
        why = "it diverged before anything was logged" if history.diverged else f"{D_ACCURACY} is not logged"
        return Answer(QUESTIONS["d_dominance"], f"Not known: {why}", 0)
    score = int(accuracy > MAX_D_ACCURACY) - bool(too_weak(history))
    words = {1: "Too much", 0: "Neither", -1: "Too little"}[score]
    return Answer(
        QUESTIONS["d_dominance"], f"{words}: it is right on {accuracy:.0%} of images, D(G(z)) is {fake:.2f}", score
    )


def convergence(history: History) -> Answer:
    question = QUESTIONS["convergence"]
    if evidence := diverging(history):
        return Answer(question, "Diverging: " + ", ".join(map(str, evidence)), -1)
    d_loss, g_loss = history.last(D_LOSS), history.last(G_LOSS)
    changes = []
    for name in (D_LOSS, G_LOSS):
        before, recent = history.recent(name)
        changes.append(fmean(recent) / max(fmean(before[-len(recent) :]), 1e-9) - 1 if recent else math.inf)
    settled = all(abs(change) < SETTLED for change in changes)
    words = "They have settled" if settled else "Still moving" if len(history.epochs) > 1 else "Too soon to say"
    return Answer(question, f"{words}: D's at {d_loss:.2f}, G's at {g_loss:.2f} nats", int(settled))


def improvement(history: History) -> list[Evidence]:
    """What G has reached."""
    if fcds := history.series(FCD):
        return [Evidence(FCD, fcds[-1], f"at first {digits(fcds[0])}; real images: {digits(history.last(FLOOR))}")]
    return [Evidence(DIVERSITY, value, "real images: 1") for value in history.series(DIVERSITY)[-1:]]


# The thresholds, on means over an epoch unless said.
LOSS = 37.0  # nats
LOST = 1.5  # times the best FCD
MAX_D_ACCURACY = 0.94  # D's accuracy
MIN_D_ACCURACY = 0.55  # D's accuracy
WEAK_D_DIVERSITY = 0.49  # diversity
COLLAPSE_DIVERSITY = 0.11  # diversity
MOVING = 0.08  # relative gain of FCD over the last quarter of the run
MOVING_DIVERSITY = 0.06  # gain of diversity, likewise
SETTLED = 0.1  # relative change of a loss from the quarter before to the last
MIN_EPOCHS = 16  # epochs
SCORES = 6  # of them, or they say little about a trend
MIN_UPDATES = 540  # updates


def diverging(history: History) -> list[Evidence]:
    """A loss is NaN, infinite or beyond what a D that is merely sure of itself makes of it, or what G had learned is lost."""
    if history.diverged:
        return [Evidence(DIVERGED, 1, "0: a loss or weight became NaN or infinite")]
    recent = {name: max(history.series(name)[-2:], default=0) for name in (D_LOSS, G_LOSS)}
    exploded = [Evidence(name, value, f"healthy: below {LOSS:g}") for name, value in recent.items() if value > LOSS]
    return exploded or lost(history)


def lost(history: History) -> list[Evidence]:
    """FCD was far better before, and diversity does not grow instead."""
    fcds, (before, recent) = history.series(FCD), history.recent(FCD)
    if len(fcds) < SCORES or min(recent) < LOST * min(before) or diversity_gain(history) > MOVING_DIVERSITY:
        return []
    return [Evidence(FCD, min(recent), f"below {LOST:g} times its best before, {digits(min(before))}")]


def too_early(history: History) -> list[Evidence]:
    """After so few updates even a healthy run's samples are noise; and where nothing measures them there is nothing to tell."""
    if history.updates < MIN_UPDATES:
        return [Evidence("updates", history.updates, f"at least {MIN_UPDATES}")]
    unmeasured = not history.series(FCD) and not history.series(DIVERSITY)
    return [Evidence("samples measured", 0, "at least one epoch")] if unmeasured else []


def too_weak(history: History) -> list[Evidence]:
    """D guesses although G's samples are alike: it gives G no direction. Where G is good, D must guess (2014, proposition 1)."""
    accuracy, diversity = history.last(D_ACCURACY), history.last(DIVERSITY)
    if not (accuracy < MIN_D_ACCURACY and diversity < WEAK_D_DIVERSITY):
        return []
    return [
        Evidence(D_ACCURACY, accuracy, f"above {MIN_D_ACCURACY:g} while samples are so alike"),
        Evidence(DIVERSITY, diversity, f"above {WEAK_D_DIVERSITY:g} where D has no more to find; real images: 1"),
    ]


def mode_collapse(history: History) -> list[Evidence]:
    """Samples are nearly the same, whatever z is (2014, section 6: "the Helvetica scenario")."""
    diversity = history.last(DIVERSITY)
    if not diversity < COLLAPSE_DIVERSITY:
        return []
    evidence = [Evidence(DIVERSITY, diversity, f"healthy: above {COLLAPSE_DIVERSITY:g}; real images: 1")]
    return evidence + [Evidence(MODES, modes, "10 in the end") for modes in history.series(MODES)[-1:]]


def dominates(history: History) -> list[Evidence]:
    """D is right on nearly all images, so that its gradient tells G little (2014, section 3; Arjovsky & Bottou 2017)."""
    accuracy = history.last(D_ACCURACY)
    return [Evidence(D_ACCURACY, accuracy, f"healthy: below {MAX_D_ACCURACY:g}")] if accuracy > MAX_D_ACCURACY else []


def converged(history: History) -> list[Evidence]:
    """After many epochs quality, or where it is not scored diversity, no longer gets better."""
    measured = history.series(FCD) or history.series(DIVERSITY)
    long = len(history.epochs) >= MIN_EPOCHS and len(measured) >= SCORES
    return improvement(history) if long and g_moves(history) <= 0 else []


RULES: tuple[tuple[str, Callable[[History], list[Evidence]]], ...] = (
    (DIVERGING, diverging),
    (TOO_EARLY, too_early),
    (TOO_WEAK, too_weak),
    (COLLAPSE, mode_collapse),
    (DOMINATES, dominates),
    (CONVERGED, converged),
)
CHANGES = {
    IMPROVING: advice.improving,
    CONVERGED: advice.converged,
    DOMINATES: advice.d_dominates,
    TOO_WEAK: advice.d_too_weak,
    COLLAPSE: advice.mode_collapse,
    DIVERGING: advice.diverging,
    TOO_EARLY: advice.too_early,
}
