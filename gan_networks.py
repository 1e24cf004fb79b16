"""The lesson's generator and discriminator: fully connected layers. Others can be named by `--model.generator` and `--model.discriminator`."""

from collections.abc import Callable, Sequence
from math import prod

from torch import Tensor, nn

from first_gan.data import ImageShape
from first_gan.layers import Centering, judging


class Generator(nn.Module):
    """G(z): latent vectors (N, latent_dim) to images (N, *image_shape) in [-1, 1], by fully connected layers.

    Args:
        latent_dim: Length of z.
        image_shape: Channels, height and width of an image.
        widths: Of the hidden layers, from z to the image; at least one, each at least 1.
        batch_norm: Batch normalization in the hidden layers.
        layer_norm: Layer normalization in them instead, by which no image depends on the others of its batch.

    Raises:
        ValueError: A width is below 1, or both normalizations are asked for.
    """

    def __init__(
        self,
        latent_dim: int = 100,
        image_shape: ImageShape = (1, 28, 28),
        widths: Sequence[int] = (256, 512),
        batch_norm: bool = False,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        if batch_norm and layer_norm:
            raise ValueError("model.generator: of batch_norm and layer_norm one at most can be true")
        self.image_shape = image_shape
        norms = [nn.BatchNorm1d] * batch_norm + [nn.LayerNorm] * layer_norm
        hidden = hidden_layers("generator", latent_dim, widths, norms)
        self.model = nn.Sequential(*hidden, nn.Linear(widths[-1], prod(image_shape)), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z).view(-1, *self.image_shape)


class Discriminator(nn.Module):
    """Images (N, *image_shape) to logits (N, 1); D(x), the probability that x is real, is their sigmoid.

    Args:
        image_shape: Channels, height and width of an image.
        widths: Of the hidden layers, from the image to the logit; at least one, each at least 1.
        center: Takes the mean of the images seen so far from each image.
        minibatch_std: So many numbers tell the last layer how much a few images differ; a divisor of the last width, 0 is off.
    """

    def __init__(
        self,
        image_shape: ImageShape = (1, 28, 28),
        widths: Sequence[int] = (512, 256),
        center: bool = False,
        minibatch_std: int = 0,
    ) -> None:
        super().__init__()
        hidden = hidden_layers("discriminator", prod(image_shape), widths)
        centering = [Centering(prod(image_shape))] * center
        self.model = nn.Sequential(nn.Flatten(), *centering, *hidden, *judging(widths[-1], minibatch_std))

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def hidden_layers(
    network: str, inputs: int, widths: Sequence[int], norms: Sequence[Callable[[int], nn.Module]] = ()
) -> list[nn.Module]:
    if min(widths, default=0) < 1:
        raise ValueError(f"model.{network}.widths must be one or more widths of at least 1, got {list(widths)}")
    layers: list[nn.Module] = []
    for fan_in, width in zip([inputs, *widths], widths, strict=False):
        layers += [nn.Linear(fan_in, width), *[norm(width) for norm in norms], nn.LeakyReLU(0.2, inplace=True)]
    return layers
