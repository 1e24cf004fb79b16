"""Three updates on two processes with given images and noise, for test_distributed. Usage: ddp_update.py DEVICES OUT STRATEGY"""

import sys
from typing import Any

import torch
from pytorch_lightning import Trainer

from first_gan.data.loader import EpochOrder, MinibatchLoader
from gan_module import GAN

N = 128
UPDATES = 3


class GivenNoise(GAN):
    """Each rank takes its share of noise that does not depend on the number of ranks."""

    def on_train_epoch_start(self) -> None:
        self.given = torch.Generator().manual_seed(1)

    def sample_latent(self, n: int) -> torch.Tensor:
        z = torch.randn(N, self.latent_dim, generator=self.given, dtype=torch.float64)
        return z[self.global_rank :: self.trainer.world_size]


def main(devices: int, out: str, strategy: str) -> None:
    torch.manual_seed(0)
    images = torch.randint(256, (N * UPDATES, 1, 28, 28), dtype=torch.uint8)
    gan = GivenNoise(d_steps=2, r1=0.3, ema_decay=0.9, steps_per_execution=2)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(accelerator="cpu", devices=devices, strategy=strategy, precision="64-true", max_epochs=1, **quiet)
    order = EpochOrder(N * UPDATES, seed=0, rank=trainer.global_rank, world_size=devices)
    trainer.fit(gan, MinibatchLoader(images, torch.zeros(len(images)), N // devices, order))
    if trainer.is_global_zero:
        torch.save(gan.state_dict(), out)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
