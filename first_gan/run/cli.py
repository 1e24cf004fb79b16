"""What the commands share: the parser, and one-line errors with their exit codes."""

import codecs
import difflib
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from first_gan.run import config_files
from first_gan.run.help import Help
from first_gan.run.hints import unknown_option
from first_gan.run.output import safe_output
from first_gan.run.shell import quoted
from first_gan.run.stopping import STOP, Interrupted

BAD_INPUT, FAILED = 2, 1
T = TypeVar("T")
config_files.install()


class UserError(Exception):
    """Bad input: one or two lines for the person who gave it, exit code 2."""


class RunFailed(Exception):
    """A run that could not go on: one or two lines, exit code 1."""


def run_command(program: str, body: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> int:
    """Runs a command's body and turns what stops it into lines on stderr and an exit code.

    Args:
        program: The command's name, to stand before its errors.
        body: Takes the arguments, returns the exit code.
        argv: The arguments; by default those of the process.

    Returns:
        0, 1 (a run that failed), 2 (bad input), 130 (Ctrl-C), 138 (SIGUSR1) or 143 (SIGTERM).
    """
    with safe_output(program):
        return _run_command(program, body, argv)


def _run_command(program: str, body: Callable[[Sequence[str]], int], argv: Sequence[str] | None) -> int:
    try:
        with STOP.taken():
            return body(list(sys.argv[1:] if argv is None else argv))
    except UserError as error:
        print(f"{program}: error: {plain(str(error))}", file=sys.stderr)
        return BAD_INPUT
    except RunFailed as error:
        print(f"{program}: {plain(str(error))}", file=sys.stderr)
        return FAILED
    except Interrupted:
        print("\nInterrupted.", file=sys.stderr)
        return STOP.exit_code


def check_first(program: str, check: Callable[[Sequence[str]], object]) -> None:
    """Ends the process where its arguments ask for help or are bad, before the seconds in which torch is loaded.

    Args:
        program: The command's name, to stand before its errors.
        check: Takes the arguments; raises UserError.
    """

    def body(argv: Sequence[str]) -> int:
        check(argv)
        return 0

    if code := run_command(program, body, None):
        sys.exit(code)


def plain(text: str) -> str:
    """A text without what would control a terminal, as a checkpoint's or a file's name can hold it."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)


def expand(path: str | None, default: str = ".") -> Path:
    """A path that a person typed, with ~ for the home folder.

    Raises:
        UserError: It is a URL, or of a person's home who is not known here, or no file can have that name.
    """
    if path and "\0" in path:
        raise UserError(f"{path!r} is no name that a file can have")
    if path and re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", path):  # `C:/` is a drive
        raise UserError(
            f"{path} is a URL; name a folder or file of this machine, such as one where the other is mounted"
        )
    try:
        return Path(path or default).expanduser()
    except RuntimeError as error:
        raise UserError(f"{path}: {error}") from error


def shout(title: str, text: str) -> None:
    """A warning on stderr that cannot be missed."""
    panel = Panel(Text(text), title=Text(title), style="bold yellow", expand=False)  # as text: a path may hold brackets
    Console(stderr=True).print(panel)


class Steps(Progress):
    """What a command is doing, as a bar on stderr that is gone afterwards; nothing where stderr is no terminal."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description:24}"), BarColumn(), TimeElapsedColumn()
        super().__init__(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self.add_task("", total=None)

    def now(self, description: str) -> None:
        """Says what is being done, of a length that is not known."""
        self.reset(self._task, total=None, description=description)

    def each(self, items: Sequence[T], description: str) -> Iterator[T]:
        """The items, one after the other, as what is being done; `{}` in the description is the item."""
        self.reset(self._task, total=len(items), description=description)
        for item in items:
            self.update(self._task, description=description.format(item))
            yield item
            self.advance(self._task)


class Parser(ArgumentParser):
    """jsonargparse with errors of one line and config files that flags override, whichever comes first.

    Args:
        refused: Options that exist elsewhere and cannot work here, with the reason.
        nested: Options of the classes that are the default, which a misspelt name may mean.
        values: What may stand in a list that an option takes, where that is a few words.
    """

    def __init__(
        self,
        refused: Mapping[str, str] = MappingProxyType({}),
        nested: Sequence[str] = (),
        values: Mapping[str, Sequence[str]] = MappingProxyType({}),
        **kwargs: Any,
    ) -> None:
        super().__init__(allow_abbrev=False, formatter_class=Help, **kwargs)
        self.refused, self.nested, self.values = refused, nested, values
        self.arrange: Callable[[], None] | None = None  # called before help is printed

    def format_help(self, *formatter: Any) -> str:
        if self.arrange is not None:
            self.arrange()
        return super().format_help(*formatter)

    def dump(self, cfg: Any, **kwargs: Any) -> str:
        """YAML; what --print_config prints can be kept as a config file, wherever stdout leads and in whatever encoding."""
        if hasattr(self, "print_config") and codecs.lookup(sys.stdout.encoding or "utf-8").name != "utf-8":
            kwargs["format"] = config_files.ASCII
        return super().dump(cfg, **kwargs)

    def parse_args(self, args: Any = None, *rest: Any, **named: Any) -> Any:
        for word in args or ():
            if re.fullmatch(r"--[^=]+=--", word):  # whose value argparse drops
                raise UserError(f"argument {word.removesuffix('=--')}: expected one argument")
        return super().parse_args(args, *rest, **named)

    def parse(self, argv: Sequence[str], base: str | None = None) -> Any:
        """Parses train.py's arguments: the config file `base` first, then each --config, then the flags.

        Raises:
            UserError: An option is unknown, ill-typed or cannot work here.
        """
        configs, flags = [] if base is None else ["--config", base], []
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            if word == "--config" and rest:
                configs += [word, rest.pop(0)]
            elif word.startswith("--config="):
                configs.append(word)
            else:
                flags.append(word)
        try:
            options = self.parse_args(configs + flags)
        except UnicodeError as error:
            raise UserError(f"--config: {error}") from error
        for group in ("model", "data", "quality", "health"):
            own = [name for name in self.names() if re.fullmatch(rf"{group}\.\w+", name)]
            if not isinstance(options.get(group), Namespace) or not all(name in options for name in own):
                raise UserError(f"--{group} must be a group of options, got {options.get(group)}")
        return options

    def names(self) -> list[str]:
        """All options, with their groups: `model.lr`."""
        return [option.removeprefix("--") for action in self._actions for option in action.option_strings]

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if not self.exit_on_error:  # of a class's own arguments, within the parser of all
            super().error(message, ex)
        raise UserError(self._one_line(message)) from ex

    def _one_line(self, message: str) -> str:
        if match := re.match(r"unrecognized arguments: (.*)", message):
            return self._unknown(match[1].split()[0].split("=")[0].removeprefix("--"), match[1])
        if match := re.search(r"does not accept option '([\w.]+)'", message):
            group = re.search(r"[Gg]roup '(\w+)'", message)
            return self._unknown(f"{group[1]}.{match[1]}" if group else match[1], f"in a config file: {match[1]}")
        if match := re.match(r"Option '([\w.]+)' is not accepted", message):
            return self._unknown(match[1], f"in a config file: {match[1]}")
        network = r'Parser key "([\w.]+)":\s+Type .* expects a function or a callable class: (.*)\. Got value: (.*)'
        if match := re.match(network, message, re.DOTALL):
            message = self._network(*match.groups())
        union = (
            r"Does not validate against any of the Union subtypes\s+Subtypes: \[(.*?)\]\s+Errors:.*Given value: (.*)"
        )
        if match := re.search(union, message, re.DOTALL):
            types = " or ".join(re.findall(r"typing\.Literal\[.*?\]|[^\s,\[\]]+(?: '[\w.]+'>)?", match[1] + "]"))
            message = f"{message[: match.start()]}Expected {types}, got {match[2]}"
        message = re.sub(r"(?:a )?typing\.Literal\[(.*?)\]", r"one of \1", message)
        message = re.sub(r"<class '([\w.]+)'>", r"\1", message)
        message = re.sub(r"(?:typing|collections\.abc)\.", "", message)
        message = self._with_hint(message)
        message = re.sub(r'Parser key "([\w.]+)":\s*', r"--\1: ", message).replace("NoneType", "null")
        message = re.sub(r"\. Got value: ", ", got ", message)
        return re.sub(r"\s+", " ", message).strip()

    def _network(self, option: str, reason: str, given: str) -> str:
        """What is wrong with a network's class, or with one of the class's own options."""
        class_path = re.search(r"class_path='([\w.]+)'", given)
        if match := re.match(r'Parser key "([\w.]+)":\s+(.*)', reason, re.DOTALL):
            return f'Parser key "{option}.{match[1]}": {match[2]}'
        if (match := re.match(r"Option '(\w+)' is not accepted", reason)) and class_path:
            close = difflib.get_close_matches(f"{option}.{match[1]}", self.nested, n=1)
            hint = (
                f"; did you mean --{close[0]}?"
                if close and match[1] not in close[0]
                else f"; --{option}.help {class_path[1]} lists them"
            )
            return f"unknown option --{option}.{match[1]} of {class_path[1]}{hint}"
        why = f" ({reason})" if reason.startswith(("No module", "module")) else ""
        return f"--{option}: {class_path[1] if class_path else given} is not a network's class{why}, such as networks.dcgan.Generator is"

    def _unknown(self, name: str, given: str) -> str:
        return unknown_option(name, given, [*self.names(), *self.nested], self.refused)

    def _with_hint(self, message: str) -> str:
        """How to type several values, where an option got what looks like them or like the first of them."""
        match = re.search(r'"([\w.]+)".*Expected a (?:Sequence|tuple)\. Got value: (.*)', message, re.DOTALL)
        if match is None:
            return message
        option, given = match[1], match[2].strip()
        if legal := self.values.get(option):
            meant = next((each for each in legal if given in each), legal[0])
            return f"{message.rstrip()}; a list of some of {', '.join(legal)}: --{option} {quoted(f'[{meant}]')}"
        first = re.match(r"\[?([\w.+-]+(?:, ?[\w.+-]+)*)", given)
        values = f"{first[1].replace(' ', '')}{'' if ',' in first[1] else ',...'}" if first else "..."
        return f"{message.rstrip()}; several values are one word: --{option} {quoted(f'[{values}]')}"
