"""Rows that are means over updates: the leftovers of an epoch, so few that they are mostly noise, are joined to what came before."""

from collections.abc import Sequence
from itertools import pairwise
from statistics import median

from first_gan.report.run import Row

LEAST = 0.5  # of the updates that a row is usually the mean of


def joined(rows: Sequence[Row]) -> list[Row]:
    """The same rows, but those of few updates, which count in the row before by their number.

    Args:
        rows: Means over the updates since the row before, in order; `step` is the last of these.
    """
    sizes = [later["step"] - earlier["step"] for earlier, later in pairwise(rows)]
    usual = median(sizes) if sizes else 0
    result, size = list(rows[:1]), usual
    for row, own in zip(rows[1:], sizes, strict=True):
        if own < LEAST * usual:
            whole, size = result[-1], size + own
            shares = {name: own / size if name in whole else 1 for name in row}
            result[-1] = {
                name: (1 - shares.get(name, 0)) * whole.get(name, 0) + shares.get(name, 0) * row.get(name, 0)
                for name in whole | row
            } | {"step": row["step"], "epoch": row["epoch"]}
        else:
            result.append(row)
            size = own
    return result
