"""Writes a run's report.html, a comparison of several, or a page of all. Try it: `python -m first_gan.report --all`"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from first_gan.report import page
from first_gan.report.comparison import comparison
from first_gan.report.index import INDEX, entry_of, folders_in, index, is_ours, logs_at
from first_gan.report.run import Run
from first_gan.run import browser, cli
from first_gan.run.cli import Parser, Steps, UserError, expand
from first_gan.run.finding import folder_called
from first_gan.run.folder import LOGS, REPORT, RunFolderError
from first_gan.run.shell import relative


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("reporting", write, argv)


def write(argv: Sequence[str]) -> int:
    """Writes what the arguments ask for; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
    """
    parser = Parser(
        prog="python -m first_gan.report",
        usage="python -m first_gan.report [RUN ...] [options]",
        description="Writes a run's report, a comparison of several runs, or a page of all.",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        type=str,
        metavar="RUN",
        help="run folders, their names, one of their checkpoints, or last; of one, report.html is written into it",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help=f"all runs below a log folder, by default {LOGS}: {INDEX} is written into that",
    )
    parser.add_argument("--out", type=str | None, help="the file; by default that, or of several runs comparison.html")
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.add_argument("--overwrite", action="store_true", help="--out may replace a file that is there")
    options = parser.parse_args(list(argv))
    if not options.runs and not options.all:
        raise UserError("name a run, several to compare them, or --all")
    out = _all(options) if options.all else _named(options)
    print(f"written to {relative(out)}" + ("" if options.open else ": open it in a browser, or have --open do so"))
    if options.open:
        browser.show(out)
    return 0


def _named(options: Any) -> Path:
    """Writes the report of one run or the comparison of several; returns the file."""
    own = len(options.runs) == 1 and options.out is None
    out = expand(options.out, "comparison.html")
    try:
        folders = [folder_called(str(expand(folder))) for folder in options.runs]
        out = folders[0] / REPORT if own else out
        if not own and os.path.lexists(out) and not options.overwrite:
            raise UserError(f"{out} exists; --overwrite replaces it, --out names another file")
        runs = [Run.read(folder) for folder in folders]
        for run in runs:
            if run.skipped:
                print(f"{run.skipped_note()} ({run.folder / 'metrics.csv'})", file=sys.stderr)
        page.write(page.report(runs[0], beside=own) if len(runs) == 1 else comparison(runs, out.parent), out)
    except RunFolderError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    return out


def _all(options: Any) -> Path:
    """Writes the page of all runs; returns the file."""
    if len(options.runs) > 1 or options.out is not None:
        raise UserError(f"--all takes one log folder at most, and no --out: its links lead from {INDEX} in that folder")
    logs = logs_at(expand(options.runs[0] if options.runs else None, LOGS))
    out = logs / INDEX
    try:
        folders = folders_in(logs)
    except OSError as error:
        raise UserError(f"{logs} cannot be read: {error.strerror}") from error
    if not folders:
        raise UserError(f"{logs} has no runs")
    if os.path.lexists(out) and not is_ours(out) and not options.overwrite:
        raise UserError(f"{out} is not a page of runs; --overwrite replaces it")
    with Steps() as steps:
        entries = [entry_of(folder, logs, len(folders) - 1) for folder in steps.each(folders, "reading runs")]
    try:
        page.write(index(entries, logs), out)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    return out


if __name__ == "__main__":
    sys.exit(main())
