"""A generative adversarial network: generator, discriminator, and their alternating updates.

Goodfellow et al. 2014, "Generative Adversarial Nets" (arXiv 1406.2661): Algorithm 1, with the non-saturating loss of
section 3 for the generator. Try it: `python train.py --max_epochs 5`
"""

import warnings
from collections.abc import Callable, Iterator
from itertools import chain, islice
from math import ceil, inf
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn

from first_gan.callbacks.metrics import MetricsLogger
from first_gan.checks import check
from first_gan.data import ImageShape, images_of
from first_gan.networks import build_pair, described
from first_gan.sampling import Sampling
from first_gan.training import frozen, gradient_norm, move_average, transferred
from gan_networks import Discriminator, Generator

HERE = Path(__file__).parent
R1_INTERVAL = 4  # R1 is computed at every 4th update, times 4: nearly as good, and cheaper (Karras et al. 2020)
warnings.filterwarnings("ignore", message=".*`dataloader_iter`.*")  # experimental, says Lightning: so tested here


class GAN(Sampling, LightningModule):
    """The two networks, their losses and the alternating updates.

    Args:
        generator: G: its class, called with latent_dim and image_shape, or a module.
        discriminator: D: its class, called with image_shape, or a module; one logit per image, no batch normalization.
        latent_dim: Length of the latent vector z; at least 1.
        image_shape: Channels, height and width of an image.
        lr: Adam's learning rate for both networks; above 0.
        lr_g: Learning rate of G in place of lr; 0 freezes G.
        lr_d: Learning rate of D in place of lr; 0 freezes D.
        lr_decay: Last part of the training in which both rates fall to 0, in a straight line; from 0 (off) to 1.
        betas: Adam's decay rates of the running mean and variance of the gradient; each in [0, 1).
        d_steps: D steps before each G step, on the update's real images and fresh fakes; at least 1.
        r1: Weight of R1, a penalty on D's gradient at real images (Mescheder et al. 2018); at least 0.
        ema_decay: Decay per update of the moving average of G's weights that samples come from; in [0, 1), 0 is off.
        steps_per_execution: Updates per call of training_step, so that Lightning's loop is paid once for all; at least 1.
        seed: With the epoch and the rank, decides every draw inside the updates; at least 0; None takes torch's seed.

    Raises:
        ValueError: An option is outside its legal range, or the networks do not fit; the message names the option.
    """

    def __init__(
        self,
        generator: Callable[[int, ImageShape], nn.Module] = Generator,
        discriminator: Callable[[ImageShape], nn.Module] = Discriminator,
        latent_dim: int = 100,
        image_shape: ImageShape = (1, 28, 28),
        lr: float = 2e-4,
        lr_g: float | None = None,
        lr_d: float | None = None,
        lr_decay: float = 0.0,
        betas: tuple[float, float] = (0.5, 0.999),
        d_steps: int = 1,
        r1: float = 0.0,
        ema_decay: float = 0.0,
        steps_per_execution: int = 32,
        seed: int | None = None,
    ) -> None:
        options = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__()
        ranges = {"at_least_1": ["latent_dim", "d_steps", "steps_per_execution"], "at_least_0": ["lr_g", "lr_d", "r1"]}
        check("model", options, **ranges, above_0=["lr"], in_0_1=["betas", "ema_decay"], from_0_to_1=["lr_decay"])
        options |= {"generator": described(generator), "discriminator": described(discriminator)}
        options["seed"] = torch.initial_seed() if seed is None else seed
        self.save_hyperparameters(options)
        self.automatic_optimization = False
        self.latent_dim, self.d_steps, self.r1 = latent_dim, d_steps, r1
        self.image_shape: ImageShape = (image_shape[0], image_shape[1], image_shape[2])  # a list, in a file
        self.generator, self.discriminator = build_pair(generator, discriminator, latent_dim, self.image_shape, HERE)
        self.noise: torch.Generator | None = None  # of the updates; torch's own outside of training
        self.images_seen = 0  # trained on by this process

    @property
    def updates(self) -> int:
        """Updates done so far: `d_steps` D steps and one G step each (Lightning's `global_step` counts all of them)."""
        return self.global_step // (self.d_steps + 1)

    @property
    def total_updates(self) -> float:
        """Updates of the whole training, as far as the Trainer knows its end; infinite where it has none."""
        epochs, steps = self.trainer.max_epochs, self.trainer.max_steps  # optimizer steps
        by_epochs = inf if epochs in (None, -1) else epochs * self.trainer.num_training_batches
        return min(by_epochs, inf if steps == -1 else ceil(steps / (self.d_steps + 1)))

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        def adam(network: nn.Module, lr: float | None) -> torch.optim.Optimizer:
            lr = self.hparams["lr"] if lr is None else lr
            return torch.optim.Adam(network.parameters(), lr=lr, betas=self.hparams["betas"], fused=True)

        return [adam(self.generator, self.hparams["lr_g"]), adam(self.discriminator, self.hparams["lr_d"])]

    def configure_callbacks(self) -> list[Callback]:
        """What the updates measure is logged by any Trainer."""
        logged = any(isinstance(callback, MetricsLogger) for callback in self.trainer.callbacks)  # type: ignore[attr-defined]
        return [] if logged else [MetricsLogger()]

    def on_train_start(self) -> None:
        if self.hparams["lr_decay"] and self.total_updates == inf:
            raise ValueError("model.lr_decay needs an end of the training: max_epochs or max_steps")

    def on_train_epoch_start(self) -> None:
        # Noise depends on (seed, epoch, rank) alone, so a resumed run draws what an uninterrupted one would.
        entropy = np.random.SeedSequence([self.hparams["seed"], self.current_epoch, self.global_rank])
        self.noise = torch.Generator(self.device).manual_seed(int(entropy.generate_state(1, np.uint64)[0]))

    def training_step(self, dataloader_iter: Iterator[Any]) -> dict[str, Tensor]:
        """Updates on the next few minibatches.

        Returns:
            What each `update` measured, by name: (updates,).
        """
        first = next(dataloader_iter)  # where there is none, Lightning ends the epoch
        measured = [self.update(real) for real in self.minibatches(chain([first], dataloader_iter))]
        return {name: torch.stack([row[name] for row in measured]) for name in measured[0]}

    def minibatches(self, dataloader_iter: Iterator[Any]) -> Iterator[Tensor]:
        """The real images of `steps_per_execution` minibatches, or of as many as `max_steps` or the epoch leaves."""
        count = self.hparams["steps_per_execution"]
        if self.trainer.max_steps != -1:  # optimizer steps; an update that has begun is finished
            count = min(count, ceil(self.trainer.max_steps / (self.d_steps + 1)) - self.updates)
        for batch, _, _ in islice(dataloader_iter, count):
            real = images_of(transferred(batch, self), self.image_shape)
            real = real.to(next(self.generator.parameters()))  # bf16-true's dtype, or 64-true's
            self.images_seen += len(real)
            yield real

    def update(self, real: Tensor) -> dict[str, Tensor]:
        """One update, Algorithm 1 of the paper: `d_steps` steps of D, then one of G.

        Args:
            real: Minibatch of real images (N, C, H, W) in [-1, 1].

        Returns:
            Detached scalars on the device: losses in nats, probabilities, accuracy, gradient L2 norms.
        """
        g_optimizer, d_optimizer = self.optimizers()  # type: ignore[attr-defined]
        self.lower_rates(g_optimizer, d_optimizer)
        for _ in range(self.d_steps):
            with torch.no_grad():
                fake = self.generator(self.sample_latent(len(real)))
            real.requires_grad_(penalized := self.r1 > 0 and self.updates % R1_INTERVAL == 0)
            real_logits, fake_logits = self.discriminator(torch.cat([real, fake])).chunk(2)  # one pass over both
            d_loss = bce(real_logits, 1.0) + bce(fake_logits, 0.0)
            penalty = R1_INTERVAL * self.r1 * r1_penalty(real, real_logits) if penalized else 0.0
            d_grad_norm = self.descend(d_loss + penalty, d_optimizer)

        with frozen(self.discriminator):
            fake = self.generator(self.sample_latent(len(real)))
            g_loss = bce(self.discriminator(fake), 1.0)
            g_grad_norm = self.descend(g_loss, g_optimizer)
        if self.ema is not None:  # its decay grows, so that early weights are soon forgotten
            n = self.updates
            move_average(self.ema, self.generator, min(self.hparams["ema_decay"], (1 + n) / (10 + n)) if n > 1 else 0.0)

        return {
            "train/d_loss": d_loss.detach(),
            "train/g_loss": g_loss.detach(),
            "train/d_real": real_logits.detach().sigmoid().mean(),
            "train/d_fake": fake_logits.detach().sigmoid().mean(),
            "train/d_accuracy": torch.cat([real_logits > 0, fake_logits < 0]).float().mean(),
            "train/d_grad_norm": d_grad_norm,
            "train/g_grad_norm": g_grad_norm,
        }

    def lower_rates(self, *optimizers: LightningOptimizer) -> None:
        """Within the last `lr_decay` of the training, makes the learning rates as much smaller as less of it is left."""
        if part := self.hparams["lr_decay"]:
            left = max(0.0, 1 - self.updates / self.total_updates)
            for optimizer in optimizers:
                optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] * min(1.0, left / part)

    def descend(self, loss: Tensor, optimizer: LightningOptimizer) -> Tensor:
        """One step down the gradient of `loss`; returns the L2 norm of the gradient."""
        optimizer.zero_grad()
        self.manual_backward(loss)
        norm = gradient_norm(optimizer.optimizer)
        optimizer.step()
        return norm

    def sample_latent(self, n: int) -> Tensor:
        """Draws z ~ N(0, I), (n, latent_dim), on G's device, from the updates' own random stream."""
        weight = next(self.generator.parameters())
        return torch.randn(n, self.latent_dim, generator=self.noise, device=weight.device, dtype=weight.dtype)


def bce(logits: Tensor, target: float) -> Tensor:
    """Mean binary cross-entropy of sigmoid(logits) against one target: equal to it, but without log(0)."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def r1_penalty(real: Tensor, logits: Tensor) -> Tensor:
    """R1 of Mescheder et al. 2018 (arXiv 1801.04406): half the mean squared norm of the logits' gradient at real images."""
    (gradient,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    return gradient.flatten(1).square().sum(1).mean() / 2
