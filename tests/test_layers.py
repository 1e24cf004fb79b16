"""Layers that PyTorch does not have, against their definitions."""

import pytest
import torch
from torch import Tensor, nn

from first_gan.drawing.layers import PlaygroundError, chain_of, compute
from first_gan.layers import MEMORY, Centering, MinibatchDeviation
from gan_networks import Discriminator
from networks import dcgan


def batches(count: int, size: int) -> list[Tensor]:
    return list(torch.randn(count, 16, size, generator=torch.Generator().manual_seed(1)) + 3)


def test_centering_takes_the_mean_of_what_was_seen_before() -> None:
    layer, seen = Centering(5), batches(4, 5)
    for batch in seen:
        before = layer.mean.clone()
        torch.testing.assert_close(layer(batch), batch - before)
    torch.testing.assert_close(layer.mean, torch.cat(seen).mean(0))
    layer.eval()
    torch.testing.assert_close(layer(seen[0]), seen[0] - torch.cat(seen).mean(0))
    torch.testing.assert_close(layer.mean, torch.cat(seen).mean(0))


def test_what_was_seen_long_ago_is_forgotten() -> None:
    layer = Centering(1)
    for _ in range(5 * MEMORY):
        layer(torch.ones(2, 1))
    for _ in range(3 * MEMORY):
        layer(-torch.ones(2, 1))
    assert layer.mean.item() == pytest.approx(-0.9, abs=0.02)


@pytest.mark.parametrize(("n", "group"), [(128, 8), (32, 8), (24, 4), (20, 2), (26, 1), (7, 1)])
def test_deviation_is_each_groups_own(n: int, group: int) -> None:
    """Features 0 to 2 make the first number, 3 to 5 the second; groups follow one another."""
    features = batches(1, 6)[0].repeat(8, 1)[:n] * torch.arange(1.0, n + 1)[:, None]
    found = MinibatchDeviation(2)(features)
    torch.testing.assert_close(found[:, :6], features)
    for start in range(0, n, group):
        deviations = features[start : start + group].std(0, correction=0)
        expected = torch.stack([deviations[:3].mean(), deviations[3:].mean()])
        torch.testing.assert_close(found[start : start + group, 6:], expected.expand(group, 2), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("half", [64, 32, 20, 13, 3, 1])
def test_no_generated_image_changes_what_is_said_of_real_ones(half: int) -> None:
    """Where D sees as many of both in one pass, the real ones first."""
    features = torch.randn(2 * half, 4, generator=torch.Generator().manual_seed(2))
    one = MinibatchDeviation(2)(features)
    other = MinibatchDeviation(2)(torch.cat([features[:half], 5 * features[half:] + 1]))
    assert torch.equal(one[:half], other[:half])
    assert half < 2 or half % 2 or not torch.equal(one[half:, 4:], other[half:, 4:])


def test_images_that_are_alike_deviate_by_nothing_and_their_gradient_is_finite() -> None:
    features = torch.ones(16, 4, requires_grad=True)
    found = MinibatchDeviation(1)(features)
    found.sum().backward()
    assert found[:, 4].abs().max() < 1e-3
    assert features.grad is not None
    assert features.grad.isfinite().all()


def test_in_eval_mode_an_image_is_judged_alone() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator((1, 4, 4), widths=[8], center=True, minibatch_std=2)
    images = torch.rand(32, 1, 4, 4) - 1
    discriminator(images)
    compared = next(layer for layer in discriminator.modules() if isinstance(layer, MinibatchDeviation))
    assert compared.mean.min() > 1e-2
    together, kept = discriminator.train()(images), compared.mean.clone()
    alone = torch.cat([discriminator.eval()(image[None]) for image in images])
    torch.testing.assert_close(alone, discriminator(images))
    assert torch.equal(kept, compared.mean)
    assert not torch.allclose(together, alone, atol=1e-4)


def test_a_plain_chain_computes_what_these_layers_do() -> None:
    """As the playground does, which knows linear layers alone."""
    torch.manual_seed(0)
    discriminator = Discriminator((1, 4, 4), widths=[8, 6], center=True, minibatch_std=3)
    for _ in range(3):
        discriminator(torch.rand(32, 1, 4, 4) - 1)
    images = torch.rand(5, 1, 4, 4, dtype=torch.float64)
    chain = chain_of("D", discriminator, images)
    assert [layer.kind for layer in chain] == ["linear"] * 3
    assert [tuple(layer.weight.shape) for layer in chain] == [(8, 16), (6, 8), (1, 6)]
    torch.testing.assert_close(compute(chain, images), discriminator.double().eval()(images))


def test_a_chain_of_convolutions_centers_before_it_pads() -> None:
    torch.manual_seed(0)
    discriminator = dcgan.Discriminator((2, 8, 16), width=4, hidden=6, center=True, minibatch_std=3)
    for _ in range(3):
        discriminator(torch.rand(32, 2, 8, 16) - 1)
    images = torch.rand(5, 2, 8, 16, dtype=torch.float64)
    chain = chain_of("D", discriminator, images)
    assert [layer.kind for layer in chain] == ["centered", "conv", "linear", "linear"]
    torch.testing.assert_close(compute(chain, images), discriminator.double().eval()(images))


def test_a_chain_that_centers_elsewhere_is_refused() -> None:
    network = nn.Sequential(nn.Linear(4, 4), Centering(4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
    with pytest.raises(PlaygroundError, match="does not know: LeakyReLU"):
        chain_of("D", network, torch.rand(5, 4))


def test_the_lessons_discriminator_has_none_of_them() -> None:
    assert not any(isinstance(layer, (Centering, MinibatchDeviation)) for layer in Discriminator().modules())
    assert [type(layer) for layer in Discriminator().model][::5] == [nn.Flatten, nn.Linear]


@pytest.mark.parametrize("minibatch_std", [-1, 3, 512])
def test_numbers_that_do_not_divide_the_width_are_named(minibatch_std: int) -> None:
    with pytest.raises(
        ValueError, match=r"^model\.discriminator\.minibatch_std must be 0 or a divisor of .* 256 inputs, got"
    ):
        Discriminator(minibatch_std=minibatch_std)
