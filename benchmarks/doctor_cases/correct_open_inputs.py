"""Correct loops, open half: noise, labels and classes that differ from the textbook's."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.doctor_cases import Images, MakeDoctor, case
from benchmarks.doctor_cases.nets_open import conv_generator, mlp_discriminator, mlp_generator, norm_generator, picture


@case()
def fading_instance_noise(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D sees all images through Gaussian noise that fades to nothing over the run."""
    G, D = mlp_generator(), mlp_discriminator(sigmoid=False)
    bce = nn.BCEWithLogitsLoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    step, total = 0, epochs * 32
    for _ in range(epochs):
        for real, _ in data.loader():
            std = 0.3 * (1 - step / total)
            fake = G(torch.randn(len(real), 64))
            out_real = D(real + std * torch.randn_like(real))
            out_fake = D(fake.detach() + std * torch.randn_like(real))
            loss = bce(out_real, torch.ones_like(out_real)) + bce(out_fake, torch.zeros_like(out_fake))
            opt_D.zero_grad()
            loss.backward()
            opt_D.step()

            out = D(fake + std * torch.randn_like(fake))
            loss = bce(out, torch.ones_like(out))
            opt_G.zero_grad()
            loss.backward()
            opt_G.step()
            step += 1
        doctor.epoch_end()


@case()
def soft_and_noisy_labels(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Labels drawn from 0.8 to 1 for real images and 0 to 0.2 for fakes, of which 5 % are flipped for D."""
    G, D = norm_generator(), mlp_discriminator(dropout=0.2)
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=4e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            n = len(real)
            real_label = 0.8 + 0.2 * torch.rand(n, 1)
            fake_label = 0.2 * torch.rand(n, 1)
            flip = torch.rand(n, 1) < 0.05
            labels_for_real = torch.where(flip, fake_label, real_label)
            labels_for_fake = torch.where(flip, real_label, fake_label)

            opt_D.zero_grad()
            criterion(D(real), labels_for_real).backward()
            fake = G(torch.randn(n, 64))
            criterion(D(fake.detach()), labels_for_fake).backward()
            opt_D.step()

            opt_G.zero_grad()
            criterion(D(fake), real_label).backward()
            opt_G.step()
        doctor.epoch_end()


class ConditionalGenerator(nn.Module):
    """(N, 32) and classes (N,) to (N, 1, 28, 28)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 10)
        self.net = mlp_generator(42)

    def forward(self, z: Tensor, classes: Tensor) -> Tensor:
        return self.net(torch.cat([z, self.embed(classes)], dim=1))


class ConditionalDiscriminator(nn.Module):
    """(N, 1, 28, 28) and classes (N,) to probabilities (N, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(784 + 10, 128)
        self.fc2 = nn.Linear(128, 1)

    def forward(self, images: Tensor, classes: Tensor) -> Tensor:
        x = torch.cat([images.flatten(1), F.one_hot(classes, 10).float()], dim=1)
        return torch.sigmoid(self.fc2(F.dropout(F.leaky_relu(self.fc1(x), 0.2), 0.2, self.training)))


@case()
def conditional_on_classes(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Both networks are told the class: of real images their own, of fakes a drawn one."""
    G, D = ConditionalGenerator(), ConditionalDiscriminator()
    criterion = nn.BCELoss()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        for images, labels in data.loader():
            n = images.size(0)
            opt_D.zero_grad()
            fake_labels = torch.randint(0, 10, (n,))
            fake_images = G(torch.randn(n, 32), fake_labels)
            real_loss = criterion(D(images, labels), torch.ones(n, 1))
            fake_loss = criterion(D(fake_images.detach(), fake_labels), torch.zeros(n, 1))
            (real_loss + fake_loss).backward()
            opt_D.step()

            opt_G.zero_grad()
            fake_labels = torch.randint(0, 10, (n,))
            fake_images = G(torch.randn(n, 32), fake_labels)
            criterion(D(fake_images, fake_labels), torch.ones(n, 1)).backward()
            opt_G.step()
        with torch.no_grad():
            picture(G(torch.randn(20, 32), torch.arange(20) % 10))
        doctor.epoch_end()


@case()
def uniform_noise_throughout(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """Noise uniform in [-1, 1], in training as for the pictures, which are drawn in eval mode."""
    latent_size = 40

    def sample_z(n: int) -> Tensor:
        return torch.rand(n, latent_size) * 2 - 1

    G, D = norm_generator(latent_size), mlp_discriminator()
    opt_G = torch.optim.Adam(G.parameters(), lr=3e-4)
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-4)
    doctor = make_doctor(G, D, opt_G, opt_D)
    for _ in range(epochs):
        G.train()
        for real, _ in data.loader():
            p_real = D(real)
            p_fake = D(G(sample_z(len(real))).detach())
            loss_D = F.binary_cross_entropy(p_real, torch.ones_like(p_real))
            loss_D = loss_D + F.binary_cross_entropy(p_fake, torch.zeros_like(p_fake))
            opt_D.zero_grad()
            loss_D.backward()
            opt_D.step()

            p = D(G(sample_z(len(real))))
            loss_G = F.binary_cross_entropy(p, torch.ones_like(p))
            opt_G.zero_grad()
            loss_G.backward()
            opt_G.step()
        G.eval()
        with torch.inference_mode():
            picture(G(sample_z(64)))
        doctor.epoch_end()


@case()
def patch_discriminator(make_doctor: MakeDoctor, data: Images, epochs: int) -> None:
    """D judges 7 x 7 patches by least squares, as in pix2pix; G is of convolutions."""
    G = conv_generator(32)
    D = nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(8, 16, 4, 2, 1),
        nn.InstanceNorm2d(16),
        nn.LeakyReLU(0.2),
        nn.Conv2d(16, 1, 3, 1, 1),
    )
    criterion_GAN = nn.MSELoss()
    optimizer_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_D = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.5, 0.999))
    doctor = make_doctor(G, D, optimizer_G, optimizer_D)
    for _ in range(epochs):
        for real, _ in data.loader():
            valid = torch.ones(real.size(0), 1, 7, 7)
            fake = torch.zeros(real.size(0), 1, 7, 7)
            optimizer_G.zero_grad()
            generated = G(torch.randn(real.size(0), 32, 1, 1))
            criterion_GAN(D(generated), valid).backward()
            optimizer_G.step()

            optimizer_D.zero_grad()
            loss_real = criterion_GAN(D(real), valid)
            loss_fake = criterion_GAN(D(generated.detach()), fake)
            ((loss_real + loss_fake) / 2).backward()
            optimizer_D.step()
        doctor.epoch_end()
