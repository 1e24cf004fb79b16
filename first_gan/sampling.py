"""What samples are drawn from: a generator, or the moving average of its weights; and a trained GAN without its training."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from first_gan.checks import check
from first_gan.networks import build, check_pair


class Sampling(nn.Module):
    """Has a `generator`, and keeps its moving average (`ema`) where the hyperparameter `ema_decay` is above 0."""

    generator: nn.Module
    hparams: Any

    def __init__(self) -> None:
        super().__init__()
        self.ema: nn.Module | None = None

    def configure_model(self) -> None:
        """When training starts or a checkpoint is loaded, the average is made, of the generator that is there then."""
        if self.hparams["ema_decay"] and self.ema is None:
            self.ema = copy.deepcopy(self.generator).requires_grad_(False)

    @property
    def sampling_generator(self) -> nn.Module:
        """The generator to draw samples from: the moving average where there is one, else G itself."""
        return self.generator if self.ema is None else self.ema

    def forward(self, z: Tensor) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] for latent vectors (N, latent_dim)."""
        return self.sampling_generator(z)

    def predict_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Images for a minibatch of latent vectors, alone or as the first of a tuple."""
        return self.sample(batch[0] if isinstance(batch, (list, tuple)) else batch)

    @torch.no_grad()
    def sample(self, z: Tensor, generator: nn.Module | None = None) -> Tensor:
        """Images (N, C, H, W) in [-1, 1] for latent vectors (N, latent_dim), by `sampling_generator` or another, in eval mode."""
        generator = generator or self.sampling_generator
        was_training = generator.training
        images = generator.eval()(z.to(next(generator.parameters())))
        generator.train(was_training)
        return images


class Trained(Sampling):
    """The networks of a checkpoint by its hyperparameters, without Lightning, whose import takes longer than drawing.

    Args:
        project: The folder of `gan_networks.py` and `networks/`, where a checkpoint may name classes.
        hyperparameters: `GAN`'s.

    Raises:
        ValueError: An option is outside its legal range, or the networks do not fit.
        KeyError: One is not there.
    """

    def __init__(self, project: Path, **hyperparameters: Any) -> None:
        super().__init__()
        check("model", hyperparameters, at_least_1=["latent_dim"], in_0_1=["ema_decay"])
        channels, height, width = hyperparameters["image_shape"]
        self.hparams, self.latent_dim = hyperparameters, hyperparameters["latent_dim"]
        self.image_shape = (channels, height, width)
        self.generator = build(
            "model.generator", hyperparameters["generator"], project, self.latent_dim, self.image_shape
        )
        self.discriminator = build("model.discriminator", hyperparameters["discriminator"], project, self.image_shape)

    def check(self) -> None:
        """Tries the networks out together, with the weights that they have now.

        Raises:
            NetworkError: They do not fit.
        """
        check_pair(self.generator, self.discriminator, self.latent_dim, self.image_shape, "cpu")


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Every layer in eval mode; afterwards each is in its mode again."""
    modes = [(layer, layer.training) for layer in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training
