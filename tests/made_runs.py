"""Run folders made by hand, of any length, for tests of what reads them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import yaml
from torchvision.transforms.functional import to_pil_image

from first_gan.drawing.latent import ANCHORS, STEPS
from first_gan.report.gallery import WALK_COLUMNS
from first_gan.report.run import Record
from first_gan.run.folder import NEAREST, RECORD, SIGNATURE, WALK, read_rows

HISTORIES = Path(__file__).parent / "histories"


def make_run(
    folder: Path, epochs: int = 4, history: str = "lesson_seed_0", side: int = 30, channels: int = 1, **options: Any
) -> list[dict[str, float]]:
    """Writes config.yaml, metrics.csv and sample grids of noise; returns the rows.

    Args:
        folder: The run folder to make.
        epochs: How many; beyond those of the history its last row is repeated.
        history: The name of one of tests/histories.
        side: Pixels of a grid's side.
        channels: Of the grids: 1, gray, or 3.
        options: Of the group `model`.
    """
    recorded = read_rows(HISTORIES / f"{history}.csv")
    rows = [dict(recorded[min(epoch, len(recorded) - 1)]) for epoch in range(epochs)]
    for epoch, row in enumerate(rows):
        row |= {"step": 469 * (epoch + 1), "epoch": epoch}
    (folder / "samples").mkdir(parents=True)
    header = f"{SIGNATURE}, git 1234567, 2026-01-02T03:04:05+00:00\n# python 3.11, on cpu 2 threads\n"
    nested = {"model": {"lr": 2e-4} | options, "data": {"dataset": "mnist", "train_rows": 60_000}, "max_epochs": epochs}
    (folder / "config.yaml").write_text(header + yaml.safe_dump(nested), encoding="utf-8")
    write_rows(folder, rows)
    for epoch in range(epochs + 1):
        save_noise(folder / f"samples/epoch_{epoch:04d}.png", (channels, side, side), seed=epoch)
    return rows


def end_run(folder: Path, names: Sequence[str] = (), tile: int = 28, channels: int = 1, pairs: int = 16) -> None:
    """Adds to a made run what one leaves when it ends, with a latent walk and nearest images of noise.

    Args:
        folder: The run folder.
        names: Of the classes; fewer than two: the images have no labels, so that there are no scores either.
        tile: Pixels of an image's side.
        channels: Of an image: 1, gray, or 3.
        pairs: How many samples are shown beside their nearest training images.
    """
    rows = read_rows(folder / "metrics.csv")
    for row in rows:
        for name in [name for name in row if name.startswith("val/class_" if len(names) > 1 else "val/")]:
            del row[name]
    shares = [2 * (number + 1) / (len(names) * (len(names) + 1)) for number in range(len(names))]
    if len(names) > 1:
        rows[-1] |= {f"val/class_{number}": share for number, share in enumerate(reversed(shares))}
    write_rows(folder, rows)
    distances = [float(number + 1) for number in range(pairs)]
    record = Record(int(rows[-1]["step"]), 60.0, 240_000, shares, distances, 9.0, list(names))
    save_noise(folder / WALK, (channels, ANCHORS * STEPS * tile, WALK_COLUMNS * tile))
    save_noise(folder / NEAREST, (channels, 2 * tile, pairs * tile))
    (folder / RECORD).write_text(json.dumps(asdict(record)), encoding="utf-8")


def save_noise(path: Path, shape: tuple[int, int, int], seed: int = 0) -> None:
    """A picture of noise, of this shape (C, H, W)."""
    path.parent.mkdir(exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    to_pil_image(torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)).save(path)


def write_rows(folder: Path, rows: list[dict[str, float]]) -> None:
    with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
