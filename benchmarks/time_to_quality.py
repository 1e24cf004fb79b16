"""How long configs/best.yaml takes to the FCD that the lesson's script ends with: `python -m benchmarks.time_to_quality`.

In one run: the lesson's loop is timed for a few epochs, from which 50 are computed, then `train.py` with the recipe. The lesson's FCD after its 50 epochs is measured by `python -m benchmarks.quality --epochs 50`, or named by --target.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import runs
from benchmarks.speed import machine
from benchmarks.worker import Job
from first_gan.callbacks.messages import LESSON_EPOCHS
from first_gan.data import DataError
from first_gan.run import cli
from first_gan.run.cli import UserError

MEASURED = Path(f"benchmarks/results/quality/{LESSON_EPOCHS}_epochs_of_60000.json")


def main() -> int:
    return cli.run_command("time_to_quality.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Times both in turn; returns the exit code, which is 1 where the target was not reached."""
    parser = argparse.ArgumentParser(description="Times the recipe to the lesson's quality.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--target", type=float, help=f"FCD to reach; by default the lesson's, from {MEASURED}")
    parser.add_argument("--epochs", type=int, default=3, help="of the recipe")
    parser.add_argument("--lesson_epochs", type=int, default=2, help="timed epochs of the lesson's script")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    if min(options.epochs, options.lesson_epochs) < 1:
        parser.error("--epochs and --lesson_epochs must be at least 1")
    if options.target is None:
        if not MEASURED.is_file():
            parser.error(f"{MEASURED} is not there: name the --target, or measure it by benchmarks.quality first")
        try:
            options.target = statistics.mean(
                scores["fcd"] for scores in json.loads(MEASURED.read_text(encoding="utf-8"))["lesson"]
            )
        except (ValueError, KeyError, TypeError):
            parser.error(f"{MEASURED} is broken: remove it and run benchmarks.quality again, or name the --target")
    try:
        with tempfile.TemporaryDirectory() as folder:
            data_dir = runs.torchvision_layout(options.data_dir, folder)
            lesson = runs.loop("textbook", Job(data_dir, 128, options.lesson_epochs))
            lesson_seconds = lesson.seconds / options.lesson_epochs * LESSON_EPOCHS
            print(
                f"{machine('cpu')}\nThe lesson's script: {lesson.seconds / options.lesson_epochs:.1f} s per epoch, so ",
                end="",
            )
            print(f"{lesson_seconds:.0f} s for {LESSON_EPOCHS} epochs", flush=True)
            seconds, fcd = recipe(Path(folder), data_dir, options.epochs, options.seed)
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error
    text = f"{options.epochs} epochs of the recipe: {seconds:.1f} s, 1/{lesson_seconds / seconds:.0f} of that; FCD {fcd:.1f}"
    print(f"{text}, the lesson's after {LESSON_EPOCHS}: {options.target:.1f}")
    return 0 if fcd <= options.target else cli.FAILED


def recipe(folder: Path, data_dir: str, epochs: int, seed: int) -> tuple[float, float]:
    """Trains and scores the recipe; returns its seconds of training and its FCD on the test set."""
    flags = [f"--config={runs.ROOT / 'configs/best.yaml'}", f"--seed_everything={seed}", f"--max_epochs={epochs}"]
    flags += [f"--data.data_dir={data_dir}", f"--default_root_dir={folder}", "--quality.every_n_epochs=0"]
    out, _ = runs.process([sys.executable, str(runs.ROOT / "train.py"), *flags, "--accelerator=cpu"])
    checkpoint = folder / "lightning_logs/version_0/checkpoints/last.ckpt"
    runs.process([sys.executable, str(runs.ROOT / "evaluate.py"), str(checkpoint)])
    scores = json.loads(checkpoint.with_name("last.evaluation.json").read_text(encoding="utf-8"))["scores"]
    found = runs.TRAINED.search(out)
    if found is None:
        raise runs.RunError(f"train.py did not say how long it trained:\n{out}")
    return float(found[3]), scores["ema"]["fcd"]


if __name__ == "__main__":
    sys.exit(main())
