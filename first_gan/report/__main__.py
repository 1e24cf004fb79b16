"""Writes a run's report.html, or a comparison of several runs. Try it: `python -m first_gan.report lightning_logs/version_0`"""

import os
import sys
from collections.abc import Sequence

from first_gan.report import page
from first_gan.report.run import Run
from first_gan.run import cli
from first_gan.run.cli import Parser, UserError, expand
from first_gan.run.finding import run_called
from first_gan.run.folder import REPORT, RunFolderError, relative


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code (see `cli.run_command`)."""
    return cli.run_command("reporting", write, argv)


def write(argv: Sequence[str]) -> int:
    """Writes what the arguments ask for; returns the exit code.

    Raises:
        UserError: Bad input; nothing was written.
    """
    parser = Parser(
        prog="python -m first_gan.report", description="Writes a run's report, or a comparison of several runs."
    )
    parser.add_argument(
        "runs", nargs="+", type=str, help="run folders, their names, or last; of one, report.html is written into it"
    )
    parser.add_argument("--out", type=str | None, help="the file; by default that, or of several runs comparison.html")
    parser.add_argument("--overwrite", action="store_true", help="--out may replace a file that is there")
    options = parser.parse_args(list(argv))
    folders = [run_called(str(expand(folder))) for folder in options.runs]
    own = len(folders) == 1 and options.out is None
    out = folders[0] / REPORT if own else expand(options.out, "comparison.html")
    try:
        if not own and os.path.lexists(out) and not options.overwrite:
            raise UserError(f"{out} exists; --overwrite replaces it, --out names another file")
        runs = [Run.read(folder) for folder in folders]
        for run in runs:
            if run.skipped:
                print(f"{run.skipped_note()} ({run.folder / 'metrics.csv'})", file=sys.stderr)
        page.write(page.report(runs[0]) if len(runs) == 1 else page.comparison(runs), out)
    except RunFolderError as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}") from error
    print(f"written to {relative(out)}: open it in a browser")
    return 0


if __name__ == "__main__":
    sys.exit(main())
