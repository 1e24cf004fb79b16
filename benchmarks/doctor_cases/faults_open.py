"""Loops with one fault each, open half: faults of the data, the noise, the rates and the modes."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

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
)


@case("real-range")
def images_straight_from_to_tensor(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Images as ToTensor() leaves them, in [0, 1], against a generator that ends in tanh."""
    G, D = mlp_generator(100), mlp_discriminator()
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real_imgs, _labels in data.loader(data.pixels / 255):
            valid, fake = torch.ones(len(real_imgs), 1), torch.zeros(len(real_imgs), 1)
            opt_G.zero_grad()
            gen_imgs = G(torch.randn(len(real_imgs), 100))
            criterion(D(gen_imgs), valid).backward()
            opt_G.step()
            opt_D.zero_grad()
            d_loss = (criterion(D(real_imgs), valid) + criterion(D(gen_imgs.detach()), fake)) / 2
            d_loss.backward()
            opt_D.step()
        doctor.epoch_end()


@case("real-range")
def normalized_as_for_a_classifier(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """MNIST normalized with its mean and standard deviation, as classifiers want it, against a DCGAN with tanh."""
    netG, netD = conv_generator(32), conv_discriminator(sigmoid=False)
    mean, std = 0.1307, 0.3081
    loader = data.loader((data.pixels.float() / 255 - mean) / std)
    criterion = nn.BCEWithLogitsLoss()
    optG = torch.optim.Adam(netG.parameters(), lr=5e-4, betas=(0.5, 0.999))
    optD = torch.optim.Adam(netD.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, optG, optD)
    for _ in range(epochs):
        for x, _ in loader:
            netD.zero_grad()
            out = netD(x).view(-1)
            criterion(out, torch.ones_like(out)).backward()
            fake = netG(torch.randn(x.size(0), 32, 1, 1))
            out = netD(fake.detach()).view(-1)
            criterion(out, torch.zeros_like(out)).backward()
            optD.step()
            netG.zero_grad()
            out = netD(fake).view(-1)
            criterion(out, torch.ones_like(out)).backward()
            optG.step()
        doctor.epoch_end()


@case("same-noise")
def fixed_noise_in_training(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The noise kept for comparing pictures is also what both steps train on."""
    G, D = norm_generator(), mlp_discriminator(sigmoid=False)
    fixed_noise = torch.randn(64, 64)
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(fixed_noise)
            real_logits, fake_logits = D(real), D(fake.detach())
            d_loss = F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
            d_loss = d_loss + F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()
            fake_logits = D(fake)
            g_loss = F.binary_cross_entropy_with_logits(fake_logits, torch.ones_like(fake_logits))
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        with torch.no_grad():
            picture(G(fixed_noise))
        doctor.epoch_end()


@case("same-noise")
def one_vector_for_the_whole_minibatch(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Noise is drawn anew at each step, but as one vector repeated for all images of the minibatch."""
    G, D = mlp_generator(50), mlp_discriminator(sigmoid=False, dropout=0.3)
    optim_g = torch.optim.Adam(G.parameters(), lr=2e-4)
    optim_d = torch.optim.Adam(D.parameters(), lr=2e-4)
    doctor = make_doctor(G, D, optim_g, optim_d)

    def noise(n: int) -> Tensor:
        return torch.randn(50).repeat(n, 1)

    for _ in range(epochs):
        for x, _ in data.loader():
            optim_d.zero_grad()
            with torch.no_grad():
                x_fake = G(noise(len(x)))
            (F.softplus(-D(x)) + F.softplus(D(x_fake))).mean().backward()
            optim_d.step()
            optim_g.zero_grad()
            F.softplus(-D(G(noise(len(x))))).mean().backward()
            optim_g.step()
        doctor.epoch_end()


@case("noise-mismatch")
def pictures_from_normal_noise(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Trained on noise uniform in [-1, 1]; the pictures after each epoch come from a normal distribution."""
    G, D = FunctionalGenerator(64), FunctionalDiscriminator()
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4)
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4)
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for images, _ in data.loader():
            n = len(images)
            images = images.view(n, 784)
            z = torch.empty(n, 64).uniform_(-1, 1)
            D.zero_grad()
            fakes = G(z)
            d_loss = criterion(D(images), torch.ones(n, 1)) + criterion(D(fakes.detach()), torch.zeros(n, 1))
            d_loss.backward()
            opt_D.step()
            G.zero_grad()
            z = torch.empty(n, 64).uniform_(-1, 1)
            g_loss = criterion(D(G(z)), torch.ones(n, 1))
            g_loss.backward()
            opt_G.step()
        with torch.no_grad():
            picture(G(torch.randn(64, 64)))
        doctor.epoch_end()


@case("noise-mismatch")
def rand_for_randn(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Trained on normal noise; the function for pictures says torch.rand."""
    G, D = conv_generator(32), conv_discriminator(sigmoid=False)

    def show_samples(n: int = 36) -> Tensor:
        G.eval()
        with torch.no_grad():
            samples = G(torch.rand(n, 32, 1, 1))
        G.train()
        return picture(samples)

    opt_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=5e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            fake = G(torch.randn(len(real), 32, 1, 1))
            d_loss = F.softplus(-D(real)).mean() + F.softplus(D(fake.detach())).mean()
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()
            g_loss = F.softplus(-D(fake)).mean()
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
        show_samples()
        doctor.epoch_end()


@case("unshuffled")
def sorted_by_class(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """The images were sorted by class and the DataLoader keeps their order."""
    G, D = norm_generator(), mlp_discriminator()
    order = data.labels.argsort()
    loader = DataLoader(TensorDataset(data.scaled()[order], data.labels[order]), batch_size=64)
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in loader:
            ones, zeros = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            opt_D.zero_grad()
            fake = G(torch.randn(len(real), 64))
            (criterion(D(real), ones) + criterion(D(fake.detach()), zeros)).backward()
            opt_D.step()
            opt_G.zero_grad()
            criterion(D(fake), ones).backward()
            opt_G.step()
        doctor.epoch_end()


@case("unshuffled")
def folder_by_folder(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Images gathered class by class, as from a folder for each, and cut into minibatches in that order."""
    G, D = mlp_generator(), mlp_discriminator(sigmoid=False)
    images = torch.cat([data.scaled()[data.labels == digit] for digit in range(10)])
    mse = nn.MSELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for start in range(0, len(images), 64):
            real = images[start : start + 64]
            fake = G(torch.randn(len(real), 64))
            scores = D(fake)
            g_loss = mse(scores, torch.ones_like(scores))
            opt_G.zero_grad()
            g_loss.backward()
            opt_G.step()
            scores = D(torch.cat([real, fake.detach()]))
            target = torch.cat([torch.ones(len(real), 1), torch.zeros(len(fake), 1)])
            d_loss = mse(scores, target)
            opt_D.zero_grad()
            d_loss.backward()
            opt_D.step()
        doctor.epoch_end()
