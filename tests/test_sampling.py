"""Latent vectors, walks between them, and pixels."""

import pytest
import torch

from first_gan.drawing.latent import STEPS, anchors, closed_walk, grid, latent_vectors, slerp, stacked, to_pixels


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
