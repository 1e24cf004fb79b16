"""How long configs/best.yaml takes to the FCD that the lesson's script ends with: `python -m benchmarks.time_to_quality`.

For each seed in turn, an epoch of the lesson's loop is timed, from which 50 are computed, then `train.py` with the recipe in each
precision.
"""

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks import runs
from benchmarks.quality import scores_of
from benchmarks.worker import Job
from first_gan.callbacks.messages import LESSON_EPOCHS
from first_gan.run import cli
from first_gan.run.folder import LAST, LOGS
from first_gan.study.statistics import interval

HEADER = ("precision", "seconds", "times faster than the lesson's 50 epochs", "FCD")
LESSON_FCD = 79.1  # on the test set after 50 epochs, mean over five seeds: docs/records.md


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

    @property
    def times(self) -> float:
        return self.lesson / self.seconds

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, 1/{self.times:.0f} of the lesson's {self.lesson:.0f} s; FCD {self.fcd:.1f}"


def bench(argv: Sequence[str]) -> int:
    """Times both in turn; returns the exit code, which is 1 where a seed did not reach the target."""
    parser = runs.Options(
        "Times the recipe to the lesson's quality.",
        epochs=(3, "of the recipe"),
        seeds=(5, "runs of each precision, with seeds from 0"),
    )
    parser.add_argument("--target", type=float, default=LESSON_FCD, help="FCD to reach; by default the lesson's")
    parser.add_argument("--precisions", nargs="+", default=["32-true", "bf16-mixed"])
    options = parser.read(argv)
    done: dict[str, list[Reached]] = {precision: [] for precision in options.precisions}
    with runs.unpacked(options.data_dir) as data_dir:
        for seed in range(options.seeds):
            lesson = runs.loop("textbook", Job(data_dir, 128, epochs=2)).epoch_seconds * LESSON_EPOCHS
            for precision, reached in done.items():
                reached.append(Reached(*recipe(data_dir, options.epochs, seed, precision, lesson)))
                print(f"seed {seed}, {precision}: {reached[-1]}", flush=True)
    text = f"{runs.machine()}; the lesson's FCD after {LESSON_EPOCHS} epochs: {options.target:.1f}\n\n"
    text += runs.markdown(HEADER, [row(precision, reached) for precision, reached in done.items()])
    raw = {name: [asdict(each) | {"times": each.times} for each in reached] for name, reached in done.items()}
    runs.write(options.out, "time_to_quality", text, raw)
    return 0 if all(each.fcd <= options.target for reached in done.values() for each in reached) else cli.FAILED


def row(precision: str, reached: Sequence[Reached]) -> tuple[str, ...]:
    """Of HEADER: means, with the 95 % interval of Student's t."""
    columns = ([getattr(each, name) for each in reached] for name in ("seconds", "times", "fcd"))
    return (precision, *map(mean, columns))


def mean(values: Sequence[float]) -> str:
    """`23.1 ± 0.8`: the mean and half of its 95 % confidence interval."""
    ends = interval(values)
    return f"{statistics.mean(values):.1f}" + (f" ± {(ends[1] - ends[0]) / 2:.1f}" if ends else "")


def recipe(data_dir: str, epochs: int, seed: int, precision: str, lesson: float) -> tuple[float, float, float]:
    """Trains and scores the recipe; returns what `Reached` holds."""
    flags = [f"--config={runs.ROOT / 'configs/best.yaml'}", f"--seed_everything={seed}", f"--max_epochs={epochs}"]
    with tempfile.TemporaryDirectory() as folder:
        place = [f"--data.data_dir={data_dir}", f"--precision={precision}"]
        _, seconds, _ = runs.timed(Path(folder), *flags, *place)
        scores = scores_of(Path(folder) / LOGS / "version_0" / LAST)
    return seconds, lesson, scores["ema"]["fcd"]


if __name__ == "__main__":
    sys.exit(cli.run_command("time_to_quality.py", bench, None))
