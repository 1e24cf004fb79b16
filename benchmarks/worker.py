"""What the timed loops share: their command line, the lesson's networks and data, and how they report."""

import json
import sys
import time
from dataclasses import asdict, dataclass, field

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import MNIST


@dataclass
class Job:
    """What to train on, and how long; one for all loops, so that their work is equal.

    Args:
        data_dir: MNIST in torchvision's layout.
        batch_size: Images per minibatch.
        epochs: Passes over the images.
        rows: Images, from the first.
        device: cpu or cuda.
    """

    data_dir: str
    batch_size: int
    epochs: int = 1
    rows: int = 60_000
    device: str = "cpu"

    @classmethod
    def from_command_line(cls) -> "Job":
        return cls(**json.loads(sys.argv[1]))

    def argument(self) -> str:
        return json.dumps(asdict(self))


@dataclass
class Tally:
    """Counts updates and images as they are done, and times them from the first minibatch on."""

    device: str
    updates: int = 0
    images: int = 0
    first_update: float = 0.0
    ends: list[float] = field(default_factory=list)  # of the epochs
    started: float = field(default_factory=time.perf_counter)

    def count(self, images: int) -> None:
        self.updates += 1
        self.images += images
        if self.updates == 1:
            self.synchronize()
            self.first_update = time.time()

    def epoch(self) -> None:
        """To be called at the end of each."""
        self.synchronize()
        self.ends.append(time.perf_counter())

    def synchronize(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()

    def report(self) -> None:
        """One line of JSON, the last one on stdout; seconds of training and of an epoch, and when the first update was done."""
        seconds = self.ends[-1] - self.started
        counts = {"updates": self.updates, "images": self.images}
        times = {"seconds": seconds, "epoch_seconds": marginal(self.ends, seconds), "first_update": self.first_update}
        json.dump(counts | times, sys.stdout)
        print(flush=True)


def marginal(ends: list[float], otherwise: float) -> float:
    """Seconds of an epoch that follows another: what a run costs once is not in it. Of a single epoch all there is."""
    return (ends[-1] - ends[0]) / (len(ends) - 1) if len(ends) > 1 else otherwise


def lesson_generator() -> nn.Module:
    hidden = [nn.Linear(100, 256), nn.LeakyReLU(0.2), nn.Linear(256, 512), nn.LeakyReLU(0.2)]
    return nn.Sequential(*hidden, nn.Linear(512, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))


def lesson_discriminator() -> nn.Module:
    hidden = [nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2)]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 1), nn.Sigmoid())


def lesson_loader(job: Job) -> DataLoader:
    """Image by image through PIL, ToTensor and Normalize, as the lesson loads them."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    images = Subset(MNIST(job.data_dir, train=True, transform=transform), range(job.rows))
    return DataLoader(images, batch_size=job.batch_size, shuffle=True)
