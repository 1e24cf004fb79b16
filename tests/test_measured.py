"""What is measured is what its name says; who draws what, from which random stream; and files that survive a power cut."""

import json
import os
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_lightning import Callback, Trainer
from torch import Tensor, nn

import evaluate
from datamodule import MNISTDataModule
from first_gan import files
from first_gan.data import TRAIN_IMAGES, scaled
from first_gan.drawing.latent import latent_vectors
from first_gan.report.pictures import open_picture
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from first_gan.run.checkpoints import images_of
from first_gan.scores import metrics, scoring
from first_gan.scores.judge import shipped
from first_gan.scores.scoring import Reference, all_scores, draw
from first_gan.training import gradient_norm, move_average
from gan_module import GAN, HERE, Generator
from tests.test_lightning import BARE, minibatches
from tests.test_train import FOLDER, Run


def test_an_updates_metrics_are_what_their_names_say() -> None:
    """With learning rates of 0, so that the weights which were measured are still there."""

    class Recording(GAN):
        measured: dict[str, Tensor]
        noise_state: Tensor

        def on_train_batch_start(self, *_: Any) -> None:
            assert self.noise is not None
            self.noise_state = self.noise.get_state()

        def on_train_batch_end(self, outputs: dict[str, Tensor], *_: Any) -> None:  # type: ignore[override]
            self.measured = outputs

    torch.manual_seed(0)
    real = torch.rand(64, 1, 28, 28) * 2 - 1
    gan = Recording(lr_g=0.0, lr_d=0.0)
    nn.init.constant_(
        gan.discriminator.model[-1].bias, 0.02
    )  # so that D is right on more of one kind than of the other
    Trainer(**BARE).fit(gan, minibatches(real))
    torch.set_rng_state(gan.noise_state)
    fakes = [gan.generator(torch.randn(64, 100)) for _ in range(2)]
    real_logits, fake_logits = gan.discriminator(real), gan.discriminator(fakes[0].detach())
    d_loss = -real_logits.sigmoid().log().mean() - (1 - fake_logits.sigmoid()).log().mean()
    g_loss = -gan.discriminator(fakes[1]).sigmoid().log().mean()
    right = torch.cat([real_logits > 0, fake_logits < 0]).float()
    assert ((real_logits > 0).float().mean() - (fake_logits < 0).float().mean()).abs() > 0.05
    norms = {}
    for name, loss, network in (("d", d_loss, gan.discriminator), ("g", g_loss, gan.generator)):
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        norms[f"train/{name}_grad_norm"] = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    expected = norms | {
        "train/d_loss": d_loss,
        "train/g_loss": g_loss,
        "train/d_real": real_logits.sigmoid().mean(),
        "train/d_fake": fake_logits.sigmoid().mean(),
        "train/d_accuracy": right.mean(),
    }
    assert gan.measured.keys() == expected.keys()
    assert (expected["train/d_real"] - expected["train/d_fake"]).abs() > 1e-4
    for name, value in expected.items():
        torch.testing.assert_close(gan.measured[name][0], value.detach(), rtol=1e-4, atol=1e-6, msg=name)


def test_gs_step_leaves_ds_gradients_alone() -> None:
    """What the D step left is still there, so nothing was computed for G's step to throw away."""
    gan = GAN(lr_d=0.0)
    seen: list[Tensor] = []

    class Watching(Callback):
        def on_before_optimizer_step(self, trainer: Trainer, module: Any, optimizer: torch.optim.Optimizer) -> None:
            gradient = gan.discriminator.model[-1].weight.grad  # type: ignore[union-attr]
            seen.append(gradient.clone())

    Trainer(**BARE, callbacks=[Watching()]).fit(gan, minibatches(torch.rand(32, 1, 28, 28) * 2 - 1))
    assert len(seen) == 2
    assert torch.equal(*seen)


def test_a_gradients_norm_is_of_all_weights_together() -> None:
    layer = nn.Linear(2, 1)
    layer.weight.grad, layer.bias.grad = torch.tensor([[3.0, 0.0]]), torch.tensor([4.0])
    assert gradient_norm(torch.optim.SGD(layer.parameters(), 0.1)).item() == 5


def test_images_stay_in_range_however_large_z_is() -> None:
    for generator in (Generator(), Generator(batch_norm=True).eval()):
        images = generator(1e6 * torch.randn(8, 100))
        assert images.abs().max() <= 1
        assert images.min() < -0.9
        assert images.max() > 0.9


def test_an_average_is_of_weights_and_buffers_alike_and_counters_are_copied() -> None:
    average, network = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    network(torch.randn(50, 3) + 5)
    nn.init.constant_(network.weight, 3.0)
    before = {name: tensor.clone() for name, tensor in average.state_dict().items()}
    move_average(average, network, 0.75)
    for name, tensor in average.state_dict().items():
        now = network.state_dict()[name]
        expected = 0.75 * before[name] + 0.25 * now if tensor.is_floating_point() else now
        torch.testing.assert_close(tensor, expected, msg=name)
    assert average.num_batches_tracked is not None
    assert average.num_batches_tracked.item() == 1


def test_the_noise_differs_by_rank_and_by_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = {}
    gan = GAN(seed=3)
    for rank, epoch in ((0, 0), (1, 0), (0, 1), (0, 0)):
        monkeypatch.setattr(GAN, "global_rank", rank)
        monkeypatch.setattr(GAN, "current_epoch", epoch)
        gan.on_train_epoch_start()
        z = gan.sample_latent(4)
        if (rank, epoch) in drawn:
            assert torch.equal(z, drawn[rank, epoch])
        drawn[rank, epoch] = z
    assert len({tuple(z.flatten().tolist()) for z in drawn.values()}) == 3


def test_each_rank_trains_on_rows_of_its_own(images_dir: Path) -> None:
    seen = []
    for rank in range(2):
        data = MNISTDataModule(data_dir=str(images_dir), train_rows=100, batch_size=10, seed=0)
        strategy = SimpleNamespace(root_device=torch.device("cpu"))
        data.trainer = SimpleNamespace(strategy=strategy, global_rank=rank, world_size=2)  # type: ignore[assignment]
        loader = data.train_dataloader()
        assert len(loader) == 5
        seen.append(loader.sampler.indices())
    assert len(torch.cat(seen).unique()) == 100


def test_a_file_is_on_disk_before_it_takes_the_old_ones_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (order.append("fsync"), fsync(handle))[1])
    monkeypatch.setattr(Path, "replace", lambda self, to: (order.append("replace"), replace(self, to))[1])
    files.write(tmp_path / "x", b"new")
    assert order == ["fsync", "replace"]
    assert (tmp_path / "x").read_bytes() == b"new"


def test_diversity_is_of_the_trained_weights_as_a_share_of_real_images(
    run: Run, small: list[str], arrays: dict[str, Tensor]
) -> None:
    run(*small, "--model.ema_decay", "0.99", "--model.lr", "1e-3")
    (_, real), *_ = ((name, images) for name, images in arrays.items() if name.startswith("train-images"))
    path = FOLDER / run_folder.LAST
    gan = checkpoints.load_gan(path, checkpoints.load_checkpoint(path), HERE)
    z = latent_vectors(512, 100, seed=0)
    spacings = [metrics.spacing(gan.sample(z, network)) for network in (gan.generator, gan.ema)]
    real_spacing = metrics.spacing(scaled(real[:512]))
    logged = run_folder.read_metrics(FOLDER)[-1]["train/diversity"]
    assert logged == pytest.approx(spacings[0] / real_spacing, rel=1e-4)
    assert logged != pytest.approx(spacings[1] / real_spacing, rel=1e-3)


def test_evaluate_tells_the_trained_weights_from_their_average(
    trained_run: Path, images_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SAMPLES", 300)
    path = Path(shutil.copy(trained_run / run_folder.LAST, tmp_path / "copy.ckpt"))
    assert evaluate.main([str(path), "--data_dir", str(images_dir)]) == 0
    scores = json.loads((tmp_path / "copy.evaluation.json").read_text(encoding="utf-8"))["scores"]
    checkpoint = checkpoints.load_checkpoint(path)
    gan = checkpoints.load_gan(path, checkpoint, HERE)
    data, _, _ = images_of(path, checkpoint, str(images_dir))
    reference = Reference(shipped("mnist"), data.test)
    for name, network in (("raw", gan.generator), ("ema", gan.ema)):
        expected = all_scores(draw(network, gan.latent_dim, 300, 0), reference, data)
        assert scores[name]["fcd"] == pytest.approx(expected["fcd"], rel=1e-6)
        assert scores[name]["parzen"] == pytest.approx(expected["parzen"], rel=1e-6)
    assert scores["raw"]["parzen"] != pytest.approx(scores["ema"]["parzen"], rel=1e-4)


def test_a_generators_options_reach_its_layers() -> None:
    gan = GAN(partial(Generator, widths=[5], batch_norm=True), lr_g=0.0, lr_d=1e-3, ema_decay=0.5)
    assert [type(layer).__name__ for layer in gan.generator.model] == [
        "Linear",
        "BatchNorm1d",
        "LeakyReLU",
        "Linear",
        "Tanh",
    ]  # type: ignore[union-attr]
    assert [optimizer.defaults["lr"] for optimizer in gan.configure_optimizers()] == [0.0, 1e-3]


def test_the_report_looks_for_copies_among_the_images_that_are_trained_on(
    run: Run, small: list[str], arrays: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator that copies training images is found out: the distances are 0."""
    copies = scaled(arrays[TRAIN_IMAGES][500:516])
    sample = GAN.sample
    monkeypatch.setattr(GAN, "sample", lambda self, z, *by: copies if len(z) == 16 else sample(self, z, *by))
    run(*small)
    record = json.loads((FOLDER / run_folder.RECORD).read_text(encoding="utf-8"))
    assert record["distances"] == [0.0] * 16
    assert record["real_distance"] > 1
    assert len(record["classes"]) == len(record["class_names"]) == 10
    strip = open_picture(FOLDER / run_folder.NEAREST, 1000)
    assert strip is not None
    pixels = np.asarray(strip)
    assert np.array_equal(pixels[:28], pixels[28:])
    assert np.array_equal(pixels[:28, :28], arrays[TRAIN_IMAGES][500, 0].numpy())


def test_the_grid_of_real_images_shows_those_that_are_trained_on(
    run: Run, small: list[str], arrays: dict[str, Tensor]
) -> None:
    run(*small)
    shown = np.asarray(Image.open(FOLDER / "samples/real.png").convert("L"))
    assert np.array_equal(shown[6:90:3, 6:90:3], arrays[TRAIN_IMAGES][0, 0].numpy())
