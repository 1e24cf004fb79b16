"""Run folders made by hand, of any length, for tests of what reads them."""

import csv
from pathlib import Path
from typing import Any

import torch
import yaml
from torchvision.transforms.functional import to_pil_image

from first_gan.run.folder import SIGNATURE, read_rows

HISTORIES = Path(__file__).parent / "histories"


def make_run(
    folder: Path, epochs: int = 4, history: str = "lesson_seed_0", side: int = 30, **options: Any
) -> list[dict[str, float]]:
    """Writes config.yaml, metrics.csv and sample grids of noise; returns the rows.

    Args:
        folder: The run folder to make.
        epochs: How many; beyond those of the history its last row is repeated.
        history: The name of one of tests/histories.
        side: Pixels of a grid's side.
        options: Of the group `model`.
    """
    recorded = read_rows(HISTORIES / f"{history}.csv")
    rows = [dict(recorded[min(epoch, len(recorded) - 1)]) for epoch in range(epochs)]
    for epoch, row in enumerate(rows):
        row |= {"step": 469 * (epoch + 1), "epoch": epoch}
    (folder / "samples").mkdir(parents=True)
    header = f"{SIGNATURE}, git 1234567, 2026-01-02T03:04:05+00:00\n# python 3.11, on cpu 2 threads\n"
    nested = {"model": {"lr": 2e-4} | options, "data": {"dataset": "mnist", "train_rows": 60_000}, "max_epochs": epochs}
    (folder / "config.yaml").write_text(header + yaml.safe_dump(nested))
    write_rows(folder, rows)
    generator = torch.Generator().manual_seed(0)
    for epoch in range(epochs + 1):
        noise = torch.randint(0, 256, (1, side, side), generator=generator, dtype=torch.uint8)
        to_pil_image(noise).save(folder / f"samples/epoch_{epoch:04d}.png")
    return rows


def write_rows(folder: Path, rows: list[dict[str, float]]) -> None:
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
