"""Batches as ordinary loaders yield them: images alone or with labels, uint8 or floats, of the shape that was agreed on."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from first_gan.data import images_of, scaled

SHAPE = (3, 4, 6)
PIXELS = torch.arange(2 * 72).view(2, *SHAPE).to(torch.uint8)
FLOATS = torch.linspace(-1, 1, 2 * 72).view(2, *SHAPE)


@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: (x, torch.zeros(2)), lambda x: [x, torch.zeros(2)]])
def test_images_alone_or_with_labels(wrap: Any) -> None:
    assert torch.equal(images_of(wrap(FLOATS), SHAPE), FLOATS)
    assert torch.equal(images_of(wrap(PIXELS), SHAPE), scaled(PIXELS))


def test_pixels_span_the_range_of_tanh_and_floats_stay_as_they_are() -> None:
    extremes = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert images_of(extremes, (1, 1, 1)).flatten().tolist() == [-1, 1]
    assert images_of(FLOATS, SHAPE) is FLOATS
    assert images_of(FLOATS.half(), SHAPE).dtype == torch.float16


@pytest.mark.parametrize("labelled", [False, True])
def test_what_an_ordinary_dataloader_yields(labelled: bool) -> None:
    loader: DataLoader[Any] = DataLoader(TensorDataset(FLOATS, torch.zeros(2)) if labelled else TensorDataset(FLOATS))
    assert torch.equal(torch.cat([images_of(batch, SHAPE) for batch in loader]), FLOATS)


@pytest.mark.parametrize(
    ("images", "argument"),
    [
        (FLOATS[:, :1], "(1, 4, 6)"),
        (FLOATS.transpose(2, 3), "(3, 6, 4)"),
        (FLOATS[0], "(channels, height, width)"),
        (FLOATS.flatten(1), "(channels, height, width)"),
    ],
)
def test_another_shape_names_both_and_the_argument_that_helps(images: Tensor, argument: str) -> None:
    with pytest.raises(ValueError, match="GAN") as caught:
        images_of(images, SHAPE)
    assert f"(N, 3, 4, 6), got {tuple(images.shape)}; GAN(image_shape={argument})" in str(caught.value)


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ({"image": FLOATS}, "got dict"),
        ([], "got list"),
        (None, "got NoneType"),
        (("a.png", "b.png"), "got tuple of str"),
        (PIXELS.long(), "got torch.int64"),
        (PIXELS.bool(), "got torch.bool"),
    ],
)
def test_anything_else_is_one_clear_line(batch: Any, found: str) -> None:
    with pytest.raises(TypeError, match=found) as caught:
        images_of(batch, SHAPE)
    assert len(str(caught.value).splitlines()) == 1
