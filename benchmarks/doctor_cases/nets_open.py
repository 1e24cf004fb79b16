"""Small networks that the open half's loops share, in several people's styles."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def mlp_generator(nz: int = 64, last: nn.Module | None = None) -> nn.Sequential:
    """The lesson's, narrow: (N, nz) to (N, 1, 28, 28), by tanh unless told otherwise."""
    return nn.Sequential(
        nn.Linear(nz, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 784),
        last or nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def norm_generator(nz: int = 64) -> nn.Sequential:
    """Fully connected with batch normalization: (N, nz) to (N, 1, 28, 28)."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.LeakyReLU(0.2, inplace=True)]

    return nn.Sequential(
        nn.Linear(nz, 64),
        nn.LeakyReLU(0.2, inplace=True),
        *block(64, 64),
        *block(64, 128),
        nn.Linear(128, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def mlp_discriminator(sigmoid: bool = True, dropout: float = 0.0) -> nn.Sequential:
    """The lesson's, narrow: images of any shape with 784 values to (N, 1)."""
    layers: list[nn.Module] = [nn.Flatten()]
    for inputs, outputs in ((784, 128), (128, 64)):
        layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)]
        if dropout:
            layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(64, 1))
    if sigmoid:
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


class FunctionalGenerator(nn.Module):
    """Activations as functions: (N, nz) to (N, 784)."""

    def __init__(self, nz: int = 100) -> None:
        super().__init__()
        self.fc1 = nn.Linear(nz, 64)
        self.fc2 = nn.Linear(64, 128)
        self.fc3 = nn.Linear(128, 784)

    def forward(self, z: Tensor) -> Tensor:
        x = F.leaky_relu(self.fc1(z), 0.2)
        x = F.leaky_relu(self.fc2(x), 0.2)
        return torch.tanh(self.fc3(x))


class FunctionalDiscriminator(nn.Module):
    """Activations as functions, with dropout: (N, 784) to probabilities (N, 1)."""

    def __init__(self, dropout: float = 0.3) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 1)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(F.leaky_relu(self.fc1(x.view(x.size(0), -1)), 0.2), self.dropout, self.training)
        x = F.dropout(F.leaky_relu(self.fc2(x), 0.2), self.dropout, self.training)
        return torch.sigmoid(self.fc3(x))


def transposed_generator(nz: int = 32, ngf: int = 4) -> nn.Sequential:
    """DCGAN's, narrow: (N, nz, 1, 1) to (N, 1, 28, 28)."""
    return nn.Sequential(
        nn.ConvTranspose2d(nz, ngf * 2, 7, 1, 0, bias=False),
        nn.BatchNorm2d(ngf * 2),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
        nn.BatchNorm2d(ngf),
        nn.ReLU(True),
        nn.ConvTranspose2d(ngf, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )


def conv_generator(nz: int = 32, ngf: int = 16) -> nn.Sequential:
    """Convolutions and a pixel shuffle: (N, nz, 1, 1) to (N, 1, 28, 28)."""
    return nn.Sequential(
        nn.ConvTranspose2d(nz, ngf, 7, 1, 0, bias=False),
        nn.BatchNorm2d(ngf),
        nn.ReLU(True),
        nn.Conv2d(ngf, ngf, 3, 1, 1, bias=False),
        nn.BatchNorm2d(ngf),
        nn.ReLU(True),
        nn.Conv2d(ngf, 16, 3, 1, 1),
        nn.PixelShuffle(4),
        nn.Tanh(),
    )


def conv_discriminator(ndf: int = 8, sigmoid: bool = True, norm: bool = True) -> nn.Sequential:
    """Strided convolutions: (N, 1, 28, 28) to (N, 1, 1, 1)."""
    layers: list[nn.Module] = [nn.Conv2d(1, ndf, 4, 4), nn.LeakyReLU(0.2, inplace=True)]
    layers.append(nn.Conv2d(ndf, ndf * 2, 3, 2, 1, bias=not norm))
    if norm:
        layers.append(nn.BatchNorm2d(ndf * 2))
    layers += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(ndf * 2, 1, 4)]
    if sigmoid:
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def weights_init(module: nn.Module) -> None:
    """DCGAN's first weights, for `apply`."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def picture(images: Tensor) -> Tensor:
    """A row of images as grey values, for a person to look at."""
    return ((images.detach().reshape(-1, 28, 28) + 1) * 127.5).clamp(0, 255).byte().permute(1, 0, 2).reshape(28, -1)
