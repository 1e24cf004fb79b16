"""A LightningModule that samples are drawn from: by its generator, or by the moving average of its weights."""

import copy
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn


class SamplingModule(LightningModule):
    """Has a `generator`, and keeps its moving average (`ema`) where the hyperparameter `ema_decay` is above 0."""

    generator: nn.Module

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
