"""What train.py can be asked for: its parser, and the checks that need several options."""

import argparse
import importlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from jsonargparse import ActionConfigFile, Namespace
from pytorch_lightning import Trainer
from torch import nn

from first_gan import files
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.messages import LESSON_EPOCHS
from first_gan.callbacks.quality import QualityMonitor
from first_gan.diagnosis.verdicts import VERDICTS
from first_gan.networks import NetworkError, import_trusted, is_plain
from first_gan.run import matmul
from first_gan.run.cli import Parser, UserError
from first_gan.run.config import load
from first_gan.run.help import arrange
from first_gan.run.names import CONTENTS, LIBRARY, PROCESSES, flat
from first_gan.run.words import EXAMPLES, GROUPS, NESTED, NOT_OFFERED, REFUSED, SKIPPED

PLAIN_TEXT = ("accelerator", "strategy")  # the Trainer takes classes for them as well, which a file could have imported
FOUND = (PROCESSES, CONTENTS, LIBRARY)  # of a run, beside its options
# Beside the model's and the data's; scores of few images differ from scores of many.
TOP = ("seed_everything", "precision", "limit_train_batches", "quality.samples")
WHAT = "Trains a GAN on MNIST, or on your own images."
NETWORKS = ("model.generator", "model.discriminator")


def build_parser(gan: type, data: type) -> Parser:
    """Trainer options at the top, those of the model, the data, the quality scores and the diagnosis below.

    Args:
        gan: The LightningModule's class.
        data: The LightningDataModule's.
    """
    says = {"prog": "train.py", "usage": "train.py [options]", "description": WHAT, "epilog": EXAMPLES}
    parser = Parser(REFUSED, NESTED, {"health.stop_on": VERDICTS}, **says)
    add = parser.add_argument
    add("--config", action=ActionConfigFile)
    add("--seed_everything", type=int, default=0)
    for name in ("ckpt_path", "init_from", "name"):
        add(f"--{name}", type=str | None, default=None)
    for name in ("quiet", "verbose", "open"):
        add(f"--{name}", action="store_true")
    add("--show_samples", type=bool, default=True)
    add("--logger", type=list[str] | str, default=[])
    for group, described in zip(GROUPS, (gan, data, QualityMonitor, HealthMonitor), strict=True):
        parser.add_class_arguments(described, group, skip={*SKIPPED[group]})
    parser.add_class_arguments(Trainer, None, skip={*NOT_OFFERED, *PLAIN_TEXT})
    for name in PLAIN_TEXT:
        add(f"--{name}", type=str, default="auto")
    add("--matmul", type=Literal[matmul.OPTIONS], default="auto")
    classes = inspect.signature(gan).parameters
    parser.arrange = lambda: arrange(parser, {network: classes[network.split(".")[-1]].default for network in NETWORKS})
    parser.set_defaults(max_epochs=LESSON_EPOCHS, log_every_n_steps=50, precision="32-true", enable_model_summary=False)
    return parser


def typed_checkpoint(argv: Sequence[str]) -> Namespace:
    """`ckpt_path`, `init_from`, `default_root_dir` and `name`, as typed or as a typed config file has them; nothing else is looked at."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--ckpt_path", nargs="?")
    parser.add_argument("--init_from", nargs="?")
    parser.add_argument("--default_root_dir", nargs="?")
    parser.add_argument("--name", nargs="?")
    parser.add_argument("--config", nargs="?", action="append", default=[])
    typed = vars(parser.parse_known_args(list(argv))[0])
    for config in filter(None, reversed(typed.pop("config"))):
        with suppress(
            OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError
        ):  # of which the whole parser will speak
            kept = load(files.text(Path(config)))
            typed = {name: kept.get(name) if value is None else value for name, value in typed.items()}
    return Namespace({name: None if value == "null" else value for name, value in typed.items()})


def fixed_options(options: Namespace, processes: int, contents: str | None, library: str | None) -> dict[str, Any]:
    """What decides the outcome of a run, by option name: a resumed run must have it alike.

    Args:
        options: All options.
        processes: That share the work.
        contents: A hash of the images, of those that may change; None for the datasets that everyone has alike.
        library: Who multiplies matrices; a resumed run may have it otherwise, and says so. None on a GPU.
    """
    nested = {"model": options.model.as_dict(), "data": options.data.as_dict()}
    del nested["data"]["data_dir"], nested["model"]["steps_per_execution"]
    top = {key: options[key] for key in TOP}
    return top | flat(nested) | dict(zip(FOUND, (processes, contents, library), strict=True))


def as_defaults(fixed: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a checkpoint keeps, for a parser's defaults: those of a network beside its class again."""
    defaults = {key: value for key, value in fixed.items() if key not in FOUND}
    for network in NETWORKS:
        arguments = {key: defaults.pop(key) for key in list(defaults) if key.startswith(f"{network}.")}
        named = {key.removeprefix(f"{network}."): value for key, value in arguments.items()}
        defaults[network] = {"class_path": defaults[network], "init_args": named}
    return defaults


def check_file(options: Any, file: str, argv: Sequence[str], project: Path) -> None:
    """Makes sure that what a file says imports nothing: plain values, and networks of the project's own or typed now.

    Args:
        options: What it says: all options, or those of a group, nested or by name; nothing of them was imported yet.
        file: Its name, for messages.
        argv: What was typed.
        project: The folder of gan_networks.py and networks/.

    Raises:
        UserError: A file names another class, or another file of options.
    """
    if isinstance(options, Mapping) and "config" in options:
        raise UserError(f"{file} names another config file, which is not read: name it by --config")
    for name, class_path in named_classes(options):
        option = next((network for network in NETWORKS if network.endswith(name.split(".")[-1])), None)
        if option is None and name in GROUPS:
            continue  # which take no class at all, as the parser will say
        if option is None:
            raise UserError(f"{file} names a class for {name}, {class_path}, which is not imported")
        if any(word.split("=")[-1] == class_path for word in argv):
            continue
        try:
            import_trusted(class_path, project)
        except NetworkError as error:
            raise UserError(
                f"{file}: {option}: {error}\nif you trust it, name it yourself: --{option} {class_path}"
            ) from error


def named_classes(options: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The options for which a class is named, at any depth, with its path; a network's may stand there alone."""
    if isinstance(options, list):
        options = dict(enumerate(options))
    elif isinstance(options, str):  # all of a file, for a network
        options = {NETWORKS[0]: options}
    for key, value in options.items() if isinstance(options, Mapping) else ():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            if "class_path" in value:
                yield name, str(value["class_path"])
            yield from named_classes({each: value[each] for each in value if each != "class_path"}, f"{name}.")
        elif isinstance(value, list):
            yield from named_classes(value, f"{name}.")
        elif value is not None and name.split(".")[-1] in ("generator", "discriminator", "class_path"):
            yield name, str(value)


def check_kept(path: Path, kept: Any, parser: Parser) -> dict[str, Any]:
    """The options that a checkpoint keeps, as a parser's defaults: those that `fixed_options` writes, of legal types.

    Args:
        path: The checkpoint's path.
        kept: What it holds as its options.
        parser: train.py's.

    Raises:
        UserError: They are not.
    """
    if not isinstance(kept, dict):
        raise UserError(f"{path} is not of train.py: it does not hold the run's options")
    own = (
        {name for name in parser.names() if name.startswith(("model.", "data."))} - {"data.data_dir"}
        | set(FOUND)
        | set(TOP)
    )
    odd = [
        name for name in kept if name not in own and not re.fullmatch(rf"({'|'.join(NETWORKS)})\.[a-z]\w*", str(name))
    ]
    if odd or not all(map(is_plain, kept.values())):
        what = f"the option {odd[0]!r}" if odd else "an option that is no plain value"
        raise UserError(f"{path} is damaged, or of another version of this program: it holds {what}")
    try:
        defaults = as_defaults(kept)
        parser.parse_object({key: value for key, value in defaults.items() if key not in NETWORKS})
    except KeyError as error:
        raise UserError(f"{path} is of another version of this program: it lacks the option {error}") from error
    except UserError as error:
        raise UserError(f"{path} is damaged, or of another version of this program: {error}") from error
    return defaults


def typed_network(named: Namespace) -> Callable[..., nn.Module]:
    """The network whose class was typed, or stands in a config file that was."""
    module, _, name = named.class_path.rpartition(".")
    return partial(getattr(importlib.import_module(module), name), **named.init_args.as_dict())


def check_batches(options: Namespace, rows: int, processes: int) -> None:
    """Makes sure that every process gets images, that an epoch has updates, and batch normalization two images or more.

    Args:
        options: All options.
        rows: Images that are trained on.
        processes: That share them.

    Raises:
        UserError: It does not.
    """
    of_each, batch_size, limit = rows // processes, options.data.batch_size, options.limit_train_batches
    if of_each == 0:
        raise UserError(f"--data.train_rows {rows} is fewer than the {processes} processes")
    batches = -(-of_each // batch_size)
    if limit is not None and (limit if isinstance(limit, int) else int(batches * limit)) < 1:
        raise UserError(f"--limit_train_batches {limit} leaves no update in an epoch of {batches}")
    normalized = flat({"model": options.model.as_dict()}).get("model.generator.batch_norm", False)
    if normalized and (of_each % batch_size or batch_size) == 1:
        raise UserError(
            f"--model.generator.batch_norm needs 2 images or more, and the last of {of_each} in batches of {batch_size} "
            "is alone; change --data.batch_size"
        )
