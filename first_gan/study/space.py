"""What a study tries: a grid of values (`--vary`) or what is drawn from ranges (`--sample`), and how a trial is named."""

import hashlib
import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from first_gan.run.cli import UserError
from first_gan.run.config import load

FORMS = "uniform(low, high), loguniform(low, high), int(low, high) or categorical(a, b, ...)"
LONGEST = 80  # characters of a run's name
Setting = dict[str, Any]  # values by option
Typed = Callable[
    [str, str], Any
]  # an option and its value as text to its value as train.py has it; UserError if it is bad


@dataclass(frozen=True)
class Slot:
    """A trial's place in a study, which it keeps however often it is begun.

    Args:
        seed: Of its run.
        setting: Of a grid.
        sample: The number of a search's setting; what that is, its trial knows.
    """

    seed: int
    setting: Setting | None = None
    sample: int | None = None

    @property
    def key(self) -> str:
        what = {"setting": self.setting} if self.sample is None else {"sample": self.sample}
        return json.dumps({"seed": self.seed} | what, sort_keys=True)

    @classmethod
    def read(cls, key: str) -> "Slot":
        """From its key."""
        return cls(**json.loads(key))

    @property
    def run_name(self) -> str:
        """The name of its run folder, the same for the same slot."""
        if self.sample is not None:
            return f"sample_{self.sample}_seed_{self.seed}"
        words = [f"{short}={_in_name(value)}" for short, value in shortened(self.setting or {}).items()]
        full = "_".join([*words, f"seed_{self.seed}"])
        name = re.sub(r"[^\w.+=-]+", "-", full, flags=re.ASCII).lstrip("_.+=-")
        if name == full and len(name) <= LONGEST:
            return name
        return f"{name[:LONGEST]}-{hashlib.sha256(self.key.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Sampled:
    """An option whose values are drawn.

    Args:
        form: uniform, loguniform, int or categorical.
        bounds: The lowest and the highest value, or the choices.
    """

    form: str
    bounds: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.form}({', '.join(map(shown, self.bounds))})"


@dataclass(frozen=True)
class Space:
    """What a study tries: a grid, or a search of so many settings; over so many seeds.

    Args:
        seeds: Of each setting's runs.
        varied: Values by option, of a grid.
        sampled: Ranges by option, of a search.
        trials: How many settings a search draws.
    """

    seeds: Sequence[int]
    varied: Mapping[str, Sequence[Any]]
    sampled: Mapping[str, Sampled]
    trials: int = 0

    @property
    def options(self) -> list[str]:
        return [*self.varied, *self.sampled]

    def described(self) -> dict[str, Any]:
        """What must be alike in each process of a study: a grid's options, a search's ranges."""
        return {"varied": list(self.varied), "sampled": {name: str(each) for name, each in self.sampled.items()}}

    def files(self) -> dict[str, str]:
        """The configs that are varied, by what they say, as a hash: comments and layout aside."""
        drawn = self.sampled["config"].bounds if "config" in self.sampled else ()
        paths = [*self.varied.get("config", ()), *drawn]
        said = {path: load(Path(path).expanduser().read_text(encoding="utf-8")) for path in paths}
        return {path: hashlib.sha256(json.dumps(each, default=str).encode()).hexdigest() for path, each in said.items()}

    def settings(self) -> list[Setting]:
        """Of a grid; one without options where seeds alone are tried."""
        return [dict(zip(self.varied, values, strict=True)) for values in itertools.product(*self.varied.values())]

    def slots(self) -> list[Slot]:
        """All of a grid; of a search each setting's first. Seed by seed, so that a study that broke off has whole grids."""
        if self.sampled:
            return [Slot(self.seeds[0], sample=number) for number in range(self.trials)]
        return [Slot(seed, setting) for seed in self.seeds for setting in self.settings()]


def read_vary(texts: Sequence[str], typed: Typed) -> dict[str, list[Any]]:
    """`--vary "model.lr=[5e-4,1e-3]"`: the values of each option, each once.

    Raises:
        UserError: One cannot be read, or train.py does not take it.
    """
    varied: dict[str, list[Any]] = {}
    for name, text in (_named("--vary", each) for each in texts):
        values = _listed(text)
        if values is None or not text.startswith("["):
            raise UserError(f'--vary {name}={text}: values in brackets are needed, as in --vary "{name}=[1, 2]"')
        _check_new("--vary", name, varied)
        found = [typed(name, text_of(value)) for value in values]
        varied[name] = [value for number, value in enumerate(found) if value not in found[:number]]
    return dict(sorted(varied.items()))  # typed in whatever order


def read_sample(texts: Sequence[str], typed: Typed) -> dict[str, Sampled]:
    """`--sample "model.lr=loguniform(1e-4,3e-3)"`: the range of each option.

    Raises:
        UserError: One cannot be read, or train.py does not take its bounds.
    """
    sampled: dict[str, Sampled] = {}
    for name, text in (_named("--sample", each) for each in texts):
        match = re.fullmatch(r"\s*(\w+)\s*\((.*)\)\s*", text, re.DOTALL)
        values = _listed(f"[{match[2]}]") if match else None
        if match is None or not values or match[1] not in ("uniform", "loguniform", "int", "categorical"):
            raise UserError(f"--sample {name}={text}: one of {FORMS} is needed")
        _check_new("--sample", name, sampled)
        form = match[1]
        bounds = values if form == "categorical" else _bounds(f"--sample {name}={text}", form, values)
        sampled[name] = Sampled(form, tuple(typed(name, text_of(value)) for value in bounds))
    return dict(sorted(sampled.items()))


def _bounds(given: str, form: str, values: Sequence[Any]) -> list[float]:
    try:
        low, high = (int(str(value)) if form == "int" else float(value) for value in values)
    except (TypeError, ValueError):
        raise UserError(f"{given}: {form} takes two numbers, the lowest and the highest") from None
    if not low < high < float("inf") or (form == "loguniform" and low <= 0):
        raise UserError(f"{given}: the lowest must be below the highest" + ", and above 0" * (form == "loguniform"))
    return [low, high]


def _named(option: str, given: str) -> tuple[str, str]:
    match = re.fullmatch(r"\s*(?:--)?([\w.]+)\s*=\s*(.*?)\s*", given, re.DOTALL)
    if match is None:
        example = "model.lr=[5e-4, 1e-3]" if option == "--vary" else "model.lr=loguniform(1e-4, 3e-3)"
        raise UserError(f'{option} {given}: an option and its values are needed, as in {option} "{example}"')
    return match[1], match[2]


def _check_new(option: str, name: str, known: Mapping[str, Any]) -> None:
    if name in known:
        raise UserError(f"{option} {name} is given twice")
    if name == "seed_everything":
        raise UserError(f"{option} seed_everything: --seeds tries so many, from --seed_everything on")


def _listed(text: str) -> list[Any] | None:
    try:
        found = load(text)
    except yaml.YAMLError:
        return None
    return found if isinstance(found, list) and found else None


def text_of(value: Any) -> str:
    """A value as train.py takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def typed_words(setting: Mapping[str, Any]) -> list[str]:
    """A setting as train.py's flags."""
    return [f"--{name}={text_of(value)}" for name, value in setting.items()]


def shown(value: Any) -> str:
    """A value for a person: numbers with six digits at most."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    return text_of(value)


def _in_name(value: Any) -> str:
    return "+".join(map(shown, value)) if isinstance(value, list) else shown(value)


def shortened(setting: Mapping[str, Any]) -> Setting:
    """A setting by the last words of its options, where those differ: `lr` for `model.lr`."""
    last = [name.rsplit(".", 1)[-1] for name in setting]
    return {
        short if last.count(short) == 1 else name: value
        for short, (name, value) in zip(last, setting.items(), strict=True)
    }


def label(setting: Mapping[str, Any]) -> str:
    """A setting in words: `lr 0.001, r1 0.4`."""
    return ", ".join(f"{name} {shown(value)}" for name, value in shortened(setting).items()) or "as it is"
