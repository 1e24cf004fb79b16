"""Other networks: by class, by name and by instance; pairs that do not fit; and what a file may name."""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from pytorch_lightning import Trainer
from torch import Tensor, nn

import generate
from first_gan.networks import NetworkError
from first_gan.run import checkpoints
from first_gan.run import folder as run_folder
from gan_module import GAN, HERE, Discriminator, Generator
from networks import dcgan
from tests.test_lightning import BARE, minibatches
from tests.test_train import FOLDER, Run, weights

DCGAN = ["--model.generator", "networks.dcgan.Generator", "--model.discriminator", "networks.dcgan.Discriminator"]
NARROW = ["--model.generator.width", "4", "--model.discriminator.width", "4"]


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 28, 20), (3, 32, 32), (1, 64, 64), (3, 24, 48)])
def test_dcgan_draws_and_judges_any_shape_that_can_be_halved(shape: tuple[int, int, int]) -> None:
    gan = GAN(partial(dcgan.Generator, width=4), partial(dcgan.Discriminator, width=4), latent_dim=5, image_shape=shape)
    images = gan.sample(1e6 * torch.randn(3, 5))
    assert images.shape == (3, *shape)
    assert images.abs().max() <= 1
    assert gan.discriminator(images).shape == (3, 1)
    sides = [layer.kernel_size for layer in gan.modules() if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))]
    assert set(sides) == {(4, 4)}
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in gan.discriminator.modules())
    assert any(isinstance(layer, nn.BatchNorm2d) for layer in gan.generator.modules())


def test_dcgans_weights_begin_small() -> None:
    layers = [layer for layer in dcgan.Generator().modules() if isinstance(layer, (nn.Linear, nn.ConvTranspose2d))]
    layers += [layer for layer in dcgan.Discriminator().modules() if isinstance(layer, nn.Conv2d)]
    assert len(layers) == 5
    assert all(layer.weight.std().item() == pytest.approx(0.02, rel=0.15) for layer in layers)


def test_dcgans_hidden_layers_see_the_whole_image() -> None:
    """Without one D's logit is a sum over places: what is changed at one corner matters alike, whatever is at the other."""
    torch.manual_seed(0)
    generator = dcgan.Generator(width=4, hidden=12)
    assert [layer.out_features for layer in generator.modules() if isinstance(layer, nn.Linear)] == [12, 8 * 49]
    assert generator(torch.randn(3, 100)).shape == (3, 1, 28, 28)
    images = torch.zeros(4, 1, 28, 28)
    images[1::2, :, :4, :4], images[2:, :, -4:, -4:] = 1, 1  # nothing, one corner, the other, both
    for hidden, adds_up in ((0, True), (12, False)):
        discriminator = dcgan.Discriminator(width=4, hidden=hidden).double()
        for layer in discriminator.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.reset_parameters()  # larger, so that the difference is more than rounding
        nothing, one, other, both = discriminator(images.double()).flatten().tolist()
        assert (abs(both - one - other + nothing) < 1e-9) == adds_up


@pytest.mark.parametrize(("network", "hidden"), [(dcgan.Generator, -1), (dcgan.Discriminator, -1)])
def test_a_hidden_width_below_zero_is_named(network: type[nn.Module], hidden: int) -> None:
    with pytest.raises(ValueError, match=rf"^model\.{network.__name__.lower()}\.hidden must be at least 0, got -1"):
        network(hidden=hidden)


def test_dcgan_starts_from_seven_pixels_and_doubles() -> None:
    generator = dcgan.Generator(width=8)
    sizes: list[tuple[int, ...]] = []
    for layer in generator.grow:
        layer.register_forward_hook(lambda _module, _inputs, output: sizes.append(tuple(output.shape[1:])))
    generator(torch.randn(2, 100))
    assert sizes[0] == (16, 7, 7)
    assert sizes[-1] == (1, 28, 28)
    assert (8, 14, 14) in sizes


@pytest.mark.parametrize(
    ("shape", "said"),
    [((1, 30, 30), "multiples of 4, got 30 × 30"), ((1, 7, 7), "multiples of 2")],
)
def test_a_shape_that_cannot_be_halved_is_named(shape: tuple[int, int, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        GAN(dcgan.Generator, dcgan.Discriminator, image_shape=shape)


class FromValues(nn.Module):
    """A discriminator that cannot run without values."""

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1).mean(1, keepdim=True) * (2 if images.sum().item() > 0 else 1)


class OneForAll(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean().view(1, 1)


class Pair(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images


@pytest.mark.parametrize(
    ("networks", "said"),
    [
        ({"generator": Generator(latent_dim=50)}, r"^model\.generator: with z of length 100: .*"),
        (
            {"generator": Generator(image_shape=(1, 32, 32))},
            r"^model\.generator draws images of 1 × 32 × 32, where 1 × 28 × 28 belong",
        ),
        (
            {"discriminator": Discriminator(image_shape=(3, 28, 28))},
            r"^model\.discriminator: with images of 1 × 28 × 28: ",
        ),
        (
            {"discriminator": nn.Flatten()},
            r"^model\.discriminator gives \(784,\) numbers per image, where one logit belongs",
        ),
        ({"discriminator": OneForAll()}, r"^model\.discriminator gives .* where one logit belongs"),
        ({"discriminator": Pair()}, r"^model\.discriminator: .* it gives a tuple, where a tensor belongs"),
        (
            {"discriminator": nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))},
            r"^model\.discriminator has batch normalization",
        ),
    ],
)
def test_a_pair_that_does_not_fit_is_one_line_at_construction(networks: dict[str, nn.Module], said: str) -> None:
    with pytest.raises(ValueError, match=said) as error:
        GAN(**networks)
    assert len(str(error.value).splitlines()) == 1


def test_a_pair_is_tried_without_moving_anything() -> None:
    generator = Generator(batch_norm=True)
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    GAN(generator, nn.Sequential(FromValues(), nn.Dropout()))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


class Unusual(Discriminator):
    """Has what does not lie in a checkpoint: a table of its own, and a class among its options."""

    def __init__(self, image_shape: Any = (1, 28, 28), act: Any = None) -> None:
        super().__init__(image_shape, widths=[4])
        self.register_buffer("table", torch.tensor([2.0]), persistent=False)
        self.constant = torch.tensor([1.0])

    def forward(self, images: Tensor) -> Tensor:
        assert images.sum().item() != 0.5  # needs values
        return super().forward(images) * self.table * self.constant


def test_networks_with_tables_and_values_of_their_own_are_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcgan, "Unusual", Unusual, raising=False)
    monkeypatch.setattr(Unusual, "__module__", "networks.dcgan")
    gan, trainer = GAN(discriminator=Unusual), Trainer(**BARE)
    trainer.fit(gan, minibatches(torch.rand(64, 1, 28, 28)))
    trainer.save_checkpoint(path := tmp_path / "x.ckpt")
    loaded = checkpoints.load_gan(path, checkpoints.load_checkpoint(path), HERE)
    images = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(loaded.discriminator(images), gan.discriminator(images))
    assert (
        GAN(discriminator=partial(Unusual, act=nn.ReLU)).hparams["discriminator"] is None
    )  # no checkpoint could hold it


class Twice(Discriminator):
    """Has a discriminator's weights, and gives two numbers per image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).repeat(1, 2)


def test_a_checkpoint_whose_networks_do_not_fit_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dcgan, "Twice", Twice, raising=False)
    monkeypatch.setattr(Twice, "__module__", "networks.dcgan")
    trainer = Trainer(**BARE)
    trainer.fit(GAN(), minibatches(torch.rand(64, 1, 28, 28)))
    trainer.save_checkpoint(path := tmp_path / "x.ckpt")
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["hyper_parameters"]["discriminator"]["class_path"] = "networks.dcgan.Twice"
    torch.save(checkpoint, path)
    assert generate.main([str(path)]) == 2
    assert (
        "x.ckpt: model.discriminator gives (2,) numbers per image, where one logit belongs" in capsys.readouterr().err
    )
    assert not Path("samples.png").exists()


def test_layers_that_a_person_froze_stay_frozen() -> None:
    discriminator = Discriminator()
    discriminator.model[1].requires_grad_(False)  # type: ignore[operator]
    gan = GAN(discriminator=discriminator)
    before = {name: tensor.clone() for name, tensor in discriminator.state_dict().items()}
    Trainer(**BARE).fit(gan, minibatches(torch.rand(192, 1, 28, 28)))
    assert [name for name, tensor in discriminator.state_dict().items() if torch.equal(tensor, before[name])] == [
        "model.1.weight",
        "model.1.bias",
    ]


def test_an_instance_trains_and_is_given_again_when_loaded(tmp_path: Path) -> None:
    images = torch.rand(64, 1, 28, 28) * 2 - 1
    gan = GAN(Generator(widths=[8]), discriminator=nn.Sequential(nn.Flatten(), nn.Linear(784, 1)))
    trainer = Trainer(**BARE)
    trainer.fit(gan, minibatches(images))
    trainer.save_checkpoint(tmp_path / "x.ckpt")
    with pytest.raises(NetworkError, match="given as a module"):
        GAN.load_from_checkpoint(tmp_path / "x.ckpt")
    again = {"generator": Generator(widths=[8]), "discriminator": nn.Sequential(nn.Flatten(), nn.Linear(784, 1))}
    loaded = GAN.load_from_checkpoint(tmp_path / "x.ckpt", **again)
    z = torch.randn(3, 100)
    torch.testing.assert_close(loaded(z), gan(z))


def test_dcgan_trains_resumes_is_drawn_from_and_reported(run: Run, small: list[str]) -> None:
    code, _, err = run(*small, *DCGAN, *NARROW, "--model.ema_decay", "0.9", "--model.r1", "0.1")
    assert (code, err) == (0, "")
    config = yaml.safe_load((FOLDER / "config.yaml").read_text(encoding="utf-8"))
    assert config["model"]["generator"] == {
        "class_path": "networks.dcgan.Generator",
        "init_args": {"width": 4, "hidden": 0},
    }
    assert (FOLDER / "report.html").read_text(encoding="utf-8").count("networks.dcgan.Generator") >= 1
    code, _, err = run("--ckpt_path", "last", "--model.generator.width", "8", "--max_epochs", "3")
    assert code == 2
    assert "--model.generator.width was 4, is 8 now" in err
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "3")
    assert (code, err) == (0, "")
    run(*small, *DCGAN, *NARROW, "--model.ema_decay", "0.9", "--model.r1", "0.1", "--max_epochs", "3")
    ours, theirs = weights(), weights(Path("lightning_logs/version_1"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert generate.main([str(FOLDER / run_folder.LAST), "--num", "4", "--out", "drawn.png"]) == 0


def test_a_network_with_dropout_is_resumed_exactly(
    run: Run, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass D(nn.Sequential):\n    def __init__(self, image_shape):\n"
        "        super().__init__(nn.Flatten(), nn.Dropout(0.3), nn.Linear(784, 1))\n",
        encoding="utf-8",
    )
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    named = ["--model.discriminator", "mine.D"]
    assert run(*small, *named)[0] == 0
    assert run(*small, *named, "--max_epochs", "1")[0] == 0
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert code == 2
    assert "name it yourself: --model.discriminator mine.D" in err
    code, _, err = run("--ckpt_path", "last", "--max_epochs", "2", *named)
    assert (code, err) == (0, "")
    ours, theirs = weights(), weights(Path("lightning_logs/version_1"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert generate.main([str(FOLDER / run_folder.LAST)]) == 2  # a file alone does not import it
