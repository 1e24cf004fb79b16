"""A generative adversarial network on 28×28 images: generator, discriminator, and their alternating updates.

Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv 1406.2661): Algorithm 1, with the non-saturating loss of
section 3 for the generator. Try it: `python train.py --max_epochs 5`
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

IMAGE_SHAPE, PIXELS = (1, 28, 28), 28 * 28
R1_INTERVAL = 4  # R1 is reckoned at every 4th update, times 4: nearly as good, and cheaper (Karras et al. 2020)
Weights = list[Tensor] | tuple[Tensor, ...]


class Generator(nn.Module):
    """G(z): latent vectors (N, latent_dim) to images (N, 1, 28, 28) in [-1, 1]."""

    def __init__(self, latent_dim: int, widths: Sequence[int], batch_norm: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for fan_in, width in zip([latent_dim, *widths], widths, strict=False):
            layers.append(nn.Linear(fan_in, width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(width))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
        self.model = nn.Sequential(*layers, nn.Linear(widths[-1], PIXELS), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z).view(-1, *IMAGE_SHAPE)


class Discriminator(nn.Module):
    """Images (N, 1, 28, 28) to logits (N, 1); D(x), the probability that x is real, is their sigmoid."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        for fan_in, width in zip([PIXELS, *widths], widths, strict=False):
            layers += [nn.Linear(fan_in, width), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*layers, nn.Linear(widths[-1], 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class GAN(LightningModule):
    """The two networks, their losses and the alternating updates.

    Args:
        latent_dim: Length of the latent vector z; at least 1.
        generator_widths: Widths of G's hidden layers, from z to the image; at least one layer, each at least 1.
        discriminator_widths: Widths of D's hidden layers, from the image to the logit; likewise.
        lr: Adam's learning rate for both networks; above 0.
        lr_g: Learning rate of G in place of lr; 0 freezes G.
        lr_d: Learning rate of D in place of lr; 0 freezes D.
        betas: Adam's decay rates of the running mean and variance of the gradient; each in [0, 1).
        d_steps: D steps before each G step, on the update's real images and fresh fakes; at least 1.
        r1: Weight of R1, a penalty on D's gradient at real images (Mescheder et al. 2018); at least 0.
        batch_norm: Batch normalization in G's hidden layers.
        ema_decay: Decay per update of the moving average of G's weights that samples come from; in [0, 1), 0 is off.
        steps_per_execution: Updates per call of training_step, so that Lightning's loop is paid once for all; at least 1.
        seed: With the epoch and the rank, decides every draw inside the updates; at least 0.

    Raises:
        ValueError: An option is outside its legal range; the message names both.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        generator_widths: Sequence[int] = (256, 512),
        discriminator_widths: Sequence[int] = (512, 256),
        lr: float = 2e-4,
        lr_g: float | None = None,
        lr_d: float | None = None,
        betas: tuple[float, float] = (0.5, 0.999),
        d_steps: int = 1,
        r1: float = 0.0,
        batch_norm: bool = False,
        ema_decay: float = 0.0,
        steps_per_execution: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__()
        generator_widths, discriminator_widths = list(generator_widths), list(discriminator_widths)
        betas = (float(betas[0]), float(betas[1]))
        self.save_hyperparameters()
        for option, legal, legal_range in (
            ("latent_dim", latent_dim >= 1, "at least 1"),
            ("generator_widths", min(generator_widths, default=0) >= 1, "one or more widths of at least 1"),
            ("discriminator_widths", min(discriminator_widths, default=0) >= 1, "one or more widths of at least 1"),
            ("lr", 0 < lr < float("inf"), "above 0"),
            ("lr_g", 0 <= (lr_g or 0) < float("inf"), "at least 0"),
            ("lr_d", 0 <= (lr_d or 0) < float("inf"), "at least 0"),
            ("betas", all(0 <= beta < 1 for beta in betas), "two numbers in [0, 1)"),
            ("d_steps", d_steps >= 1, "at least 1"),
            ("r1", 0 <= r1 < float("inf"), "at least 0"),
            ("ema_decay", 0 <= ema_decay < 1, "in [0, 1)"),
            ("steps_per_execution", steps_per_execution >= 1, "at least 1"),
        ):
            if not legal:
                raise ValueError(f"model.{option} must be {legal_range}, got {self.hparams[option]}")
        self.automatic_optimization = False
        self.latent_dim, self.d_steps, self.r1 = latent_dim, d_steps, r1
        self.generator = Generator(latent_dim, generator_widths, batch_norm)
        self.discriminator = Discriminator(discriminator_widths)
        average = AveragedModel(self.generator, multi_avg_fn=self._average, use_buffers=True).requires_grad_(False)
        self.ema = average if ema_decay else None

    @property
    def updates(self) -> int:
        """Updates done so far: `d_steps` D steps and one G step each (Lightning's `global_step` counts all of them)."""
        return self.global_step // (self.d_steps + 1)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        def adam(network: nn.Module, lr: float | None) -> torch.optim.Optimizer:
            lr = self.hparams["lr"] if lr is None else lr
            return torch.optim.Adam(network.parameters(), lr=lr, betas=self.hparams["betas"], fused=True)

        return [adam(self.generator, self.hparams["lr_g"]), adam(self.discriminator, self.hparams["lr_d"])]

    def on_train_epoch_start(self) -> None:
        # Noise depends on (seed, epoch, rank) alone, so a resumed run draws what an uninterrupted one would.
        entropy = np.random.SeedSequence([self.hparams["seed"], self.current_epoch, self.global_rank])
        torch.manual_seed(int(entropy.generate_state(1, np.uint64)[0]))

    def training_step(self, minibatches: Iterable[Tensor], batch_idx: int) -> dict[str, Tensor]:
        """One update on each of a few minibatches, or as many as `max_steps` leaves; Lightning's loop runs once for all.

        Returns:
            What each `update` measured, by name: (updates,).
        """
        if self.trainer.max_steps != -1:
            minibatches = islice(minibatches, (self.trainer.max_steps - self.global_step) // (self.d_steps + 1))
        dtype = next(self.generator.parameters()).dtype  # bf16-true's, or 64-true's
        measured = [self.update(real.to(dtype)) for real in minibatches]
        return {name: torch.stack([row[name] for row in measured]) for name in measured[0]}

    def update(self, real: Tensor) -> dict[str, Tensor]:
        """One update, Algorithm 1 of the paper: `d_steps` steps of D, then one of G.

        Args:
            real: Minibatch of real images (N, 1, 28, 28) in [-1, 1].

        Returns:
            Detached scalars on the device: losses in nats, probabilities, accuracy, gradient L2 norms.
        """
        g_optimizer, d_optimizer = self.optimizers()  # type: ignore[attr-defined]
        for _ in range(self.d_steps):
            with torch.no_grad():
                fake = self.generator(self.sample_latent(len(real)))
            real.requires_grad_(penalized := self.r1 > 0 and self.updates % R1_INTERVAL == 0)
            real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).chunk(2)  # one pass over both
            d_loss = bce(real_logits, 1.0) + bce(fake_logits, 0.0)
            penalty = R1_INTERVAL * self.r1 * r1_penalty(real, real_logits) if penalized else 0.0
            d_grad_norm = self._descend(d_loss + penalty, d_optimizer)

        with frozen(self.discriminator):
            fake = self.generator(self.sample_latent(len(real)))
            g_loss = bce(self.discriminator(fake), 1.0)
            g_grad_norm = self._descend(g_loss, g_optimizer)
        if self.ema is not None:
            self.ema.update_parameters(self.generator)

        return {
            "train/d_loss": d_loss.detach(),
            "train/g_loss": g_loss.detach(),
            "train/d_real": real_logits.detach().sigmoid().mean(),
            "train/d_fake": fake_logits.detach().sigmoid().mean(),
            "train/d_accuracy": torch.cat([real_logits > 0, fake_logits < 0]).float().mean(),
            "train/d_grad_norm": d_grad_norm,
            "train/g_grad_norm": g_grad_norm,
        }

    def _descend(self, loss: Tensor, optimizer: LightningOptimizer) -> Tensor:
        """One step down the gradient of `loss`; returns the L2 norm of the gradient."""
        optimizer.zero_grad()
        if self.trainer.world_size > 1:  # Lightning prepares DDP for each backward pass
            self.manual_backward(loss)
            norm = gradient_norm(optimizer.optimizer)
            optimizer.step()
        else:  # the same without Lightning's hooks, which take as long as a twentieth of the update
            loss.backward()
            norm = gradient_norm(optimizer.optimizer)
            optimizer.optimizer.step()
            progress = self.trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress
            progress.increment_ready()
            progress.increment_completed()  # `global_step`
        return norm

    def _average(self, averaged: Weights, current: Weights, updates: int | Tensor) -> None:
        """Moves G's average on; at first the decay is (1 + n) / (10 + n), so that early weights are soon forgotten."""
        decay = min(self.hparams["ema_decay"], (1 + self.updates) / (10 + self.updates))
        get_ema_multi_avg_fn(decay)(averaged, current, updates)

    def sample_latent(self, n: int) -> Tensor:
        """Draws z ~ N(0, I), (n, latent_dim), from the global generator of G's device."""
        weight = next(self.generator.parameters())
        return torch.randn(n, self.latent_dim, device=weight.device, dtype=weight.dtype)

    @property
    def sampling_generator(self) -> nn.Module:
        """The generator to draw samples from: the moving average where there is one, else G itself."""
        return self.generator if self.ema is None else self.ema.module

    @torch.no_grad()
    def sample(self, z: Tensor, generator: nn.Module | None = None) -> Tensor:
        """Images (N, 1, 28, 28) in [-1, 1] for latent vectors (N, latent_dim), by `sampling_generator` or another, in eval mode."""
        generator = generator or self.sampling_generator
        was_training = generator.training
        images = generator.eval()(z.to(next(generator.parameters())))
        generator.train(was_training)
        return images


def bce(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy of sigmoid(logits) against one target: equal to it, but without log(0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def r1_penalty(real: Tensor, logits: Tensor) -> Tensor:
    """R1 of Mescheder et al. 2018 (arXiv 1801.04406): half the mean squared norm of the logits' gradient at real images."""
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2


def gradient_norm(optimizer: torch.optim.Optimizer) -> Tensor:
    """L2 norm of the gradient of all weights of one optimizer."""
    gradients = [weights.grad for group in optimizer.param_groups for weights in group["params"]]
    return torch.stack([gradient.norm() for gradient in gradients]).norm()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within it, no gradients of `network`'s own weights are computed: G's step would throw D's away."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
