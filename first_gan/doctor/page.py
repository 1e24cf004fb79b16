"""The doctor's page: a run's report, headed by the faults in the loop's code."""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from first_gan.drawing.pictures import grid, png
from first_gan.report import page
from first_gan.report.run import Record, Run
from first_gan.run import config
from first_gan.run.folder import CONFIG, RECORD, SIGNATURE, write_rows

if TYPE_CHECKING:
    from first_gan.doctor.doctor import Doctor

COLUMNS = 8


def write(doctor: "Doctor", path: Path) -> None:
    """Writes the page, by way of a run folder that is made for it and removed again.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / path.stem
        (folder / "samples").mkdir(parents=True)
        (folder / RECORD).parent.mkdir(exist_ok=True)
        header = f"{SIGNATURE}, watched by first_gan.Doctor, {time.strftime('%Y-%m-%d %H:%M')}\n"
        (folder / CONFIG).write_text(header + config.dump(doctor.settings), encoding="utf-8")
        write_rows(folder, doctor.rows)
        record = Record(doctor.updates, doctor.seconds, doctor.samples.batch * doctor.updates, [], [], 0.0)
        (folder / RECORD).write_text(json.dumps(asdict(record)), encoding="utf-8")
        grids = {f"epoch_{epoch + 1:04d}": pixels for epoch, pixels in doctor.samples.grids.items()}
        if doctor.samples.real_grid is not None:
            grids["real"] = doctor.samples.real_grid
        for name, pixels in grids.items():
            (folder / f"samples/{name}.png").write_bytes(png(grid(pixels, columns=COLUMNS)))
        run = Run.read(folder)
        run.__dict__["diagnosis"] = doctor.diagnosis  # whose advice is in words
        page.write(page.report(run, doctor.faults), path)
