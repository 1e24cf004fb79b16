"""Paths and commands as a person types them."""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from first_gan.run.folder import ROOT


def relative(path: Path) -> Path:
    """The path as seen from the working directory, where it lies below it."""
    path = path.absolute()
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def python() -> str:
    """How to type the interpreter that runs this: by its name where that leads to it, else by its path."""
    here = relative(Path(sys.executable or "python"))
    for name in ("python", here.name):
        if here.is_absolute() and (found := shutil.which(name)) and _is_same_program(Path(found), here):
            return name
    return str(here)


def _is_same_program(one: Path, other: Path) -> bool:
    # A virtual environment's interpreter is a link to one elsewhere, which knows other packages.
    return os.path.normcase(one.absolute().parent) == os.path.normcase(other.parent) and one.samefile(other)


def below(path: Path) -> Path:
    """The path as seen from the working directory; its name alone where it lies elsewhere: for what is made to be sent."""
    seen = relative(path)
    return Path(seen.name) if seen.is_absolute() else seen


def command(script: str, *arguments: str | Path, seen: Callable[[Path], Path] = relative) -> str:
    """What to type to run one of this program's scripts."""
    return python_command(ROOT / script, *arguments, seen=seen)


def python_command(*arguments: str | Path, seen: Callable[[Path], Path] = relative) -> str:
    """What to type to run this interpreter.

    Args:
        arguments: As they are typed, and paths.
        seen: How a path is typed.
    """
    words = (str(seen(word)) if isinstance(word, Path) else word for word in (Path(python()), *arguments))
    return " ".join(map(quoted, words))


def quoted(word: str, windows: bool = os.name == "nt") -> str:
    """A word as a shell takes it: bash and zsh, or on Windows cmd and PowerShell, which share nothing but double quotes."""
    if windows:
        plain = re.fullmatch(r"[\w.:/\\+-]+", word)
        return word if plain else '"' + re.sub(r'(\\+)(?="|$)', r"\1\1", word).replace('"', r"\"") + '"'
    if word.isprintable():
        return shlex.quote(word)
    shown = (c if c.isprintable() and c not in "\\'" else "".join(f"\\{b:03o}" for b in os.fsencode(c)) for c in word)
    return f"$'{''.join(shown)}'"
