"""Correct loops of the closed half: networks and tricks."""

import copy

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


def weights_init(m: nn.Module) -> None:
    """As the DCGAN paper has it."""
    if isinstance(m, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(m.weight, 0.0, 0.02)
    elif isinstance(m, nn.BatchNorm2d):
        nn.init.normal_(m.weight, 1.0, 0.02)
        nn.init.zeros_(m.bias)


@case()
def dcgan_with_smooth_labels_and_fixed_noise(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """DCGAN from N(0, 0.02) weights, real label 0.9, two backward() for D, pictures of one fixed z each epoch."""
    nz = 100
    netG, netD = conv_generator(nz), conv_discriminator(nn.Sigmoid())
    netG.apply(weights_init)
    netD.apply(weights_init)
    criterion = nn.BCELoss()
    fixed_noise = torch.randn(64, nz, 1, 1)
    optimizerD = optim.Adam(netD.parameters(), lr=3e-4, betas=(0.5, 0.999))
    optimizerG = optim.Adam(netG.parameters(), lr=1.2e-3, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optimizerG, optimizerD)
    img_list = []
    for _ in range(epochs):
        for i, (real, _) in enumerate(data.loader()):
            netD.zero_grad()
            label = torch.full((real.size(0),), 0.9)
            errD_real = criterion(netD(real).view(-1), label)
            errD_real.backward()
            fake = netG(torch.randn(real.size(0), nz, 1, 1))
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
                    img_list.append(netG(fixed_noise).cpu())
        doctor.epoch_end()


def augment(x: torch.Tensor) -> torch.Tensor:
    """Brightness and a shift by up to two pixels, differentiable, for each picture its own."""
    x = x + 0.2 * (torch.rand(len(x), 1, 1, 1) - 0.5)
    padded = F.pad(x, (2, 2, 2, 2), value=-1.0)
    rows = torch.arange(28) + torch.randint(0, 5, (len(x), 1))
    columns = torch.arange(28) + torch.randint(0, 5, (len(x), 1))
    picture = torch.arange(len(x))[:, None, None]
    return padded[picture, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


@case()
def differentiable_augmentation(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """All that D sees, in both steps, is shifted and brightened by a differentiable augmentation."""
    G, D = dense_generator(), dense_discriminator()
    opt_G = optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=4e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for reals, _ in data.loader():
            fakes = G(torch.randn(len(reals), 64))
            real_scores = D(augment(reals))
            fake_scores = D(augment(fakes.detach()))
            loss_D = F.relu(1 - real_scores).mean() + F.relu(1 + fake_scores).mean()
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()

            loss_G = -D(augment(fakes)).mean()
            opt_G.zero_grad()
            loss_G.backward()
            opt_G.step()
        doctor.epoch_end()


class ConditionalGenerator(nn.Module):
    """Draws the class it is told, by an embedding beside z."""

    def __init__(self, nz: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 10)
        self.net = dense_generator(nz + 10)

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.net(torch.cat([z, self.embedding(labels)], dim=1))


class ConditionalDiscriminator(nn.Module):
    """Judges a picture together with its class."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 16)
        self.net = nn.Sequential(nn.Linear(800, 128), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(128, 1))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.net(torch.cat([images.flatten(1), self.embedding(labels)], dim=1)))


@case()
def conditional_with_embeddings(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """A conditional GAN; G's labels are drawn anew and each epoch it draws ten of each class."""
    generator, discriminator = ConditionalGenerator(50), ConditionalDiscriminator()
    g_opt = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    d_opt = optim.Adam(discriminator.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, g_opt, d_opt)
    bce = nn.BCELoss()
    for _ in range(epochs):
        for images, labels in data.loader():
            n = len(images)
            z, wanted = torch.randn(n, 50), torch.randint(0, 10, (n,))
            made = generator(z, wanted)
            d_opt.zero_grad()
            d_loss = bce(discriminator(images, labels), torch.ones(n, 1))
            d_loss = d_loss + bce(discriminator(made.detach(), wanted), torch.zeros(n, 1))
            (0.5 * d_loss).backward()
            d_opt.step()

            g_opt.zero_grad()
            bce(discriminator(made, wanted), torch.ones(n, 1)).backward()
            g_opt.step()
        generator.eval()
        with torch.no_grad():
            generator(torch.randn(100, 50), torch.arange(10).repeat_interleave(10))
        generator.train()
        doctor.epoch_end()


@case()
def dropout_in_both_networks(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Dropout in G too; train() at the top of each epoch, eval() for the pictures after it."""
    G = nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.2)
    ).append(nn.Sequential(nn.Linear(128, 784), nn.Tanh()))
    D = dropout_discriminator()
    optimizers = {"G": optim.Adam(G.parameters(), 5e-4, (0.5, 0.9)), "D": optim.Adam(D.parameters(), 2e-4, (0.5, 0.9))}
    doctor = make_doctor(G, D, optimizers["G"], optimizers["D"])
    bce = F.binary_cross_entropy_with_logits
    for _ in range(epochs):
        G.train()
        D.train()
        for batch, _ in data.loader():
            real = batch.reshape(-1, 784)
            optimizers["D"].zero_grad()
            d_real = D(real)
            bce(d_real, torch.ones_like(d_real)).backward()
            d_fake = D(G(torch.randn(len(real), 64)).detach())
            bce(d_fake, torch.zeros_like(d_fake)).backward()
            optimizers["D"].step()

            optimizers["G"].zero_grad()
            d_fake = D(G(torch.randn(len(real), 64)))
            bce(d_fake, torch.ones_like(d_fake)).backward()
            optimizers["G"].step()
        G.eval()
        D.eval()
        with torch.no_grad():
            pictures = G(torch.randn(200, 64))
            torch.sigmoid(D(pictures)).mean().item()
        doctor.epoch_end()


@case()
def moving_average_of_the_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """An exponential moving average of G, copied from it before the first epoch, draws the pictures."""
    G, D = FlatGenerator(64), FlatDiscriminator()
    opt_g = optim.Adam(G.parameters(), lr=5e-4, betas=(0.5, 0.999))
    opt_d = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_g, opt_d)
    ema = copy.deepcopy(G).eval().requires_grad_(False)
    fixed_z = torch.randn(64, 64)
    for _ in range(epochs):
        for x, _ in data.loader():
            opt_d.zero_grad()
            fake = G(torch.randn(x.size(0), 64))
            p_real, p_fake = D(x.flatten(1)), D(fake.detach())
            d_loss = -(torch.log(p_real + 1e-8) + torch.log(1 - p_fake + 1e-8)).mean()
            d_loss.backward()
            opt_d.step()

            opt_g.zero_grad()
            g_loss = -torch.log(D(fake) + 1e-8).mean()
            g_loss.backward()
            opt_g.step()
            with torch.no_grad():
                for slow, fast in zip(ema.parameters(), G.parameters(), strict=True):
                    slow.lerp_(fast, 0.02)
                for name, buffer in ema.named_buffers():
                    buffer.copy_(G.get_buffer(name))
        ema(fixed_z)
        doctor.epoch_end()


@case()
def autocast_to_bfloat16(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Forward passes and losses of both steps under autocast to bfloat16."""
    G = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 784), nn.Tanh())
    D = nn.Sequential(nn.Linear(784, 32), nn.GELU(), nn.Linear(32, 1))
    g_optimizer = optim.AdamW(G.parameters(), lr=1e-3, betas=(0.5, 0.999), weight_decay=1e-4)
    d_optimizer = optim.AdamW(D.parameters(), lr=5e-4, betas=(0.5, 0.999), weight_decay=1e-4)
    doctor = make_doctor(G, D, g_optimizer, d_optimizer)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for real, _ in data.loader(data.scaled().flatten(1)):
            d_optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                fake = G(torch.randn(real.size(0), 16))
                logits_real, logits_fake = D(real), D(fake.detach())
                d_loss = criterion(logits_real, torch.ones_like(logits_real))
                d_loss = d_loss + criterion(logits_fake, torch.zeros_like(logits_fake))
            d_loss.backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = D(fake)
                g_loss = criterion(logits, torch.ones_like(logits))
            g_loss.backward()
            g_optimizer.step()
        doctor.epoch_end()


class ClassifyingDiscriminator(nn.Module):
    """Two heads: real or not, and which class."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.LeakyReLU(0.2), nn.Dropout(0.25))
        self.adv_layer = nn.Sequential(nn.Linear(128, 1), nn.Sigmoid())
        self.aux_layer = nn.Linear(128, 10)

    def forward(self, img: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.body(img)
        return self.adv_layer(out), self.aux_layer(out)


@case()
def auxiliary_classifier(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """ACGAN: D answers with a tuple of validity and class, and both networks are graded on both."""
    generator, discriminator = ConditionalGenerator(64), ClassifyingDiscriminator()
    adversarial, auxiliary = nn.BCELoss(), nn.CrossEntropyLoss()
    opt_g = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.5, 0.999))
    opt_d = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, opt_g, opt_d)
    for _ in range(epochs):
        for imgs, labels in data.loader():
            valid, fake = torch.ones(len(imgs), 1), torch.zeros(len(imgs), 1)
            opt_g.zero_grad()
            gen_labels = torch.randint(0, 10, (len(imgs),))
            gen_imgs = generator(torch.randn(len(imgs), 64), gen_labels)
            validity, pred = discriminator(gen_imgs)
            (0.5 * (adversarial(validity, valid) + auxiliary(pred, gen_labels))).backward()
            opt_g.step()

            opt_d.zero_grad()
            real_pred, real_aux = discriminator(imgs)
            d_real = (adversarial(real_pred, valid) + auxiliary(real_aux, labels)) / 2
            fake_pred, fake_aux = discriminator(gen_imgs.detach())
            d_fake = (adversarial(fake_pred, fake) + auxiliary(fake_aux, gen_labels)) / 2
            ((d_real + d_fake) / 2).backward()
            opt_d.step()
        doctor.epoch_end()
