"""The algorithm, against the lesson written out by hand."""

import copy
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from pytorch_lightning import Trainer
from torch import nn

from first_gan.data.loader import EpochOrder, MinibatchLoader
from first_gan.training import frozen
from gan_module import GAN, Discriminator, Generator, bce


def fit(
    gan: GAN, updates: int, precision: str = "64-true", batch_size: int = 32, steps_per_execution: int = 2
) -> list[torch.Tensor]:
    """Trains on random images; returns the minibatches in order, as float64."""
    gan.hparams["steps_per_execution"] = steps_per_execution
    images = torch.randint(256, (batch_size * updates, *gan.image_shape), dtype=torch.uint8)
    loader = MinibatchLoader(images, torch.zeros(len(images)), batch_size, EpochOrder(len(images), seed=3))
    batches = [real.double() for real, _ in loader]
    trainer = Trainer(
        max_epochs=1,
        accelerator="cpu",
        precision=precision,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(gan, loader)
    return batches


class Textbook:
    """The lesson's update with nn.Sigmoid, nn.BCELoss and two plain Adam optimizers; no Lightning."""

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, d_steps: int, r1: float, lrs: Sequence[float]
    ) -> None:
        self.G, self.D = generator, nn.Sequential(discriminator, nn.Sigmoid())
        self.opt_g = torch.optim.Adam(self.G.parameters(), lr=lrs[0], betas=(0.5, 0.999))
        self.opt_d = torch.optim.Adam(self.D.parameters(), lr=lrs[0], betas=(0.5, 0.999))
        self.loss, self.d_steps, self.r1, self.lrs, self.updates = nn.BCELoss(), d_steps, r1, lrs, 0

    def update(self, real: torch.Tensor) -> None:
        n = len(real)
        self.opt_g.param_groups[0]["lr"] = self.opt_d.param_groups[0]["lr"] = self.lrs[self.updates]
        for _ in range(self.d_steps):
            fake = self.G(torch.randn(n, 100, dtype=torch.float64))
            ones = torch.ones(n, 1, dtype=torch.float64)
            d_loss = self.loss(self.D(real), ones) + self.loss(self.D(fake.detach()), torch.zeros_like(ones))
            if self.r1 and self.updates % 4 == 0:
                gradients = torch.func.vmap(torch.func.grad(lambda image: self.D[0](image[None]).squeeze()))(real)
                d_loss = d_loss + 4 * self.r1 / 2 * gradients.flatten(1).norm(dim=1).square().mean()
            self.opt_d.zero_grad()
            d_loss.backward()
            self.opt_d.step()
        fake = self.G(torch.randn(n, 100, dtype=torch.float64))
        g_loss = self.loss(self.D(fake), torch.ones(n, 1, dtype=torch.float64))
        self.opt_g.zero_grad()
        g_loss.backward()
        self.opt_g.step()
        self.updates += 1


class Remembering(GAN):
    """Keeps the state that its noise starts from."""

    def on_train_epoch_start(self) -> None:
        super().on_train_epoch_start()
        assert self.noise is not None
        self.drawn_from = self.noise.get_state()


CONSTANT = (1, 1, 1, 1, 1, 1)  # learning rates of six updates, as multiples
FALLING = (1, 1, 1, 1, 2 / 3, 1 / 3)  # over their last half


@pytest.mark.parametrize(
    ("d_steps", "r1", "lr_decay", "rates"),
    [(1, 0.0, 0.0, CONSTANT), (3, 0.0, 0.0, CONSTANT), (1, 0.1, 0.0, CONSTANT), (2, 0.0, 0.5, FALLING)],
)
def test_updates_equal_the_lessons(d_steps: int, r1: float, lr_decay: float, rates: Sequence[float]) -> None:
    """And with R1, whose penalty is written out image by image; and with learning rates that fall."""
    torch.manual_seed(0)
    gan = Remembering(d_steps=d_steps, r1=r1, lr_decay=lr_decay)
    networks = copy.deepcopy((gan.generator, gan.discriminator))
    textbook = Textbook(networks[0].double(), networks[1].double(), d_steps, r1, [2e-4 * rate for rate in rates])
    batches = fit(gan, updates=6)
    torch.set_rng_state(gan.drawn_from)
    for batch in batches:
        textbook.update(batch)
    for ours, theirs in ((gan.generator, textbook.G), (gan.discriminator, textbook.D[0])):
        for weights, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(weights, expected, rtol=0, atol=1e-6)


def test_defaults_are_the_lessons() -> None:
    gan = GAN()
    assert [m.out_features for m in gan.generator.modules() if isinstance(m, nn.Linear)] == [256, 512, 784]
    assert [m.out_features for m in gan.discriminator.modules() if isinstance(m, nn.Linear)] == [512, 256, 1]
    assert {m.negative_slope for m in gan.modules() if isinstance(m, nn.LeakyReLU)} == {0.2}
    assert not any(isinstance(m, (nn.Dropout, nn.BatchNorm1d)) for m in gan.modules())
    for optimizer in gan.configure_optimizers():
        assert isinstance(optimizer, torch.optim.Adam)
        assert (optimizer.defaults["lr"], optimizer.defaults["betas"]) == (2e-4, (0.5, 0.999))


def test_global_step_counts_each_networks_steps_and_updates_count_once() -> None:
    gan = GAN(d_steps=2)
    fit(gan, updates=4)
    assert gan.global_step == 12
    assert gan.updates == 4


def test_options_reach_the_networks() -> None:
    gan = GAN(
        partial(Generator, widths=[5], batch_norm=True),
        partial(Discriminator, widths=[6, 4]),
        latent_dim=7,
        lr_g=0.0,
        lr_d=1e-3,
    )
    assert gan.generator(torch.randn(3, 7)).shape == (3, 1, 28, 28)
    assert gan.discriminator(torch.randn(3, 1, 28, 28)).shape == (3, 1)
    assert any(isinstance(m, nn.BatchNorm1d) for m in gan.generator.modules())
    assert [optimizer.defaults["lr"] for optimizer in gan.configure_optimizers()] == [0.0, 1e-3]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("latent_dim", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("lr_g", -1.0),
        ("lr_d", float("inf")),
        ("betas", (0.5, 1.0)),
        ("betas", (-0.1, 0.9)),
        ("d_steps", 0),
        ("r1", -0.1),
        ("ema_decay", 1.0),
        ("lr_decay", 1.1),
        ("steps_per_execution", 0),
    ],
)
def test_an_option_out_of_range_is_named(option: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^model\.{option} must be .*got"):
        GAN(**{option: value})


def test_layer_normalization_lets_each_image_be_drawn_alone() -> None:
    generator = Generator(widths=[5, 6], layer_norm=True)
    assert [layer.normalized_shape for layer in generator.modules() if isinstance(layer, nn.LayerNorm)] == [(5,), (6,)]
    z = torch.randn(3, 100)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))
    with pytest.raises(ValueError, match="of batch_norm and layer_norm one at most"):
        Generator(batch_norm=True, layer_norm=True)


@pytest.mark.parametrize(("network", "widths"), [(Generator, []), (Discriminator, [3, 0])])
def test_widths_out_of_range_are_named(network: type[nn.Module], widths: list[int]) -> None:
    with pytest.raises(ValueError, match=rf"^model\.{network.__name__.lower()}\.widths must be one or more .*got"):
        network(widths=widths)


@pytest.mark.parametrize(
    ("limits", "updates"),
    [({"max_epochs": 3}, 15), ({"max_epochs": 3, "max_steps": 21}, 7), ({"max_epochs": -1, "max_steps": 20}, 7)],
)
def test_rates_fall_to_the_end_of_the_training_whatever_ends_it(limits: dict[str, int], updates: int) -> None:
    """By D's rate, before each of five updates an epoch, each with two D steps; optimizer steps are what max_steps counts."""

    class Recording(GAN):
        def update(self, real: torch.Tensor) -> dict[str, torch.Tensor]:
            measured = super().update(real)
            rates.append(self.optimizers()[1].param_groups[0]["lr"])  # type: ignore[index]
            return measured

    rates: list[float] = []
    gan = Recording(d_steps=2, lr_d=0.1, lr_decay=0.5, steps_per_execution=4)
    loader = MinibatchLoader(torch.zeros(20, 1, 28, 28, dtype=torch.uint8), torch.zeros(20), 4, EpochOrder(20, seed=3))
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    Trainer(**limits, **quiet, accelerator="cpu", enable_model_summary=False).fit(gan, loader)
    assert rates == pytest.approx([0.1 * min(1, 2 * (1 - n / updates)) for n in range(updates)])


def test_rates_that_should_fall_need_an_end() -> None:
    gan = GAN(lr_decay=0.5)
    loader = MinibatchLoader(torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.zeros(4), 4, EpochOrder(4, seed=3))
    trainer = Trainer(max_epochs=-1, accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(ValueError, match=r"model\.lr_decay needs an end of the training"):
        trainer.fit(gan, loader)


def test_frozen_generator_stays_and_discriminator_learns() -> None:
    gan = GAN(lr_g=0.0)
    before = copy.deepcopy(gan.state_dict())
    fit(gan, updates=2, precision="32-true")
    for name, weights in gan.state_dict().items():
        assert torch.equal(weights, before[name]) == name.startswith("generator"), name


def test_frozen_computes_no_gradients_and_lets_go_again() -> None:
    gan = GAN()
    with frozen(gan.discriminator):
        bce(gan.discriminator(gan.generator(torch.randn(4, 100))), 1.0).backward()
    assert all(p.grad is None and p.requires_grad for p in gan.discriminator.parameters())
    assert all(p.grad is not None for p in gan.generator.parameters())


def test_bce_keeps_loss_and_gradient_where_the_probability_rounds_to_zero() -> None:
    logits = torch.tensor([[-200.0], [0.3]], requires_grad=True)
    loss = bce(logits, 1.0)
    loss.backward()
    assert loss.item() == pytest.approx((200 + torch.log1p(torch.exp(torch.tensor(-0.3))).item()) / 2)
    assert logits.grad is not None
    assert logits.grad[0].item() == pytest.approx(-0.5)


def test_ema_is_the_running_average_of_the_generator() -> None:
    class Recording(GAN):
        weights: list[torch.Tensor]

        def on_train_batch_end(self, *args: object) -> None:
            self.weights.append(next(self.generator.parameters()).detach().clone())

    gan = Recording(ema_decay=0.3)
    gan.weights = []
    fit(gan, updates=4, steps_per_execution=1)
    average = gan.weights[0]
    for decay, weights in zip(
        (3 / 12, 0.3, 0.3), gan.weights[1:], strict=True
    ):  # (1 + n) / (10 + n), until that is more
        average = decay * average + (1 - decay) * weights
    torch.testing.assert_close(next(gan.sampling_generator.parameters()).double(), average)
    assert not torch.equal(next(gan.generator.parameters()), average)


def test_samples_are_drawn_in_eval_mode_from_ema_without_moving_anything() -> None:
    gan = GAN(partial(Generator, batch_norm=True), ema_decay=0.5)
    fit(gan, updates=2, precision="32-true")
    gan.train()
    state, weights = torch.get_rng_state(), copy.deepcopy(gan.state_dict())
    z = torch.randn(8, 100, generator=torch.Generator().manual_seed(0))
    images = gan.sample(z)
    assert images.shape == (8, 1, 28, 28)
    assert not images.requires_grad
    assert images.abs().max() <= 1
    torch.testing.assert_close(gan.sample(z[:1]), images[:1])  # in train mode a batch of one would fail
    assert gan.ema is not None
    assert gan.ema.training
    gan.sample(z, gan.generator)
    assert gan.generator.training
    torch.testing.assert_close(gan.ema.eval()(z), images)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weights[name], now) for name, now in gan.state_dict().items())
