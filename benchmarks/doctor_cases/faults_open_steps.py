"""Loops with one fault each, open half: what the optimizers' steps move."""

from itertools import chain

import torch
from torch import Tensor, nn
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


@case("generator-not-trained")
def optimizer_of_an_older_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G was made anew after its optimizer, as when one cell of a notebook runs again."""
    G, D = conv_generator(32), conv_discriminator()
    optimizerG = torch.optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optimizerD = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))
    criterion = nn.BCELoss()
    G = conv_generator(32)
    G.apply(weights_init)
    doctor = make_doctor(G, D, optimizerG, optimizerD)
    for _ in range(epochs):
        for real, _ in data.loader():
            D.zero_grad()
            label = torch.ones(real.size(0))
            criterion(D(real).view(-1), label).backward()
            fake = G(torch.randn(real.size(0), 32, 1, 1))
            criterion(D(fake.detach()).view(-1), 1 - label).backward()
            optimizerD.step()
            G.zero_grad()
            criterion(D(fake).view(-1), label).backward()
            optimizerG.step()
        doctor.epoch_end()


@case("generator-not-trained")
def detached_fakes_for_both_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The fakes are detached where they are made, for D's step, and G's step uses them too."""
    G, D = mlp_generator(), mlp_discriminator()
    criterion = nn.BCELoss()
    g_opt = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_opt = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_opt, d_opt)
    for _ in range(epochs):
        for real, _ in data.loader():
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            fake = G(torch.randn(len(real), 64)).detach()
            d_loss = criterion(D(real), ones) + criterion(D(fake), zeros)
            d_opt.zero_grad()
            d_loss.backward()
            d_opt.step()

            g_loss = criterion(D(fake), ones)
            g_opt.zero_grad()
            g_loss.backward()
            g_opt.step()
        doctor.epoch_end()


@case("discriminator-not-trained")
def gradients_cleared_before_the_step(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's gradients are cleared after its backward pass and before its step."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    opt_gen = torch.optim.Adam(G.parameters(), lr=3e-4)
    opt_disc = torch.optim.Adam(D.parameters(), lr=3e-4)
    doctor = make_doctor(G, D, opt_gen, opt_disc)
    for _ in range(epochs):
        for real, _ in data.loader():
            noise = torch.randn(len(real), 64)
            real_pred, fake_pred = D(real), D(G(noise).detach())
            disc_loss = bce(real_pred, torch.ones_like(real_pred)) + bce(fake_pred, torch.zeros_like(fake_pred))
            disc_loss.backward()
            opt_disc.zero_grad()
            opt_disc.step()

            opt_gen.zero_grad()
            fake_pred = D(G(noise))
            gen_loss = bce(fake_pred, torch.ones_like(fake_pred))
            gen_loss.backward()
            opt_gen.step()
        doctor.epoch_end()


@case("discriminator-not-trained")
def wrong_optimizer_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's step was pasted from G's: it clears and steps G's optimizer, which has nothing to do there."""
    G, D = FunctionalGenerator(), FunctionalDiscriminator()
    criterion = nn.BCELoss()
    optimizer_G = torch.optim.Adam(G.parameters(), lr=3e-4)
    optimizer_D = torch.optim.Adam(D.parameters(), lr=3e-4)
    doctor = make_doctor(G, D, optimizer_G, optimizer_D)
    for _ in range(epochs):
        for images, _ in data.loader():
            optimizer_G.zero_grad()
            optimizer_D.zero_grad()
            fake_images = G(torch.randn(len(images), 100))
            predictions = D(torch.cat([images.flatten(1), fake_images.detach()]))
            targets = torch.cat([torch.ones(len(images), 1), torch.zeros(len(images), 1)])
            loss_D = criterion(predictions, targets)
            loss_D.backward()
            optimizer_G.step()

            optimizer_G.zero_grad()
            predictions = D(fake_images)
            loss_G = criterion(predictions, torch.ones_like(predictions))
            loss_G.backward()
            optimizer_G.step()
        doctor.epoch_end()


@case("discriminator-trained-in-generator-step")
def one_optimizer_for_both(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """One Adam holds the parameters of both networks, so G's step also moves D toward calling fakes real."""
    G, D = mlp_generator(), mlp_discriminator()
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(chain(G.parameters(), D.parameters()), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, optimizer, optimizer)
    for _ in range(epochs):
        for real, _ in data.loader():
            valid, fake = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            optimizer.zero_grad()
            generated = G(torch.randn(len(real), 64))
            d_loss = criterion(D(real), valid) + criterion(D(generated.detach()), fake)
            d_loss.backward()
            optimizer.step()

            optimizer.zero_grad()
            g_loss = criterion(D(G(torch.randn(len(real), 64))), valid)
            g_loss.backward()
            optimizer.step()
        doctor.epoch_end()


@case("discriminator-trained-in-generator-step")
def both_backwards_then_both_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Both backward passes come before both steps, so D's step also takes the gradient of G's loss."""
    netG, netD = conv_generator(24), conv_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    optG = torch.optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optG, optD)
    for _ in range(epochs):
        for real, _ in data.loader():
            optD.zero_grad()
            optG.zero_grad()
            fake = netG(torch.randn(len(real), 24, 1, 1))
            out_real, out_fake = netD(real), netD(fake.detach())
            lossD = bce(out_real, torch.ones_like(out_real)) + bce(out_fake, torch.zeros_like(out_fake))
            out = netD(fake)
            lossG = bce(out, torch.ones_like(out))
            lossD.backward()
            lossG.backward()
            optD.step()
            optG.step()
        doctor.epoch_end()


@case("generator-trained-in-discriminator-step")
def a_function_steps_both(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A function steps both optimizers for either loss; D is frozen in G's step, but D's fakes are not detached."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)

    def update(loss: Tensor) -> None:
        for optimizer in (opt_G, opt_D):
            optimizer.zero_grad()
        loss.backward()
        for optimizer in (opt_G, opt_D):
            optimizer.step()

    for _ in range(epochs):
        for real, _ in data.loader():
            real_scores, fake_scores = D(real), D(G(torch.randn(len(real), 64)))
            update(F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean())
            for p in D.parameters():
                p.requires_grad = False
            update(-D(G(torch.randn(len(real), 64))).mean())
            for p in D.parameters():
                p.requires_grad = True
        doctor.epoch_end()


@case("generator-trained-in-discriminator-step")
def retained_graph_without_detach(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """No detach but retain_graph; gradients are cleared at the start only, so G's step takes D's loss as well."""
    G, D = mlp_generator(), mlp_discriminator()
    criterion = nn.BCELoss()
    g_optimizer = torch.optim.Adam(G.parameters(), lr=3e-4)
    d_optimizer = torch.optim.Adam(D.parameters(), lr=2e-4)
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    for _ in range(epochs):
        for real, _ in data.loader():
            real_labels, fake_labels = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            d_optimizer.zero_grad()
            g_optimizer.zero_grad()
            fake = G(torch.randn(len(real), 64))
            d_loss_real = criterion(D(real), real_labels)
            d_loss_fake = criterion(D(fake), fake_labels)
            d_loss = d_loss_real + d_loss_fake
            d_loss.backward(retain_graph=True)
            d_optimizer.step()

            g_loss = criterion(D(fake), real_labels)
            g_loss.backward()
            g_optimizer.step()
        doctor.epoch_end()


@case("gradients-accumulate")
def generator_never_cleared(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The line that clears G's gradients is missing; D's are cleared right before its backward pass."""
    G, D = mlp_generator(100), mlp_discriminator(dropout=0.3)
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = len(real)
            fake = G(torch.randn(n, 100))
            d_loss = criterion(D(real), torch.ones(n, 1)) + criterion(D(fake.detach()), torch.zeros(n, 1))
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()

            g_loss = criterion(D(fake), torch.ones(n, 1))
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case("gradients-accumulate")
def cleared_once_an_epoch(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Gradients are cleared at the start of an epoch and not of an update; D is frozen in G's step."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    opt_G = torch.optim.SGD(G.parameters(), lr=0.02)
    opt_D = torch.optim.SGD(D.parameters(), lr=0.005)
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        opt_G.zero_grad()
        opt_D.zero_grad()
        for x, _ in data.loader():
            x_fake = G(torch.randn(x.size(0), 64))
            D.requires_grad_(True)
            logits = D(torch.cat([x, x_fake.detach()]))
            bce(logits, torch.cat([torch.ones(x.size(0), 1), torch.zeros(x.size(0), 1)])).backward()
            opt_D.step()

            D.requires_grad_(False)
            logits = D(x_fake)
            bce(logits, torch.ones_like(logits)).backward()
            opt_G.step()
        doctor.epoch_end()
