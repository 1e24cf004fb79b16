"""How fast train.py is beside programs that keep the cores busy, by how its threads wait: `python -m benchmarks.busy`"""

import itertools
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks import runs
from benchmarks.worker import Job
from first_gan.run import cli

# Name, environment and threads.
SETTINGS: dict[str, tuple[dict[str, str], int | None]] = {
    "as torch would wait": ({"GOMP_SPINCOUNT": "300000"}, None),
    "as train.py waits": ({}, None),
    "without spinning": ({"GOMP_SPINCOUNT": "0"}, None),
    "one thread": ({}, 1),
}
HEADER = ("busy processes", "threads wait", "images/s", "of the first row", "of one thread")
Speeds = dict[tuple[int, str], list[float]]


def bench(argv: Sequence[str]) -> int:
    """Measures, writes and prints; returns the exit code."""
    parser = runs.Options(
        "Times train.py beside busy processes.",
        batch_size=(128, "images per update"),
        rounds=(3, "alternations; medians are over these"),
        rows=(12_800, "images per epoch; the second of two is timed"),
    )
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="how many processes keep cores busy")
    options = parser.read(argv)
    if min(options.busy) < 0:
        parser.error("--busy must be at least 0")
    with runs.unpacked(options.data_dir) as data_dir:
        speeds = measure(Job(data_dir, options.batch_size, 2, options.rows), options.busy, options.rounds)
    text = f"{runs.machine()}; medians of {options.rounds} alternations, batch {options.batch_size}\n\n"
    raw = {f"{busy} busy, {name}": values for (busy, name), values in speeds.items()}
    runs.write(options.out, "busy", text + runs.markdown(HEADER, table(speeds)), raw)
    return 0


def measure(job: Job, busy: Sequence[int], rounds: int) -> Speeds:
    """Images per second of each setting, in turn, beside so many busy processes."""
    speeds: Speeds = {}
    turns = [(count, name) for count, _, name in itertools.product(busy, range(rounds), SETTINGS)]
    with cli.Steps() as steps:
        for count, name in steps.each(turns, "busy: {}"):
            environment, threads = SETTINGS[name]
            with busy_processes(count):
                done = runs.train(job, environment=environment, threads=threads)
            speeds.setdefault((count, name), []).append(job.rows / done.epoch_seconds)
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
    sys.exit(cli.run_command("busy.py", bench, None))
