"""Attacks every command and prints what was tried and what broke a promise: `make attack`, or a share: `ARGS="--share 0.1"`."""

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.attacks.kinds import FAULTS, INPUTS, Counts, attack, undrawn_curves


def main(argv: Sequence[str]) -> int:
    """Runs all attacks, or those that are named; returns 0 where no promise was broken."""
    parser = argparse.ArgumentParser(description="Attacks every command with bad inputs and faults.")
    parser.add_argument("names", nargs="*", help=f"which: {', '.join([*INPUTS, *FAULTS])}; all by default")
    parser.add_argument("--share", type=float, default=1.0, help="of the tries, 0 to 1")
    parser.add_argument("--undrawn_curves", action="store_true", help="curves.png is one pixel, which is quicker")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args(argv)
    wanted = {name: count for name, count in (FAULTS | INPUTS).items() if not options.names or name in options.names}
    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.monotonic()
    tries: Counts = {}
    failures: dict[str, list[str]] = {}
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        tempfile.TemporaryDirectory() as trained,
        ProcessPoolExecutor(
            options.jobs, multiprocessing.get_context("spawn"), undrawn_curves if options.undrawn_curves else None
        ) as pool,
        Progress(*columns, console=console, disable=not console.is_terminal) as bar,
    ):
        place = Path(trained)
        jobs = [
            pool.submit(attack, name, max(1, round(count * options.share)), place) for name, count in wanted.items()
        ]
        for job in bar.track(jobs, description="attacking"):
            _, made, broken, _ = job.result()
            for kind, count in made.items():
                tries[kind] = tries.get(kind, 0) + count
            for kind, those in broken.items():
                failures.setdefault(kind, []).extend(those)
    table = Table("kind", "tries", "failures")
    for kind, count in tries.items():
        table.add_row(kind, f"{count:,}", f"{len(failures.get(kind, []))}")
    failed = sum(map(len, failures.values()))
    table.add_row("all", f"{sum(tries.values()):,}", f"{failed}")
    Console().print(table)
    for kind, those in failures.items():
        for each in those[:10]:
            print(f"{kind}: {each}")
    print(f"{sum(tries.values()):,} tries, {failed} failures, {(time.monotonic() - start) / 60:.1f} minutes")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
