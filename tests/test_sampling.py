"""Latent vectors, walks between them, what is drawn for them, and pictures of it."""

import io

import pytest
import torch
from PIL import Image, ImageSequence
from torch import nn
from torchvision.transforms.functional import pil_to_tensor

from first_gan.drawing.latent import STEPS, anchors, closed_walk, draw, latent_vectors, slerp
from first_gan.drawing.pictures import GRAYS, gif, grid, png, stacked, to_pixels


@pytest.mark.parametrize("latent_dim", [1, 3, 100])
def test_a_latent_vector_is_the_same_however_many_are_drawn(latent_dim: int) -> None:
    many = latent_vectors(100, latent_dim, seed=3)
    assert many.shape == (100, latent_dim)
    for count in (1, 15, 16, 17, 64):
        assert latent_vectors(count, latent_dim, seed=3).equal(many[:count])
    assert not latent_vectors(100, latent_dim, seed=4).equal(many)
    assert latent_vectors(100_000, 1, seed=0).std().item() == pytest.approx(1, abs=0.02)


def test_the_first_64_are_those_of_a_runs_grid() -> None:
    of_run = torch.randn(64, 100, generator=torch.Generator().manual_seed(5))  # as in callbacks/samples.py
    assert latent_vectors(64, 100, seed=5).equal(of_run)


def test_slerp_keeps_the_length_that_a_straight_line_would_lose() -> None:
    start, end = torch.tensor([[3.0, 0.0, 0.0]]), torch.tensor([[0.0, 3.0, 0.0]])
    middle = slerp(start, end, 0.5)
    torch.testing.assert_close(middle, torch.tensor([[1.0, 1.0, 0.0]]) * 3 / 2**0.5)
    torch.testing.assert_close(slerp(start, end, 0.0), start)
    torch.testing.assert_close(slerp(start, end, 1.0), end)
    third = slerp(start, end, 1 / 3)
    torch.testing.assert_close(third, torch.tensor([[3 * 3**0.5 / 2, 1.5, 0.0]]))  # 30 degrees


@pytest.mark.parametrize("end", [[2.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])
def test_slerp_between_parallel_vectors_is_a_straight_line(end: list[float]) -> None:
    start = torch.tensor([[1.0, 0.0]])
    torch.testing.assert_close(slerp(start, torch.tensor([end]), 0.25), 0.75 * start + 0.25 * torch.tensor([end]))


def test_a_walk_passes_its_anchors_in_even_steps_and_closes() -> None:
    ends = anchors(3, 50, seed=0)
    assert ends.equal(anchors(5, 50, seed=0)[:, :3])  # a walk is the same however many there are
    steps = closed_walk(ends)
    assert steps.shape == (4 * STEPS, 3, 50)
    torch.testing.assert_close(steps[::STEPS], ends)
    lengths = (steps - steps.roll(-1, dims=0)).norm(dim=-1)
    assert lengths.max() < 2 * lengths.min()  # the last step, back to the first anchor, among them


def test_pixels_are_rounded_and_clamped() -> None:
    images = torch.tensor([-1.5, -1.0, 0.0, 0.999, 1.0, 1.5])
    assert to_pixels(images).tolist() == [0, 0, 128, 255, 255, 255]


def test_grids_are_about_square_and_stacks_have_no_gaps() -> None:
    pixels = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 1, 28, 28)
    assert grid(pixels).size == (3 * 30 + 2, 2 * 30 + 2)
    assert grid(pixels, columns=5).size == (5 * 30 + 2, 32)
    picture = stacked([pixels[:2], pixels[2:4]])
    assert picture.size == (56, 56)
    assert [picture.getpixel(place) for place in ((0, 0), (55, 0), (0, 55), (55, 55))] == [0, 1, 2, 3]


def test_what_is_drawn_is_that_of_eval_mode_whatever_the_batch_size() -> None:
    network = nn.Sequential(nn.Linear(3, 12), nn.BatchNorm1d(12), nn.Unflatten(1, (3, 2, 2))).double()
    network(torch.randn(50, 3, dtype=torch.float64))  # moves the running statistics
    z = latent_vectors(7, 3, seed=0)
    expected = network.eval()(z.double()).detach()
    for mode in (True, False):
        network.train(mode)
        images = draw(network, z, batch_size=3)
        assert (images.dtype, images.shape, images.requires_grad) == (torch.float32, (7, 3, 2, 2), False)
        torch.testing.assert_close(images, expected.float())
        assert network.training is mode
    seen: list[int] = []

    def watched(batches: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        seen.extend(map(len, batches))
        return batches

    assert draw(network, z, 3, to_pixels, watched).equal(to_pixels(expected))
    assert seen == [3, 3, 1]


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
@pytest.mark.parametrize("side", [16, 28, 64])
def test_pictures_hold_the_pixels_in_gray_and_in_color(channels: int, mode: str, side: int) -> None:
    pixels = torch.randint(0, 256, (6, channels, side, side), dtype=torch.uint8)
    picture = Image.open(io.BytesIO(png(grid(pixels, columns=3))))
    assert (picture.mode, picture.size) == (mode, (3 * (side + 2) + 2, 2 * (side + 2) + 2))
    cells = pil_to_tensor(picture)[:, 2:, 2:].unfold(1, side, side + 2).unfold(2, side, side + 2)
    assert cells.permute(1, 2, 0, 3, 4).reshape(pixels.shape).equal(pixels)
    strip = stacked([pixels[:3], pixels[3:]])
    assert (strip.mode, strip.size) == (mode, (3 * side, 2 * side))
    assert pil_to_tensor(strip)[:, side:, side : 2 * side].equal(pixels[4])


def test_a_film_in_gray_keeps_its_32_levels() -> None:
    frames = [Image.linear_gradient("L"), Image.linear_gradient("L").rotate(90)]
    film = Image.open(io.BytesIO(gif(frames, [100, 300])))
    assert (film.n_frames, film.info["loop"]) == (2, 0)
    levels = {round(level * 255 / (GRAYS - 1)) for level in range(GRAYS)}
    for frame, original in zip(ImageSequence.Iterator(film), frames, strict=True):
        shown = frame.convert("L")
        assert {value for value, count in enumerate(shown.histogram()) if count} == levels
        difference = pil_to_tensor(shown).int() - pil_to_tensor(original).int()
        assert difference.abs().max() <= 255 / (GRAYS - 1) / 2 + 0.5


def test_a_film_in_color_shows_its_colors_and_what_stands_still_keeps_them() -> None:
    hues = Image.merge("RGB", [Image.linear_gradient("L").rotate(angle).resize((40, 40)) for angle in (0, 90, 180)])
    frames = []
    for place in range(20):
        frame = Image.new("RGB", (80, 40))
        frame.paste(hues, (0, 0))
        frame.paste((255, 12 * place, 0), (40, place, 80, place + 20))
        frames.append(frame)
    film = Image.open(io.BytesIO(gif(frames, 80)))
    assert film.n_frames == 20
    shown = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
    differences = [
        (pil_to_tensor(one).int() - pil_to_tensor(other).int()).abs() for one, other in zip(shown, frames, strict=True)
    ]
    assert max(each.float().mean().item() for each in differences) < 5
    assert max(each.max().item() for each in differences) < 40
    assert len({frame.crop((0, 0, 40, 40)).tobytes() for frame in shown}) == 1
