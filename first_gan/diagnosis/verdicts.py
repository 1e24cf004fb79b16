"""What a diagnosis consists of: verdicts, their evidence, answers to the three questions."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from markupsafe import Markup

from first_gan.diagnosis.advice import Advice
from first_gan.diagnosis.history import digits

IMPROVING, CONVERGED, TOO_EARLY = "improving", "converged", "too early to tell"
DIVERGING, TOO_WEAK, COLLAPSE = "diverging", "discriminator too weak", "mode collapse"
DOMINATES, RELAPSED, OSCILLATING = "discriminator dominates", "relapsed", "oscillating"
MEMORIZING, MODES_MISSING, STALLED = "memorizing", "modes missing", "stalled"
HEALTHY = (IMPROVING, CONVERGED, TOO_EARLY)
SICK = (DIVERGING, TOO_WEAK, COLLAPSE, DOMINATES, RELAPSED, OSCILLATING, MEMORIZING, MODES_MISSING, STALLED)
VERDICTS = HEALTHY + SICK
# Behind white letters in a notebook; all else there has the notebook's own colors, light or dark.
GOOD, UNSURE, BAD = "#1a7f4b", "#7a6400", "#c92a2a"
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
class Finding:
    """Something that is wrong with a run.

    Args:
        verdict: One of `SICK`.
        evidence: What it rests on.
        since: After which epoch it began, where that is known.
        note: What else to know, for a person; may be empty.
    """

    verdict: str
    evidence: list[Evidence]
    since: int | None = None
    note: str = ""

    def __str__(self) -> str:
        since = f" since epoch {self.since}" if self.since else ""
        return f"{self.verdict}{since}: " + "; ".join(filter(None, [", ".join(map(str, self.evidence)), self.note]))


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
        findings: All that is wrong, the gravest first. What is milder than the verdict is here alone, as that digits are still
            missing from a run that is improving.
    """

    verdict: str
    confidence: str
    answers: Mapping[str, Answer]
    evidence: list[Evidence]
    advice: list[Advice]
    epoch: int
    findings: list[Finding]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def headline(self) -> str:
        since = f" since epoch {self.since}" if self.since else ""
        note = f"; {self.note}" if self.note else ""
        return f"{self.verdict}{since} (confidence {self.confidence}): {', '.join(map(str, self.evidence))}{note}"

    @property
    def since(self) -> int | None:
        """After which epoch that began which the verdict names, where that is known."""
        return next((finding.since for finding in self.findings if finding.verdict == self.verdict), None)

    @property
    def note(self) -> str:
        """What else to know of it."""
        return next((finding.note for finding in self.findings if finding.verdict == self.verdict), "")

    @property
    def others(self) -> list[Finding]:
        """What is wrong beside the verdict."""
        return [finding for finding in self.findings if finding.verdict != self.verdict]

    def text(self) -> str:
        """As lines for a terminal."""
        lines = [f"Verdict: {self.headline()}", *(f"  also {finding}" for finding in self.others)]
        lines += [f"  {answer.question:40} {answer.answer}" for answer in self.answers.values()]
        if self.advice:
            lines += [f"  {self.before_advice()}:", *(f"    {each.option:40} {each.why}" for each in self.advice)]
        return "\n".join(lines)

    def markdown(self) -> str:
        """As TensorBoard shows it."""
        lines = [f"**{self.headline()}**", "", *(f"- Also {finding}" for finding in self.others)]
        lines += [f"- {answer.question} {answer.answer}" for answer in self.answers.values()]
        if self.advice:
            lines += ["", f"{self.before_advice()}:", "", *(f"- `{each.option}`: {each.why}" for each in self.advice)]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return self.html()

    def html(self) -> Markup:
        """As a notebook shows it."""
        color = UNSURE if self.verdict == TOO_EARLY else GOOD if self.verdict in HEALTHY else BAD
        since = f" since epoch {self.since}" if self.since else ""
        head = badge(self.verdict, color) + f"{since}, confidence {self.confidence}, after epoch {self.epoch}"
        answers = [Markup("<b>{}</b> {}").format(each.question, each.answer) for each in self.answers.values()]
        reasons = [*map(str, self.evidence), *filter(None, [self.note])]
        html = Markup("<p>{}</p>{}<p>Evidence:</p>{}").format(head, listed(answers), listed(reasons))
        if self.others:
            html += Markup("<p>Also found:</p>") + listed(self.others)
        if self.advice:
            advice = [Markup("<code>{}</code> {}").format(each.option, each.why) for each in self.advice]
            html += Markup("<p>{}:</p>").format(self.before_advice()) + listed(advice)
        return html

    def before_advice(self) -> str:
        return "Resume it and try" if self.verdict in (IMPROVING, TOO_EARLY) else "In a new run, try"


def badge(text: str, color: str) -> Markup:
    """Words that a notebook shows in white on a color."""
    style = "background: {}; color: #fff; padding: 0.1em 0.6em; border-radius: 0.3em"
    return Markup(f'<strong style="{style}">{{}}</strong>').format(color, text)


def listed(items: Iterable[object]) -> Markup:
    """An HTML list; what is no Markup is escaped."""
    return Markup("<ul>{}</ul>").format(Markup().join(Markup("<li>{}</li>").format(each) for each in items))
