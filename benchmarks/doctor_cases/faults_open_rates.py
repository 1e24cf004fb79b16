"""Loops with one fault each, open half: learning rates, modes and values that are no numbers."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_open import (
    conv_discriminator,
    conv_generator,
    mlp_discriminator,
    mlp_generator,
    norm_generator,
    picture,
)


@case("learning-rate")
def zeros_forgotten_in_the_rate(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Adam at 0.2 for both networks where 0.0002 was meant."""
    G, D = mlp_generator(), mlp_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=0.2, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=0.2, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(torch.randn(len(real), 64))
            out_real, out_fake = D(real), D(fake.detach())
            d_loss = bce(out_real, torch.ones_like(out_real)) + bce(out_fake, torch.zeros_like(out_fake))
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()
            out = D(fake)
            g_loss = bce(out, torch.ones_like(out))
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case("learning-rate")
def rate_as_large_as_the_clip(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN whose critic is clipped to 0.01 and learns at 0.005, half of that at each step, for 0.00005."""
    G = norm_generator()
    critic = mlp_discriminator(sigmoid=False)
    opt_G = torch.optim.RMSprop(G.parameters(), lr=5e-5)
    opt_critic = torch.optim.RMSprop(critic.parameters(), lr=5e-3)
    doctor = make_doctor(G, critic, opt_G, opt_critic)
    for _ in range(epochs):
        for i, (real, _) in enumerate(data.loader()):
            opt_critic.zero_grad()
            with torch.no_grad():
                fake = G(torch.randn(len(real), 64))
            loss = critic(fake).mean() - critic(real).mean()
            loss.backward()
            opt_critic.step()
            for p in critic.parameters():
                p.data.clamp_(-0.01, 0.01)
            if (i + 1) % 2 == 0:
                opt_G.zero_grad()
                (-critic(G(torch.randn(len(real), 64))).mean()).backward()
                opt_G.step()
        doctor.epoch_end()


@case("discriminator-in-eval")
def eval_for_the_accuracy(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D, which has dropout, goes to eval mode for its accuracy after the first epoch and never comes back."""
    G, D = mlp_generator(), mlp_discriminator(dropout=0.3)
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    held_out, accuracies = data.scaled()[:256], []
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = len(real)
            fake = G(torch.randn(n, 64))
            opt_D.zero_grad()
            criterion(D(real), torch.ones(n, 1)).backward()
            criterion(D(fake.detach()), torch.zeros(n, 1)).backward()
            opt_D.step()
            opt_G.zero_grad()
            criterion(D(fake), torch.ones(n, 1)).backward()
            opt_G.step()
        D.eval()
        with torch.no_grad():
            accuracies.append((D(held_out) > 0.5).float().mean().item())
        doctor.epoch_end()


@case("discriminator-in-eval")
def eval_to_freeze(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D, which has batch norm, is put in eval mode "to freeze it" in G's step and stays so in its own."""
    netG, netD = conv_generator(32), conv_discriminator(sigmoid=False)
    opt_G = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            netG.train()
            fake = netG(torch.randn(len(real), 32, 1, 1))
            lossD = F.softplus(-netD(real)).mean() + F.softplus(netD(fake.detach())).mean()
            opt_D.zero_grad()
            lossD.backward()
            opt_D.step()

            netD.eval()
            lossG = F.softplus(-netD(fake)).mean()
            opt_G.zero_grad()
            lossG.backward()
            opt_G.step()
        doctor.epoch_end()


@case("generator-in-eval")
def eval_for_the_pictures(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G, which has batch norm, goes to eval mode for the pictures after the first epoch and never comes back."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    mse = nn.MSELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def save_pictures() -> Tensor:
        G.eval()
        with torch.no_grad():
            return picture(G(torch.randn(25, 64)))

    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            valid, fake = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            opt_G.zero_grad()
            generated = G(torch.randn(len(real), 64))
            mse(D(generated), valid).backward()
            opt_G.step()
            opt_D.zero_grad()
            (0.5 * (mse(D(real), valid) + mse(D(generated.detach()), fake))).backward()
            opt_D.step()
        save_pictures()
        doctor.epoch_end()


@case("generator-in-eval")
def eval_for_the_discriminators_fakes(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G, of convolutions with batch norm, makes D's fakes in eval mode and stays in it in its own step."""
    G, D = conv_generator(32), conv_discriminator(norm=False)
    criterion = nn.BCELoss()
    g_optimizer = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    for _ in range(epochs):
        for real, _ in data.loader():
            D.train()
            G.eval()
            with torch.no_grad():
                fake = G(torch.randn(len(real), 32, 1, 1))
            pred = D(torch.cat([real, fake])).flatten()
            label = torch.cat([torch.ones(len(real)), torch.zeros(len(fake))])
            d_optimizer.zero_grad()
            criterion(pred, label).backward()
            d_optimizer.step()

            pred = D(G(torch.randn(len(real), 32, 1, 1))).flatten()
            g_optimizer.zero_grad()
            criterion(pred, torch.ones(len(real))).backward()
            g_optimizer.step()
        doctor.epoch_end()


@case("nan")
def cross_entropy_by_hand(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Cross entropy written by hand: once D is sure of an image, 0 times log(0)."""
    G, D = mlp_generator(), mlp_discriminator()
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-4)
    opt_D = torch.optim.Adam(D.parameters(), lr=1e-3)
    doctor = make_doctor(G, D, opt_G, opt_D)

    def bce(p: Tensor, y: Tensor) -> Tensor:
        return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()

    for _ in range(epochs):
        for real, _ in data.loader():
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            fake = G(torch.randn(len(real), 64))
            d_loss = bce(D(real), ones) + bce(D(fake.detach()), zeros)
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()
            g_loss = bce(D(fake), ones)
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


class DiscriminatorWithSpread(nn.Module):
    """Also sees how far the images of a minibatch lie apart: images (N, 1, 28, 28) to logits (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU())
        self.head = nn.Sequential(nn.Linear(129, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, images: Tensor) -> Tensor:
        h = self.features(images)
        spread = torch.sqrt((h[:, None] - h[None]).square().sum(2)).mean(1, keepdim=True)
        return self.head(torch.cat([h, spread], dim=1))


@case("nan")
def square_root_of_no_distance(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D sees distances in the minibatch, with no epsilon: at 0, an image from itself, a root is too steep."""
    G, D = mlp_generator(), DiscriminatorWithSpread()
    criterion = nn.BCEWithLogitsLoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            opt_D.zero_grad()
            fake = G(torch.randn(len(real), 64))
            real_out, fake_out = D(real), D(fake.detach())
            loss = criterion(real_out, torch.ones_like(real_out)) + criterion(fake_out, torch.zeros_like(fake_out))
            loss.backward()
            opt_D.step()
            opt_G.zero_grad()
            out = D(fake)
            criterion(out, torch.ones_like(out)).backward()
            opt_G.step()
        doctor.epoch_end()
