"""Correct loops, open half: the textbook's loop and its many spellings."""

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
    picture,
    transposed_generator,
    weights_init,
)


@case()
def lesson_with_bce(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The lesson's loop: sigmoid and BCELoss, two passes, one summed loss, fresh fakes for G's step."""
    G, D = mlp_generator(100), mlp_discriminator()
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _labels in data.loader():
            ones = torch.ones(len(real), 1)
            zeros = torch.zeros(len(real), 1)

            fake = G(torch.randn(len(real), 100))
            d_loss = criterion(D(real), ones) + criterion(D(fake.detach()), zeros)
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()

            fake = G(torch.randn(len(real), 100))
            g_loss = criterion(D(fake), ones)
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        doctor.epoch_end()


@case()
def lesson_with_logits(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The same with logits, a halved loss of D and the same fakes for both steps."""
    gen, disc = norm_generator(64), mlp_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    disc_opt = torch.optim.Adam(disc.parameters(), lr=2e-4)
    gen_opt = torch.optim.Adam(gen.parameters(), lr=2e-4)
    doctor = make_doctor(gen, disc, gen_opt, disc_opt)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = gen(torch.randn(real.shape[0], 64))
            disc_real = disc(real).reshape(-1)
            disc_fake = disc(fake.detach()).reshape(-1)
            loss_real = bce(disc_real, torch.ones_like(disc_real))
            loss_fake = bce(disc_fake, torch.zeros_like(disc_fake))
            loss_disc = (loss_real + loss_fake) / 2
            disc.zero_grad()
            loss_disc.backward()
            disc_opt.step()

            output = disc(fake).reshape(-1)
            loss_gen = bce(output, torch.ones_like(output))
            gen.zero_grad()
            loss_gen.backward()
            gen_opt.step()
        doctor.epoch_end()


@case()
def dcgan_two_backwards(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """DCGAN: convolutions, two backward passes for D, one refilled tensor of labels, pictures of a fixed noise."""
    netG, netD = transposed_generator(32), conv_discriminator()
    netG.apply(weights_init)
    netD.apply(weights_init)
    criterion = nn.BCELoss()
    fixed_noise = torch.randn(16, 32, 1, 1)
    optimizerD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optimizerG = torch.optim.Adam(netG.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    for _ in range(epochs):
        for i, batch in enumerate(data.loader()):
            netD.zero_grad()
            b_size = batch[0].size(0)
            label = torch.full((b_size,), 1.0)
            errD_real = criterion(netD(batch[0]).view(-1), label)
            errD_real.backward()
            fake = netG(torch.randn(b_size, 32, 1, 1))
            label.fill_(0.0)
            errD_fake = criterion(netD(fake.detach()).view(-1), label)
            errD_fake.backward()
            optimizerD.step()

            netG.zero_grad()
            label.fill_(1.0)
            errG = criterion(netD(fake).view(-1), label)
            errG.backward()
            optimizerG.step()
            if i == 31:
                with torch.no_grad():
                    picture(netG(fixed_noise))
        doctor.epoch_end()


@case()
def two_discriminator_steps(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Two steps of D on each minibatch, its fakes made under no_grad, and one step of G; D has dropout."""
    G, D = mlp_generator(), mlp_discriminator(dropout=0.3)
    loss_fn = nn.BCELoss()
    g_opt = torch.optim.Adam(G.parameters(), 3e-4, (0.5, 0.999))
    d_opt = torch.optim.Adam(D.parameters(), 1e-4, (0.5, 0.999))
    doctor = make_doctor(G, D, g_opt, d_opt)
    for _ in range(epochs):
        for images, _ in data.loader():
            n = images.size(0)
            for _step in range(2):
                with torch.no_grad():
                    fakes = G(torch.randn(n, 64))
                d_opt.zero_grad()
                loss_fn(D(images), torch.ones(n, 1)).backward()
                loss_fn(D(fakes), torch.zeros(n, 1)).backward()
                d_opt.step()
            g_opt.zero_grad()
            loss_fn(D(G(torch.randn(n, 64))), torch.ones(n, 1)).backward()
            g_opt.step()
        doctor.epoch_end()


@case()
def one_pass_over_both(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D sees real and fake images in one concatenated minibatch; labels made once for all."""
    batch_size, nz = 64, 100
    generator, discriminator = FunctionalGenerator(nz), FunctionalDiscriminator()
    loss_function = nn.BCELoss()
    optimizer_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.99))
    optimizer_generator = torch.optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.99))
    real_labels, fake_labels = torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    all_labels = torch.cat((real_labels, fake_labels))
    doctor = make_doctor(generator, discriminator, optimizer_generator, optimizer_discriminator)
    for _ in range(epochs):
        for real_samples, _ in data.loader(batch_size=batch_size):
            generated = generator(torch.randn(batch_size, nz))
            all_samples = torch.cat((real_samples.view(batch_size, -1), generated.detach()))
            discriminator.zero_grad()
            loss_discriminator = loss_function(discriminator(all_samples), all_labels)
            loss_discriminator.backward()
            optimizer_discriminator.step()

            generator.zero_grad()
            generated = generator(torch.randn(batch_size, nz))
            loss_generator = loss_function(discriminator(generated), real_labels)
            loss_generator.backward()
            optimizer_generator.step()
        doctor.epoch_end()


@case()
def generator_first(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """G's step comes first, D's follows on the same fakes, detached."""
    generator, discriminator = norm_generator(100), mlp_discriminator()
    adversarial_loss = nn.BCELoss()
    optimizer_G = torch.optim.Adam(generator.parameters(), lr=3e-4, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, optimizer_G, optimizer_D)
    for _epoch in range(epochs):
        for imgs, _ in data.loader():
            valid = torch.full((imgs.size(0), 1), 1.0)
            fake = torch.full((imgs.size(0), 1), 0.0)

            optimizer_G.zero_grad()
            gen_imgs = generator(torch.normal(0.0, 1.0, (imgs.shape[0], 100)))
            g_loss = adversarial_loss(discriminator(gen_imgs), valid)
            g_loss.backward()
            optimizer_G.step()

            optimizer_D.zero_grad()
            real_loss = adversarial_loss(discriminator(imgs), valid)
            fake_loss = adversarial_loss(discriminator(gen_imgs.detach()), fake)
            d_loss = 0.5 * (real_loss + fake_loss)
            d_loss.backward()
            optimizer_D.step()
        generator.eval()
        with torch.no_grad():
            picture(generator(torch.randn(25, 100)))
        generator.train()
        doctor.epoch_end()


@case()
def frozen_discriminator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D's parameters do not require gradients in G's step and do again in its own."""
    G, D = conv_generator(16), conv_discriminator(sigmoid=False, norm=False)
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for x, _ in data.loader():
            z = torch.randn(x.size(0), 16, 1, 1)
            x_fake = G(z)

            D.requires_grad_(False)
            opt_G.zero_grad()
            out = D(x_fake).squeeze()
            F.binary_cross_entropy_with_logits(out, torch.ones_like(out)).backward()
            opt_G.step()

            D.requires_grad_(True)
            opt_D.zero_grad()
            out_real, out_fake = D(x).squeeze(), D(x_fake.detach()).squeeze()
            loss = F.binary_cross_entropy_with_logits(out_real, torch.ones_like(out_real))
            loss = loss + F.binary_cross_entropy_with_logits(out_fake, torch.zeros_like(out_fake))
            loss.backward()
            opt_D.step()
        doctor.epoch_end()


@case()
def zeroed_in_place_with_rmsprop(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """RMSprop, gradients set to zeros and not to None, all at the start of an update; D's accuracy in eval mode."""
    G, D = mlp_generator(), mlp_discriminator(sigmoid=False, dropout=0.25)
    criterion = nn.BCEWithLogitsLoss()
    g_optim = torch.optim.RMSprop(G.parameters(), lr=1e-4)
    d_optim = torch.optim.RMSprop(D.parameters(), lr=1e-4)
    test_images, accuracies = data.scaled()[:200], []
    doctor = make_doctor(G, D, g_optim, d_optim)
    for _ in range(epochs):
        for real, _ in data.loader():
            g_optim.zero_grad(set_to_none=False)
            d_optim.zero_grad(set_to_none=False)
            fake = G(torch.randn(len(real), 64))
            pred_real, pred_fake = D(real), D(fake.detach())
            loss_real = criterion(pred_real, torch.ones_like(pred_real))
            loss_fake = criterion(pred_fake, torch.zeros_like(pred_fake))
            loss_real.backward()
            loss_fake.backward()
            d_optim.step()

            pred = D(fake)
            criterion(pred, torch.ones_like(pred)).backward()
            g_optim.step()
        D.eval()
        with torch.no_grad():
            accuracies.append((D(test_images) > 0).float().mean().item())
        D.train()
        doctor.epoch_end()


@case()
def flattened_with_sigmoid_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Images as rows of 784 in [0, 1] and a G that ends in a sigmoid; D learns by SGD with momentum, G by Adam."""
    G = nn.Sequential(nn.Linear(50, 200), nn.ReLU(), nn.Linear(200, 784), nn.Sigmoid())
    D = nn.Sequential(nn.Linear(784, 200), nn.LeakyReLU(0.1), nn.Linear(200, 1), nn.Sigmoid())
    opt_G = torch.optim.Adam(G.parameters(), lr=5e-4)
    opt_D = torch.optim.SGD(D.parameters(), lr=0.02, momentum=0.9)
    doctor = make_doctor(G, D, opt_G, opt_D)
    rows = (data.pixels.float() / 255).flatten(1)
    for _ in range(epochs):
        for index in torch.randperm(len(rows)).split(64):
            real = rows[index]
            noise = torch.randn(len(real), 50)
            p_real = D(real)[:, 0]
            p_fake = D(G(noise).detach())[:, 0]
            loss_D = F.binary_cross_entropy(p_real, torch.ones(len(real)))
            loss_D += F.binary_cross_entropy(p_fake, torch.zeros(len(real)))
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()

            p = D(G(noise))[:, 0]
            loss_G = F.binary_cross_entropy(p, torch.ones(len(real)))
            opt_G.zero_grad()
            loss_G.backward()
            opt_G.step()
        doctor.epoch_end()
