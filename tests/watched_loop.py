"""A loop for the doctor to watch, and images that are made in a moment."""

import torch
from torch import Tensor, nn

from benchmarks.doctor_cases import Images
from first_gan.doctor import Doctor


def make_squares() -> Images:
    """Images of ten classes: a square at a place of its own each, brighter or darker, with some noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (2048,), generator=generator)
    pixels = torch.randint(0, 20, (2048, 1, 28, 28), generator=generator)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        row, column = 14 * (label // 5) + 3, 5 * (label % 5) + 1
        image[0, row : row + 8, column : column + 5] += int(torch.randint(100, 235, (), generator=generator))
    return Images(pixels.to(torch.uint8), labels)


class Loop:
    """A correct loop with dropout and batch normalization."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        hidden = nn.Linear(8, 64), nn.BatchNorm1d(64), nn.ReLU()
        self.G = nn.Sequential(*hidden, nn.Linear(64, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(64, 1))
        self.opt_G, self.opt_D = (torch.optim.Adam(each.parameters(), 2e-4, (0.5, 0.999)) for each in (self.G, self.D))
        self.bce = nn.BCEWithLogitsLoss()

    def doctor(self, quiet: bool = True) -> Doctor:
        return Doctor(self.G, self.D, self.opt_G, self.opt_D, quiet=quiet)

    def train(self, images: Tensor, updates: int = 20) -> None:
        for real in images[: 64 * updates].split(64):
            fake = self.G(torch.randn(64, 8))
            d_loss = self.bce(self.D(real), torch.ones(64, 1)) + self.bce(self.D(fake.detach()), torch.zeros(64, 1))
            self.opt_D.zero_grad()
            d_loss.backward()
            self.opt_D.step()
            g_loss = self.bce(self.D(fake), torch.ones(64, 1))
            self.opt_G.zero_grad()
            g_loss.backward()
            self.opt_G.step()

    def weights(self) -> Tensor:
        tensors = [each for network in (self.G, self.D) for each in network.state_dict().values()]
        return torch.cat([each.flatten().double() for each in tensors])
