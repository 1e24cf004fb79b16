"""The runs of docs/lab.md and their pictures there: `python -m benchmarks.lab`, a quarter of an hour on 2 quiet cores.

Each command of the page that names its run is run, unless lightning_logs/ has a run of that name that ended; its last samples become docs/lab_NAME.png, and
a table says what came of it. What `generate.py` draws there as NAME.png becomes docs/lab_NAME.png, too.
"""

import io
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks import runs
from benchmarks.runs import ROOT, machine, markdown
from first_gan.diagnosis.history import COPYING, D_ACCURACY, DIVERSITY, FCD
from first_gan.report.pictures import open_picture
from first_gan.report.run import Run
from first_gan.run import cli
from first_gan.run.cli import RunFailed
from first_gan.run.folder import LOGS
from first_gan.study.processes import has_ended

PAGE = ROOT / "docs/lab.md"
TRAINING = re.compile(r"^python train\.py (.*--name (\S+).*)$", re.MULTILINE)
DRAWING = re.compile(r"^python generate\.py (.*--out (\S+)\.png)$", re.MULTILINE)
GRAYS = 16  # levels of a picture: a third of the bytes of 256, and hardly to be seen
SIDE = 2  # pixels that one of a sample is wide
SCORES = {FCD: "{:.0f}", "val/coverage": "{:.2f}", DIVERSITY: "{:.2f}", D_ACCURACY: "{:.0%}", COPYING: "{:.3f}"}
HEADER = ("run", "verdict", "also", *SCORES, "minutes")


def bench(argv: Sequence[str]) -> int:
    """Trains, draws and prints; returns the exit code."""
    parser = runs.Options("The runs of docs/lab.md and their pictures there.")
    parser.set_defaults(out=PAGE.parent)
    options = parser.read(argv)
    data = [f"--data.data_dir={options.data_dir}"] if options.data_dir else []
    rows, page = [], PAGE.read_text(encoding="utf-8")
    for typed, name in TRAINING.findall(page):
        folder = Path(LOGS, name)
        if not has_ended(folder):
            own = [] if not folder.is_dir() else ["--ckpt_path=auto"]  # it was cut off
            runs.process([sys.executable, str(ROOT / "train.py"), *shlex.split(typed), *data, *own])
        run = Run.read(folder)
        (options.out / f"lab_{name}.png").write_bytes(small(run.frames[max(run.frames)]))
        also = ", ".join(finding.verdict for finding in run.diagnosis.others)
        scores = (form.format(run.history.last(metric)) for metric, form in SCORES.items())
        rows.append(
            (name, run.diagnosis.verdict, also, *scores, f"{run.record.seconds / 60:.1f}" if run.record else "")
        )
    for typed, name in DRAWING.findall(page):
        runs.process([sys.executable, str(ROOT / "generate.py"), *shlex.split(typed), "--overwrite"])
        (options.out / f"lab_{name}.png").write_bytes(small(Path(f"{name}.png")))
    print(f"{machine()}\n\n{markdown(HEADER, rows)}")
    return 0


def small(path: Path) -> bytes:
    """A run's sample grid as a PNG of some 30 KB: fewer grays, and each of its pixels a square of `SIDE`."""
    grid = open_picture(path)
    if grid is None:
        raise RunFailed(f"{path} cannot be read")
    larger = grid.resize((SIDE * grid.width, SIDE * grid.height), Image.Resampling.NEAREST)
    step = 255 / (GRAYS - 1)
    even = larger.point([round(round(value / step) * step) for value in range(256)])
    buffer = io.BytesIO()
    even.quantize(GRAYS, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(cli.run_command("lab.py", bench, None))
