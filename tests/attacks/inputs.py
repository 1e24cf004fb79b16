"""Bad inputs: options, config files, the text files of a run, names."""

import json
import os
from typing import Any

from hypothesis import strategies as st

from datamodule import MNISTDataModule
from first_gan.run.folder import CONFIG, RECORD
from first_gan.run.options import build_parser
from gan_module import GAN
from tests.attacks.rig import FOLDER, LAST, Rig, setting
from tests.attacks.values import ODD, OPTION, SPOILT, VALUES, WORDS, each, nested, typed

# What a person may well ask for, and would wait for.
LONG = ("model.d_steps", "num_nodes", "devices", "model.steps_per_execution", "max_time")
# Not bad input, but another command.
NOT_TRIED = ("help", "print_config", "config")


def options(rig: Rig, count: int) -> None:
    """Any option of train.py with any value."""
    parser = build_parser(GAN, MNISTDataModule)
    names = sorted({name for name in parser.names() if not name.endswith(".help")} - {*NOT_TRIED, "h"})

    def body(example: tuple[str, str]) -> None:
        name, value = example[0], typed(example[1])
        if name in LONG and value.lstrip("-").isdigit() and 2 < abs(int(value[:20])) < 2**31:
            value = "0"
        with rig.place() as place:
            rig.attempt("options", "train", [*setting(max_epochs="1"), f"--{name}={value}"], place)

    each(st.tuples(st.sampled_from(names), WORDS), count, body)


def other_options(rig: Rig, count: int) -> None:
    """Options of the other commands."""
    offered = {
        "generate": (
            [
                "num",
                "seed",
                "out",
                "digit",
                "interpolate",
                "evolution",
                "frames",
                "export",
                "weights",
                "batch_size",
                "data_dir",
                "overwrite",
                "x",
            ]
        ),
        "evaluate": ["data_dir", "seed", "x"],
        "report": ["out", "overwrite", "x"],
        "judge": ["dataset", "data_dir", "out", "overwrite", "x"],
    }
    given = {"generate": [str(LAST)], "evaluate": [str(LAST)], "report": [str(FOLDER)], "judge": ["--out=judge.pt"]}

    def body(example: tuple[str, int, str]) -> None:
        command, which, value = example[0], example[1], typed(example[2])
        name = offered[command][which % len(offered[command])]
        first = [value] if which > 900 and command != "judge" else given[command]
        argv = [*first, f"--{name}={value}" if name not in ("interpolate", "overwrite") else f"--{name}"]
        if command == "judge":
            argv = [argv[1], argv[0]]
        with rig.place() as place:
            rig.attempt("other commands", command, argv, place)

    each(st.tuples(st.sampled_from(sorted(offered)), st.integers(0, 999), WORDS), count, body)


def configs(rig: Rig, count: int) -> None:
    """Files for --config, and for a group: of options, or of anything."""

    def body(example: Any) -> None:
        content, group = example
        if isinstance(content, tuple):
            content = json.dumps(nested(*content)).encode()
        with rig.place() as place:
            (place / "c.yaml").write_bytes(content)
            rig.attempt("config files", "train", [*setting(max_epochs="1"), f"--{group}", "c.yaml"], place, content)

    written = st.one_of(st.tuples(OPTION, VALUES), SPOILT)
    each(st.tuples(written, st.sampled_from(["config"] * 6 + ["model", "data", "model.generator"])), count, body)


def run_files(rig: Rig, count: int) -> None:
    """The text files of a run folder, spoilt, then reported and resumed."""
    names = (CONFIG, "metrics.csv", str(RECORD), "summary.json")

    def body(example: tuple[str, Any, str]) -> None:
        name, content, command = example
        with rig.place() as place:
            path = place / FOLDER / name
            before = path.read_bytes()
            if isinstance(content, tuple):
                where, new = content
                if isinstance(new, tuple):
                    new = (json.dumps(nested(*new)) + "\n").encode()
                cut = int(where * len(before))
                path.write_bytes(before[:cut] + new + before[cut:])
            else:
                path.write_bytes(content)
            argv = (
                [str(FOLDER)]
                if command == "report"
                else ["--ckpt_path=last", "--max_epochs=3", "--max_time=00:00:00:05"]
            )
            if command == "generate":
                argv = ["--evolution", str(FOLDER)]
            rig.attempt("files of a run", command, argv, place, f"{name} {content!r}")

    inserted = st.tuples(st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.one_of(SPOILT, st.tuples(OPTION, VALUES)))
    commands = st.sampled_from(["report", "train", "train", "generate"])
    each(st.tuples(st.sampled_from(names), st.one_of(inserted, SPOILT), commands), count, body)


def names(rig: Rig, count: int) -> None:
    """Names of folders, files and checkpoints that exist nowhere, or should not."""

    def body(example: tuple[str, str]) -> None:
        option, value = example[0], typed(example[1])
        with rig.place() as place:
            argv = [*setting(max_epochs="1"), f"--{option}={value}"]
            if option in ("ckpt_path", "MNIST_DIR"):
                argv = [f"--ckpt_path={value}", "--max_epochs=3"]
            prepare = None
            if option == "MNIST_DIR":
                argv = ["--max_epochs=1", "--max_time=00:00:00:05", "--data.train_rows=100"]

                def prepare() -> None:
                    os.environ["MNIST_DIR"] = value

            rig.attempt("names", "train", argv, place, example, prepare=prepare)

    options = ["ckpt_path", "init_from", "default_root_dir", "data.data_dir", "config", "MNIST_DIR"]
    words = st.one_of(st.sampled_from(ODD), st.text(max_size=20), st.text("./~-ä\n\x1b", max_size=9))
    each(st.tuples(st.sampled_from(options), words), count, body)
