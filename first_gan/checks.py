"""Options of a class, checked as soon as it is made."""

from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

LEGAL: dict[str, Callable[[Any], bool]] = {
    "at least 1": lambda value: 1 <= value < inf,
    "at least 0": lambda value: 0 <= value < inf,
    "above 0": lambda value: 0 < value < inf,
    "in [0, 1)": lambda value: 0 <= value < 1,
    "from 0 to 1": lambda value: 0 <= value <= 1,
}


def check(group: str, options: Mapping[str, Any], **ranges: Sequence[str]) -> None:
    """Makes sure that options lie in their legal ranges; None is legal, and of several numbers each must be.

    Args:
        group: What stands before their names on the command line.
        options: By name.
        ranges: Names of options by a key of `LEGAL`, with underscores for spaces: `at_least_1=["d_steps"]`.

    Raises:
        ValueError: One does not; the message names it, the range and the value.
    """
    for name, legal in LEGAL.items():
        for option in ranges.get(name.translate(str.maketrans(" ", "_", "[,)")), ()):
            value = options[option]
            numbers = value if isinstance(value, (list, tuple)) else () if value is None else (value,)
            if not all(map(legal, numbers)):
                raise ValueError(f"{group}.{option} must be {name}, got {value}")
