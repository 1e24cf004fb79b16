"""Measures a record again: `make records ARGS=quality`; with --add it is appended to docs/records.yaml, and docs/records.md made anew.

Names, what is measured and how stand in docs/records.yaml.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime

from benchmarks import runs
from first_gan import files
from first_gan.run import cli
from first_gan.run.cli import RunFailed, UserError
from first_gan.run.folder import git_revision
from first_gan.study.records import Records, table

DATA, PAGE, LOCK = (runs.ROOT / name for name in ("docs/records.yaml", "docs/records.md", "requirements.lock"))


def bench(argv: Sequence[str]) -> int:
    """Measures, compares and prints; returns the exit code."""
    records, revision = Records.read(DATA), git_revision()
    parser = argparse.ArgumentParser(description="Measures a record again, and compares it with the one that stands.")
    parser.add_argument(
        "name", nargs="?", choices=records.claims, help="of a record; without one, the page is made anew"
    )
    parser.add_argument("--add", action="store_true", help="append what was measured to docs/records.yaml")
    options = parser.parse_args(argv)
    known = "dirty" not in revision and "unknown" not in revision
    if options.add and not known:
        raise UserError(
            f"--add: commit first: a record names the revision that it was measured at, and this is {revision}"
        )
    if options.name is None:
        files.write(PAGE, records.page().encode())
        return 0
    claim = records.claims[options.name]
    out = runs.RESULTS / "records" / revision / options.name
    if not known:  # then what was measured before is of other code
        out /= datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    (out / claim.file).unlink(missing_ok=True)
    command = [sys.executable, "-m", *claim.command.split()[2:], "--out", str(out)]
    code = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(runs.ROOT)}).returncode
    if code and not (code == cli.FAILED and (out / claim.file).is_file()):  # a target that was missed is a result, too
        raise RunFailed(f"{claim.command} failed, as it says above")
    row = records.measured(
        options.name,
        claim.values(json.loads((out / claim.file).read_text(encoding="utf-8"))),
        measured=date.today().isoformat(),
        revision=revision,
        lock=hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12],
        hardware=runs.machine().split(";")[0],
        command=claim.command,
    )
    before = records.before(options.name, row.hardware)
    print(f"\n{table([each.cells() for each in (before, row) if each is not None])}\n\n{claim.title}: {row.verdict}")
    if options.add:
        files.write(PAGE, records.add(row).page().encode())
        print(f"appended to {DATA}, and to {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run_command("records.py", bench, None))
