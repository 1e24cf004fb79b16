"""(a) The lesson's loop: a DataLoader of single images, sigmoid and BCELoss, plain Adam, losses read at epoch ends."""

import torch
from torch import nn

from benchmarks.worker import Job, Tally, lesson_discriminator, lesson_generator, lesson_loader


def main() -> None:
    job = Job.from_command_line()
    loader = lesson_loader(job)
    generator, discriminator = lesson_generator().to(job.device), lesson_discriminator().to(job.device)
    criterion = nn.BCELoss()
    g_optimizer = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    tally = Tally(job.device)
    for _ in range(job.epochs):
        for real, _labels in loader:
            real = real.to(job.device)
            ones = torch.ones(len(real), 1).to(job.device)
            zeros = torch.zeros(len(real), 1).to(job.device)

            fake = generator(torch.randn(len(real), 100).to(job.device))
            d_loss = criterion(discriminator(real), ones) + criterion(discriminator(fake.detach()), zeros)
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()

            fake = generator(torch.randn(len(real), 100).to(job.device))
            g_loss = criterion(discriminator(fake), ones)
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()
            tally.count(len(real))
        tally.epoch()
        print(f"d_loss {d_loss.item():.4f}  g_loss {g_loss.item():.4f}")
    tally.report()


if __name__ == "__main__":
    main()
