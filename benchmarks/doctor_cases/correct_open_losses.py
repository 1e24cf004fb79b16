"""Correct loops, open half: other losses, penalties, labels and inputs."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_open import (
    conv_discriminator,
    conv_generator,
    mlp_discriminator,
    mlp_generator,
    norm_generator,
    picture,
)


@case()
def least_squares(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """LSGAN: mean squared errors to 1 and 0, halved, of a D without a sigmoid."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    mse = nn.MSELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            valid, fake = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            z = torch.randn(len(real), 64)
            opt_G.zero_grad()
            gen_imgs = G(z)
            g_loss = 0.5 * mse(D(gen_imgs), valid)
            g_loss.backward()
            opt_G.step()
            opt_D.zero_grad()
            d_loss = 0.5 * (mse(D(real), valid) + mse(D(gen_imgs.detach()), fake))
            d_loss.backward()
            opt_D.step()
        doctor.epoch_end()


@case()
def wasserstein_with_clipped_weights(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN: RMSprop, five steps of the critic for one of G, each on a minibatch of its own, weights clipped."""

    def endless() -> Iterator[Tensor]:
        while True:
            for images, _ in data.loader():
                yield images

    G = mlp_generator()
    critic = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_G = torch.optim.RMSprop(G.parameters(), lr=2e-4)
    opt_critic = torch.optim.RMSprop(critic.parameters(), lr=1e-4)
    doctor = make_doctor(G, critic, opt_G, opt_critic)
    batches = endless()
    for _ in range(epochs):
        for _iteration in range(32):
            for _step in range(5):
                real = next(batches)
                fake = G(torch.randn(64, 64)).detach()
                loss_critic = -(critic(real).mean() - critic(fake).mean())
                opt_critic.zero_grad()
                loss_critic.backward()
                opt_critic.step()
                for p in critic.parameters():
                    p.data.clamp_(-0.02, 0.02)
            loss_G = -critic(G(torch.randn(64, 64))).mean()
            opt_G.zero_grad()
            loss_G.backward()
            opt_G.step()
        doctor.epoch_end()


@case()
def wasserstein_with_gradient_penalty(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN-GP: the critic's gradient between real and fake images is held at norm 1; G learns every third minibatch."""
    G, critic = norm_generator(), mlp_discriminator(sigmoid=False)
    optim_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9))
    optim_C = torch.optim.Adam(critic.parameters(), lr=5e-4, betas=(0.0, 0.9))
    doctor = make_doctor(G, critic, optim_G, optim_C)
    for _ in range(epochs):
        for i, (real, _) in enumerate(data.loader()):
            with torch.no_grad():
                fake = G(torch.randn(len(real), 64))
            alpha = torch.rand(len(real), 1, 1, 1)
            between = (alpha * real + (1 - alpha) * fake).requires_grad_(True)
            (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
            penalty = ((gradient.flatten(1).norm(2, dim=1) - 1) ** 2).mean()
            loss = critic(fake).mean() - critic(real).mean() + 10 * penalty
            optim_C.zero_grad()
            loss.backward()
            optim_C.step()
            if i % 3 == 0:
                optim_G.zero_grad()
                g_loss = -critic(G(torch.randn(len(real), 64))).mean()
                g_loss.backward()
                optim_G.step()
        doctor.epoch_end()


@case()
def hinge_with_spectral_norm(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The hinge loss with a spectrally normalized D."""
    G = mlp_generator(32)
    D = nn.Sequential(
        nn.Flatten(),
        spectral_norm(nn.Linear(784, 128)),
        nn.LeakyReLU(0.1),
        spectral_norm(nn.Linear(128, 64)),
        nn.LeakyReLU(0.1),
        spectral_norm(nn.Linear(64, 1)),
    )
    opt_D = torch.optim.Adam(D.parameters(), lr=4e-4, betas=(0.0, 0.999))
    opt_G = torch.optim.Adam(G.parameters(), lr=4e-4, betas=(0.0, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            opt_D.zero_grad()
            fake = G(torch.randn(len(real), 32)).detach()
            d_loss = F.relu(1.0 - D(real)).mean() + F.relu(1.0 + D(fake)).mean()
            d_loss.backward()
            opt_D.step()
            opt_G.zero_grad()
            g_loss = -D(G(torch.randn(len(real), 32))).mean()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case()
def one_sided_smoothing(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Real images are labelled 0.9 for D, fakes 0, and G is trained toward 1; convolutions with batch norm."""
    netG, netD = conv_generator(24), conv_discriminator()
    criterion = nn.BCELoss()
    optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optG, optD)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = real.shape[0]
            optD.zero_grad()
            fake = netG(torch.randn(n, 24, 1, 1))
            lossD = criterion(netD(real).flatten(), torch.full((n,), 0.9))
            lossD = lossD + criterion(netD(fake.detach()).flatten(), torch.full((n,), 0.0))
            lossD.backward()
            optD.step()
            optG.zero_grad()
            lossG = criterion(netD(fake).flatten(), torch.full((n,), 1.0))
            lossG.backward()
            optG.step()
        doctor.epoch_end()


@case()
def bfloat16_autocast(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Both forward passes in bfloat16 by autocast, losses of logits in float32; gradients clipped by norm."""
    G = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            n, real = len(real), real.flatten(1)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                fake = G(torch.randn(n, 64))
                real_logits, fake_logits = D(real), D(fake.detach())
            d_loss = criterion(real_logits.float(), torch.ones(n, 1)) + criterion(
                fake_logits.float(), torch.zeros(n, 1)
            )
            opt_D.zero_grad(set_to_none=True)
            d_loss.backward()
            nn.utils.clip_grad_norm_(D.parameters(), 5.0)
            opt_D.step()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = D(G(torch.randn(n, 64)))
            g_loss = criterion(logits.float(), torch.ones(n, 1))
            opt_G.zero_grad(set_to_none=True)
            g_loss.backward()
            nn.utils.clip_grad_norm_(G.parameters(), 5.0)
            opt_G.step()
        doctor.epoch_end()


@case()
def minimax_by_hand(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The first paper's game: D maximizes log D(x) + log(1 - D(G(z))), and G minimizes log(1 - D(G(z)))."""
    G, D = mlp_generator(), mlp_discriminator()
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-3)
    opt_D = torch.optim.SGD(D.parameters(), lr=0.01)
    doctor = make_doctor(G, D, opt_G, opt_D)
    eps = 1e-8
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(torch.randn(len(real), 64))
            d_objective = torch.mean(torch.log(D(real) + eps) + torch.log(1 - D(fake.detach()) + eps))
            opt_D.zero_grad()
            (-d_objective).backward()
            opt_D.step()

            opt_G.zero_grad()
            g_loss = torch.mean(torch.log(1 - D(fake) + eps))
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case()
def r1_penalty_and_average_of_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """R1 penalty on real images, softplus losses, and a moving average of G that draws the pictures."""
    G, D = mlp_generator(), conv_discriminator(sigmoid=False, norm=False)
    G_ema = deepcopy(G).requires_grad_(False)
    opt_G = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.0, 0.99))
    opt_D = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.99))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            real.requires_grad_(True)
            real_scores = D(real)
            (grad,) = torch.autograd.grad(real_scores.sum(), real, create_graph=True)
            r1 = grad.pow(2).sum(dim=(1, 2, 3)).mean()
            fake_scores = D(G(torch.randn(len(real), 64)).detach())
            loss_D = F.softplus(-real_scores).mean() + F.softplus(fake_scores).mean() + 0.5 * 0.1 * r1
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()

            opt_G.zero_grad()
            F.softplus(-D(G(torch.randn(len(real), 64)))).mean().backward()
            opt_G.step()
            with torch.no_grad():
                for average, p in zip(G_ema.parameters(), G.parameters(), strict=True):
                    average.lerp_(p, 0.05)
        picture(G_ema(torch.randn(16, 64)))
        doctor.epoch_end()
