"""Networks that the playground's tests play with."""

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

import gan_networks
from first_gan.drawing.latent import latent_vectors
from networks import dcgan


def gan_of(generator: nn.Module, discriminator: nn.Module, latent: int, shape: tuple[int, int, int]) -> Any:
    """Networks as if they had been trained: statistics in batch normalization, images and logits that differ widely."""
    generate_random = torch.Generator().manual_seed(0)

    def random(like: Tensor, low: float, high: float) -> Tensor:
        return torch.rand(like.shape, generator=generate_random) * (high - low) + low

    with torch.no_grad():
        for layer in generator.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.copy_(random(layer.running_mean, -0.5, 0.5))
                layer.running_var.copy_(random(layer.running_var, 0, 0.5) ** 8)  # most no larger than its epsilon
                layer.weight.copy_(random(layer.weight, 0.1, 0.5))
                layer.bias.copy_(random(layer.bias, -1, 1))
            elif isinstance(layer, nn.LayerNorm):
                layer.weight.copy_(random(layer.weight, 0.1, 2))
                layer.bias.copy_(random(layer.bias, -1, 1))
        last = [layer for layer in generator.modules() if isinstance(layer, nn.Linear | nn.ConvTranspose2d)][-1]
        before_tanh: list[Tensor] = []
        hook = last.register_forward_hook(lambda layer, inputs, output: before_tanh.append(output.clone()))
        generator.eval()(latent_vectors(64, latent, 0))
        hook.remove()
        last.weight.div_(before_tanh[0].std())
        for layer in discriminator.modules():
            if isinstance(layer, nn.Linear) and len(layer.weight) > 1:  # rows of very different sizes
                layer.weight.mul_(random(layer.weight[:, :1], 0, 1) ** 6)
        logits = discriminator(generator(latent_vectors(64, latent, 0)))
        head = [layer for layer in discriminator.modules() if isinstance(layer, nn.Linear)][-1]
        head.weight.mul_(0.5 / logits.std())
    return SimpleNamespace(generator=generator, discriminator=discriminator, latent_dim=latent, image_shape=shape)


def made(name: str) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "linear":  # the best recipe's
            g = gan_networks.Generator(32, widths=[512, 512], batch_norm=True)
            return gan_of(g, gan_networks.Discriminator(), 32, (1, 28, 28))
        if name == "norm":
            g = gan_networks.Generator(32, widths=[128, 256], layer_norm=True)
            d = gan_networks.Discriminator(widths=[128, 64], center=True, minibatch_std=4)
            d(torch.rand(32, 1, 28, 28) - 1)
            return gan_of(g, d.eval(), 32, (1, 28, 28))
        shape = (3, 16, 24)
        d = dcgan.Discriminator(shape, 8, hidden=32, center=True, minibatch_std=4)
        d(torch.rand(32, *shape) - 0.7)
        return gan_of(dcgan.Generator(21, shape, 8, hidden=24), d.eval(), 21, shape)
