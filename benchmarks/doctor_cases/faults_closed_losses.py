"""Faulty loops of the closed half: labels, signs and losses."""

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


@case("labels-swapped")
def concatenated_in_different_orders(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Pictures are put together as fake, real and their labels as ones, zeros."""
    gen, disc = FlatGenerator(64), dropout_discriminator(nn.Flatten(0))
    gen_opt = optim.Adam(gen.parameters(), lr=3e-4, betas=(0.5, 0.999))
    disc_opt = optim.Adam(disc.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(gen, disc, gen_opt, disc_opt)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for batch, _ in data.loader():
            n = batch.size(0)
            with torch.no_grad():
                generated = gen(torch.randn(n, 64))
            samples = torch.cat((generated, batch.view(n, -1)))
            labels = torch.cat((torch.ones(n), torch.zeros(n)))
            disc.zero_grad()
            criterion(disc(samples), labels).backward()
            disc_opt.step()

            gen.zero_grad()
            criterion(disc(gen(torch.randn(n, 64))), torch.ones(n)).backward()
            gen_opt.step()
        doctor.epoch_end()


@case("labels-swapped")
def two_names_for_one_label_tensor(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Both names of the labels are bound to one tensor, so that fill_(1) fills the fakes' too."""
    G, D = dense_generator(), dense_discriminator(nn.Sigmoid())
    opt_G = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    real_labels = fake_labels = torch.zeros(64, 1)
    real_labels.fill_(1)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(torch.randn(64, 64))
            opt_D.zero_grad()
            d_loss = F.binary_cross_entropy(D(real), real_labels)
            d_loss = d_loss + F.binary_cross_entropy(D(fake.detach()), fake_labels)
            d_loss.backward()
            opt_D.step()

            opt_G.zero_grad()
            g_loss = F.binary_cross_entropy(D(fake), real_labels)
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case("generator-helps-discriminator")
def label_still_filled_with_zeros(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """One label tensor for all three losses; it is not filled with ones again before G's."""
    netG, netD = conv_generator(100), conv_discriminator(nn.Sigmoid(), nn.Flatten(0))
    optimizerG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizerD = optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    criterion = nn.BCELoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            label = torch.ones(real.size(0))
            netD.zero_grad()
            criterion(netD(real), label).backward()
            fake = netG(torch.randn(real.size(0), 100, 1, 1))
            label.zero_()
            criterion(netD(fake.detach()), label).backward()
            optimizerD.step()

            netG.zero_grad()
            criterion(netD(fake), label).backward()
            optimizerG.step()
        doctor.epoch_end()


@case("generator-helps-discriminator")
def minus_sign_lost_in_a_clipped_wgan(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN with weight clipping in which G minimizes the critic's mean."""
    G, critic = dense_generator(), dense_discriminator()
    optimizer_G = optim.RMSprop(G.parameters(), lr=2e-4)
    optimizer_C = optim.RMSprop(critic.parameters(), lr=1e-4)
    doctor = make_doctor(G, critic, optimizer_G, optimizer_C)
    for _ in range(epochs):
        for i, (imgs, _) in enumerate(data.loader()):
            optimizer_C.zero_grad()
            fake_imgs = G(torch.randn(imgs.size(0), 64)).detach()
            loss_C = -torch.mean(critic(imgs)) + torch.mean(critic(fake_imgs))
            loss_C.backward()
            optimizer_C.step()
            for p in critic.parameters():
                p.data.clamp_(-0.05, 0.05)

            if i % 2 == 0:
                optimizer_G.zero_grad()
                loss_G = torch.mean(critic(G(torch.randn(imgs.size(0), 64))))
                loss_G.backward()
                optimizer_G.step()
        doctor.epoch_end()


@case("double-sigmoid")
def probabilities_into_a_loss_of_logits(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's forward() returns torch.sigmoid(...) and the functional loss is the one for logits."""
    G, D = FlatGenerator(100), FlatDiscriminator()
    g_optim = optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
    d_optim = optim.Adam(D.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_optim, d_optim)
    for _ in range(epochs):
        for x, _ in data.loader():
            noise = torch.randn(x.shape[0], 100)
            fake = G(noise)
            d_optim.zero_grad()
            pred = D(torch.cat([x.flatten(1), fake.detach()]))
            target = torch.zeros_like(pred)
            target[: len(x)] = 1
            F.binary_cross_entropy_with_logits(pred, target).backward()
            d_optim.step()

            g_optim.zero_grad()
            pred = D(fake)
            F.binary_cross_entropy_with_logits(pred, torch.ones_like(pred)).backward()
            g_optim.step()
        doctor.epoch_end()


@case("double-sigmoid")
def sigmoid_in_the_network_and_in_the_loop(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D ends in nn.Sigmoid() and the loop takes the sigmoid of its answers before BCELoss."""
    netG, netD = dense_generator(), dense_discriminator(nn.Sigmoid())
    opt_g = optim.Adam(netG.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_d = optim.Adam(netD.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, opt_g, opt_d)
    bce = nn.BCELoss()
    real_y, fake_y = torch.ones(64), torch.zeros(64)
    for _ in range(epochs):
        for real, _ in data.loader():
            prob = torch.sigmoid(netD(netG(torch.randn(64, 64))).squeeze())
            loss_g = bce(prob, real_y)
            opt_g.zero_grad()
            loss_g.backward()
            opt_g.step()

            prob_real = torch.sigmoid(netD(real).squeeze())
            prob_fake = torch.sigmoid(netD(netG(torch.randn(64, 64)).detach()).squeeze())
            loss_d = (bce(prob_real, real_y) + bce(prob_fake, fake_y)) / 2
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()
        doctor.epoch_end()


def own_bce(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The formula from the slides."""
    return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()


@case("nan")
def formula_of_the_slides(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Writes out the cross entropy without any epsilon, under autocast: 0 times log(0)."""
    G = nn.Sequential(nn.Linear(32, 48), nn.LeakyReLU(0.2), nn.Linear(48, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 48), nn.LeakyReLU(0.2), nn.Linear(48, 1), nn.Sigmoid())
    opt_G = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(epochs):
        for real, _ in data.loader(data.scaled().flatten(1)):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                fake = G(torch.randn(64, 32))
                d_loss = own_bce(D(real), ones) + own_bce(D(fake.detach()), zeros)
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()

            with torch.autocast("cpu", dtype=torch.bfloat16):
                g_loss = own_bce(D(fake), ones)
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


class DeviationDiscriminator(nn.Module):
    """Appends to its features their mean deviation over the batch, against mode collapse."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), nn.ReLU(), nn.Flatten())
        self.last = nn.Sequential(nn.Linear(8 * 49 + 1, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.features(x)
        deviation = (h - h.mean(0)).square().mean(0).sqrt().mean()
        return self.last(torch.cat([h, deviation.expand(len(x), 1)], dim=1))


@case("nan")
def square_root_without_epsilon(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's minibatch deviation is a bare sqrt(), without gradient where a feature is 0 in the whole batch."""
    G, D = dense_generator(), DeviationDiscriminator()
    g_optimizer = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_optimizer = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(torch.randn(len(real), 64))
            d_loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
            d_optimizer.zero_grad()
            d_loss.backward()
            d_optimizer.step()

            g_loss = F.softplus(-D(fake)).mean()
            g_optimizer.zero_grad()
            g_loss.backward()
            g_optimizer.step()
        doctor.epoch_end()
