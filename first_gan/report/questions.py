"""The diagnosis' three questions for a page: a word, a sentence, and where the number lies between healthy and not."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from first_gan.diagnosis.answers import SETTLED, loss_changes
from first_gan.diagnosis.history import D_ACCURACY, DIVERSITY, FCD, FLOOR, THUMBNAIL_FD, History, digits
from first_gan.diagnosis.progress import GOOD, LEARNED_THUMBNAILS
from first_gan.diagnosis.rules import COLLAPSE_DIVERSITY, MAX_D_ACCURACY, MIN_D_ACCURACY, too_weak
from first_gan.report.run import Run

GUESSING = 0.45  # D's accuracy where it guesses, by a little chance
# By question and by how its answer begins: the word on its chip, its color, and what that means.
WORDS = {
    "g_improving": {
        "Yes": ("Yes", "good", "Its images come closer to real ones."),
        "Not any more": ("Not any more", "unsure", "Its images came closer to real ones, but of late they do not."),
        "No": ("No", "bad", "Its images come no closer to real ones."),
        "Too soon": ("Too soon to say", "unsure", "Its images were measured once at most."),
    },
    "d_dominance": {
        "Neither": ("Neither", "good", "D is right often enough to teach G, and wrong often enough that G can learn."),
        "Too much": ("Too much", "bad", "D is right on nearly all images, so that its gradient tells G little."),
        "Too little": ("Too little", "bad", "D can only guess although samples are alike: it gives G no direction."),
        "Too soon": (
            "Too soon to say",
            "unsure",
            "So early even a healthy run's D is right nearly always, or guesses.",
        ),
        "Not known": ("Not known", "unsure", "How often D is right was not logged."),
    },
    "convergence": {
        "They have settled": ("Settled", "good", "Both losses stay where they are. That says nothing of the images."),
        "Still moving": ("Still moving", "unsure", "The losses still change, which is no fault by itself."),
        "Diverging": ("Diverging", "bad", "A loss has left what a healthy run shows."),
        "Too soon": ("Too soon to say", "unsure", "One epoch shows no change."),
    },
}


@dataclass(frozen=True)
class Gauge:
    """A number on a scale that has a healthy part.

    Args:
        what: Is measured.
        shown: Its value, as a person reads it.
        place: Where that is, 0 to 1.
        healthy: From where to where all is well, likewise.
        ends: What lies at 0 and at 1.
        range: The healthy part in words.
    """

    what: str
    shown: str
    place: float
    healthy: tuple[float, float]
    ends: tuple[str, str]
    range: str


@dataclass(frozen=True)
class Question:
    """One of the three, answered."""

    question: str
    word: str
    mood: str
    sentence: str
    numbers: str
    gauge: Gauge | None


def questions(run: Run) -> list[Question]:
    """What a run's diagnosis answers, in the order of its questions."""
    result = []
    for name, answer in run.diagnosis.answers.items():
        known = next((words for begin, words in WORDS[name].items() if answer.answer.startswith(begin)), None)
        word, mood, sentence = known or (answer.answer.partition(":")[0], "unsure", "")
        result.append(Question(answer.question, word, mood, sentence, answer.answer, GAUGES[name](run.history)))
    return result


def closeness(history: History) -> Gauge | None:
    """How far samples are from real images, by what the run measured of that."""
    if fcds := [value for value in history.series(FCD) if 0 < value < math.inf]:
        real, first = history.last(FLOOR), fcds[0]
        low, good = (real, GOOD * real) if real > 0 else (min(fcds), min(fcds))
        high = max(*fcds, 2 * good)
        ends = (f"real {digits(real)}" if real > 0 else digits(low), digits(high))
        return _logarithmic(
            "FCD", fcds[-1], low, good, high, ends, f"good below {digits(good)}; at first {digits(first)}"
        )
    if near := [value for value in history.series(THUMBNAIL_FD) if 0 < value < math.inf]:
        low, high = min(0.01, *near), max(2.0, *near)
        healthy = f"below {LEARNED_THUMBNAILS:g}; an average blob: 1"
        ends = (digits(low), digits(high))
        return _logarithmic("Thumbnails' distance", near[-1], low, LEARNED_THUMBNAILS, high, ends, healthy)
    if math.isfinite(seen := history.last(DIVERSITY)):
        above = f"above {COLLAPSE_DIVERSITY:g}; real images: 1"
        return _linear("Diversity", seen, digits(seen), (COLLAPSE_DIVERSITY, 1.25), (0, 1.25), ("0", "1.25"), above)
    return None


def accuracy(history: History) -> Gauge | None:
    """How often D is right: where G is good it may guess."""
    value = history.last(D_ACCURACY)
    if not math.isfinite(value):
        return None
    least = MIN_D_ACCURACY if too_weak(history) else GUESSING
    healthy = f"healthy {f'from {least:.0%}' if least > GUESSING else 'about 50%'} to {MAX_D_ACCURACY:.0%}"
    return _linear("D is right on", value, f"{value:.0%}", (least, MAX_D_ACCURACY), (0.4, 1), ("40%", "100%"), healthy)


def steadiness(history: History) -> Gauge | None:
    """How much the losses still change: the one that changes more."""
    if not history.epochs or any(map(math.isnan, changes := [abs(change) for change in loss_changes(history)])):
        return None
    most = max(changes)
    if math.isinf(most) and not history.diverged:
        return None
    shown = f"{most:.0%}" if most < 10 else "over 1,000%"
    return _linear(
        "Losses change by", most, shown, (0, SETTLED), (0, 0.5), ("0", "50%"), f"settled below {SETTLED:.0%}"
    )


GAUGES: dict[str, Callable[[History], Gauge | None]] = {
    "g_improving": closeness,
    "d_dominance": accuracy,
    "convergence": steadiness,
}


def _linear(
    what: str,
    value: float,
    shown: str,
    healthy: tuple[float, float],
    scale: tuple[float, float],
    ends: tuple[str, str],
    words: str,
) -> Gauge:
    low, high = scale

    def place(number: float) -> float:
        return min(max((number - low) / (high - low), 0.0), 1.0)

    return Gauge(what, shown, place(value), (place(healthy[0]), place(healthy[1])), ends, words)


def _logarithmic(
    what: str, value: float, low: float, good: float, high: float, ends: tuple[str, str], words: str
) -> Gauge:
    scale = (math.log(low), math.log(high))
    return _linear(what, math.log(value), digits(value), (scale[0], math.log(good)), scale, ends, words)
