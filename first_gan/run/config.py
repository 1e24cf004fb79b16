"""Options as YAML: UTF-8 in every locale, and so are the names of files in them; plain data, read within bounds."""

import os
import re
from collections.abc import Callable
from typing import Any

import yaml

DEEPEST = 50


def load(text: str, loader: Callable[[str], Any] = yaml.safe_load) -> Any:
    """The options in a YAML text, with names of files as this process has them.

    Args:
        text: YAML, with names as `dump` writes them.
        loader: Reads YAML. libyaml's refuses escapes of bytes that are not UTF-8: where there are any, PyYAML's own does it.

    Raises:
        yaml.YAMLError: It is not YAML, is nested over 50 levels deep, or says one thing by reference to another: a few lines
            of that become gigabytes.
    """
    escapes = re.search(r"\\uDC[89A-F]", text) is not None
    try:
        _check(text, yaml.SafeLoader if escapes else getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return _changed((yaml.safe_load if escapes else loader)(text), _to_system)
    except yaml.YAMLError:
        raise
    except Exception as error:  # PyYAML lets through what Python's int() and date() raise, among others
        raise yaml.YAMLError(f"a value is not what it is said to be: {error}") from error


def _check(text: str, parser: Any) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=parser):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError(f"references such as *{event.anchor} are not read")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise yaml.YAMLError(f"nested over {DEEPEST} levels deep")


def dump(options: Any, ascii_alone: bool = False) -> str:
    r"""The options as YAML, with names of files in UTF-8; bytes of a name that are not UTF-8 become escapes, `\uDCE4`.

    Args:
        options: Nested.
        ascii_alone: Whether all that is not ASCII becomes escapes.
    """
    named = _changed(options, _from_system)
    return yaml.safe_dump(named, default_flow_style=False, allow_unicode=not ascii_alone, sort_keys=False)


def _to_system(text: str) -> str:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:  # the C locale has nothing but ASCII, and all other bytes as surrogates
        return os.fsdecode(text.encode("utf-8", "surrogateescape"))
    return text


def _from_system(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode("utf-8", "surrogateescape")
    return text


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    """The value, with all texts in it changed but keys."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {key: _changed(each, change) for key, each in value.items()}
    return [_changed(each, change) for each in value] if isinstance(value, list) else value
