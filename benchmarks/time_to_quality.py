"""How long configs/best.yaml takes to the FCD that the lesson's script ends with: `python -m benchmarks.time_to_quality`.

For each seed in turn, an epoch of the lesson's loop is timed, from which 50 are computed, then `train.py` with the recipe in each precision.
The lesson's FCD after its 50 epochs is measured by `python -m benchmarks.quality --epochs 50`, or named by --target.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import runs
from benchmarks.speed import machine, markdown
from benchmarks.worker import Job
from first_gan.callbacks.messages import LESSON_EPOCHS
from first_gan.data import DataError
from first_gan.run import cli
from first_gan.run.cli import UserError

HEADER = ("precision", "seconds", "times faster than the lesson's 50 epochs", "FCD")
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26)  # two-sided 95 %, by degrees of freedom from 1
MEASURED = Path(f"benchmarks/results/quality/{LESSON_EPOCHS}_epochs_of_60000.json")


def main() -> int:
    return cli.run_command("time_to_quality.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Times both in turn; returns the exit code, which is 1 where a seed did not reach the target."""
    parser = argparse.ArgumentParser(description="Times the recipe to the lesson's quality.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--target", type=float, help=f"FCD to reach; by default the lesson's, from {MEASURED}")
    parser.add_argument("--epochs", type=int, default=3, help="of the recipe")
    parser.add_argument("--seeds", type=int, default=5, help="runs of each precision, with seeds from 0")
    parser.add_argument("--precisions", nargs="+", default=["32-true", "bf16-mixed"])
    options = parser.parse_args(argv)
    if min(options.epochs, options.seeds) < 1:
        parser.error("--epochs and --seeds must be at least 1")
    if options.target is None:
        if not MEASURED.is_file():
            parser.error(f"{MEASURED} is not there: name the --target, or measure it by benchmarks.quality first")
        try:
            options.target = statistics.mean(
                scores["fcd"] for scores in json.loads(MEASURED.read_text(encoding="utf-8"))["lesson"]
            )
        except (ValueError, KeyError, TypeError):
            parser.error(f"{MEASURED} is broken: remove it and run benchmarks.quality again, or name the --target")
    done: dict[str, list[Reached]] = {precision: [] for precision in options.precisions}
    try:
        with tempfile.TemporaryDirectory() as folder:
            data_dir = runs.torchvision_layout(options.data_dir, folder)
            for seed in range(options.seeds):
                lesson = runs.loop("textbook", Job(data_dir, 128, epochs=2)).epoch_seconds * LESSON_EPOCHS
                for precision, reached in done.items():
                    place = Path(tempfile.mkdtemp(dir=folder))
                    seconds, fcd = recipe(place, data_dir, options.epochs, seed, precision)
                    reached.append(Reached(seconds, lesson, fcd))
                    print(f"seed {seed}, {precision}: {reached[-1]}", flush=True)
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error
    print(f"\n{machine('cpu')}; the lesson's FCD after {LESSON_EPOCHS} epochs: {options.target:.1f}\n")
    print(markdown(HEADER, [row(precision, reached) for precision, reached in done.items()]))
    return 0 if all(each.fcd <= options.target for reached in done.values() for each in reached) else cli.FAILED


@dataclass(frozen=True)
class Reached:
    """One run of the recipe.

    Args:
        seconds: Of its training.
        lesson: Seconds of the lesson's 50 epochs, from one of them timed right before.
        fcd: On the test set, of the moving average.
    """

    seconds: float
    lesson: float
    fcd: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, 1/{self.lesson / self.seconds:.0f} of the lesson's {self.lesson:.0f} s; FCD {self.fcd:.1f}"


def row(precision: str, reached: Sequence[Reached]) -> tuple[str, ...]:
    """Of HEADER: means, with the 95 % interval of Student's t."""
    columns = ([each.seconds for each in reached], [each.lesson / each.seconds for each in reached])
    return (precision, *(interval(column) for column in columns), interval([each.fcd for each in reached]))


def interval(values: Sequence[float]) -> str:
    """`23.1 ± 0.8`: the mean and half of its 95 % confidence interval."""
    mean = statistics.mean(values)
    if len(values) < 2:
        return f"{mean:.1f}"
    half = STUDENT[min(len(values) - 1, len(STUDENT)) - 1] * statistics.stdev(values) / len(values) ** 0.5
    return f"{mean:.1f} ± {half:.1f}"


def recipe(folder: Path, data_dir: str, epochs: int, seed: int, precision: str) -> tuple[float, float]:
    """Trains and scores the recipe; returns its seconds of training and its FCD on the test set."""
    flags = [f"--config={runs.ROOT / 'configs/best.yaml'}", f"--seed_everything={seed}", f"--max_epochs={epochs}"]
    flags += [f"--data.data_dir={data_dir}", f"--default_root_dir={folder}", "--quality.every_n_epochs=0"]
    flags += ["--accelerator=cpu", f"--precision={precision}"]
    out, _ = runs.process([sys.executable, str(runs.ROOT / "train.py"), *flags])
    checkpoint = folder / "lightning_logs/version_0/checkpoints/last.ckpt"
    runs.process([sys.executable, str(runs.ROOT / "evaluate.py"), str(checkpoint)])
    scores = json.loads(checkpoint.with_name("last.evaluation.json").read_text(encoding="utf-8"))["scores"]
    found = runs.TRAINED.search(out)
    if found is None:
        raise runs.RunError(f"train.py did not say how long it trained:\n{out}")
    return float(found[3]), scores["ema"]["fcd"]


if __name__ == "__main__":
    sys.exit(main())
