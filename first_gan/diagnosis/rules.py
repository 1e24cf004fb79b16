"""What can be wrong with a run: each rule looks for one thing in its history, the gravest first.

Thresholds, in capitals, were set on the tuning halves of the labelled runs of benchmarks/diagnosis_suite.py; docs/diagnosis.md says how
the other halves came out.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from first_gan.diagnosis import advice
from first_gan.diagnosis.history import (
    CLASS,
    COPYING,
    D_ACCURACY,
    D_HELD_OUT,
    D_LOSS,
    D_SEEN,
    DIVERGED,
    DIVERSITY,
    FLOOR,
    FLOOR_CLASS,
    G_LOSS,
    MISSING_KINDS,
    MODES,
    RAW_FCD,
    THUMBNAIL_DIVERSITY,
    History,
    digits,
)
from first_gan.diagnosis.progress import GOOD, LEARNED, g_moves, gained
from first_gan.diagnosis.verdicts import (
    COLLAPSE,
    DIVERGING,
    DOMINATES,
    MEMORIZING,
    MODES_MISSING,
    OSCILLATING,
    RELAPSED,
    STALLED,
    TOO_WEAK,
    Evidence,
    Finding,
)

# The thresholds, on means over an epoch unless said.
MIN_UPDATES = 540  # before them even a healthy run's samples are noise
LOSS = 37.0  # nats
MIN_D_ACCURACY = 0.55  # D's accuracy
WEAK_D_DIVERSITY = 0.49  # diversity
COLLAPSE_DIVERSITY, COLLAPSE_THUMBNAILS = 0.11, 0.05  # diversity, of images and of thumbnails
MAX_D_ACCURACY = 0.94  # D's accuracy, while samples do not get better
SURE = 0.99  # D's accuracy that leaves G nothing to learn from, whatever samples do
FALLEN, FALLEN_DEEP = 1.5, 3.0  # times the best distance, in two scores on end or in one
SWING, SWINGS, SWING_SCORES = 1.5, 4, 12  # so many swings by such a factor among the last so many scores
MIN_SCORES = 4  # scores that a fall or a swing needs
NEARER = 0.2  # how much nearer samples may lie to training images than to held-out ones
NEARER_AND_KNOWN = 0.05  # the same where D tells these from those
D_GAP = 0.3  # D's accuracy on real images that it is trained on, less that on others
MEMORY_EPOCHS = 5  # of which the middle value of these counts
MISSING = 0.1  # of a class's share of the real images, or of an even one: a class that makes up less is missing
MANY_KINDS = 0.15  # of the real images are of kinds that samples lack
MISSING_SCORES = 3  # in so many scores on end
LONG = 4000  # updates after which a run that no longer gains has converged or stalled
STALLING, STALLING_SCORES = 1200, 3  # updates and scores after which one that never gained has stalled


def diverging(history: History) -> Finding | None:
    """A loss is NaN, infinite or beyond what a D that is merely sure of itself makes of it."""
    if history.diverged:
        return Finding(DIVERGING, [Evidence(DIVERGED, 1, "0: a loss or weight became NaN or infinite")])
    recent = {name: max(history.series(name)[-2:], default=0) for name in (D_LOSS, G_LOSS)}
    exploded = [Evidence(name, value, f"healthy: below {LOSS:g}") for name, value in recent.items() if value > LOSS]
    return Finding(DIVERGING, exploded) if exploded else None


def too_weak(history: History) -> Finding | None:
    """D guesses although G's samples are alike: it gives G no direction. Where G is good, D must guess (2014, proposition 1)."""
    accuracy, diversity = history.last(D_ACCURACY), history.last(DIVERSITY)
    if not (accuracy < MIN_D_ACCURACY and diversity < WEAK_D_DIVERSITY):
        return None
    alike = f"above {WEAK_D_DIVERSITY:g} where D has no more to find; real images: 1"
    evidence = Evidence(D_ACCURACY, accuracy, f"above {MIN_D_ACCURACY:g} while samples are so alike")
    return Finding(TOO_WEAK, [evidence, Evidence(DIVERSITY, diversity, alike)])


def mode_collapse(history: History) -> Finding | None:
    """Samples are nearly the same, whatever z is (2014, section 6: "the Helvetica scenario")."""
    found = [
        Evidence(name, history.last(name), f"healthy: above {least:g}; real images: 1")
        for name, least in ((DIVERSITY, COLLAPSE_DIVERSITY), (THUMBNAIL_DIVERSITY, COLLAPSE_THUMBNAILS))
        if history.last(name) < least
    ]
    return Finding(COLLAPSE, found) if found else None


def dominates(history: History) -> Finding | None:
    """D is right on nearly all images, so that its gradient tells G little (2014, section 3; Arjovsky & Bottou 2017)."""
    accuracy = history.last(D_ACCURACY)
    if not accuracy > MAX_D_ACCURACY:
        return None
    return Finding(DOMINATES, [Evidence(D_ACCURACY, accuracy, f"healthy: below {MAX_D_ACCURACY:g}")])


def swings(values: Sequence[float]) -> int:
    """How often a series turned around by a factor of `SWING`."""
    turns, low, high, rising = 0, values[0], values[0], None
    for value in values[1:]:
        low, high = min(low, value), max(high, value)
        if rising is not False and value < high / SWING:
            turns, rising, low, high = turns + 1, False, value, value
        elif rising is not True and value > low * SWING:
            turns, rising, low, high = turns + 1, True, value, value
    return turns


def oscillating(history: History) -> Finding | None:
    """Quality comes and goes: each network undoes what the other had learned (Mescheder et al. 2018)."""
    values = history.series(history.distance)[-SWING_SCORES:]
    if len(values) < MIN_SCORES or history.gain(history.distance) > 0 or (turns := swings(values)) < SWINGS:
        return None
    evidence = Evidence(
        history.distance, max(values), f"within {SWING:g} times {digits(min(values))}, its best of late"
    )
    return Finding(OSCILLATING, [evidence], note=f"it turned around {turns} times in the last {len(values)} scores")


def relapsed(history: History) -> Finding | None:
    """What G had learned is lost: its samples were far better before."""
    for name, factor in ((history.distance, FALLEN), (RAW_FCD, FALLEN_DEEP)):
        if fall := fallen(history, name, factor):
            return fall
    return None


def fallen(history: History, name: str, factor: float) -> Finding | None:
    values, epochs = history.series(name), history.epochs_of(name)
    if len(values) < MIN_SCORES:
        return None
    best = min(values)
    at = values.index(best)
    tail = 0
    while tail < len(values) - at - 1 and values[-1 - tail] > factor * best:
        tail += 1
    learned = best < LEARNED * max(values[: at + 1]) or best < GOOD * history.last(FLOOR)
    if tail == 0 or not learned or (tail < 2 and values[-1] < 2 * factor * best):
        return None
    evidence = Evidence(name, values[-1], f"below {factor:g} times its best, {digits(best)} after epoch {epochs[at]}")
    note = "the moving average still hides it" if name == RAW_FCD else f"epoch {epochs[at]} was better"
    return Finding(RELAPSED, [evidence], epochs[len(values) - tail], note)


def memorizing(history: History) -> Finding | None:
    """Samples are training images, and D knows those from real images it has not seen (Meehan et al. 2020)."""
    nearer, seen, unseen = (history.typical(name, MEMORY_EPOCHS) for name in (COPYING, D_SEEN, D_HELD_OUT))
    evidence = [Evidence(COPYING, nearer, "near 0: samples as near to held-out images as to training images")]
    if seen - unseen > D_GAP:
        evidence.append(Evidence(D_HELD_OUT, unseen, f"near {D_SEEN}, {seen:.2f}"))
    return Finding(MEMORIZING, evidence) if nearer > (NEARER if len(evidence) == 1 else NEARER_AND_KNOWN) else None


def missing_classes(epoch: Mapping[str, float]) -> list[int]:
    """The classes that samples lack, by the shares among an epoch's metrics, and among them those of real images if these are known."""
    numbers = {name.removeprefix(CLASS): share for name, share in epoch.items() if name.startswith(CLASS)}
    shares = {int(number): share for number, share in numbers.items() if number.isdecimal()}
    even = 1 / max(1, len(shares))
    real = {number: min(even, epoch.get(f"{FLOOR_CLASS}{number}", even)) for number in shares}
    return [number for number, share in sorted(shares.items()) if share < MISSING * real[number]]


def modes_missing(history: History) -> Finding | None:
    """Whole classes, or kinds of images where there are no labels, are never drawn, though the rest may look fine."""
    if not gained(history):  # where nothing is drawn yet all are missing
        return None
    scored = [epoch for epoch in history.epochs if f"{CLASS}0" in epoch][-MISSING_SCORES:]
    if not scored:
        kinds = history.series(MISSING_KINDS)[-MISSING_SCORES:]
        if len(kinds) < MISSING_SCORES or min(kinds) < MANY_KINDS:
            return None
        return Finding(MODES_MISSING, [Evidence(MISSING_KINDS, kinds[-1], f"below {MANY_KINDS:g} of the real images")])
    names = [name.replace(CLASS, FLOOR_CLASS) for name in scored[-1] if name.startswith(CLASS)]
    real = {name: share for name in names if not math.isnan(share := history.last(name))}
    lacking = [missing_classes(real | epoch) for epoch in scored]
    if len(scored) < MISSING_SCORES or not all(lacking):
        return None
    always = [number for number in lacking[-1] if all(number in each for each in lacking)] or lacking[-1]
    evidence = Evidence(MODES, history.last(MODES), "all classes of the images")
    return Finding(MODES_MISSING, [evidence], note=f"missing: {', '.join(map(str, always))}")


def stalled(history: History) -> Finding | None:
    """Many updates have made nothing better, and nothing is good."""
    values = history.series(history.distance)
    if history.updates < STALLING or len(values) < STALLING_SCORES or gained(history) or g_moves(history) > 0:
        return None
    return Finding(
        STALLED, [Evidence(history.distance, values[-1], f"by now well below its first, {digits(values[0])}")]
    )


@dataclass(frozen=True)
class Rule:
    """What finds one thing that is wrong."""

    verdict: str
    check: Callable[[History], Finding | None]
    advise: Callable[[advice.Setting], list[advice.Change]]


RULES = (
    Rule(DIVERGING, diverging, advice.diverging),
    Rule(TOO_WEAK, too_weak, advice.d_too_weak),
    Rule(COLLAPSE, mode_collapse, advice.mode_collapse),
    Rule(DOMINATES, dominates, advice.d_dominates),
    Rule(OSCILLATING, oscillating, advice.oscillating),
    Rule(RELAPSED, relapsed, advice.relapsed),
    Rule(MEMORIZING, memorizing, advice.memorizing),
    Rule(MODES_MISSING, modes_missing, advice.modes_missing),
    Rule(STALLED, stalled, advice.stalled),
)
