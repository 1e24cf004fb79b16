"""Loops with one fault each, open half: labels, losses, rates and modes."""

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_open import (
    FunctionalDiscriminator,
    FunctionalGenerator,
    conv_discriminator,
    conv_generator,
    mlp_discriminator,
    mlp_generator,
    norm_generator,
    weights_init,
)


@case("labels-swapped")
def fakes_first_but_ones_first(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """One pass over fakes and then real images, with labels for real ones and then fakes."""
    G, D = mlp_generator(), mlp_discriminator()
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = len(real)
            fake = G(torch.randn(n, 64))
            inputs = torch.cat([fake.detach(), real])
            labels = torch.cat([torch.ones(n, 1), torch.zeros(n, 1)])
            d_loss = criterion(D(inputs), labels)
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()

            g_loss = criterion(D(fake), torch.ones(n, 1))
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case("labels-swapped")
def label_not_refilled_for_fakes(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """DCGAN whose one tensor of labels is not filled with zeros for the fakes: D is told that all are real."""
    netG, netD = conv_generator(32), conv_discriminator(norm=False)
    netG.apply(weights_init)
    criterion = nn.BCELoss()
    optimizerG = torch.optim.Adam(netG.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optimizerD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    real_label = 1.0
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    for _ in range(epochs):
        for real, _ in data.loader():
            netD.zero_grad()
            label = torch.full((real.size(0),), real_label)
            errD_real = criterion(netD(real).view(-1), label)
            errD_real.backward()
            fake = netG(torch.randn(real.size(0), 32, 1, 1))
            errD_fake = criterion(netD(fake.detach()).view(-1), label)
            errD_fake.backward()
            optimizerD.step()

            netG.zero_grad()
            label.fill_(real_label)
            errG = criterion(netD(fake).view(-1), label)
            errG.backward()
            optimizerG.step()
        doctor.epoch_end()


@case("generator-helps-discriminator")
def fake_label_left_for_the_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G's step uses the labels as D's step has left them: those of fakes."""
    netG, netD = conv_generator(32), conv_discriminator()
    criterion = nn.BCELoss()
    optimG = torch.optim.Adam(netG.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optimD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimG, optimD)
    for _ in range(epochs):
        for batch, _ in data.loader():
            netD.zero_grad()
            label = torch.ones(batch.size(0))
            criterion(netD(batch).squeeze(), label).backward()
            fake = netG(torch.randn(batch.size(0), 32, 1, 1))
            label.fill_(0)
            criterion(netD(fake.detach()).squeeze(), label).backward()
            optimD.step()

            netG.zero_grad()
            criterion(netD(fake).squeeze(), label).backward()
            optimG.step()
        doctor.epoch_end()


@case("generator-helps-discriminator")
def critic_mean_without_minus(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """WGAN with clipped weights whose G minimizes the mean of the critic, with no minus."""
    G = mlp_generator()
    critic = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_G = torch.optim.RMSprop(G.parameters(), lr=1e-4)
    opt_C = torch.optim.RMSprop(critic.parameters(), lr=1e-4)
    doctor = make_doctor(G, critic, opt_G, opt_C)
    for _ in range(epochs):
        for i, (real, _) in enumerate(data.loader()):
            opt_C.zero_grad()
            fake = G(torch.randn(len(real), 64)).detach()
            loss_critic = torch.mean(critic(fake)) - torch.mean(critic(real))
            loss_critic.backward()
            opt_C.step()
            with torch.no_grad():
                for p in critic.parameters():
                    p.clamp_(-0.02, 0.02)
            if i % 2 == 0:
                opt_G.zero_grad()
                loss_G = torch.mean(critic(G(torch.randn(len(real), 64))))
                loss_G.backward()
                opt_G.step()
        doctor.epoch_end()


@case("double-sigmoid")
def sigmoid_layer_and_logits_loss(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D ends in nn.Sigmoid and the loss is BCEWithLogitsLoss."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=True)
    criterion = nn.BCEWithLogitsLoss()
    gen_opt = torch.optim.Adam(G.parameters(), lr=3e-4)
    disc_opt = torch.optim.Adam(D.parameters(), lr=3e-4)
    doctor = make_doctor(G, D, gen_opt, disc_opt)
    for _ in range(epochs):
        for real, _ in data.loader():
            disc_opt.zero_grad()
            fake = G(torch.randn(len(real), 64)).detach()
            pred_real, pred_fake = D(real), D(fake)
            loss_real = criterion(pred_real, torch.ones_like(pred_real))
            loss_fake = criterion(pred_fake, torch.zeros_like(pred_fake))
            ((loss_real + loss_fake) / 2).backward()
            disc_opt.step()

            gen_opt.zero_grad()
            pred = D(G(torch.randn(len(real), 64)))
            criterion(pred, torch.ones_like(pred)).backward()
            gen_opt.step()
        doctor.epoch_end()


@case("double-sigmoid")
def sigmoid_again_in_the_loop(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's forward ends in torch.sigmoid and the loop takes the sigmoid of its output before BCE."""
    G, D = FunctionalGenerator(), FunctionalDiscriminator()
    g_opt = torch.optim.Adam(G.parameters(), lr=3e-4)
    d_opt = torch.optim.Adam(D.parameters(), lr=3e-4)
    doctor = make_doctor(G, D, g_opt, d_opt)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = real.size(0)
            fake = G(torch.randn(n, 100))
            p_real = torch.sigmoid(D(real.view(n, -1))).squeeze(1)
            p_fake = torch.sigmoid(D(fake.detach())).squeeze(1)
            d_loss = F.binary_cross_entropy(p_real, torch.ones(n)) + F.binary_cross_entropy(p_fake, torch.zeros(n))
            d_opt.zero_grad()
            d_loss.backward()
            d_opt.step()

            p = torch.sigmoid(D(fake)).squeeze(1)
            g_loss = F.binary_cross_entropy(p, torch.ones(n))
            g_opt.zero_grad()
            g_loss.backward()
            g_opt.step()
        doctor.epoch_end()
