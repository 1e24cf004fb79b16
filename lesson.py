"""The lesson: a GAN on MNIST (Goodfellow et al. 2014, arXiv 1406.2661) in plain PyTorch: `python lesson.py --epochs 5`

`python train.py` trains the same networks by the same updates, faster, with scores, checkpoints and a report.
"""

import argparse
import gzip
import os
import signal
import sys
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn
from torchvision import datasets, utils

try:
    from first_gan import Doctor  # tells whether the loop learns, and what is wrong with it
except ImportError:
    Doctor = None  # type: ignore[assignment, misc]

LATENT_DIM = 100


class Generator(nn.Module):
    """G(z): noise (N, 100) to images (N, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        hidden = nn.Linear(LATENT_DIM, 256), nn.LeakyReLU(0.2), nn.Linear(256, 512), nn.LeakyReLU(0.2)
        self.model = nn.Sequential(*hidden, nn.Linear(512, 784), nn.Tanh())

    def forward(self, z: Tensor) -> Tensor:
        return self.model(z).view(-1, 1, 28, 28)


class Discriminator(nn.Module):
    """D(x): images (N, 1, 28, 28) to the probability that each is real (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        hidden = nn.Linear(784, 512), nn.LeakyReLU(0.2), nn.Linear(512, 256), nn.LeakyReLU(0.2)
        self.model = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, 1), nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class Lesson:
    """The two networks, their optimizers and the update."""

    def __init__(self, device: str = "cpu") -> None:
        self.G, self.D = Generator().to(device), Discriminator().to(device)
        self.opt_G = torch.optim.Adam(self.G.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.opt_D = torch.optim.Adam(self.D.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.bce, self.device = nn.BCELoss(), device

    def update(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """One step of D, then one of G; returns their losses."""
        ones, zeros = torch.ones(len(real), 1, device=self.device), torch.zeros(len(real), 1, device=self.device)

        # D learns to call real images 1 and generated ones 0; G learns nothing from this, by detach().
        fake = self.G(torch.randn(len(real), LATENT_DIM, device=self.device))
        d_loss = self.bce(self.D(real), ones) + self.bce(self.D(fake.detach()), zeros)
        self.opt_D.zero_grad()
        d_loss.backward()
        self.opt_D.step()

        # G learns to draw what D calls 1.
        fake = self.G(torch.randn(len(real), LATENT_DIM, device=self.device))
        g_loss = self.bce(self.D(fake), ones)
        self.opt_G.zero_grad()
        g_loss.backward()
        self.opt_G.step()
        return d_loss.detach(), g_loss.detach()


def mnist(folder: Path) -> Tensor:
    """The 60,000 training images, (N, 1, 28, 28) in [-1, 1], from MNIST's own file in the folder, or else downloaded into it."""
    file = folder / "train-images-idx3-ubyte.gz"
    if not file.exists():
        return datasets.MNIST(folder, download=True).data[:, None] / 127.5 - 1
    content = torch.frombuffer(bytearray(gzip.decompress(file.read_bytes())), dtype=torch.uint8)
    return content[16:].view(-1, 1, 28, 28) / 127.5 - 1  # 16 bytes say what it holds


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the lesson's GAN on MNIST; draws samples after each epoch.")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--data_dir", type=Path, default=Path(os.environ.get("MNIST_DIR", "data")), help="of MNIST")
    parser.add_argument("--out", type=Path, default=Path("lesson"), help="a new folder for samples and doctor.html")
    options = parser.parse_args()
    if options.epochs < 1 or options.out.exists():
        parser.error(f"--out {options.out} exists" if options.epochs > 0 else "--epochs must be at least 1")
    try:
        images = mnist(options.data_dir)
        options.out.mkdir()
    except Exception as error:
        parser.error(f"MNIST cannot be read from --data_dir {options.data_dir}, or --out not be made: {error}")
    torch.manual_seed(0)
    lesson = Lesson("cuda" if torch.cuda.is_available() else "cpu")
    doctor = Doctor(lesson.G, lesson.D, lesson.opt_G, lesson.opt_D) if Doctor is not None else None
    z = torch.randn(64, LATENT_DIM, device=lesson.device)
    for epoch in range(1, options.epochs + 1):
        name, minibatches = f"Epoch {epoch}/{options.epochs}", torch.randperm(len(images)).split(128)
        for rows in track(minibatches, name, transient=True, disable=not sys.stdout.isatty()):
            d_loss, g_loss = lesson.update(images[rows].to(lesson.device))
        print(f"{name}: D's loss {d_loss:.3f}, G's loss {g_loss:.3f}", flush=True)
        with torch.no_grad():
            utils.save_image(lesson.G(z) / 2 + 0.5, options.out / f"epoch_{epoch:02d}.png", nrow=8)
        if doctor:
            doctor.epoch_end()
            doctor.write_report(options.out / "doctor.html")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(130))
    main()
