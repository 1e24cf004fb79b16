"""Lets jsonargparse read and write its config files by config.py: by itself it reads them in the locale's encoding."""

import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import yaml
from jsonargparse import get_loader, set_dumper, set_loader
from jsonargparse.typing import Path

from first_gan import files
from first_gan.run import config

ASCII = "yaml_ascii"
_load, _read = get_loader("yaml"), Path.read_text
_checks: list[Callable[[Any, str], None]] = []


def load(text: str) -> Any:
    return config.load(text, _load)


def read(path: Path) -> str:
    """The text of a file that an option names.

    Raises:
        UnicodeError: It is not UTF-8; the message says so.
    """
    if path.is_url or path.is_fsspec or str(path) == "-":
        return _read(path)
    try:
        text = files.text(pathlib.Path(path.absolute))
    except UnicodeDecodeError as error:
        raise UnicodeError(f"{path} is not a text file in UTF-8, which config files must be") from error
    for check in _checks:
        try:
            check(load(text), str(path))
        except yaml.YAMLError:  # of which jsonargparse will speak
            break
    return text


@contextmanager
def checked(check: Callable[[Any, str], None]) -> Iterator[None]:
    """Within it each file of options, of all options or of some, is shown to `check`, with its name, before anything is done with it."""
    _checks.append(check)
    try:
        yield
    finally:
        _checks.remove(check)


def install() -> None:
    """For all parsers of this process."""
    set_loader("yaml", load, (yaml.YAMLError,))
    set_dumper("yaml", config.dump)
    set_dumper(ASCII, partial(config.dump, ascii_alone=True))
    Path.read_text = read  # type: ignore[assignment, method-assign]
