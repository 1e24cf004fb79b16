"""DoctorCallback: finds the networks of LightningModules of several people's styles, and watches them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from datamodule import MNISTDataModule
from first_gan.callbacks import DoctorCallback
from gan_module import GAN

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
BARE = QUIET | {"logger": False, "enable_checkpointing": False, "max_epochs": 2}


class Tutorial(LightningModule):
    """After the pattern of Lightning's own example: D last to be made, G's step first, optimizers toggled; other names."""

    def __init__(self, labels: tuple[float, float] = (1.0, 0.0)) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.labels = labels
        self.critique = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
        self.painter = nn.ModuleDict({"net": nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))})

    def forward(self, z: Tensor) -> Tensor:
        return self.painter["net"](z)

    def training_step(self, batch: Tensor) -> None:
        g_optimizer, d_optimizer = self.optimizers()  # type: ignore[attr-defined]
        real, fake = torch.full((len(batch), 1), self.labels[0]), torch.full((len(batch), 1), self.labels[1])
        bce = nn.functional.binary_cross_entropy_with_logits
        self.toggle_optimizer(g_optimizer)
        g_loss = bce(self.critique(self(torch.randn(len(batch), 8))), torch.ones(len(batch), 1))
        self.manual_backward(g_loss)
        g_optimizer.step()
        g_optimizer.zero_grad()
        self.untoggle_optimizer(g_optimizer)
        self.toggle_optimizer(d_optimizer)
        generated = self(torch.randn(len(batch), 8)).detach()
        d_loss = (bce(self.critique(batch), real) + bce(self.critique(generated), fake)) / 2
        self.manual_backward(d_loss)
        d_optimizer.step()
        d_optimizer.zero_grad()
        self.untoggle_optimizer(d_optimizer)

    def configure_optimizers(self) -> Any:
        g = torch.optim.Adam(self.painter["net"].parameters(), 2e-4, (0.5, 0.999))
        return [g, torch.optim.Adam(self.critique.parameters(), 2e-4, (0.5, 0.999))], []


@pytest.fixture
def loader() -> DataLoader:
    images = torch.rand(640, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return DataLoader(images, 32, shuffle=True)  # type: ignore[arg-type]


def test_it_finds_the_networks_whatever_they_are_called(loader: DataLoader, capsys: pytest.CaptureFixture[str]) -> None:
    module, callback = Tutorial(), DoctorCallback()
    Trainer(**BARE, callbacks=[callback]).fit(module, loader)
    doctor = callback.doctor
    assert doctor is not None
    assert doctor._watch.sides["g"].network is module.painter["net"]
    assert doctor._watch.sides["d"].network is module.critique
    assert doctor.updates == 2 * 20 - 1  # the first one tells the networks
    assert (doctor.faults, doctor.failure) == ([], None)
    assert [row["epoch"] for row in doctor.rows] == [0, 1]
    assert {"train/d_real", "train/d_fake", "train/g_loss"} <= set(doctor.rows[-1])
    assert "doctor, epoch 1: too early to tell" in capsys.readouterr().out
    assert "first-gan" in Path("doctor.html").read_text(encoding="utf-8")
    assert module.critique._forward_hooks == {}


def test_a_fault_is_named(loader: DataLoader) -> None:
    callback = DoctorCallback("painter.net", "critique", quiet=True)
    Trainer(**BARE, callbacks=[callback]).fit(Tutorial(labels=(0.0, 1.0)), loader)
    assert callback.doctor is not None
    assert [fault.name for fault in callback.doctor.faults] == ["labels-swapped"]
    assert callback.doctor.updates == 2 * 20


def test_nothing_that_is_learned_changes(loader: DataLoader) -> None:
    learned = []
    for callbacks in ([], [DoctorCallback(quiet=True)]):
        torch.manual_seed(0)
        module = Tutorial()
        Trainer(**BARE, callbacks=callbacks).fit(module, loader)
        learned.append(torch.cat([each.detach().flatten() for each in module.parameters()]))
    assert torch.equal(*learned)


def test_this_programs_gan_is_watched_and_no_report_is_overwritten(images_dir: Path) -> None:
    data = MNISTDataModule(data_dir=str(images_dir), train_rows=640, batch_size=64)
    for name in ("doctor.html", "doctor_2.html"):
        callback = DoctorCallback(quiet=True)
        Trainer(**BARE, callbacks=[callback]).fit(GAN(steps_per_execution=4), data)
        assert callback.doctor is not None
        assert (callback.doctor.faults, callback.doctor.failure, callback.doctor.updates) == ([], None, 2 * 10 - 4)
        assert callback.doctor.settings["model.latent_dim"] == 100
        assert Path(name).is_file()
    assert len(list(Path().glob("doctor*.html"))) == 2


def test_a_report_is_left_of_a_loop_that_breaks(loader: DataLoader) -> None:
    class Breaking(Tutorial):
        def training_step(self, batch: Tensor) -> None:
            if self.current_epoch == 1:
                raise ZeroDivisionError
            super().training_step(batch)

    with pytest.raises(ZeroDivisionError):
        Trainer(**BARE, callbacks=[DoctorCallback(report="pages/mine.html", quiet=True)]).fit(Breaking(), loader)
    assert Path("pages/mine.html").is_file()


class OneOptimizer(Tutorial):
    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters())


class BothInBoth(Tutorial):
    def configure_optimizers(self) -> Any:
        return [torch.optim.Adam(self.parameters()) for _ in range(2)], []


@pytest.mark.parametrize(
    ("module", "callback", "words"),
    [
        (OneOptimizer, DoctorCallback(), "two optimizers, G's and D's; this one has 1"),
        (BothInBoth, DoctorCallback(), "name both networks"),
        (Tutorial, DoctorCallback("G", "critique"), "no network 'G'; it has critique, painter"),
    ],
)
def test_networks_that_cannot_be_told_are_asked_for(
    module: type[Tutorial], callback: DoctorCallback, words: str, loader: DataLoader
) -> None:
    with pytest.raises(ValueError, match=words):
        Trainer(**BARE, callbacks=[callback]).fit(module(), loader)


def test_one_name_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="name both networks, or none"):
        DoctorCallback("G")
