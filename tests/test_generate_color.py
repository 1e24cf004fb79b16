"""generate.py on images in color and of another size, from a GAN that is not the lesson's."""

from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import generate
from first_gan.data import scaled
from first_gan.drawing.latent import STEPS, draw, latent_vectors
from tests.made_runs import make_run

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def colorful(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A GAN of another class, of images 3×16×16, behind any name of a checkpoint."""
    torch.manual_seed(0)
    convolutions = nn.Sequential(nn.ConvTranspose2d(5, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Upsample(scale_factor=2))
    network = nn.Sequential(nn.Unflatten(1, (5, 1, 1)), *convolutions, nn.Conv2d(8, 3, 3, padding=1), nn.Tanh()).eval()
    network[-2].weight.data *= 4  # strong colors
    gan = SimpleNamespace(latent_dim=5, generator=network, sampling_generator=network, ema=None)
    Path("x.ckpt").touch()
    monkeypatch.setattr(generate, "load_checkpoint", lambda path: {"options": {"data.dataset": "folder"}})
    monkeypatch.setattr(generate, "load_gan", lambda path, checkpoint, gan_class: deepcopy(gan))
    return gan


def test_color_of_another_size_in_every_format(colorful: SimpleNamespace, capsys: Capture) -> None:
    assert generate.main(["x.ckpt", "--num", "6", "--out", "array.npz"]) == 0
    images = np.load("array.npz")["images"]
    assert (images.shape, images.dtype) == ((6, 3, 16, 16), np.uint8)
    drawn = draw(deepcopy(colorful.generator).double(), latent_vectors(6, 5, 0)).add(1).mul(127.5).numpy()
    assert np.abs(images - drawn).max() <= 0.51
    for out in ("images.pt", "grid.png", "folder"):
        assert generate.main(["x.ckpt", "--num", "6", "--out", out]) == 0
    assert np.array_equal(torch.load("images.pt", weights_only=True).numpy(), images)
    one_by_one = [Image.open(path) for path in sorted(Path("folder").iterdir())]
    assert {(image.mode, image.size) for image in one_by_one} == {("RGB", (16, 16))}
    assert np.array_equal(np.stack([np.asarray(image) for image in one_by_one]).transpose(0, 3, 1, 2), images)
    grid = np.asarray(Image.open("grid.png"))[::4, ::4]
    assert grid.shape == (2 * 18 + 2, 3 * 18 + 2, 3)
    assert np.array_equal(grid[20:36, 38:54].transpose(2, 0, 1), images[5])
    for out, size in (("walk.gif", (152, 152)), ("walk.png", (3 * (STEPS * 18 + 2), 3 * (4 * 18 + 2)))):
        assert generate.main(["x.ckpt", "--interpolate", "--num", "4", "--out", out]) == 0
        assert Image.open(out).size == size
        colors = np.asarray(Image.open(out).convert("RGB"), dtype=int)
        assert np.abs(colors[..., 0] - colors[..., 2]).max() > 20
    capsys.readouterr()
    assert generate.main(["x.ckpt", "--export", "g.pt2"]) == 0
    assert "z (batch, 5) to images (batch, 3, 16, 16) in [-1, 1]" in capsys.readouterr().out


def test_color_is_exported_as_onnx(colorful: SimpleNamespace, capsys: Capture) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    assert generate.main(["x.ckpt", "--export", "g.onnx"]) == 0
    assert "z (batch, 5) to images (batch, 3, 16, 16) in [-1, 1]" in capsys.readouterr().out
    z = latent_vectors(3, 5, seed=1)
    (images,) = onnxruntime.InferenceSession("g.onnx").run(["images"], {"z": z.numpy()})
    torch.testing.assert_close(torch.from_numpy(images), draw(colorful.generator, z), rtol=0, atol=1e-5)


def test_large_images_are_not_drawn_beyond_memory(colorful: SimpleNamespace, capsys: Capture) -> None:
    colorful.sampling_generator = nn.Sequential(nn.Linear(5, 3 * 64 * 64), nn.Unflatten(1, (3, 64, 64)))
    for argv, words in (
        (["--num", "639"], "--num must be 1 to 638 for images of 3×64×64, got 639; --out images.npz takes more"),
        (["--interpolate", "--num", "64"], "--num must be 1 to 63 for images of 3×64×64, got 64\n"),
        (["--num", "63803", "--out", "x.npz"], "--num must be 1 to 63802 for images of 3×64×64, got 63803\n"),
    ):
        assert generate.main(["x.ckpt", *argv]) == 2
        assert words in capsys.readouterr().err
    assert list(Path().iterdir()) == [Path("x.ckpt")]
    assert generate.main(["x.ckpt", "--num", "638"]) == 0


def test_a_class_is_one_of_the_judges(
    colorful: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def opinion(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert images.shape == (100, 3, 16, 16)
        assert images.dtype == torch.uint8  # which a judge scales itself, a batch at a time
        images = scaled(images)
        return images, images.mean((2, 3)).softmax(1)  # how red, green or blue

    judge = SimpleNamespace(classifier=nn.Linear(4, 3), opinion=opinion)
    monkeypatch.setattr(generate, "judge_for", lambda path, checkpoint, options: judge)
    assert generate.main(["x.ckpt", "--digit", "3"]) == 2
    assert "--digit must be 0 to 2, got 3" in capsys.readouterr().err
    assert generate.main(["x.ckpt", "--digit", "2", "--num", "2", "--out", "blue.npz"]) == 0
    assert generate.main(["x.ckpt", "--num", "100", "--out", "all.npz"]) == 0
    candidates = np.load("all.npz")["images"]
    blue = torch.from_numpy(candidates / 127.5 - 1).mean((2, 3)).softmax(1)[:, 2]
    assert np.array_equal(np.load("blue.npz")["images"], candidates[blue.argsort(descending=True)[:2]])


def test_an_evolution_in_color_stays_so() -> None:
    make_run(Path("run"), side=60, channels=3)
    assert generate.main(["--evolution", "run"]) == 0
    film = Image.open("evolution.gif")
    film.seek(4)
    shown, grid = (
        np.asarray(film.convert("RGB"), dtype=int)[::4, ::4],
        np.asarray(Image.open("run/samples/epoch_0004.png")),
    )
    assert shown.shape == (80, 60, 3)
    assert np.abs(shown[:60] - grid).mean() < 20  # of noise, which needs more colors than there are
    assert np.abs(shown[:60, :, 0] - shown[:60, :, 2]).mean() > 40
