"""Faulty loops of the closed half: whose weights which loss moves."""

import itertools

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


@case("generator-not-trained")
def helper_without_gradients_feeds_both_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A helper under no_grad makes the fakes of both steps, G's included."""
    G, D = dense_generator(), dense_discriminator()
    opt_G = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    criterion = nn.BCEWithLogitsLoss()

    @torch.no_grad()
    def make_fakes(n: int) -> torch.Tensor:
        return G(torch.randn(n, 64))

    for _ in range(epochs):
        for real, _ in data.loader():
            n = real.size(0)
            opt_D.zero_grad()
            d_loss = criterion(D(real), torch.ones(n, 1)) + criterion(D(make_fakes(n)), torch.zeros(n, 1))
            d_loss.backward()
            opt_D.step()

            opt_G.zero_grad()
            g_loss = criterion(D(make_fakes(n)), torch.ones(n, 1))
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case("generator-not-trained")
def generator_built_anew_after_its_optimizer(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Makes the optimizers, then builds G a second time with a larger z."""
    nz = 32
    netG, netD = FlatGenerator(nz), FlatDiscriminator()
    optimizers = [optim.Adam(net.parameters(), lr=3e-4, betas=(0.5, 0.999)) for net in (netG, netD)]
    nz = 100
    netG = FlatGenerator(nz)
    doctor = make_doctor(netG, netD, *optimizers)
    g_optimizer, d_optimizer = optimizers
    bce = nn.BCELoss()
    for _ in range(epochs):
        for images, _ in data.loader():
            real = images.view(-1, 784)
            ones = torch.ones(real.size(0), 1)
            fake = netG(torch.randn(real.size(0), nz))

            netD.zero_grad()
            bce(netD(real), ones).backward()
            bce(netD(fake.detach()), 0 * ones).backward()
            d_optimizer.step()

            netG.zero_grad()
            bce(netD(fake), ones).backward()
            g_optimizer.step()
        doctor.epoch_end()


@case("discriminator-not-trained")
def frozen_and_never_thawed(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Switches D's requires_grad off for G's step, which comes first, and never on again."""
    gen, disc = dense_generator(), dropout_discriminator()
    gen_opt = optim.Adam(gen.parameters(), lr=3e-4, betas=(0.5, 0.999))
    disc_opt = optim.Adam(disc.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(gen, disc, gen_opt, disc_opt)
    for _ in range(epochs):
        for real, _ in data.loader():
            for p in disc.parameters():
                p.requires_grad_(False)
            gen_opt.zero_grad()
            pred = disc(gen(torch.randn(len(real), 64)).flatten(1))
            F.binary_cross_entropy_with_logits(pred, torch.ones_like(pred)).backward()
            gen_opt.step()

            disc_opt.zero_grad()
            pred_real = disc(real.flatten(1))
            pred_fake = disc(gen(torch.randn(len(real), 64)).flatten(1))
            loss_real = F.binary_cross_entropy_with_logits(pred_real, torch.ones_like(pred_real))
            loss_fake = F.binary_cross_entropy_with_logits(pred_fake, torch.zeros_like(pred_fake))
            (loss_real + loss_fake).backward()
            disc_opt.step()
        doctor.epoch_end()


@case("discriminator-not-trained")
def zeroed_after_backward(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """netD.zero_grad() stands between the two backward() calls and the optimizer's step."""
    netG, netD = conv_generator(100), conv_discriminator(nn.Sigmoid())
    optimizerG = optim.Adam(netG.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optimizerD = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    criterion = nn.BCELoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            output = netD(real).view(-1)
            errD_real = criterion(output, torch.ones(len(real)))
            errD_real.backward()
            fake = netG(torch.randn(len(real), 100, 1, 1))
            output = netD(fake.detach()).view(-1)
            errD_fake = criterion(output, torch.zeros(len(real)))
            errD_fake.backward()
            netD.zero_grad()
            optimizerD.step()

            netG.zero_grad()
            output = netD(fake).view(-1)
            errG = criterion(output, torch.ones(len(real)))
            errG.backward()
            optimizerG.step()
        doctor.epoch_end()


@case("discriminator-trained-in-generator-step")
def chained_parameters_in_the_generators_optimizer(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G's optimizer was made over both networks' parameters, chained."""
    G, D = dense_generator(), dense_discriminator(nn.Sigmoid())
    optimizer_G = optim.Adam(itertools.chain(G.parameters(), D.parameters()), lr=2e-4, betas=(0.5, 0.999))
    optimizer_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, optimizer_G, optimizer_D)
    gan_loss = nn.BCELoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            real_target, fake_target = torch.ones(real.size(0), 1), torch.zeros(real.size(0), 1)
            fake = G(torch.randn(real.size(0), 64))
            optimizer_G.zero_grad()
            gan_loss(D(fake), real_target).backward()
            optimizer_G.step()

            optimizer_D.zero_grad()
            loss_real = gan_loss(D(real), real_target)
            loss_fake = gan_loss(D(fake.detach()), fake_target)
            ((loss_real + loss_fake) * 0.5).backward()
            optimizer_D.step()
        doctor.epoch_end()


@case("discriminator-trained-in-generator-step")
def all_gradients_zeroed_once_at_the_top(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Zeroes both at the top; G's backward comes first and leaves its gradient on D for D's step."""
    gen, dis = FlatGenerator(100), dropout_discriminator()
    opts = optim.Adam(gen.parameters(), lr=3e-4, betas=(0.5, 0.999)), optim.Adam(dis.parameters(), lr=3e-4)
    doctor = make_doctor(gen, dis, *opts)
    loss_fn = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for batch, _ in data.loader():
            for opt in opts:
                opt.zero_grad()
            images = gen(torch.randn(len(batch), 100))
            verdict = dis(images)
            loss_fn(verdict, torch.ones_like(verdict)).backward()
            opts[0].step()

            verdict = dis(torch.cat([batch.flatten(1), images.detach()]))
            target = torch.cat([torch.ones(len(batch), 1), torch.zeros(len(batch), 1)])
            loss_fn(verdict, target).backward()
            opts[1].step()
        doctor.epoch_end()


@case("generator-trained-in-discriminator-step")
def gradient_of_the_discriminators_loss_left_on_g(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """No detach(), the graph kept for G, and both zeroed only at the top: D's gradient is in G's step too."""
    G, D = dense_generator(), dense_discriminator()
    opt_G = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            opt_G.zero_grad()
            opt_D.zero_grad()
            fake = G(torch.randn(real.size(0), 64))
            d_real, d_fake = D(real), D(fake)
            d_loss = criterion(d_real, torch.ones_like(d_real)) + criterion(d_fake, torch.zeros_like(d_fake))
            d_loss.backward(retain_graph=True)
            opt_D.step()

            d_fake = D(fake)
            g_loss = criterion(d_fake, torch.ones_like(d_fake))
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


class Experiment:
    """Networks and optimizers by name, and one method that takes an optimizer step on a loss."""

    def __init__(self) -> None:
        self.nets: dict[str, nn.Module] = {"G": dense_generator(100), "D": dense_discriminator(nn.Sigmoid())}
        self.opts = {name: optim.Adam(net.parameters(), 2e-4, (0.5, 0.999)) for name, net in self.nets.items()}

    def fake(self, n: int) -> torch.Tensor:
        return self.nets["G"](torch.randn(n, 100))

    def optimize(self, loss: torch.Tensor, names: str = "GD") -> None:
        for opt in self.opts.values():
            opt.zero_grad()
        loss.backward()
        for name in names:
            self.opts[name].step()


@case("generator-trained-in-discriminator-step")
def default_argument_steps_both(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A helper steps every optimizer unless told which; D's step does not say, nor does it detach the fakes."""
    exp = Experiment()
    doctor = make_doctor(exp.nets["G"], exp.nets["D"], exp.opts["G"], exp.opts["D"])
    D, bce = exp.nets["D"], nn.BCELoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            exp.optimize((bce(D(real), ones) + bce(D(exp.fake(len(real))), zeros)) / 2)
            exp.optimize(bce(D(exp.fake(len(real))), ones), "G")
        doctor.epoch_end()


@case("gradients-accumulate")
def zero_grad_of_the_wrong_optimizer(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The line that zeroes was copied from D's step to G's and still zeroes D."""
    generator, discriminator = dense_generator(), FlatDiscriminator()
    optim_g = optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    optim_d = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, optim_g, optim_d)
    loss = nn.BCELoss()
    for _ in range(epochs):
        for x, _ in data.loader():
            optim_d.zero_grad()
            d_x = discriminator(x.flatten(1))
            g_z = generator(torch.randn(len(x), 64)).flatten(1)
            d_g_z = discriminator(g_z.detach())
            loss_d = loss(d_x, torch.ones_like(d_x)) + loss(d_g_z, torch.zeros_like(d_g_z))
            loss_d.backward()
            optim_d.step()

            optim_d.zero_grad()
            d_g_z = discriminator(g_z)
            loss_g = loss(d_g_z, torch.ones_like(d_g_z))
            loss_g.backward()
            optim_g.step()
        doctor.epoch_end()


@case("gradients-accumulate")
def zeroed_once_an_epoch(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's zero_grad() is a level too far out: once an epoch. D is frozen while G learns."""
    netG, netD = conv_generator(), conv_discriminator()
    optG = optim.Adam(netG.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optD = optim.Adam(netD.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optG, optD)
    for _ in range(epochs):
        netD.zero_grad()
        for real, _ in data.loader():
            netD.requires_grad_(True)
            fake = netG(torch.randn(64, 64, 1, 1))
            lossD = 0.5 * ((netD(real) - 1).square().mean() + netD(fake.detach()).square().mean())
            lossD.backward()
            optD.step()

            netD.requires_grad_(False)
            netG.zero_grad()
            lossG = 0.5 * (netD(fake) - 1).square().mean()
            lossG.backward()
            optG.step()
        doctor.epoch_end()
