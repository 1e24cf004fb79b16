"""Faulty loops of the closed half: learning rates, and networks left in eval mode."""

import torch
import torch.nn.functional as F
from torch import nn, optim

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_closed import (
    FlatGenerator,
    conv_discriminator,
    conv_generator,
    dense_discriminator,
    dense_generator,
    dropout_discriminator,
)


@case("learning-rate")
def exponent_off_by_two(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Hinge loss and Adam at 3e-2, which was to be 3e-4, for both networks."""
    G, D = FlatGenerator(64), dropout_discriminator()
    lr, betas = 3e-2, (0.5, 0.999)
    g_optimizer, d_optimizer = (optim.Adam(net.parameters(), lr=lr, betas=betas) for net in (G, D))
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    for _ in range(epochs):
        for images, _ in data.loader():
            fake_images = G(torch.randn(images.size(0), 64))
            d_loss = F.relu(1 - D(images.flatten(1))).mean() + F.relu(1 + D(fake_images.detach())).mean()
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()

            g_loss = -D(fake_images).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()
        doctor.epoch_end()


@case("learning-rate")
def clipped_critic_at_a_hundred_times_the_rate(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN whose critic is clipped to 0.01 as in the paper but learns at 5e-3, not 5e-5; G's rate is sensible."""
    gen, critic = FlatGenerator(64), dense_discriminator()
    config = {"clip": 0.01, "lr_gen": 5e-5, "lr_critic": 5e-3}
    opt_gen = optim.RMSprop(gen.parameters(), lr=config["lr_gen"])
    opt_critic = optim.RMSprop(critic.parameters(), lr=config["lr_critic"])
    doctor = make_doctor(gen, critic, opt_gen, opt_critic)
    for _ in range(epochs):
        for step, (x, _) in enumerate(data.loader(data.scaled().flatten(1))):
            opt_critic.zero_grad()
            fake = gen(torch.randn(len(x), 64)).detach()
            (critic(fake).mean() - critic(x).mean()).backward()
            opt_critic.step()
            with torch.no_grad():
                for p in critic.parameters():
                    p.clamp_(-config["clip"], config["clip"])
            if step % 3 == 2:
                opt_gen.zero_grad()
                critic(gen(torch.randn(len(x), 64))).mean().neg().backward()
                opt_gen.step()
        doctor.epoch_end()


@case("discriminator-in-eval")
def eval_to_freeze_it(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D.eval() is thought to freeze D in G's step; nothing puts it back."""
    G, D = dense_generator(), dropout_discriminator(nn.Sigmoid())
    opt_G = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    bce = nn.BCELoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            opt_D.zero_grad()
            fake = G(torch.randn(len(real), 64)).flatten(1)
            bce(D(real.flatten(1)), ones).backward()
            bce(D(fake.detach()), zeros).backward()
            opt_D.step()

            D.eval()
            opt_G.zero_grad()
            bce(D(fake), ones).backward()
            opt_G.step()
        doctor.epoch_end()


@torch.no_grad()
def evaluate(G: nn.Module, D: nn.Module, nz: int) -> float:
    """How real D finds what G draws."""
    G.eval()
    D.eval()
    score = torch.sigmoid(D(G(torch.randn(100, nz, 1, 1)))).mean().item()
    G.train()
    return score


@case("discriminator-in-eval")
def evaluation_that_puts_one_network_back(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """evaluate() after each epoch puts both networks in eval mode and G alone back."""
    generator, discriminator = conv_generator(), conv_discriminator()
    optim_G = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optim_D = optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, optim_G, optim_D)
    loss = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for imgs, _ in data.loader():
            optim_G.zero_grad()
            made = generator(torch.randn(len(imgs), 64, 1, 1))
            out = discriminator(made)
            loss(out, torch.ones_like(out)).backward()
            optim_G.step()

            optim_D.zero_grad()
            out_real, out_fake = discriminator(imgs), discriminator(made.detach())
            (loss(out_real, torch.ones_like(out_real)) + loss(out_fake, torch.zeros_like(out_fake))).div(2).backward()
            optim_D.step()
        evaluate(generator, discriminator, 64)
        doctor.epoch_end()


@case("generator-in-eval")
def train_called_on_the_other_network(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G.eval() for the pictures of each epoch; the train() after it is D's."""
    nz = 100
    G, D = FlatGenerator(nz), dropout_discriminator()
    opt_G = optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for x, _ in data.loader():
            z = torch.randn(len(x), nz)
            opt_D.zero_grad()
            loss_D = F.softplus(-D(x.flatten(1))).mean() + F.softplus(D(G(z).detach())).mean()
            loss_D.backward()
            opt_D.step()
            opt_G.zero_grad()
            loss_G = F.softplus(-D(G(z))).mean()
            loss_G.backward()
            opt_G.step()
        G.eval()
        with torch.no_grad():
            G(torch.randn(64, nz)).view(-1, 28, 28)
        D.train()
        doctor.epoch_end()


@case("generator-in-eval")
def eval_while_the_discriminator_learns(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Makes D's fakes with G in eval mode, as one does when only sampling, and goes on to G's step."""
    netG = nn.Sequential(
        nn.Linear(64, 128),
        nn.LeakyReLU(0.2),
        nn.Dropout(0.3),
        nn.Linear(128, 784),
        nn.Tanh(),
        nn.Unflatten(1, (1, 28, 28)),
    )
    netD = dense_discriminator(nn.Sigmoid(), nn.Flatten(0))
    optimG = optim.Adam(netG.parameters(), lr=4e-4, betas=(0.5, 0.999))
    optimD = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimG, optimD)
    criterion = nn.BCELoss()
    for _ in range(epochs):
        netD.train()
        for real, _ in data.loader():
            netG.eval()
            with torch.no_grad():
                fake = netG(torch.randn(real.size(0), 64))
            netD.zero_grad()
            lossD = criterion(netD(real), torch.full((real.size(0),), 0.9))
            lossD = lossD + criterion(netD(fake), torch.full((real.size(0),), 0.0))
            lossD.backward()
            optimD.step()

            netG.zero_grad()
            lossG = criterion(netD(netG(torch.randn(real.size(0), 64))), torch.full((real.size(0),), 1.0))
            lossG.backward()
            optimG.step()
        doctor.epoch_end()
