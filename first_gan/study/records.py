"""Records: what was measured of a claim, each time it was; a file that only grows, and the page made of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from first_gan import files
from first_gan.diagnosis.history import digits
from first_gan.study.statistics import SIGNIFICANT, interval, p_in_words, paired_p, welch_p

FIRST, RECORD, SAME, WORSE, UNTESTED = "the first", "a record", "the same", "worse", "not tested"
HEADER = ("value", "n", "95 % interval", "p", "verdict", "measured", "revision", "lock", "hardware", "command")


@dataclass(frozen=True)
class Claim:
    """What is measured.

    Args:
        title: In words.
        lower: Whether lower is better.
        paired: Whether values of the same seed belong together; else they are of a machine, and compared on the same one alone.
        command: What measures it, without its folder for results.
        file: Where that leaves its figures, in the folder.
        path: Where the values are in that file, level by level; `*` is each of a list.
    """

    title: str
    lower: bool
    paired: bool
    command: str
    file: str
    path: Sequence[str]

    def values(self, figures: Any) -> dict[str, float]:
        """The values of a file of figures by number, which is the seed's where they are paired."""
        found = [figures]
        for step in self.path:
            found = [each for of in found for each in (of if step == "*" else [of[step]])]
        return {str(number): float(value) for number, value in enumerate(found)}


@dataclass(frozen=True)
class Row:
    """One measurement of a claim.

    Args:
        claim: Its name.
        value: The mean.
        n: Of how many values.
        measured: The day.
        revision: Of git.
        lock: The first 12 digits of the SHA-256 of requirements.lock.
        hardware: What it was measured on.
        command: What was typed.
        interval: Student's 95 % interval of the mean; None where nobody knows it.
        values: By seed, or by alternation; None where they were not kept.
        p: Against the record before; None where that was not tested.
        verdict: `FIRST`, `RECORD`, `SAME`, `WORSE` or `UNTESTED`.
        note: What else there is to say.
    """

    claim: str
    value: float
    n: int
    measured: str
    revision: str
    lock: str
    hardware: str
    command: str
    interval: Sequence[float] | None = None
    values: Mapping[str, float] | None = None
    p: float | None = None
    verdict: str = FIRST
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Of `HEADER`."""
        ends = "" if self.interval is None else f"{digits(self.interval[0])} to {digits(self.interval[1])}"
        p = "" if self.p is None else p_in_words(self.p).removeprefix("p ").removeprefix("= ")
        verdict = f"{self.verdict}: {self.note}" if self.note else self.verdict
        where = (self.measured, f"`{self.revision}`", self.lock, self.hardware, f"`{self.command}`")
        return (digits(self.value), str(self.n), ends, p, verdict, *where)


@dataclass(frozen=True)
class Records:
    """The file of records.

    Args:
        path: Of the file, YAML.
        top: What its page begins with.
        claims: By name.
        rows: In the order in which they were measured.
    """

    path: Path
    top: str
    claims: Mapping[str, Claim]
    rows: Sequence[Row]

    @classmethod
    def read(cls, path: Path) -> "Records":
        kept = yaml.safe_load(files.text(path))
        claims = {name: Claim(**claim) for name, claim in kept["claims"].items()}
        return cls(path, kept["top"].strip(), claims, [Row(**row) for row in kept["rows"]])

    def before(self, claim: str, hardware: str) -> Row | None:
        """The record that stands: the last row that is one; of those whose values were kept, if any were."""
        rows = [row for row in self.rows if row.claim == claim and row.verdict not in (SAME, WORSE)]
        if not self.claims[claim].paired:
            rows = [row for row in rows if row.hardware == hardware]
        kept = [row for row in rows if row.values is not None] or rows
        return kept[-1] if kept else None

    def measured(self, claim: str, values: Mapping[str, float], **where: str) -> Row:
        """A new row, judged by the record that stands; nothing is written.

        Args:
            claim: Its name.
            values: By seed, or by alternation.
            where: The row's `measured`, `revision`, `lock`, `hardware` and `command`.
        """
        before = self.before(claim, where["hardware"])
        p, verdict = (None, FIRST) if before is None else judged(self.claims[claim], before.values, values)
        known = interval(list(values.values()))
        ends = None if known is None else list(known)
        return Row(
            claim, fmean(values.values()), len(values), interval=ends, values=values, p=p, verdict=verdict, **where
        )

    def add(self, row: Row) -> "Records":
        """Appends a row to the file; what is in it stays as it is, byte by byte."""
        text = yaml.safe_dump([asdict(row)], sort_keys=False, allow_unicode=True, width=1000)
        files.write(self.path, (files.text(self.path) + text).encode())
        return replace(self, rows=[*self.rows, row])

    def page(self) -> str:
        """As Markdown: a table for each claim."""
        parts = [self.top]
        for name, claim in self.claims.items():
            rows = [row.cells() for row in self.rows if row.claim == name]
            parts.append(f"## {claim.title}\n\n`make records ARGS={name}`\n\n{table(rows)}")
        return "\n\n".join(parts) + "\n"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of `HEADER` as Markdown."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, ["---"] * len(HEADER), *rows))


def judged(claim: Claim, before: Mapping[str, float] | None, values: Mapping[str, float]) -> tuple[float | None, str]:
    """The p of a two-sided test of new values against those of the record before, and the verdict."""
    if before is None:
        return None, UNTESTED
    old, new = list(before.values()), list(values.values())
    if claim.paired:
        seeds = [seed for seed in values if seed in before]
        old, new = [before[seed] for seed in seeds], [values[seed] for seed in seeds]
    p = (paired_p if claim.paired else welch_p)(new, old)
    if p is None:
        return None, UNTESTED
    if p >= SIGNIFICANT:
        return p, SAME
    return p, RECORD if (fmean(new) < fmean(old)) == claim.lower else WORSE
