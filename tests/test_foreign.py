"""Other people's modules on our images, and our callbacks on other people's GANs."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

import generate
from datamodule import MNISTDataModule
from first_gan.callbacks.counting import samples as drawn_by
from first_gan.callbacks.health import HealthMonitor
from first_gan.callbacks.quality import QualityMonitor
from first_gan.callbacks.report import ReportWriter
from first_gan.callbacks.samples import SampleGrids
from first_gan.data import scaled
from first_gan.scores.judge import shipped
from tests.test_lightning import BARE, QUIET
from tests.test_train import steps


@pytest.fixture(autouse=True)
def no_lightning_chatter() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@pytest.fixture
def data(images_dir: Path) -> MNISTDataModule:
    return MNISTDataModule(data_dir=str(images_dir), train_rows=640, batch_size=64)


def test_somebody_elses_module_trains_validates_and_tests_on_our_images(data: MNISTDataModule) -> None:
    class Classifier(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
            self.seen: dict[str, list[int]] = {"train": [], "val": [], "test": []}

        def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
            return self.step("train", batch)

        def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            self.step("val", batch)

        def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
            self.log("correct", (self.model(batch[0]).argmax(1) == batch[1]).float().mean(), batch_size=len(batch[0]))
            self.step("test", batch)

        def step(self, split: str, batch: tuple[Tensor, Tensor]) -> Tensor:
            x, y = batch
            self.seen[split] += y.tolist()
            return nn.functional.cross_entropy(self.model(x), y)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), 1e-2)

    torch.manual_seed(0)
    module, trainer = Classifier(), Trainer(**BARE | {"num_sanity_val_steps": 0})
    trainer.fit(module, datamodule=data)
    (result,) = trainer.test(module, datamodule=data, verbose=False)
    assert result["correct"] > 0.3  # by chance a tenth: images and labels belong together, in all three
    images = data.images
    assert sorted(module.seen["train"]) == sorted(images.train_labels[:640].tolist())
    assert module.seen["val"] == images.train_labels[50_000:].tolist()
    assert module.seen["test"] == images.test_labels.tolist()


class Tutorial(LightningModule):
    """As most tutorials write it: two optimizers, manual optimization, metrics under names of its own."""

    def __init__(self, latent_dim: int = 16) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.automatic_optimization = False
        self.latent_dim = latent_dim
        self.G = nn.Sequential(
            nn.Linear(latent_dim, 64),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(64, 784),
            nn.Tanh(),
            nn.Unflatten(1, (1, 28, 28)),
        )
        self.ema = nn.Linear(1, 1)  # of whatever it likes
        self.D = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1), nn.Sigmoid())

    def sample(self, z: Tensor) -> Tensor:
        return self.G(z)

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        opt_g, opt_d = self.optimizers()  # type: ignore[attr-defined]
        ones, zeros = torch.ones(len(batch), 1), torch.zeros(len(batch), 1)
        bce = nn.functional.binary_cross_entropy
        fake = self.G(torch.randn(len(batch), self.latent_dim))
        d_loss = bce(self.D(batch), ones) + bce(self.D(fake.detach()), zeros)
        opt_d.zero_grad()
        self.manual_backward(d_loss)
        opt_d.step()
        g_loss = bce(self.D(fake), ones)
        opt_g.zero_grad()
        self.manual_backward(g_loss)
        opt_g.step()
        self.log_dict({"loss/disc": d_loss, "loss/gen": g_loss})

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(network.parameters(), 2e-4) for network in (self.G, self.D)]


@pytest.mark.parametrize("report_first", [False, True])
def test_the_callbacks_serve_a_foreign_gan(
    report_first: bool, data: MNISTDataModule, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"loss/disc": "train/d_loss", "loss/gen": "train/g_loss"}
    real = data.train_images
    health = HealthMonitor(real=real, names=names, folder=tmp_path)
    callbacks = [
        SampleGrids(tmp_path, real=real),
        QualityMonitor(samples=500, judge=shipped("mnist"), images=data.images),
        health,
        ReportWriter(tmp_path, images=data.images, train_rows=640),
    ]
    if report_first:
        callbacks.reverse()
    logger = TensorBoardLogger(tmp_path, name="", version="tb")
    trainer = Trainer(
        **QUIET | {"max_epochs": 2, "logger": logger, "log_every_n_steps": 2, "enable_checkpointing": False},
        callbacks=callbacks,
    )
    module = Tutorial()
    trainer.fit(module, DataLoader(scaled(real), 64))  # type: ignore[arg-type]
    assert module.G.training
    assert {path.name for path in (tmp_path / "samples").iterdir()} == {
        "real.png",
        "epoch_0000.png",
        "epoch_0001.png",
        "epoch_0002.png",
    }
    assert steps(tmp_path / "tb", "samples/generated") == [0, 10, 20]
    assert steps(tmp_path / "tb", "val/fcd") == steps(tmp_path / "tb", "train/diversity") == [10, 20]
    assert health.diagnosis is not None
    assert health.diagnosis.verdict == "too early to tell"  # 20 updates
    assert "nan" not in health.diagnosis.answers["convergence"].answer  # its losses arrived, under their own names
    assert "train/d_accuracy is not logged" in health.diagnosis.answers["d_dominance"].answer
    assert (tmp_path / "summary.json").is_file()
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "too early to tell" in page
    assert "Is it copying?" in page
    assert "Verdict after epoch 1: too early to tell" in capsys.readouterr().out


def test_the_callbacks_draw_in_eval_mode_and_leave_every_layer_as_it_was() -> None:
    module = Tutorial()
    module.D.eval()  # of a person who wants it so
    z = torch.randn(8, 16)
    assert torch.equal(drawn_by(module, z), drawn_by(module, z))  # without dropout
    assert (module.training, module.G.training, module.G[2].training, module.D.training) == (True, True, True, False)


def test_the_package_is_installed_alone_and_works_from_another_folder(tmp_path: Path) -> None:
    root, source, target = Path(generate.__file__).parent, tmp_path / "source", tmp_path / "site"
    source.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "train.py", "gan_module.py", "gan_networks.py"):
        shutil.copy(root / name, source)
    for name in ("first_gan", "networks"):
        shutil.copytree(root / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*install, "--target", str(target), str(source)], check=True, capture_output=True, cwd=tmp_path)
    assert {path.name for path in target.iterdir() if path.suffix != ".dist-info"} == {"first_gan"}
    script = (
        "import first_gan; from first_gan import SampleGrids, HealthMonitor, QualityMonitor, ReportWriter, shipped; "
    )
    script += "from first_gan.report import page; assert (page.HERE / 'templates/report.html').is_file(); "
    script += "print(first_gan.__file__, shipped('mnist').sha256)"
    environment = {**os.environ, "PYTHONPATH": str(target)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert str(target) in done.stdout
