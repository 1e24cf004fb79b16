"""How fast train.py is beside programs that keep the cores busy, by how its threads wait: `python -m benchmarks.busy`"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import runs
from benchmarks.speed import machine, markdown
from benchmarks.worker import Job
from first_gan.data import DataError
from first_gan.run import cli
from first_gan.run.cli import UserError

# Name, environment and threads.
SETTINGS: dict[str, tuple[dict[str, str], int | None]] = {
    "as torch would wait": ({"GOMP_SPINCOUNT": "300000"}, None),
    "as train.py waits": ({}, None),
    "without spinning": ({"GOMP_SPINCOUNT": "0"}, None),
    "one thread": ({}, 1),
}
HEADER = ("busy processes", "threads wait", "images/s", "of the first row", "of one thread")
Speeds = dict[tuple[int, str], list[float]]


def main() -> int:
    return cli.run_command("busy.py", bench, None)


def bench(argv: Sequence[str]) -> int:
    """Measures, writes and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description="Times train.py beside busy processes.")
    parser.add_argument("--data_dir", help="where MNIST is; by default MNIST_DIR, else data")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="how many processes keep cores busy")
    parser.add_argument("--batch_size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3, help="alternations; medians are over these")
    parser.add_argument("--rows", type=int, default=12_800, help="images per epoch; the second of two is timed")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"), help="folder of the table")
    options = parser.parse_args(argv)
    runs.folder_for_results(parser, options.out)
    if min(options.rounds, options.batch_size, options.rows) < 1 or min(options.busy) < 0 or options.rows > 60_000:
        parser.error("--rounds, --batch_size and --rows must be at least 1, --rows at most 60000, --busy at least 0")
    try:
        with tempfile.TemporaryDirectory() as folder:
            data_dir = runs.torchvision_layout(options.data_dir, folder)
            speeds = measure(Job(data_dir, options.batch_size, 2, options.rows), options.busy, options.rounds)
    except (DataError, OSError) as error:
        raise UserError(str(error)) from error
    text = f"{machine('cpu')}; medians of {options.rounds} alternations, batch {options.batch_size}\n\n"
    text += f"{markdown(HEADER, table(speeds))}\n"
    (options.out / "busy.md").write_text(text, encoding="utf-8")
    raw = {f"{busy} busy, {name}": values for (busy, name), values in speeds.items()}
    (options.out / "busy.json").write_text(json.dumps(raw, indent=1), encoding="utf-8")
    print(f"\n{text}\nWritten to {options.out}/busy.md and busy.json")
    return 0


def measure(job: Job, busy: Sequence[int], rounds: int) -> Speeds:
    """Images per second of each setting, in turn, beside so many busy processes."""
    speeds: Speeds = {}
    columns = TextColumn("{task.description:40}"), MofNCompleteColumn(), TextColumn("runs"), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(busy) * rounds * len(SETTINGS))
        for count in busy:
            for _ in range(rounds):
                for name, (environment, threads) in SETTINGS.items():
                    bar.update(task, description=f"{count} busy: {name}")
                    with busy_processes(count):
                        done = runs.train(job, environment=environment, threads=threads)
                    speeds.setdefault((count, name), []).append(job.rows / done.epoch_seconds)
                    bar.advance(task)
    return speeds


@contextmanager
def busy_processes(count: int) -> Iterator[list[subprocess.Popen]]:
    """Within it, so many processes each keep a core busy."""
    processes = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def table(speeds: Speeds) -> list[tuple[str, ...]]:
    """Rows of HEADER; shares are of the same number of busy processes."""
    rows = []
    first, *_, last = SETTINGS
    for (busy, name), values in speeds.items():
        speed = statistics.median(values)
        shares = [speed / statistics.median(speeds[busy, other]) for other in (first, last)]
        rows.append((f"{busy}", name, f"{speed:,.0f}", *(f"{share:.2f}" for share in shares)))
    return rows


if __name__ == "__main__":
    sys.exit(main())
