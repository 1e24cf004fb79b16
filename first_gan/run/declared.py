"""The names of train.py's options, read from the sources that declare them: a misspelt one is told before torch is loaded.

Loading torch and Lightning takes seconds, and the parser that knows types and defaults needs both.
"""

import ast
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from first_gan.run import startup
from first_gan.run.cli import UserError
from first_gan.run.folder import ROOT
from first_gan.run.hints import unknown_option
from first_gan.run.words import NESTED, NOT_OFFERED, OWN, REFUSED, SKIPPED

HERE = Path(__file__).parents[1]


def check_names(argv: Sequence[str]) -> None:
    """Refuses the first option that there is not; where all seem to be there, the parser knows more.

    Args:
        argv: What is typed.

    Raises:
        UserError: There is no such option.
    """
    try:
        known = names(ROOT)
    except (OSError, SyntaxError, LookupError):  # another layout: the parser decides
        return
    for word in argv:
        name = word.split("=")[0].removeprefix("--")
        if word == "--":
            break
        if not word.startswith("--") or name in known or name.startswith(("model.generator.", "model.discriminator.")):
            continue
        if name.removesuffix("+") not in known:
            startup.loaded()
            raise UserError(unknown_option(name, f"--{name}", [*known, *NESTED], REFUSED))


def names(project: Path) -> list[str]:
    """All options but those of the networks' own classes.

    Args:
        project: The folder of gan_module.py and datamodule.py.

    Raises:
        LookupError: A class is not where it was.
    """
    spec = find_spec("pytorch_lightning")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError("pytorch_lightning")
    trainer = arguments(Path(spec.submodule_search_locations[0], "trainer", "trainer.py"), "Trainer")
    classes = {
        "model": arguments(project / "gan_module.py", "GAN"),
        "data": arguments(project / "datamodule.py", "MNISTDataModule"),
        "quality": arguments(HERE / "callbacks" / "quality.py", "QualityMonitor"),
        "health": arguments(HERE / "callbacks" / "health.py", "HealthMonitor"),
    }
    nested = [f"{group}.{name}" for group, found in classes.items() for name in found if name not in SKIPPED[group]]
    return [*OWN, *(name for name in trainer if name not in NOT_OFFERED), *classes, *nested]


def arguments(path: Path, name: str) -> list[str]:
    """What a class in a Python file is made with, by name, without importing it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    return [each.arg for each in (*part.args.args[1:], *part.args.kwonlyargs)]
    raise LookupError(f"{path} has no {name}")
