"""How a verdict is printed: wrapped with hanging indents and coloured in a terminal, as it is anywhere else."""

import re
import textwrap

from rich.console import Console
from rich.text import Text

from first_gan.diagnosis.verdicts import HEALTHY, TOO_EARLY

GAP = re.compile(r"(\s*\S.*?\s{2,})\S")  # up to a second column
NARROW = 110  # columns below which a second one begins on a line of its own

SHORT = 20  # columns of a first one that leave enough for the second


def say(text: str, verdict: str = "") -> None:
    """Prints lines to stdout.

    Args:
        text: One line or several.
        verdict: Its first occurrence is coloured: green where all is well, yellow where it is too early to tell, else red.
    """
    console = Console()
    lines = "\n".join(part for line in text.splitlines() for part in wrapped(line, console.width))
    if not console.is_terminal:
        print(lines if console.is_jupyter else text, flush=True)
        return
    shown = Text(lines)
    colour = "yellow" if verdict == TOO_EARLY else "green" if verdict in HEALTHY else "red"
    if verdict and (start := shown.plain.find(verdict)) >= 0:
        shown.stylize(f"bold {colour}", start, start + len(verdict))
    with console.capture() as captured:
        console.print(shown, soft_wrap=True)
    print(captured.get(), end="", flush=True)  # not by the console: a bar that is drawn makes room for what is printed


def wrapped(line: str, width: int) -> list[str]:
    """A line in lines of at most `width`, broken between words; those that follow are indented."""
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 4)
    columns = GAP.match(line)
    if columns is not None and width < NARROW and columns.end(1) > SHORT:
        return [line[: columns.end(1)].rstrip(), *filled(line[columns.end(1) :], width, indent, indent)]
    return filled(line, width, "", " " * columns.end(1) if columns else indent)


def filled(text: str, width: int, first: str, following: str) -> list[str]:
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=following, **whole)  # type: ignore[arg-type]
