"""Correct loops of the closed half: ways to organize the code."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn, optim

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_closed import (
    FlatDiscriminator,
    FlatGenerator,
    conv_discriminator,
    conv_generator,
    dense_discriminator,
    dense_generator,
    dropout_discriminator,
)


class GANTrainer:
    """Keeps the networks, their optimizers and the criterion."""

    def __init__(self, make_doctor: MakeDoctor, latent_dim: int) -> None:
        self.latent_dim = latent_dim
        self.generator = FlatGenerator(latent_dim)
        self.discriminator = FlatDiscriminator()
        self.criterion = nn.BCELoss()
        self.optim_g = optim.Adam(self.generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
        self.optim_d = optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.doctor = make_doctor(self.generator, self.discriminator, self.optim_g, self.optim_d)

    def noise(self, n: int) -> torch.Tensor:
        return torch.randn(n, self.latent_dim)

    def train_discriminator(self, real: torch.Tensor) -> float:
        self.optim_d.zero_grad()
        with torch.no_grad():
            fake = self.generator(self.noise(len(real)))
        loss_real = self.criterion(self.discriminator(real), torch.ones(len(real), 1))
        loss_fake = self.criterion(self.discriminator(fake), torch.zeros(len(real), 1))
        loss = loss_real + loss_fake
        loss.backward()
        self.optim_d.step()
        return loss.item()

    def train_generator(self, n: int) -> float:
        self.optim_g.zero_grad()
        loss = self.criterion(self.discriminator(self.generator(self.noise(n))), torch.ones(n, 1))
        loss.backward()
        self.optim_g.step()
        return loss.item()

    def fit(self, data: Images, epochs: int) -> None:
        for _ in range(epochs):
            for images, _labels in data.loader():
                self.train_discriminator(images.flatten(1))
                self.train_generator(len(images))
            self.doctor.epoch_end()


@case()
def trainer_with_two_methods(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A trainer class with a method for each network's step."""
    GANTrainer(make_doctor, latent_dim=100).fit(data, epochs)


class Solver:
    """Zeroes both networks' gradients before each backward and clips them after it."""

    def __init__(self, nz: int = 64, lr: float = 2e-4, max_norm: float = 5.0) -> None:
        self.nz, self.max_norm = nz, max_norm
        self.G, self.D = dense_generator(nz), dense_discriminator()
        self.g_optim = optim.RMSprop(self.G.parameters(), lr)
        self.d_optim = optim.RMSprop(self.D.parameters(), lr)

    def reset_grad(self) -> None:
        self.g_optim.zero_grad()
        self.d_optim.zero_grad()

    def update(self, loss: torch.Tensor, net: nn.Module, optimizer: optim.Optimizer) -> None:
        self.reset_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), self.max_norm)
        optimizer.step()

    def train_step(self, x_real: torch.Tensor) -> None:
        x_fake = self.G(torch.randn(x_real.size(0), self.nz))
        d_loss = F.softplus(-self.D(x_real)).mean() + F.softplus(self.D(x_fake.detach())).mean()
        self.update(d_loss, self.D, self.d_optim)
        g_loss = F.softplus(-self.D(x_fake)).mean()
        self.update(g_loss, self.G, self.g_optim)

    @torch.no_grad()
    def sample(self, n: int) -> torch.Tensor:
        self.G.eval()
        pictures = self.G(torch.randn(n, self.nz))
        self.G.train()
        return pictures


@case()
def solver_that_resets_all_gradients_and_clips(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A Solver whose update() zeroes both, clips and steps one; pictures drawn each epoch."""
    solver = Solver()
    doctor = make_doctor(solver.G, solver.D, solver.g_optim, solver.d_optim)
    for _ in range(epochs):
        for x, _y in data.loader():
            solver.train_step(x)
        solver.sample(36)
        doctor.epoch_end()


@case()
def optimizers_that_step_with_closures(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Each optimizer's step() gets a closure that zeroes, computes the loss and goes backward."""
    netG, netD = dense_generator(32), dense_discriminator()
    optG = optim.Adam(netG.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optD = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optG, optD)
    bce = nn.BCEWithLogitsLoss()
    batch = torch.empty(0)

    def d_closure() -> torch.Tensor:
        optD.zero_grad()
        fake = netG(torch.randn(len(batch), 32)).detach()
        out_real, out_fake = netD(batch), netD(fake)
        loss = bce(out_real, torch.ones_like(out_real)) + bce(out_fake, torch.zeros_like(out_fake))
        loss.backward()
        return loss

    def g_closure() -> torch.Tensor:
        optG.zero_grad()
        out = netD(netG(torch.randn(len(batch), 32)))
        loss = bce(out, torch.ones_like(out))
        loss.backward()
        return loss

    for _ in range(epochs):
        for batch, _labels in data.loader():  # noqa: B007
            optD.step(d_closure)
            optG.step(g_closure)
        doctor.epoch_end()


@case()
def generator_first_with_averaged_loss_and_schedule(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G's step first, D's loss the mean of its halves, both learning rates falling from epoch to epoch."""
    generator, discriminator = conv_generator(100), conv_discriminator(nn.Sigmoid())
    adversarial_loss = nn.BCELoss()
    optimizer_G = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_D = optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    schedulers = [optim.lr_scheduler.ExponentialLR(opt, gamma=0.9) for opt in (optimizer_G, optimizer_D)]
    doctor = make_doctor(generator, discriminator, optimizer_G, optimizer_D)
    for _ in range(epochs):
        for imgs, _ in data.loader():
            valid = torch.full((imgs.size(0), 1), 1.0)
            fake = torch.full((imgs.size(0), 1), 0.0)

            optimizer_G.zero_grad()
            gen_imgs = generator(torch.randn(imgs.size(0), 100, 1, 1))
            g_loss = adversarial_loss(discriminator(gen_imgs), valid)
            g_loss.backward()
            optimizer_G.step()

            optimizer_D.zero_grad()
            real_loss = adversarial_loss(discriminator(imgs), valid)
            fake_loss = adversarial_loss(discriminator(gen_imgs.detach()), fake)
            d_loss = (real_loss + fake_loss) / 2
            d_loss.backward()
            optimizer_D.step()
        for scheduler in schedulers:
            scheduler.step()
        doctor.epoch_end()


@case()
def dicts_of_networks_and_generator_every_second_step(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Networks, rates and optimizers in dicts; G gets a step after every second one of D."""
    nets = nn.ModuleDict({"gen": dense_generator(), "dis": dropout_discriminator()})
    rates = {"gen": 1e-3, "dis": 2e-4}
    opts = {name: optim.Adam(net.parameters(), lr=rates[name], betas=(0.5, 0.9)) for name, net in nets.items()}
    doctor = make_doctor(nets["gen"], nets["dis"], opts["gen"], opts["dis"])
    step = 0
    for _ in range(epochs):
        for real, _ in data.loader():
            step += 1
            z = torch.randn(real.shape[0], 64)
            both = torch.cat([nets["gen"](z).detach(), real]).flatten(1)
            target = torch.cat([torch.zeros(len(z)), torch.ones(len(real))])
            opts["dis"].zero_grad(set_to_none=False)
            F.binary_cross_entropy_with_logits(nets["dis"](both).squeeze(1), target).backward()
            opts["dis"].step()
            if step % 2 == 0:
                opts["gen"].zero_grad(set_to_none=False)
                verdict = nets["dis"](nets["gen"](torch.randn_like(z)).flatten(1)).squeeze(1)
                F.binary_cross_entropy_with_logits(verdict, torch.ones(len(z))).backward()
                opts["gen"].step()
        doctor.epoch_end()


class TwoScaleGenerator(nn.Module):
    """A coarse code sets the layout, a fine one comes in before the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Sequential(nn.Linear(32, 96), nn.ReLU())
        self.fine = nn.Linear(96 + 16, 128)
        self.out = nn.Linear(128, 784)

    def forward(self, z_coarse: torch.Tensor, z_fine: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.fine(torch.cat([self.coarse(z_coarse), z_fine], dim=1)))
        return torch.tanh(self.out(h)).view(-1, 1, 28, 28)


def codes(batch_size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Fresh noise on both scales, forever."""
    while True:
        yield torch.randn(batch_size, 32), torch.randn(batch_size, 16)


@case()
def two_scales_of_noise_zipped_with_the_loader(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """zip() of the loader and a stream of noise on two scales; D's requires_grad is off while G learns."""
    G, D = TwoScaleGenerator(), dense_discriminator()
    opt_g, opt_d = optim.Adam(G.parameters(), 3e-4, (0.5, 0.99)), optim.Adam(D.parameters(), 3e-4, (0.5, 0.99))
    doctor = make_doctor(G, D, opt_g, opt_d)
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(64), torch.zeros(64)
    for _ in range(epochs):
        for (real, _label), (coarse, fine) in zip(data.loader(), codes(64), strict=False):
            fake = G(coarse, fine)

            D.requires_grad_(False)
            G.zero_grad()
            criterion(D(fake).view(-1), ones).backward()
            opt_g.step()

            D.requires_grad_(True)
            D.zero_grad()
            criterion(D(real).view(-1), ones).backward()
            criterion(D(fake.detach()).view(-1), zeros).backward()
            opt_d.step()
        doctor.epoch_end()


@case()
def gradients_of_two_micro_batches_per_step(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Each step sums the gradients of two half batches on purpose and is followed by zero_grad()."""
    G, D = dense_generator(), dense_discriminator()
    g_optimizer = optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    d_optimizer = optim.Adam(D.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    loss_fn = nn.BCEWithLogitsLoss()
    accumulate = 2
    for _ in range(epochs):
        for batch, _ in data.loader():
            micro_batches = batch.chunk(accumulate)
            for real in micro_batches:
                fake = G(torch.randn(len(real), 64)).detach()
                d_loss = loss_fn(D(real), torch.ones(len(real), 1)) + loss_fn(D(fake), torch.zeros(len(fake), 1))
                (d_loss / accumulate).backward()
            d_optimizer.step()
            d_optimizer.zero_grad()

            for p in D.parameters():
                p.requires_grad = False
            for real in micro_batches:
                g_loss = loss_fn(D(G(torch.randn(len(real), 64))), torch.ones(len(real), 1))
                (g_loss / accumulate).backward()
            g_optimizer.step()
            g_optimizer.zero_grad()
            for p in D.parameters():
                p.requires_grad = True
        doctor.epoch_end()
