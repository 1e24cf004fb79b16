"""Correct loops of the closed half: losses and labels other than the textbook's."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_closed import (
    FlatGenerator,
    conv_generator,
    dense_discriminator,
    dense_generator,
    dropout_discriminator,
)


@case()
def lazy_r1_penalty_in_a_step_of_its_own(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The non-saturating loss by softplus, and every eighth time a further step of D for R1 alone."""
    generator, discriminator = dense_generator(), dense_discriminator()
    g_optim = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.0, 0.99))
    d_optim = optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.0, 0.99))
    doctor = make_doctor(generator, discriminator, g_optim, d_optim)
    r1_gamma, d_reg_every = 0.1, 8
    iteration = 0
    for _ in range(epochs):
        for real_img, _ in data.loader():
            fake_img = generator(torch.randn(64, 64)).detach()
            d_loss = F.softplus(discriminator(fake_img)).mean() + F.softplus(-discriminator(real_img)).mean()
            discriminator.zero_grad()
            d_loss.backward()
            d_optim.step()

            if iteration % d_reg_every == 0:
                real_img.requires_grad_()
                score = discriminator(real_img)
                (grad,) = torch.autograd.grad(score.sum(), real_img, create_graph=True)
                r1 = grad.square().flatten(1).sum(1).mean()
                discriminator.zero_grad()
                (r1_gamma / 2 * r1 * d_reg_every).backward()
                d_optim.step()

            g_loss = F.softplus(-discriminator(generator(torch.randn(64, 64)))).mean()
            generator.zero_grad()
            g_loss.backward()
            g_optim.step()
            iteration += 1
        doctor.epoch_end()


def gradient_penalty(critic: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Two-sided, at points between real and generated pictures."""
    eps = torch.rand(real.size(0), 1, 1, 1)
    between = (eps * real + (1 - eps) * fake).requires_grad_(True)
    score = critic(between)
    grad = torch.autograd.grad(score, between, torch.ones_like(score), create_graph=True)[0]
    return ((grad.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


@case()
def critic_with_gradient_penalty_and_five_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN-GP: the critic learns from every batch, the generator from every fifth."""
    gen, critic = dense_generator(), dense_discriminator()
    opt_gen = optim.Adam(gen.parameters(), lr=1e-3, betas=(0.5, 0.9))
    opt_critic = optim.Adam(critic.parameters(), lr=5e-4, betas=(0.5, 0.9))
    doctor = make_doctor(gen, critic, opt_gen, opt_critic)
    n_critic, lambda_gp = 5, 10
    batches_done = 0
    for _ in range(epochs):
        for real, _y in data.loader():
            opt_critic.zero_grad()
            fake = gen(torch.randn(real.size(0), 64)).detach()
            loss_critic = critic(fake).mean() - critic(real).mean()
            loss_critic = loss_critic + lambda_gp * gradient_penalty(critic, real, fake)
            loss_critic.backward()
            opt_critic.step()

            batches_done += 1
            if batches_done % n_critic == 0:
                opt_gen.zero_grad()
                loss_gen = -critic(gen(torch.randn(real.size(0), 64))).mean()
                loss_gen.backward()
                opt_gen.step()
        doctor.epoch_end()


class SpectralDiscriminator(nn.Module):
    """Every layer under spectral norm."""

    def __init__(self) -> None:
        super().__init__()
        self.l1 = spectral_norm(nn.Linear(784, 96))
        self.l2 = spectral_norm(nn.Linear(96, 96))
        self.l3 = spectral_norm(nn.Linear(96, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.leaky_relu(self.l1(x.flatten(1)), 0.1)
        h = F.leaky_relu(self.l2(h), 0.1)
        return self.l3(h).squeeze(1)


@case()
def hinge_with_spectral_norm_and_two_rates(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Hinge loss, D under spectral norm and four times as fast as G."""
    G, D = dense_generator(), SpectralDiscriminator()
    G_opt = optim.Adam(G.parameters(), lr=2e-4, betas=(0.0, 0.9))
    D_opt = optim.Adam(D.parameters(), lr=8e-4, betas=(0.0, 0.9))
    doctor = make_doctor(G, D, G_opt, D_opt)
    for _ in range(epochs):
        for x, _ in data.loader():
            with torch.no_grad():
                g_z = G(torch.randn(x.shape[0], 64))
            D_real, D_fake = D(torch.cat([x, g_z])).chunk(2)
            D_loss = F.relu(1.0 - D_real).mean() + F.relu(1.0 + D_fake).mean()
            D_opt.zero_grad()
            D_loss.backward()
            D_opt.step()

            G_loss = -D(G(torch.randn(x.shape[0], 64))).mean()
            G_opt.zero_grad()
            G_loss.backward()
            G_opt.step()
        doctor.epoch_end()


@case()
def least_squares_with_halves(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """LSGAN with the paper's factors of one half, on flat pictures."""
    G, D = FlatGenerator(100), dropout_discriminator()
    d_solver = optim.Adam(D.parameters(), lr=3e-4, betas=(0.5, 0.999))
    g_solver = optim.Adam(G.parameters(), lr=6e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_solver, d_solver)
    for _ in range(epochs):
        for x, _ in data.loader():
            real_data = x.view(-1, 784)
            d_solver.zero_grad()
            scores_real = D(real_data)
            fake_images = G(2 * torch.rand(len(x), 100) - 1)
            scores_fake = D(fake_images.detach())
            d_error = 0.5 * torch.mean((scores_real - 1) ** 2) + 0.5 * torch.mean(scores_fake**2)
            d_error.backward()
            d_solver.step()

            g_solver.zero_grad()
            g_error = 0.5 * torch.mean((D(fake_images) - 1) ** 2)
            g_error.backward()
            g_solver.step()
        G.eval()
        with torch.no_grad():
            G(2 * torch.rand(25, 100) - 1).view(-1, 28, 28)
        G.train()
        doctor.epoch_end()


@case()
def relativistic_average(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Relativistic average loss: each kind's logits against the other kind's mean, in both steps."""
    netG, netD = dense_generator(), dense_discriminator()
    optimizerG = optim.Adam(netG.parameters(), lr=3e-4, betas=(0.5, 0.999))
    optimizerD = optim.Adam(netD.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    bce = nn.BCEWithLogitsLoss()
    valid, fake_label = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(epochs):
        for real, _ in data.loader():
            optimizerG.zero_grad()
            gen = netG(torch.randn(64, 64))
            real_pred = netD(real).detach()
            fake_pred = netD(gen)
            g_up = bce(fake_pred - real_pred.mean(0, keepdim=True), valid)
            g_down = bce(real_pred - fake_pred.mean(0, keepdim=True), fake_label)
            ((g_up + g_down) / 2).backward()
            optimizerG.step()

            optimizerD.zero_grad()
            real_pred = netD(real)
            fake_pred = netD(gen.detach())
            d_up = bce(real_pred - fake_pred.mean(0, keepdim=True), valid)
            d_down = bce(fake_pred - real_pred.mean(0, keepdim=True), fake_label)
            ((d_up + d_down) / 2).backward()
            optimizerD.step()
        doctor.epoch_end()


@case()
def zero_means_real_throughout(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The labels the other way round, but in both steps: real is 0, fake is 1 and G aims at 0."""
    REAL, FAKE = 0.0, 1.0
    gen, disc = dense_generator(50), dense_discriminator(nn.Sigmoid())
    gen_opt = optim.Adam(gen.parameters(), lr=4e-4, betas=(0.5, 0.999))
    disc_opt = optim.Adam(disc.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(gen, disc, gen_opt, disc_opt)
    criterion = nn.BCELoss()
    for _ in range(epochs):
        for images, _ in data.loader():
            n = images.size(0)
            fakes = gen(torch.randn(n, 50))
            disc.zero_grad()
            criterion(disc(images), torch.full((n, 1), REAL)).backward()
            criterion(disc(fakes.detach()), torch.full((n, 1), FAKE)).backward()
            disc_opt.step()

            gen.zero_grad()
            criterion(disc(fakes), torch.full((n, 1), REAL)).backward()
            gen_opt.step()
        doctor.epoch_end()


def noisy(labels: torch.Tensor, flipped: float = 0.05) -> torch.Tensor:
    """Softened by up to 0.2 towards the middle, with a few of them the other way round."""
    soft = (labels - 0.2 * torch.rand_like(labels)).abs()
    return torch.where(torch.rand_like(labels) < flipped, 1 - soft, soft)


@case()
def noisy_labels_for_the_discriminator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D learns from soft labels of which one in twenty is flipped; G from plain ones."""
    generator, discriminator = conv_generator(), dense_discriminator(nn.Flatten(0))
    optim_G = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optim_D = optim.SGD(discriminator.parameters(), lr=0.02, momentum=0.9)
    doctor = make_doctor(generator, discriminator, optim_G, optim_D)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            noise = torch.randn(64, 64, 1, 1)
            optim_D.zero_grad()
            fake = generator(noise)
            inputs = torch.cat((real, fake.detach()), 0)
            labels = torch.cat((noisy(torch.ones(64)), noisy(torch.zeros(64))), 0)
            loss(discriminator(inputs), labels).backward()
            optim_D.step()

            optim_G.zero_grad()
            loss(discriminator(fake), torch.ones(64)).backward()
            optim_G.step()
        doctor.epoch_end()


class FeatureDiscriminator(nn.Module):
    """Says its logit and, when asked, what its last hidden layer saw."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Linear(128, 64))
        self.head = nn.Sequential(nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def forward(self, x: torch.Tensor, matching: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        features = self.features(x)
        logit = self.head(features)
        return (logit, features) if matching else logit


@case()
def feature_matching_beside_the_usual_loss(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G's loss has a second term, by which mean features of its pictures come near those of real ones."""
    G, D = dense_generator(), FeatureDiscriminator()
    opt_G = optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(epochs):
        for x, _ in data.loader():
            opt_D.zero_grad()
            loss_D = F.binary_cross_entropy_with_logits(D(x), ones)
            loss_D += F.binary_cross_entropy_with_logits(D(G(torch.randn(64, 64)).detach()), zeros)
            loss_D.backward()
            opt_D.step()

            opt_G.zero_grad()
            logit, seen = D(G(torch.randn(64, 64)), matching=True)
            with torch.no_grad():
                _, wanted = D(x, matching=True)
            matching = F.mse_loss(seen.mean(0), wanted.mean(0))
            loss_G = F.binary_cross_entropy_with_logits(logit, ones) + 0.1 * matching
            loss_G.backward()
            opt_G.step()
        doctor.epoch_end()
