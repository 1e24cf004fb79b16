"""Intervals over seeds, and whether two settings can be told apart."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from scipy import stats

from first_gan.diagnosis.history import digits

CONFIDENCE = 0.95
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """Two settings, held against each other over the seeds that both were run with.

    Args:
        better: The one of lower mean FCD over these seeds.
        worse: The other.
        seeds: How many both have.
        means: FCD of the better and the worse one.
        p: Of a two-sided paired t-test; None for fewer than two seeds.
        corrected: The same by Holm, for how many pairs were compared.
    """

    better: str
    worse: str
    seeds: int
    means: tuple[float, float]
    p: float | None
    corrected: float | None = None

    @property
    def told_apart(self) -> bool:
        return self.corrected is not None and self.corrected < SIGNIFICANT

    def words(self, metric: str = "FCD") -> str:
        """The outcome as a sentence."""
        low, high = map(digits, self.means)
        seeds = f"{self.seeds} seed{'s' * (self.seeds != 1)}"
        if self.corrected is None:
            return f"{self.better} and {self.worse} cannot be told apart by one seed ({metric} {low} and {high})"
        p = p_in_words(self.corrected)
        if self.told_apart:
            return f"{self.better} is better than {self.worse} ({metric} {low} against {high}, {seeds}, {p})"
        return f"{self.better} and {self.worse} cannot be told apart ({metric} {low} and {high}, {seeds}, {p})"


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Student's 95 % interval of the mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    mean, error = fmean(values), stats.sem(values)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * error)
    return mean - half, mean + half


def share_interval(count: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    found = stats.binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def paired_p(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The p of a two-sided paired t-test; None for fewer than two pairs.

    A t-test, and not Wilcoxon's: of five pairs that one never says less than .06.
    """
    if len(one) < 2:
        return None
    if list(one) == list(other):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all differences are nearly alike, which settles it
        return float(stats.ttest_rel(one, other).pvalue)


def welch_p(one: Sequence[float], other: Sequence[float]) -> float | None:
    """The p of a two-sided t-test of two samples that have nothing to do with each other (Welch 1947); None where one has no spread."""
    if min(len(one), len(other)) < 2:
        return None
    if set(one) == set(other) and len(set(one)) == 1:
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all values are nearly alike
        return float(stats.ttest_ind(one, other, equal_var=False).pvalue)


def holm(ps: Sequence[float]) -> list[float]:
    """Corrected for how many there are, by Holm's step-down method (Holm 1979): in none of them a false find, with 95 %."""
    corrected, highest = [0.0] * len(ps), 0.0
    for rank, at in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[at]))
        corrected[at] = highest
    return corrected


def comparisons(scores: Mapping[str, Mapping[int, float]]) -> list[Comparison]:
    """Every two settings that have a seed in common, in the order of the settings.

    Args:
        scores: Each setting's FCD by seed.
    """
    found = []
    for one, other in combinations(scores, 2):
        seeds = sorted(scores[one].keys() & scores[other].keys())
        if not seeds:
            continue
        values = {name: [scores[name][seed] for seed in seeds] for name in (one, other)}
        better, worse = sorted(values, key=lambda name: fmean(values[name]))
        means = fmean(values[better]), fmean(values[worse])
        found.append(Comparison(better, worse, len(seeds), means, paired_p(values[better], values[worse])))
    tested = [each.p for each in found if each.p is not None]
    corrected = iter(holm(tested))
    return [
        each if each.p is None else Comparison(each.better, each.worse, each.seeds, each.means, each.p, next(corrected))
        for each in found
    ]


def p_in_words(p: float) -> str:
    """`p = .013`, `p < .001`."""
    if p < 0.001:
        return "p < .001"
    digits = 3 if p < 0.01 else 2
    text = f"{math.floor(p * 10**digits + 0.5) / 10**digits:.{digits}f}"
    return f"p = {text.removeprefix('0')}"
