"""Convolutional networks after Radford et al. 2016, "DCGAN" (arXiv 1511.06434). Try it: `python train.py --config configs/dcgan.yaml`

As there: strided convolutions in place of pooling, batch normalization and ReLU in G, LeakyReLU in D, weights from
N(0, 0.02²). Unlike there D has no batch normalization: it sees real and generated images in one pass, whose statistics
would tell them apart, and R1 needs each image's gradient to be its own.
"""

from math import prod

from torch import Tensor, nn

from first_gan.checks import check
from first_gan.data import ImageShape
from first_gan.layers import Centering, judging

SMALLEST = 8  # pixels of a side: images are halved until no side is longer


class Generator(nn.Module):
    """G(z): latent vectors (N, latent_dim) to images (N, *image_shape) in [-1, 1], doubled in size by each layer.

    Args:
        latent_dim: Length of z.
        image_shape: Channels, height and width; 28 × 28 grows from 7 × 7, 32 × 32 from 8 × 8.
        width: Channels of the last hidden layer; each one before it has twice as many. At least 1.
        hidden: Width of a fully connected layer after z; 0 is none.

    Raises:
        ValueError: An option is outside its legal range, or the sides cannot be halved so often.
    """

    def __init__(
        self, latent_dim: int = 100, image_shape: ImageShape = (1, 28, 28), width: int = 64, hidden: int = 0
    ) -> None:
        super().__init__()
        check("model.generator", {"hidden": hidden}, at_least_0=["hidden"])
        doublings = halvings("generator", image_shape, width)
        channels, height, width_of_image = image_shape
        self.start = (width << (doublings - 1), height >> doublings, width_of_image >> doublings)
        inputs, pixels = self.start[0], self.start[1] * self.start[2]
        layers: list[nn.Module] = [nn.BatchNorm2d(inputs), nn.ReLU(inplace=True)]
        for _ in range(doublings - 1):
            layers += [nn.ConvTranspose2d(inputs, inputs // 2, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(inputs // 2), nn.ReLU(inplace=True)]
            inputs //= 2
        project = nn.Linear(hidden or latent_dim, self.start[0] * pixels, bias=False)
        if hidden:
            first = [nn.Linear(latent_dim, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        self.project = nn.Sequential(*first, project) if hidden else project
        self.grow = nn.Sequential(*layers, nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1), nn.Tanh())
        self.apply(small_weights)

    def forward(self, z: Tensor) -> Tensor:
        return self.grow(self.project(z).view(-1, *self.start))


class Discriminator(nn.Module):
    """Images (N, *image_shape) to logits (N, 1), halved in size by each layer.

    Args:
        image_shape: Channels, height and width.
        width: Channels of the first layer; each one after it has twice as many. At least 1.
        hidden: Width of a fully connected layer before the logit; without one, 0, D adds up opinions of parts of an image.
        center: Takes the mean of the images seen so far from each image.
        minibatch_std: So many numbers tell the last layer how much a few images differ; a divisor of its inputs, 0 is off.

    Raises:
        ValueError: An option is outside its legal range, or the sides cannot be halved so often.
    """

    def __init__(
        self,
        image_shape: ImageShape = (1, 28, 28),
        width: int = 64,
        hidden: int = 0,
        center: bool = False,
        minibatch_std: int = 0,
    ) -> None:
        super().__init__()
        check("model.discriminator", {"hidden": hidden}, at_least_0=["hidden"])
        times = halvings("discriminator", image_shape, width)
        inputs, height, width_of_image = image_shape
        layers: list[nn.Module] = []
        for layer in range(times):
            layers += [nn.Conv2d(inputs, width << layer, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
            inputs = width << layer
        features = inputs * (height >> times) * (width_of_image >> times)
        layers += [nn.Flatten()]
        if hidden:
            layers += [nn.Linear(features, hidden), nn.LeakyReLU(0.2, inplace=True)]
        if center:
            layers = [nn.Flatten(), Centering(prod(image_shape)), nn.Unflatten(1, image_shape), *layers]
        self.model = nn.Sequential(*layers, *judging(hidden or features, minibatch_std))
        self.apply(small_weights)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


def halvings(network: str, image_shape: ImageShape, width: int) -> int:
    """How often an image is halved, at least once, until no side is longer than `SMALLEST`."""
    if width < 1:
        raise ValueError(f"model.{network}.width must be at least 1, got {width}")
    _, *sides = image_shape
    times = 1
    while max(sides) >> times > SMALLEST:
        times += 1
    if any(side % (1 << times) for side in sides):
        raise ValueError(
            f"model.{network}: networks.dcgan halves images {times} times, so sides must be multiples of {1 << times}, "
            f"got {sides[0]} × {sides[1]}; --data.image_size 32 makes them so"
        )
    return times


def small_weights(layer: nn.Module) -> None:
    """As in the paper, section 4: convolutions N(0, 0.02²), batch normalization N(1, 0.02²)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
