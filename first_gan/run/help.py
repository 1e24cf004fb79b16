"""--help within 80 columns: one line of usage, options by what they are for, defaults as they are, no markup, examples."""

import inspect
import re
import shutil
from argparse import SUPPRESS, Action, RawDescriptionHelpFormatter
from collections.abc import Iterable, Mapping
from typing import Any

from jsonargparse import ArgumentParser, DefaultHelpFormatter

from first_gan.run.words import GROUPS, METAVARS, SECTIONS, described

WIDEST = 100  # columns; longer lines are hard to read
KINDS = {  # what is typed, by type
    "int": "N",
    "float": "X",
    "bool": "{true,false}",
    "tuple[float, float]": "[X,X]",
    "Sequence[int]": "[N,...]",
    "Sequence[float]": "[X,...]",
    "Sequence[str]": "[TEXT,...]",
}


class Help(RawDescriptionHelpFormatter, DefaultHelpFormatter):
    """An option, what is typed after it, what it does, and its default where that says something."""

    def __init__(self, prog: str, **kwargs: Any) -> None:
        width = min(WIDEST, shutil.get_terminal_size().columns) - 2
        super().__init__(prog, **{"width": width, "max_help_position": 28} | kwargs)

    def _get_help_string(self, action: Action) -> str:
        text, default = cleaned(action.help or ""), action.default
        if default is SUPPRESS or default is None or default == () or action.nargs == 0 or not action.option_strings:
            return text
        if isinstance(default, Mapping) or hasattr(default, "as_dict"):  # a network
            return f"{text} (default: {default['class_path']})"
        return f"{text} (default: {shown(default)})"

    def _format_action_invocation(self, action: Action) -> str:
        if not action.option_strings:
            return action.metavar or action.dest.upper()  # type: ignore[return-value]
        option = ", ".join(each for each in action.option_strings if not each.endswith("+"))
        return option if not (typed := self._typed(action)) else f"{option} {typed}"

    def _typed(self, action: Action) -> str:
        if action.nargs == 0:
            return ""
        kind = re.sub(r" \| null$|^Optional\[(.*)\]$", r"\1", self._get_type_str(action) or "")
        if isinstance(action.metavar, str) and "ITEM" not in action.metavar:
            return action.metavar
        if choices := re.fullmatch(r"Literal\[(.*)\]", kind):
            return f"{{{choices[1].replace(chr(39), '').replace(' ', '')}}}"
        return KINDS.get(kind) or _name(action).split(".")[-1].upper()


def _name(action: Action) -> str:
    return action.option_strings[-1].removeprefix("--").removesuffix("+") if action.option_strings else ""


def shown(default: Any) -> str:
    """A default as it is typed."""
    if isinstance(default, (tuple, list)):
        return f"[{','.join(map(shown, default))}]"
    return str(default).lower() if isinstance(default, bool) else str(default)


def cleaned(text: str) -> str:
    """A docstring's words without reStructuredText, and without a default that may be another here."""
    text = re.sub(r":\w+:`~?(?:[^`]*\.)?([^`.]*)`", r"\1", text).replace("`", "")
    text = re.sub(r"\s*\bDefaults?:? [^ ]*\.?$", "", " ".join(text.split()))
    return re.sub(r"^[A-Z](?=[a-z]+ )", lambda first: first[0].lower(), text.removesuffix("."))


def arrange(parser: ArgumentParser, networks: Mapping[str, type]) -> None:
    """Puts train.py's options under `SECTIONS`, with those of the default networks, and leaves out files for a group alone.

    Args:
        parser: train.py's.
        networks: The default networks' classes by option, `model.generator`.
    """
    for action in parser._actions:
        name = _name(action)
        action.metavar = METAVARS.get(name, action.metavar)
        if known := described(name):
            action.metavar, action.help = known
    actions = {_name(action): action for action in parser._actions if not _name(action).endswith(".help")}
    sections = {title: [actions.pop(name) for name in names if name in actions] for title, names in SECTIONS.items()}
    for group, title in GROUPS.items():
        for name in [name for name in actions if name.startswith(f"{group}.")]:
            sections[title].append(actions.pop(name))
            if name in networks:
                sections[title][-1].help = f"{sections[title][-1].help} --{name}.help CLASS lists its options"
                sections[title] += _arguments(networks[name], name)
    sections[list(SECTIONS)[-1]] += [action for name, action in actions.items() if name not in GROUPS]
    parser._action_groups = [_group(parser, title, found) for title, found in sections.items()]


def _arguments(network: type, name: str) -> Iterable[Action]:
    """The options of a network's class, as they are typed."""
    own = ArgumentParser()
    call = {"latent_dim", "image_shape"} & inspect.signature(network).parameters.keys()
    own.add_class_arguments(network, name, skip=call)
    return [action for action in own._actions if _name(action).startswith(f"{name}.")]


def _group(parser: ArgumentParser, title: str, actions: Iterable[Action]) -> Any:
    group = parser.add_argument_group(title)
    group._group_actions = list(actions)
    return group
