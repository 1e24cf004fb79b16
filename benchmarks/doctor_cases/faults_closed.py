"""Faulty loops of the closed half: pictures, their order, and noise."""

import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_closed import (
    FlatDiscriminator,
    FlatGenerator,
    conv_generator,
    dense_discriminator,
    dense_generator,
    dropout_discriminator,
)


@case("real-range")
def mean_and_deviation_of_a_classifier_tutorial(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Pictures normalized by the data set's own mean and standard deviation; G ends in tanh."""
    train = data.pixels.float() / 255
    train = train.sub(train.mean()).div(train.std())
    netG, netD = FlatGenerator(100), dropout_discriminator(nn.Sigmoid())
    g_optim = optim.Adam(netG.parameters(), lr=4e-4, betas=(0.5, 0.999))
    d_optim = optim.Adam(netD.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(netG, netD, g_optim, d_optim)
    loss = nn.BCELoss()
    for _ in range(epochs):
        for x, _ in data.loader(train):
            d_optim.zero_grad()
            real = netD(x.view(x.size(0), -1))
            fake = netD(netG(torch.randn(x.size(0), 100)).detach())
            d_loss = loss(real, torch.ones_like(real)) + loss(fake, torch.zeros_like(fake))
            d_loss.backward()
            d_optim.step()

            g_optim.zero_grad()
            fake = netD(netG(torch.randn(x.size(0), 100)))
            g_loss = loss(fake, torch.ones_like(fake))
            g_loss.backward()
            g_optim.step()
        doctor.epoch_end()


class SigmoidGenerator(nn.Module):
    """Ends as the autoencoder did that it was taken from."""

    def __init__(self) -> None:
        super().__init__()
        self.decode = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU())
        self.out = nn.Linear(128, 784)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.out(self.decode(z))).view(-1, 1, 28, 28)


@case("real-range")
def decoder_of_an_autoencoder_as_generator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Normalize((0.5,), (0.5,)) for the real pictures while G, once a decoder, ends in a sigmoid."""
    decoder, critic = SigmoidGenerator(), dense_discriminator()
    opt_dec = optim.Adam(decoder.parameters(), lr=5e-4, betas=(0.5, 0.999))
    opt_critic = optim.Adam(critic.parameters(), lr=3e-4, betas=(0.5, 0.999))
    doctor = make_doctor(decoder, critic, opt_dec, opt_critic)
    normalized = (data.pixels / 255 - 0.5) / 0.5
    for _ in range(epochs):
        for images, _ in data.loader(normalized):
            opt_dec.zero_grad()
            out = decoder(torch.randn(len(images), 64))
            F.mse_loss(critic(out), torch.ones(len(images), 1)).backward()
            opt_dec.step()

            opt_critic.zero_grad()
            loss = F.mse_loss(critic(images), torch.ones(len(images), 1))
            loss = (loss + F.mse_loss(critic(out.detach()), torch.zeros(len(images), 1))) / 2
            loss.backward()
            opt_critic.step()
        doctor.epoch_end()


@case("unshuffled")
def one_tensor_per_class_put_together(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Reads one folder per class, as cat() leaves them, and lets the DataLoader take its default order."""
    images = data.scaled()
    folders = [images[data.labels == digit] for digit in range(10)]
    dataset = TensorDataset(torch.cat(folders))
    loader = DataLoader(dataset, batch_size=64, drop_last=True)
    G, D = dense_generator(100), dense_discriminator(nn.Sigmoid())
    opt_G = optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    bce = nn.BCELoss()
    real_label, fake_label = torch.ones(64, 1), torch.zeros(64, 1)
    for _ in range(epochs):
        for (real,) in loader:
            fake = G(torch.randn(64, 100))
            D.zero_grad()
            bce(D(real), real_label).backward()
            bce(D(fake.detach()), fake_label).backward()
            opt_D.step()
            G.zero_grad()
            bce(D(fake), real_label).backward()
            opt_G.step()
        doctor.epoch_end()


@case("unshuffled")
def shuffled_within_the_batch_only(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Cuts class-sorted arrays into batches by hand and permutes the rows of each batch only."""
    by_class = torch.argsort(data.labels, stable=True)
    x_train = data.scaled()[by_class].flatten(1)
    batch_size, nz = 64, 64
    gen, dis = FlatGenerator(nz), dropout_discriminator()
    gen_opt, dis_opt = (
        optim.Adam(gen.parameters(), 4e-4, (0.5, 0.999)),
        optim.Adam(dis.parameters(), 4e-4, (0.5, 0.999)),
    )
    doctor = make_doctor(gen, dis, gen_opt, dis_opt)
    for _ in range(epochs):
        for start in range(0, len(x_train) - batch_size + 1, batch_size):
            batch = x_train[start : start + batch_size]
            batch = batch[torch.randperm(batch_size)]
            d_loss = F.softplus(-dis(batch)).mean() + F.softplus(dis(gen(torch.randn(batch_size, nz)).detach())).mean()
            dis_opt.zero_grad()
            d_loss.backward()
            dis_opt.step()
            g_loss = F.softplus(-dis(gen(torch.randn(batch_size, nz)))).mean()
            gen_opt.zero_grad()
            g_loss.backward()
            gen_opt.step()
        doctor.epoch_end()


def reproducible_noise(n: int, nz: int, seed: int = 42) -> torch.Tensor:
    """Noise that does not depend on the global seed."""
    return torch.randn(n, nz, generator=torch.Generator().manual_seed(seed))


@case("same-noise")
def helper_that_seeds_at_every_call(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Takes its noise from a helper that makes and seeds a random generator at every call."""
    G, D = dense_generator(), dense_discriminator()
    g_opt = optim.Adam(G.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_opt = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, g_opt, d_opt)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for real, _ in data.loader():
            n = len(real)
            d_opt.zero_grad()
            pred = D(torch.cat([real, G(reproducible_noise(n, 64)).detach()]))
            criterion(pred, torch.cat([torch.ones(n, 1), torch.zeros(n, 1)])).backward()
            d_opt.step()

            g_opt.zero_grad()
            criterion(D(G(reproducible_noise(n, 64))), torch.ones(n, 1)).backward()
            g_opt.step()
        doctor.epoch_end()


@case("same-noise")
def one_row_expanded_to_the_batch(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Draws one row of z at each update and expands it to the size of the batch."""
    z_dim = 100
    G, D = dense_generator(z_dim), FlatDiscriminator()
    optim_G = optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    optim_D = optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, optim_G, optim_D)
    loss = nn.BCELoss()
    for _ in range(epochs):
        for x, _ in data.loader():
            b = x.size(0)
            y_real, y_fake = torch.ones(b, 1), torch.zeros(b, 1)
            noise = torch.randn(1, z_dim).expand(b, -1)
            generated = G(noise).flatten(1)
            optim_D.zero_grad()
            D_loss = 0.5 * (loss(D(x.flatten(1)), y_real) + loss(D(generated.detach()), y_fake))
            D_loss.backward()
            optim_D.step()
            optim_G.zero_grad()
            G_loss = loss(D(generated), y_real)
            G_loss.backward()
            optim_G.step()
        doctor.epoch_end()


@case("noise-mismatch")
def one_letter_between_the_two_functions(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Trains on torch.rand and draws the epoch's pictures from torch.randn."""
    latent = 100
    generator, discriminator = conv_generator(latent), dense_discriminator()
    g_optimizer = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(generator, discriminator, g_optimizer, d_optimizer)
    criterion = nn.BCEWithLogitsLoss()
    for _ in range(epochs):
        for real_images, _ in data.loader():
            size = real_images.size(0)
            noise = torch.rand(size, latent, 1, 1)
            fake_images = generator(noise)

            d_optimizer.zero_grad()
            real_out = discriminator(real_images).view(-1)
            fake_out = discriminator(fake_images.detach()).view(-1)
            (criterion(real_out, torch.ones(size)) + criterion(fake_out, torch.zeros(size))).backward()
            d_optimizer.step()

            g_optimizer.zero_grad()
            criterion(discriminator(fake_images).view(-1), torch.ones(size)).backward()
            g_optimizer.step()
        generator.eval()
        with torch.no_grad():
            generator(torch.randn(36, latent, 1, 1)).add(1).div(2)
        generator.train()
        doctor.epoch_end()


@torch.inference_mode()
def picture_grid(G: nn.Module, nz: int, rows: int = 8) -> torch.Tensor:
    """Square of pictures, rows by rows, at points spread evenly over the cube [-1, 1]."""
    z = torch.empty(rows * rows, nz).uniform_(-1, 1)
    return G(z).view(rows, rows, 28, 28).transpose(1, 2).reshape(rows * 28, rows * 28)


@case("noise-mismatch")
def plotting_helper_of_another_project(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Trains on normal noise; the helper that plots, from elsewhere, takes uniform noise in [-1, 1]."""
    G, D = dense_generator(64), dense_discriminator()
    opt_G, opt_D = optim.RMSprop(G.parameters(), lr=2e-4), optim.RMSprop(D.parameters(), lr=1e-4)
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for x, _ in data.loader():
            z = torch.empty(len(x), 64).normal_()
            opt_D.zero_grad()
            loss_D = F.relu(1 - D(x)).mean() + F.relu(1 + D(G(z).detach())).mean()
            loss_D.backward()
            opt_D.step()
            opt_G.zero_grad()
            loss_G = -D(G(z)).mean()
            loss_G.backward()
            opt_G.step()
        picture_grid(G, 64)
        doctor.epoch_end()
