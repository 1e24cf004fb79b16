"""The GAN, the data and the callbacks as a Lightning user would use them: with a plain Trainer, other loaders, other modules."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pytorch_lightning import Trainer, seed_everything
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import evaluate
import generate
from datamodule import MNISTDataModule
from first_gan.callbacks.quality import QualityMonitor
from first_gan.data import TRAIN_IMAGES, scaled
from first_gan.data.loader import EpochOrder, MinibatchLoader
from first_gan.scores import scoring
from first_gan.scores.judge import shipped
from gan_module import GAN, Discriminator, Generator

QUIET: dict[str, Any] = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
BARE = QUIET | {"logger": False, "enable_checkpointing": False, "max_epochs": 1}


@pytest.fixture(autouse=True)
def no_lightning_chatter() -> None:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(320, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def data(images_dir: Path) -> MNISTDataModule:
    return MNISTDataModule(data_dir=str(images_dir), train_rows=640, batch_size=64)


def minibatches(images: Tensor) -> DataLoader:
    return DataLoader(images, 64)  # type: ignore[arg-type]


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_networks_without_arguments_are_the_lessons_and_forward_draws() -> None:
    assert Generator()(torch.randn(3, 100)).shape == (3, 1, 28, 28)
    assert Discriminator()(torch.randn(3, 1, 28, 28)).shape == (3, 1)
    assert GAN()(torch.randn(2, 100)).shape == (2, 1, 28, 28)


@pytest.mark.parametrize("kind", ["images", "pairs", "lists", "bytes"])
def test_any_ordinary_loader_trains_it_alike(kind: str, images: Tensor) -> None:
    labels = torch.zeros(len(images))
    loaders: dict[str, Any] = {
        "images": DataLoader(images, 64),  # type: ignore[arg-type]
        "pairs": DataLoader(TensorDataset(images, labels), 64),
        "lists": DataLoader(
            TensorDataset(images, labels), 64, collate_fn=lambda pairs: [torch.stack([x for x, _ in pairs]), None]
        ),
        "bytes": DataLoader(((images + 1) * 127.5).round().byte(), 64),  # type: ignore[arg-type]
    }
    weights = []
    for loader in (loaders[kind], minibatches(images)):
        torch.manual_seed(0)
        gan = GAN(seed=1)
        Trainer(**BARE).fit(gan, loader)
        weights.append(state(gan))
        assert gan.updates == 5
    for name, tensor in weights[0].items():
        torch.testing.assert_close(tensor, weights[1][name], rtol=0, atol=5e-3 if kind == "bytes" else 0)


def test_predict_draws_from_latent_vectors_in_eval_mode() -> None:
    gan = GAN(partial(Generator, batch_norm=True))
    z = torch.randn(10, 100)
    drawn = Trainer(**BARE).predict(gan, DataLoader(z, 4))  # type: ignore[arg-type]
    in_tuples = Trainer(**BARE).predict(gan, DataLoader(TensorDataset(z), 4))
    assert drawn is not None
    assert in_tuples is not None
    for parts in (drawn, in_tuples):
        torch.testing.assert_close(torch.cat(parts), gan.sample(z))  # type: ignore[arg-type]


def test_loaders_need_no_trainer_and_no_setup(data: MNISTDataModule, arrays: dict[str, Tensor]) -> None:
    images, labels = next(iter(data.val_dataloader()))
    assert torch.equal(images, scaled(arrays[TRAIN_IMAGES][50_000:50_064]))
    assert labels.dtype == torch.int64
    assert len(data.train_dataloader()) == 10
    assert len(data.test_dataloader()) == -(-10_000 // 64)


def test_stock_callbacks_see_what_is_measured(data: MNISTDataModule, tmp_path: Path) -> None:
    seed_everything(0, verbose=False)
    quality = QualityMonitor(samples=500, judge=shipped("mnist"), images=data.images)
    best = ModelCheckpoint(tmp_path, "best", monitor="val/fcd")
    stop = EarlyStopping("val/fcd", stopping_threshold=1e9)  # which the first score is below
    losses = ModelCheckpoint(tmp_path / "losses", monitor="train/g_loss", mode="max")
    trainer = Trainer(
        **QUIET | {"max_epochs": 3, "logger": CSVLogger(tmp_path), "log_every_n_steps": 4},
        callbacks=[quality, best, stop, losses],
    )
    trainer.fit(GAN(lr=1e-3), datamodule=data)
    metrics = trainer.callback_metrics
    assert {"val/fcd", "val/coverage", "train/d_loss", "train/d_accuracy", "train/images_per_second"} <= metrics.keys()
    assert best.best_model_score == pytest.approx(quality.best_fcd)
    assert (tmp_path / "best.ckpt").is_file()
    assert losses.best_model_score is not None
    history = (tmp_path / "lightning_logs/version_0/metrics.csv").read_text(encoding="utf-8").splitlines()
    rows = [dict(zip(history[0].split(","), line.split(","), strict=True)) for line in history[1:]]
    xs = {name: [int(row["step"]) for row in rows if row[name]] for name in ("train/d_loss", "val/fcd")}
    assert xs == {"train/d_loss": [4, 8, 10], "val/fcd": [10]}  # it stopped after one epoch of three


@pytest.mark.parametrize(
    ("limits", "updates"),
    [
        ({"max_steps": 7}, 4),
        ({"limit_train_batches": 3}, 3),
        ({"limit_train_batches": 0.4}, 2),
        ({"fast_dev_run": True}, 1),
    ],
)
def test_lightnings_own_limits_end_after_whole_updates(limits: dict[str, Any], updates: int, images: Tensor) -> None:
    gan = GAN()
    Trainer(**BARE | limits).fit(gan, minibatches(images))
    assert (gan.updates, gan.global_step) == (updates, 2 * updates)


@pytest.mark.parametrize(("batches", "at_once"), [(8, 4), (7, 4), (3, 32)])
def test_a_stream_without_length_is_trained_to_its_end(batches: int, at_once: int) -> None:
    class Stream(IterableDataset):
        def __iter__(self) -> Any:
            return iter(torch.rand(batches, 16, 1, 28, 28))

    gan = GAN(steps_per_execution=at_once)
    Trainer(**BARE | {"max_epochs": 2}).fit(gan, DataLoader(Stream(), batch_size=None))
    assert gan.updates == 2 * batches


def test_transfer_hooks_of_the_module_and_of_its_data_are_called(
    data: MNISTDataModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    class Hooked(GAN):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            seen.append("module")
            return batch[0].clamp(-0.5, 0.5)

        def update(self, real: Tensor) -> dict[str, Tensor]:
            assert real.abs().max() <= 0.5
            return super().update(real)

    def of_data(self: Any, batch: Any, dataloader_idx: int) -> Any:
        seen.append("data")
        return batch

    monkeypatch.setattr(MNISTDataModule, "on_before_batch_transfer", of_data)
    Trainer(**BARE).fit(Hooked(), datamodule=data)
    assert seen == ["data", "module"] * 10


def test_lightning_cli_trains_and_logs(images_dir: Path, tmp_path: Path) -> None:
    arguments = ["fit", "--data.data_dir", str(images_dir), "--data.train_rows", "640", "--data.batch_size", "64"]
    arguments += [
        "--trainer.max_epochs",
        "1",
        "--trainer.accelerator",
        "cpu",
        "--trainer.log_every_n_steps",
        "4",
        "--model.generator.widths",
        "[32]",
    ]
    arguments += [
        "--trainer.logger",
        "CSVLogger",
        "--trainer.logger.save_dir",
        str(tmp_path),
        "--trainer.enable_progress_bar",
        "false",
    ]
    cli = LightningCLI(GAN, MNISTDataModule, args=arguments, seed_everything_default=3)
    assert cli.model.generator.model[0].out_features == 32
    assert cli.model.hparams["seed"] == cli.datamodule.seed == 3
    assert "train/d_loss" in (tmp_path / "lightning_logs/version_0/metrics.csv").read_text(encoding="utf-8")
    generate_from(next(tmp_path.rglob("*.ckpt")))


def generate_from(checkpoint: Path) -> None:
    assert generate.main([str(checkpoint), "--num", "4", "--out", "drawn.png"]) == 0
    assert Path("drawn.png").is_file()


def test_a_scripts_seed_decides_weights_noise_and_shuffle(images: Tensor) -> None:
    def trained(seed: int) -> tuple[dict[str, Tensor], Tensor]:
        seed_everything(seed, verbose=False)
        gan, data = GAN(), MNISTDataModule(dataset="digits")
        first = state(gan)
        Trainer(**BARE).fit(gan, minibatches(images))
        order = MNISTDataModule(dataset="digits")
        assert gan.hparams["seed"] == data.seed == order.seed == seed
        return first, torch.cat([tensor.flatten() for tensor in state(gan).values()])

    ours, again, other = trained(3), trained(3), trained(4)
    assert torch.equal(ours[1], again[1])
    assert not torch.equal(ours[0]["generator.model.0.weight"], other[0]["generator.model.0.weight"])
    gans = []
    for seed in (3, 4):  # the same weights: only the noise differs
        torch.manual_seed(0)
        gan = GAN(seed=seed)
        Trainer(**BARE).fit(gan, minibatches(images))
        gans.append(state(gan)["generator.model.0.weight"])
    assert not torch.equal(*gans)


def test_training_leaves_the_processs_own_random_state_alone(images: Tensor) -> None:
    gan = GAN(ema_decay=0.9, r1=0.1)
    loader = MinibatchLoader(images.add(1).mul(127).byte(), torch.zeros(len(images)), 64, EpochOrder(len(images), 0))
    before = torch.get_rng_state()
    Trainer(**BARE | {"max_epochs": 2}).fit(gan, loader)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_moving_average_is_of_the_generator_that_is_trained(images: Tensor, tmp_path: Path) -> None:
    class Mine(GAN):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.generator = Generator(widths=[7])

    gan = Mine(ema_decay=0.9)
    trainer = Trainer(**BARE)
    trainer.fit(gan, minibatches(images))
    assert gan.ema is not None
    assert [tensor.shape for tensor in gan.ema.parameters()] == [tensor.shape for tensor in gan.generator.parameters()]
    assert not any(weights.requires_grad for weights in gan.ema.parameters())
    trainer.save_checkpoint(tmp_path / "mine.ckpt")
    loaded = Mine.load_from_checkpoint(tmp_path / "mine.ckpt")
    z = torch.randn(4, 100)
    torch.testing.assert_close(loaded.eval()(z), gan.eval()(z))


def test_a_plain_trainers_checkpoint_is_drawn_from_scored_and_loaded(
    data: MNISTDataModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gan = GAN(partial(Generator, widths=[64]), ema_decay=0.9)
    trainer = Trainer(**QUIET, logger=False, max_epochs=1, default_root_dir=tmp_path)
    trainer.fit(gan, datamodule=data)
    path = next(tmp_path.rglob("*.ckpt"))
    generate_from(path)
    monkeypatch.setattr(scoring, "SAMPLES", 300)
    assert evaluate.main([str(path)]) == 0
    loaded = GAN.load_from_checkpoint(path)
    z = torch.randn(4, 100)
    torch.testing.assert_close(loaded.eval()(z), gan.eval()(z))
    assert loaded.hparams["generator"] == {
        "class_path": "gan_networks.Generator",
        "init_args": {"widths": [64]},
    }


def test_hooks_of_a_step_are_called_once_for_each_optimizers_step(images: Tensor) -> None:
    class Counting(GAN):
        hooks = 0

        def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
            self.hooks += 1

    gan = Counting(d_steps=2)
    Trainer(**BARE).fit(gan, minibatches(images))
    assert gan.hooks == 15


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])  # whose casts must not be cached from update to update
def test_the_updates_do_not_depend_on_how_many_a_training_step_runs(images: Tensor, precision: Any) -> None:
    weights = []
    for at_once in (1, 3, 1000):
        torch.manual_seed(0)
        gan = GAN(partial(Generator, batch_norm=True), ema_decay=0.9, r1=0.2, steps_per_execution=at_once, seed=5)
        Trainer(**BARE | {"max_epochs": 2, "precision": precision}).fit(gan, minibatches(images))
        weights.append(state(gan))
    assert all(torch.equal(weights[0][name], other[name]) for other in weights[1:] for name in other)


def test_images_of_another_shape_are_named(images: Tensor) -> None:
    with pytest.raises(ValueError, match=r"GAN\(image_shape=\(1, 14, 14\)\)"):
        Trainer(**BARE).fit(GAN(), minibatches(images[:, :, ::2, ::2]))


def test_no_private_attribute_of_lightning_is_touched() -> None:
    """Names that begin with one underscore, of anything but `self` and what a class of ours defines."""
    import ast

    root = Path(generate.__file__).parent
    files = [*root.glob("*.py"), *(root / "first_gan").rglob("*.py"), *(root / "networks").glob("*.py")]
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                owner = ast.unparse(node.value)
                if node.attr == "_repr_mimebundle_":  # what notebooks ask of any object
                    continue
                if node.attr not in ("_actions", "_group_actions", "_action_groups"):  # argparse's, the same since 2.7
                    assert owner in ("self", "os"), f"{path.name}: {owner}.{node.attr}"
        assert "fit_loop.epoch_loop" not in path.read_text(encoding="utf-8")
