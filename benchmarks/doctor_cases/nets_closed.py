"""Networks of the closed half's loops: small enough for one core."""

import torch
from torch import nn


def dense_generator(nz: int = 64) -> nn.Sequential:
    """Pictures from an MLP that ends in tanh."""
    return nn.Sequential(
        nn.Linear(nz, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )


def dense_discriminator(*ending: nn.Module) -> nn.Sequential:
    """Logits from an MLP, or what `ending` makes of them."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 128),
        nn.LeakyReLU(0.2),
        nn.Linear(128, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 1),
        *ending,
    )


def dropout_discriminator(*ending: nn.Module) -> nn.Sequential:
    """An MLP of flat pictures with dropout after each hidden layer."""
    return nn.Sequential(
        nn.Linear(784, 128),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(128, 64),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(64, 1),
        *ending,
    )


def conv_generator(nz: int = 64) -> nn.Sequential:
    """A narrow DCGAN with batch norm, for z of (N, nz, 1, 1)."""
    return nn.Sequential(
        nn.ConvTranspose2d(nz, 16, 7, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(True),
        nn.Conv2d(16, 16, 1),
        nn.PixelShuffle(4),
        nn.Tanh(),
    )


def conv_discriminator(*ending: nn.Module) -> nn.Sequential:
    """The DCGAN's other half, with batch norm; its answers are (N, 1)."""
    return nn.Sequential(
        nn.PixelUnshuffle(4),
        nn.Conv2d(16, 8, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(8, 16, 3, stride=2, bias=False),
        nn.BatchNorm2d(16),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Flatten(),
        nn.Linear(144, 1),
        *ending,
    )


class FlatGenerator(nn.Module):
    """Flat pictures; batch norm in between, torch.tanh at the end."""

    def __init__(self, nz: int = 100) -> None:
        super().__init__()
        self.fc1 = nn.Linear(nz, 64)
        self.bn1 = nn.BatchNorm1d(64)
        self.fc2 = nn.Linear(64, 128)
        self.bn2 = nn.BatchNorm1d(128)
        self.fc3 = nn.Linear(128, 784)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.bn1(self.fc1(z)))
        h = torch.relu(self.bn2(self.fc2(h)))
        return torch.tanh(self.fc3(h))


class FlatDiscriminator(nn.Module):
    """Probabilities of flat pictures by torch.sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784, 128)
        self.fc2 = nn.Linear(128, 64)
        self.fc3 = nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = nn.functional.leaky_relu(self.fc1(x), 0.2)
        h = nn.functional.leaky_relu(self.fc2(h), 0.2)
        return torch.sigmoid(self.fc3(h))
