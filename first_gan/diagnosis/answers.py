"""Answers to the three questions, from a run's history; and whether its samples get better at all."""

import math
from statistics import fmean

from first_gan.diagnosis.history import (
    D_ACCURACY,
    D_FAKE,
    D_LOSS,
    DIVERSITY,
    FCD,
    FLOOR,
    G_LOSS,
    THUMBNAIL_FD,
    History,
    digits,
)
from first_gan.diagnosis.progress import MOVING, MOVING_DIVERSITY, g_moves
from first_gan.diagnosis.rules import MAX_D_ACCURACY, MIN_UPDATES, diverging, too_weak
from first_gan.diagnosis.verdicts import QUESTIONS, Answer, Evidence

SETTLED = 0.1  # relative change of a loss from the quarter before to the last


def g_improving(history: History) -> Answer:
    moves, question = g_moves(history), QUESTIONS["g_improving"]
    measured, seen = history.series(history.distance), history.series(DIVERSITY)
    if max(len(measured), len(seen)) < 2:
        return Answer(question, "Too soon to say: its samples were measured once at most", 0)
    gained = measured[0] > min(measured) * math.exp(MOVING) if measured else max(seen) > seen[0] + MOVING_DIVERSITY
    moves = -1 if moves == 0 and not gained else moves
    words = {1: "Yes", 0: "Not any more", -1: "No"}[moves]
    parts = [
        f"{name} {digits(values[-1])}, at first {digits(values[0])}, at best {digits(min(values))} ({real})"
        for name, values, real in (
            ("FCD", history.series(FCD), f"real images {digits(history.last(FLOOR))}"),
            ("thumbnails' distance", history.series(THUMBNAIL_FD), "real images 0, an average blob 1"),
        )
        if values
    ]
    if not parts:
        words = f"{words}, as far as diversity tells"
    parts += [f"diversity {digits(seen[-1])}, at first {digits(seen[0])} (real images 1)"] if seen else []
    return Answer(question, f"{words}: {'; '.join(parts)}", moves)


def d_dominance(history: History) -> Answer:
    accuracy, fake = history.last(D_ACCURACY), history.last(D_FAKE)
    if math.isnan(accuracy):
        why = "it diverged before anything was logged" if history.diverged else f"{D_ACCURACY} is not logged"
        return Answer(QUESTIONS["d_dominance"], f"Not known: {why}", 0)
    score = int(accuracy > MAX_D_ACCURACY) - bool(too_weak(history))
    words = {1: "Too much", 0: "Neither", -1: "Too little"}[score]
    if score and history.updates < MIN_UPDATES:
        words, score = "Too soon to say", 0
    return Answer(
        QUESTIONS["d_dominance"], f"{words}: it is right on {accuracy:.0%} of images, D(G(z)) is {digits(fake)}", score
    )


def convergence(history: History) -> Answer:
    question = QUESTIONS["convergence"]
    if finding := diverging(history):
        return Answer(question, "Diverging: " + ", ".join(map(str, finding.evidence)), -1)
    d_loss, g_loss = history.last(D_LOSS), history.last(G_LOSS)
    settled = all(abs(change) < SETTLED for change in loss_changes(history))
    words = "They have settled" if settled else "Still moving" if len(history.epochs) > 1 else "Too soon to say"
    return Answer(question, f"{words}: D's at {digits(d_loss)}, G's at {digits(g_loss)} nats", int(settled))


def loss_changes(history: History) -> list[float]:
    """By which share D's loss and G's changed from the quarter of the run before the last to that; infinite where there is one epoch."""
    changes = []
    for name in (D_LOSS, G_LOSS):
        before, recent = history.recent(name)
        changes.append(fmean(recent) / max(fmean(before[-len(recent) :]), 1e-9) - 1 if recent else math.inf)
    return changes


def improvement(history: History) -> list[Evidence]:
    """What G has reached."""
    found = []
    if fcds := history.series(FCD):
        found.append(Evidence(FCD, fcds[-1], f"{_at_first(fcds)}real images: {digits(history.last(FLOOR))}"))
    if near := history.series(THUMBNAIL_FD):
        found.append(Evidence(THUMBNAIL_FD, near[-1], f"{_at_first(near)}real images: 0, an average blob: 1"))
    return found or [Evidence(DIVERSITY, value, "real images: 1") for value in history.series(DIVERSITY)[-1:]]


def _at_first(values: list[float]) -> str:
    """What there is to compare with: of a single value nothing."""
    return f"at first {digits(values[0])}; " if len(values) > 1 else ""
