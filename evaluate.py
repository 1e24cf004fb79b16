"""Scores a checkpoint's generator against the test set. Try it: `python evaluate.py lightning_logs/version_0/checkpoints/last.ckpt`

Prints a table (the trained weights, their moving average, and the floor: real images scored as if generated) and
writes it as JSON beside the checkpoint.
"""

from first_gan.run import stopping

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over

import json
from collections.abc import Sequence
from typing import Any

from jsonargparse import Namespace
from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import nn

from first_gan.data import TEST_IMAGES, TRAIN_IMAGES, TRAIN_LABELS, DataError
from first_gan.run import cli
from first_gan.run import folder as run_folder
from first_gan.run.checkpoints import images_of, load_checkpoint, load_gan
from first_gan.run.cli import Parser, Steps, UserError, expand
from first_gan.run.folder import RunFolderError
from first_gan.scores.judge import JudgeError, judge_of
from first_gan.scores.scoring import SAMPLES, Reference, all_scores, draw, floor_scores

ROWS = {  # key, title, format, what Goodfellow et al. 2014 published
    "fcd": ("FCD (Fréchet distance)", "{:.2f}", ""),
    "kid": ("KID", "{:.4f}", ""),
    "classifier_score": ("classifier score, 1 to 10", "{:.2f}", ""),
    "precision": ("precision", "{:.3f}", ""),
    "recall": ("recall", "{:.3f}", ""),
    "density": ("density", "{:.3f}", ""),
    "coverage": ("coverage", "{:.3f}", ""),
    "modes_covered": ("classes covered of 10", "{}", ""),
    "histogram_kl": ("KL of classes (nats)", "{:.4f}", ""),
    "confidence": ("judge's confidence", "{:.3f}", ""),
    "parzen": ("Parzen (nats)", "{:.1f}", "225 ± 2"),
    "nearest_training_distance": ("distance to training set", "{:.2f}", ""),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("evaluate.py", evaluate, argv)


def evaluate(argv: Sequence[str]) -> int:
    """Scores the checkpoint that the arguments name; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
    """
    options = parse(argv)
    path = expand(options.checkpoint)
    try:
        checkpoint = load_checkpoint(path)
        gan = load_gan(path, checkpoint)
        arrays, dataset, folder = images_of(path, checkpoint, options.data_dir)
        with Steps() as steps:
            steps.now("judging the test set")
            judge = judge_of(dataset, arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS], folder)
            reference = Reference(judge, arrays[TEST_IMAGES])
            networks: dict[str, nn.Module] = {"raw": gan.generator} | (
                {} if gan.ema is None else {"ema": gan.ema.module}
            )
            scores: dict[str, dict[str, Any]] = {}
            for name in steps.each([*networks, "floor"], "scoring"):
                if name == "floor":
                    scores[name] = floor_scores(reference, arrays)
                else:
                    images = draw(networks[name], gan.latent_dim, SAMPLES, options.seed)
                    scores[name] = all_scores(images, reference, arrays)
    except (RunFolderError, DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    epoch = int(checkpoint["epoch"]) + 1
    Console().print(table(scores, f"{path}, epoch {epoch}: {SAMPLES:,} images against the test set of {dataset}"))
    print(f"judge {judge.sha256[:12]}; scores of different judges cannot be compared")
    result = {"checkpoint": path.name, "epoch": epoch, "dataset": dataset, "judge": judge.sha256, "samples": SAMPLES}
    out = path.with_name(f"{path.stem}.evaluation.json")
    try:
        run_folder.write_atomic(out, json.dumps(result | {"seed": options.seed, "scores": scores}, indent=1).encode())
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    print(f"written to {out}")
    return 0


TITLES = {"raw": "trained", "ema": "moving average", "floor": "real images"}


def parse(argv: Sequence[str]) -> Namespace:
    parser = Parser(prog="evaluate.py", description="Scores a checkpoint's generator against the test set.")
    parser.add_argument("checkpoint", type=str, help="a checkpoint of train.py")
    parser.add_argument("--data_dir", type=str | None, help="where the images are, if they moved since training")
    parser.add_argument("--seed", type=int, default=0, help="decides the latent vectors; 0 or more")
    options = parser.parse_args(list(argv))
    if not 0 <= options.seed < 2**63:
        raise UserError(f"--seed must be 0 to {2**63 - 1}, got {options.seed}")
    return options


def table(scores: dict[str, dict[str, Any]], title: str) -> Table:
    """A row per metric, a column per set of images."""
    result = Table(title=Text(title), title_justify="left")  # as text: a path may hold brackets
    for column in ("", *(TITLES[name] for name in scores), "paper, 2014"):
        result.add_column(column, justify="left" if not column else "right")
    for key, (label, form, published) in ROWS.items():
        cells = [form.format(column[key]) for column in scores.values()]
        if key == "parzen":
            cells = [
                f"{cell} ± {column['parzen_standard_error']:.1f}"
                for cell, column in zip(cells, scores.values(), strict=True)
            ]
        result.add_row(label, *cells, published)
    return result


if __name__ == "__main__":
    stopping.leave(main())
