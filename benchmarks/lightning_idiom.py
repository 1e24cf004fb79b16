"""(b) The lesson's loop in Lightning's idiom: toggled optimizers, log_dict with a bar, a DataLoader, the Trainer's defaults."""

import tempfile

import torch
import torch.nn.functional as F
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor

from benchmarks.worker import Job, Tally, lesson_discriminator, lesson_generator, lesson_loader


class IdiomaticGAN(LightningModule):
    def __init__(self, device: str) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.discriminator = lesson_generator(), lesson_discriminator()
        self.tally = Tally(device)

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        networks = (self.generator, self.discriminator)
        return [torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in networks]

    def on_train_start(self) -> None:
        self.tally = Tally(self.tally.device)

    def on_train_epoch_end(self) -> None:
        self.tally.epoch()

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        real, _ = batch
        g_optimizer, d_optimizer = self.optimizers()  # type: ignore[attr-defined]
        ones, zeros = torch.ones(len(real), 1).type_as(real), torch.zeros(len(real), 1).type_as(real)

        self.toggle_optimizer(d_optimizer)
        fake = self.generator(torch.randn(len(real), 100).type_as(real))
        real_loss = F.binary_cross_entropy(self.discriminator(real), ones)
        d_loss = real_loss + F.binary_cross_entropy(self.discriminator(fake.detach()), zeros)
        self.manual_backward(d_loss)
        d_optimizer.step()
        d_optimizer.zero_grad()
        self.untoggle_optimizer(d_optimizer)

        self.toggle_optimizer(g_optimizer)
        fake = self.generator(torch.randn(len(real), 100).type_as(real))
        g_loss = F.binary_cross_entropy(self.discriminator(fake), ones)
        self.manual_backward(g_loss)
        g_optimizer.step()
        g_optimizer.zero_grad()
        self.untoggle_optimizer(g_optimizer)

        self.log_dict({"d_loss": d_loss, "g_loss": g_loss}, prog_bar=True)
        self.tally.count(len(real))


def main() -> None:
    job = Job.from_command_line()
    gan = IdiomaticGAN(job.device)
    with tempfile.TemporaryDirectory() as folder:
        accelerator = "gpu" if job.device == "cuda" else "cpu"
        trainer = Trainer(max_epochs=job.epochs, accelerator=accelerator, devices=1, default_root_dir=folder)
        trainer.fit(gan, lesson_loader(job))
        print()
        gan.tally.report()


if __name__ == "__main__":
    main()
