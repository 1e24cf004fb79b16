"""(c) The bare math of this program: its networks, loss, data path and metrics in a plain loop, without Lightning."""

from first_gan.run import startup

if __name__ == "__main__":
    startup.wait_briefly()  # as train.py

import os

import torch
from torch import Tensor

from benchmarks.worker import Job, Tally
from datamodule import MNISTDataModule
from first_gan.data.loader import EpochOrder, MinibatchLoader
from first_gan.run import matmul
from first_gan.training import frozen, gradient_norm
from gan_module import GAN, bce


def main() -> None:
    with matmul.chosen("auto"):
        train(Job.from_command_line())


def train(job: Job) -> None:
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)  # Lightning's, and no part of the bare math: see train.py
    data = MNISTDataModule(data_dir=job.data_dir, train_rows=job.rows)
    data.setup()
    gan = GAN().to(job.device)
    g_optimizer, d_optimizer = gan.configure_optimizers()
    order = EpochOrder(job.rows, seed=0)
    labels = data.images.train_labels.to(job.device)
    loader = MinibatchLoader(data.train_images.to(job.device), labels, job.batch_size, order)
    tally = Tally(job.device)
    for epoch in range(job.epochs):
        order.set_epoch(epoch)
        measured = []
        for real, _ in loader:
            measured.append(update(gan, g_optimizer, d_optimizer, real))
            tally.count(len(real))
        means = torch.stack(measured).mean(0).tolist()
        tally.epoch()
        print(f"d_loss {means[0]:.4f}  g_loss {means[1]:.4f}")
    tally.report()


def update(gan: GAN, g_optimizer: torch.optim.Optimizer, d_optimizer: torch.optim.Optimizer, real: Tensor) -> Tensor:
    """What `GAN.update` computes, all its metrics included."""
    with torch.no_grad():
        fake = gan.generator(gan.sample_latent(len(real)))
    real_logits, fake_logits = gan.discriminator(torch.cat([real, fake])).chunk(2)
    d_loss = bce(real_logits, 1.0) + bce(fake_logits, 0.0)
    d_norm = descend(d_loss, d_optimizer)
    with frozen(gan.discriminator):
        g_loss = bce(gan.discriminator(gan.generator(gan.sample_latent(len(real)))), 1.0)
        g_norm = descend(g_loss, g_optimizer)
    real_mean, fake_mean = real_logits.detach().sigmoid().mean(), fake_logits.detach().sigmoid().mean()
    accuracy = torch.cat([real_logits > 0, fake_logits < 0]).float().mean()
    return torch.stack([d_loss.detach(), g_loss.detach(), real_mean, fake_mean, accuracy, d_norm, g_norm])


def descend(loss: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
    optimizer.zero_grad()
    loss.backward()
    norm = gradient_norm(optimizer)
    optimizer.step()
    return norm


if __name__ == "__main__":
    main()
