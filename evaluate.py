"""Scores a checkpoint's generator against the test set. Try it: `python evaluate.py lightning_logs/version_0/checkpoints/last.ckpt`

Prints a table (the trained weights, their moving average, and the floor: real images scored as if generated) and
writes it as JSON beside the checkpoint.
"""

from first_gan.run import cli, startup, stopping
from first_gan.run.scoring_options import checkpoint_there, parse

if __name__ == "__main__":
    stopping.exit_on_signals()  # while torch loads, which takes seconds; main() takes over
    cli.check_first("evaluate.py", parse)
    startup.say_loading("Loading PyTorch ...")

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text
from torch import Tensor, nn

from first_gan import files
from first_gan.data import DataError, ImageSet
from first_gan.data.sources import cache_folder
from first_gan.run.checkpoints import images_of, load_checkpoint, load_gan
from first_gan.run.cli import Steps, UserError
from first_gan.run.folder import RunFolderError
from first_gan.scores.judge import JudgeError, judge_of
from first_gan.scores.scoring import Reference, all_scores, draw, floor_scores, sample_count

HERE = Path(__file__).parent
ROWS = {  # key, title, format
    "fcd": ("FCD (Fréchet distance)", "{:.2f}"),
    "kid": ("KID", "{:.4f}"),
    "classifier_score": ("classifier score, 1 to {classes}", "{:.2f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "density": ("density", "{:.3f}"),
    "coverage": ("coverage", "{:.3f}"),
    "modes_covered": ("classes covered of {classes}", "{}"),
    "histogram_kl": ("KL of classes (nats)", "{:.4f}"),
    "confidence": ("judge's confidence", "{:.3f}"),
    "parzen": ("Parzen (nats)", "{:.1f}"),
    "nearest_training_distance": ("distance to training set", "{:.2f}"),
    "diversity": ("diversity of pixels", "{:.2f}"),
}
PAPER = {"mnist": {"parzen": "225 ± 2"}}  # what Goodfellow et al. 2014 published


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("evaluate.py", evaluate, argv)


def evaluate(argv: Sequence[str]) -> int:
    """Scores the checkpoint that the arguments name; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
    """
    options = parse(argv)
    try:
        with Steps() as steps:
            steps.now("reading the images")
            path = checkpoint_there(options.checkpoint)
            checkpoint = load_checkpoint(path)
            gan = load_gan(path, checkpoint, HERE)
            data, dataset, place = images_of(path, checkpoint, options.data_dir)
        judge = judge_of(dataset, data, cache_folder(dataset, place)) if len(data.classes) > 1 else None
        samples = sample_count(data.shape)
        with Steps() as steps:
            steps.now("judging the test set")
            reference = None if judge is None else Reference(judge, data.test)
            networks: dict[str, nn.Module] = {"raw": gan.generator} | ({} if gan.ema is None else {"ema": gan.ema})
            scores: dict[str, dict[str, Any]] = {}
            for name in steps.each([*networks, "floor"], "scoring: {}"):
                if name == "floor":
                    scores[name] = floor_scores(reference, data)
                else:
                    images = draw(networks[name], gan.latent_dim, samples, options.seed)
                    check_shape(images, data, path)
                    scores[name] = all_scores(images, reference, data)
    except (RunFolderError, DataError, JudgeError) as error:
        raise UserError(str(error)) from error
    epoch = int(checkpoint["epoch"]) + 1
    title = f"{path}, epoch {epoch}: {samples:,} images against the test set of {dataset}"
    result = {
        "checkpoint": path.name,
        "epoch": epoch,
        "dataset": dataset,
        "judge": None if judge is None else judge.sha256,
        "samples": samples,
    }
    out = path.with_name(f"{path.stem}.evaluation.json")
    unwritten: OSError | None = None
    try:
        files.write(out, json.dumps(result | {"seed": options.seed, "scores": scores}, indent=1).encode())
    except OSError as error:  # which is said below the scores: they took a while
        unwritten = error
    Console().print(table(scores, title, len(data.classes), PAPER.get(dataset, {})))
    if judge is None or reference is None:
        print("the images have no labels, so there is no judge: no FCD, and no other score that needs one")
    else:
        print(f"judge {judge.sha256[:12]}; scores of different judges cannot be compared")
        if reference.too_few:
            print(f"too small a test set: {reference.too_few}")
    if unwritten is not None:
        raise UserError(f"{out} cannot be written: {unwritten.strerror}") from unwritten
    print(f"written to {out}")
    return 0


def check_shape(images: Tensor, data: ImageSet, path: Path) -> None:
    """Makes sure that what the checkpoint draws can be compared with the dataset, which may have changed since.

    Raises:
        UserError: It cannot.
    """
    if images.shape[1:] != data.train.shape[1:]:
        drawn, found = ("×".join(map(str, shape)) for shape in (images.shape[1:], data.shape))
        raise UserError(f"{path} draws images of {drawn} (channels × height × width), and the dataset's are {found}")


TITLES = {"raw": "trained", "ema": "moving average", "floor": "real images"}


def table(scores: dict[str, dict[str, Any]], title: str, classes: int, published: dict[str, str]) -> Table:
    """A row per metric that was measured, a column per set of images, and one of what was `published`, if anything was."""
    result = Table(title=Text(title), title_justify="left")  # as text: a path may hold brackets
    for column in ("", *(TITLES[name] for name in scores), *(["paper, 2014"] if published else [])):
        result.add_column(column, justify="left" if not column else "right")
    for key, (label, form) in ROWS.items():
        if any(key not in column for column in scores.values()):
            continue
        cells = [form.format(column[key]) for column in scores.values()]
        if key == "parzen":
            cells = [
                f"{cell} ± {column['parzen_standard_error']:.1f}"
                for cell, column in zip(cells, scores.values(), strict=True)
            ]
        result.add_row(label.format(classes=classes), *cells, *([published.get(key, "")] if published else []))
    return result


if __name__ == "__main__":
    startup.loaded()
    stopping.leave(main())
