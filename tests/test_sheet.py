"""evolution.png: the same latent vectors after several epochs, sharp, labelled and of a size that can be sent."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from first_gan.callbacks.evolution import EvolutionSheet, first_rows
from first_gan.drawing.pictures import grid, png
from first_gan.drawing.sheet import LABEL, sheet


def images(epoch: int, height: int = 28, width: int = 28, channels: int = 1) -> torch.Tensor:
    """64 images, each of one value, which tells the epoch and its number."""
    values = torch.tensor([(40 * epoch + number) % 256 for number in range(64)], dtype=torch.uint8)
    return values[:, None, None, None].expand(-1, channels, height, width)


def run_with(folder: Path, epochs: list[int], factor: int = 1, **shape: int) -> Path:
    (folder / "samples").mkdir(parents=True)
    for epoch in epochs:
        picture = grid(images(epoch, **shape), columns=8)
        larger = picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.NEAREST)
        (folder / f"samples/epoch_{epoch:04d}.png").write_bytes(png(larger))
    return folder


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_the_first_row_of_each_grid_however_large_it_is_kept(tmp_path: Path, factor: int) -> None:
    rows = first_rows(run_with(tmp_path / "run", [0, 1, 2], factor), (28, 28))
    assert list(rows) == ["before", "epoch 1", "epoch 2"]
    for epoch, row in enumerate(rows.values()):
        expected = grid(images(epoch)[:8], columns=8)
        assert row.size == expected.size
        assert np.array_equal(np.array(row), np.array(expected))


def test_at_most_eight_epochs_from_before_training_to_the_last_and_broken_grids_are_left_out(tmp_path: Path) -> None:
    folder = run_with(tmp_path / "run", list(range(51)))
    assert list(first_rows(folder, (28, 28))) == [
        "before",
        *(f"epoch {epoch}" for epoch in (7, 14, 21, 29, 36, 43, 50)),
    ]
    (folder / "samples/epoch_0007.png").write_bytes(b"no picture")
    assert len(first_rows(folder, (28, 28))) == 7
    assert first_rows(folder, (32, 32)) == {}  # of other images
    assert first_rows(tmp_path, (28, 28)) == {}


def test_rows_stand_below_each_other_with_sharp_pixels(tmp_path: Path) -> None:
    picture = sheet(first_rows(run_with(tmp_path / "run", [0, 1]), (28, 28)), 28)
    assert picture.size == (LABEL + 3 * 242, 3 * (2 * 30 + 2))
    for epoch in (0, 1):
        for number in range(8):
            left, top = LABEL + 3 * (2 + 30 * number), 3 * (2 + 30 * epoch)
            tile = np.array(picture.crop((left, top, left + 84, top + 84)))
            assert (tile == 40 * epoch + number).all()
        assert np.array(picture.crop((0, 90 * epoch, LABEL, 90 * epoch + 90))).max() == 255  # its label


@pytest.mark.parametrize(("side", "channels", "shown"), [(64, 3, 8), (256, 3, 4)])
def test_large_images_and_colours_fit_too(tmp_path: Path, side: int, channels: int, shown: int) -> None:
    folder = run_with(tmp_path / "run", [0, 1], height=side, width=side, channels=channels)
    picture = sheet(first_rows(folder, (side, side)), side)
    assert picture.mode == "RGB"
    assert picture.size == (LABEL + shown * (side + 2) + 2, 2 * (side + 2) + 2)


@pytest.mark.parametrize("ending", ["end", "interrupted", "of our own"])
def test_it_is_written_whenever_a_run_ends(tmp_path: Path, ending: str) -> None:
    folder = run_with(tmp_path / "run", [0, 1])
    callback, gan = EvolutionSheet(folder), SimpleNamespace(image_shape=(1, 28, 28))
    trainer: Any = SimpleNamespace(is_global_zero=True)
    if ending == "end":
        callback.on_train_end(trainer, gan)
    else:
        callback.on_exception(trainer, gan, KeyboardInterrupt() if ending == "interrupted" else ZeroDivisionError())
    assert (folder / "evolution.png").is_file() == (ending != "of our own")
