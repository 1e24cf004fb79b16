"""Options by the names that a person types: `model.lr_d`, `model.generator.widths`."""

from collections.abc import Mapping
from typing import Any

# What a checkpoint keeps of a run beside its options.
PROCESSES, CONTENTS, LIBRARY = "devices × num_nodes", "contents of the images", "matrix products by"


def flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested options by dotted name.

    A class and its arguments, `{class_path: ..., init_args: {...}}`, are named as on the command line: `model.generator` is
    the class path, `model.generator.widths` an argument.

    Args:
        options: As in a run's config.yaml.
        prefix: What stands before each name.
    """
    result: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, Mapping) and "class_path" in value:
            result[f"{prefix}{name}"] = value["class_path"]
            value = value.get("init_args") or {}
        if isinstance(value, Mapping):
            result |= flat(value, f"{prefix}{name}.")
        else:
            result[f"{prefix}{name}"] = value
    return result
