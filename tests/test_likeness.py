"""What samples tell without labels or a judge, on made images whose answer is known."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from first_gan.scores import metrics
from first_gan.scores.likeness import Likeness, thumbnails

KINDS = 5


def made(n: int, seed: int, kinds: int = KINDS) -> Tensor:
    """Smooth images (n, 1, 28, 28) in [-1, 1] of the first so many of five kinds."""
    centres = torch.randn(KINDS, 1, 7, 7, generator=torch.Generator().manual_seed(99))
    generator = torch.Generator().manual_seed(seed)
    kind = torch.randint(kinds, (n,), generator=generator)
    small = centres[kind] + 0.4 * torch.randn(n, 1, 7, 7, generator=generator)
    return F.interpolate(small, scale_factor=4).tanh()


def noise(n: int, size: float) -> Tensor:
    return size * torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def likeness() -> Likeness:
    return Likeness(made(2000, 1), made(2000, 2))


def test_other_real_images_look_like_real_ones(likeness: Likeness) -> None:
    found = likeness.of(made(512, 3))
    assert found["diversity"] == pytest.approx(1, abs=0.1)
    assert found["thumbnail_diversity"] == pytest.approx(1, abs=0.1)
    assert found["copying"] == pytest.approx(0, abs=0.05)
    assert found["missing_kinds"] == 0
    assert 0 < found["thumbnail_fd"] < 0.05


def test_noise_on_one_image_is_diverse_in_pixels_and_not_in_thumbnails(likeness: Likeness) -> None:
    collapsed = (made(1, 4).expand(512, -1, -1, -1) + noise(512, 0.5)).clamp(-1, 1)
    found = likeness.of(collapsed)
    assert found["diversity"] > 0.8
    assert found["thumbnail_diversity"] < 0.4
    assert found["missing_kinds"] > 0.5


def test_noise_is_far_from_real_images_and_a_little_noise_is_not(likeness: Likeness) -> None:
    real = likeness.of(made(512, 3))["thumbnail_fd"]
    assert likeness.of((made(512, 3) + noise(512, 0.2)).clamp(-1, 1))["thumbnail_fd"] < 4 * real
    assert likeness.of(noise(512, 0.5).clamp(-1, 1))["thumbnail_fd"] > 50 * real


def test_the_distance_of_thumbnails_is_1_for_the_mean_image(likeness: Likeness) -> None:
    mean = made(2000, 1).mean(0, keepdim=True).expand(512, -1, -1, -1)
    assert likeness.of(mean)["thumbnail_fd"] == pytest.approx(1, abs=0.01)
    distance = metrics.fcd(thumbnails(made(512, 3, 2)), likeness.real)
    assert likeness.of(made(512, 3, 2))["thumbnail_fd"] == pytest.approx(distance / likeness.real.var(0).sum().item())


def test_kinds_that_are_never_drawn_are_missed(likeness: Likeness) -> None:
    shares = [likeness.of(made(512, 3, kinds))["missing_kinds"] for kinds in (1, 3, 5)]
    assert shares == pytest.approx([0.8, 0.4, 0], abs=0.06)


def test_copies_of_training_images_are_told_from_new_ones(likeness: Likeness) -> None:
    training = made(2000, 1)[:512]
    assert likeness.of(training)["copying"] == pytest.approx(1)
    assert likeness.of(0.8 * training + 0.2 * made(512, 3))["copying"] > 0.2
    assert likeness.of((training + noise(512, 0.1)).clamp(-1, 1))["copying"] > 0.5
    assert likeness.of(made(2000, 2)[:512])["copying"] < -1  # of the held-out ones: as wrong the other way


def test_as_many_training_images_as_held_out_ones_are_compared() -> None:
    """Or the more numerous ones would seem nearer."""
    few = Likeness(made(2000, 1), made(200, 2))
    assert few.of(made(512, 3))["copying"] == pytest.approx(0, abs=0.1)
    assert "thumbnail_fd" in Likeness(made(2000, 1), made(40, 2)).of(made(512, 3))  # which goes by all training images


def test_what_cannot_be_measured_is_left_out() -> None:
    alone = Likeness(made(40, 1))
    assert set(alone.of(made(40, 3))) == {"diversity", "thumbnail_diversity", "missing_kinds"}
    assert "copying" not in Likeness(made(100, 1), made(8, 2)).of(made(100, 3))


def test_images_of_other_channels_are_refused(likeness: Likeness) -> None:
    with pytest.raises(ValueError, match="samples of 3 channels cannot be measured against real images of 1"):
        likeness.of(made(64, 3).expand(-1, 3, -1, -1))


def test_thumbnails_are_made_of_a_few_images_at_a_time() -> None:
    images = made(250, 1)
    whole = F.avg_pool2d(images.double(), 4).flatten(1)
    assert torch.equal(thumbnails(images), whole)


def test_pixels_and_floats_measure_alike() -> None:
    real = made(300, 1)
    pixels = ((real + 1) * 127.5).round().to(torch.uint8)
    ours, theirs = (Likeness(images).of(made(300, 3)) for images in (real, pixels))
    assert ours == pytest.approx(theirs, rel=0.02, abs=0.02)
