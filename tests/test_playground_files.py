"""The playground's files: how large they are, what networks can have one, and who writes it."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn

import gan_networks
import generate
import train
from first_gan.callbacks.playground import PlaygroundWriter
from first_gan.drawing import playground
from first_gan.drawing.layers import PlaygroundError
from first_gan.files import MIB
from first_gan.report.__main__ import main as reporting_main
from first_gan.run.folder import PLAYGROUND, REPORT
from first_gan.scores.judge import shipped
from networks import dcgan
from tests.played_networks import gan_of, made

CONFIGS = Path(train.__file__).parent / "configs"


@pytest.mark.parametrize("name", ["best", "lesson", "dcgan"])
def test_shipped_recipes_have_small_playgrounds_that_load_nothing(name: str) -> None:
    options = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))["model"]
    module = dcgan if name == "dcgan" else gan_networks
    latent = options.get("latent_dim", 100)
    torch.manual_seed(0)
    g = module.Generator(latent, **options["generator"]["init_args"])
    d = module.Discriminator(**options.get("discriminator", {}).get("init_args", {}))
    gan = gan_of(g, d, latent, (1, 28, 28))
    real = torch.zeros(100, 1, 28, 28, dtype=torch.uint8)
    html, said = playground.page("run", gan, g, real, shipped("mnist"))
    assert len(html.encode()) < 3 * MIB
    assert "G in int12" in said
    assert "D in int8" in said
    loaded, left = (
        re.findall(r"""<link|src=|@import|url\(|fetch\(|https?:""", html),
        ["<link"],
    )  # its icon, which is empty
    assert loaded == left


class Residual(nn.Module):
    """A chain of known layers, but for what it adds."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(784, 784)
        self.head = nn.Linear(784, 1)

    def forward(self, images: Tensor) -> Tensor:
        x = images.flatten(1)
        return self.head(x + self.model(x))


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Residual(), "D, Residual, is not a plain chain of its layers"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 8), nn.GELU(), nn.Linear(8, 1)), "does not know: GELU"),
        (nn.Sequential(nn.Conv2d(1, 2, 3, dilation=2), nn.Flatten(), nn.Linear(1152, 1)), "does not know: Conv2d"),
        (
            nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(196, 1)),
            "whose gradient the playground does not know",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 9000), nn.Linear(9000, 1)), "weights, too many for a page"),
    ],
    ids=["residual", "GELU", "dilated", "pooling", "large"],
)
def test_other_networks_have_none_and_why_is_said(network: nn.Module, words: str) -> None:
    gan = SimpleNamespace(discriminator=network, latent_dim=8, image_shape=(1, 28, 28))
    with pytest.raises(PlaygroundError, match=re.escape(words)):
        playground.page("run", gan, gan_networks.Generator(8, widths=[8]))


@pytest.mark.parametrize(("factor", "stored"), [(200, "int12"), (30_000, "float32")])
def test_what_few_bits_cannot_hold_is_kept_in_more(factor: float, stored: str) -> None:
    torch.manual_seed(0)
    d = gan_networks.Discriminator()
    with torch.no_grad():
        d.model[-1].weight.mul_(factor)
    gan = SimpleNamespace(discriminator=d, latent_dim=8, image_shape=(1, 28, 28))
    html, said = playground.page("run", gan, gan_networks.Generator(8, widths=[8]))
    assert f"D in {stored}" in said
    assert 'id="duel"' not in html


def test_a_run_leaves_one_and_its_report_leads_to_it(trained_run: Path) -> None:
    assert "version_0 after 2 epochs" in (trained_run / PLAYGROUND).read_text(encoding="utf-8")
    link = f'href="{PLAYGROUND}"'
    assert link in (trained_run / REPORT).read_text(encoding="utf-8")
    assert reporting_main([str(trained_run), "--out", "elsewhere.html"]) == 0
    assert link not in Path("elsewhere.html").read_text(encoding="utf-8")


def test_a_checkpoint_is_exported_with_its_images_or_says_why_not(
    trained_run: Path, images_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "copy.ckpt").write_bytes((trained_run / "checkpoints/last.ckpt").read_bytes())
    assert generate.main(["copy.ckpt", "--export", "p.html", "--data_dir", str(images_dir)]) == 0
    assert capsys.readouterr().out.startswith("written to p.html: ")
    page = Path("p.html").read_text(encoding="utf-8")
    assert "copy.ckpt after 2 epochs" in page
    assert 'id="duel"' in page
    assert generate.main(["copy.ckpt", "--export", "q.html", "--data_dir", str(tmp_path)]) == 2
    assert generate.main(["copy.ckpt", "--export", "q.pt2", "--data_dir", str(tmp_path)]) == 2
    assert "--data_dir means nothing" in capsys.readouterr().err


def test_of_unsuitable_networks_there_is_an_error_from_generate_and_nothing_from_a_run(
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    written_playgrounds: None,
) -> None:
    gan = made("conv")
    gan.sampling_generator = gan.generator
    images: Any = SimpleNamespace(test=torch.zeros(20, *gan.image_shape, dtype=torch.uint8))
    writer = PlaygroundWriter(tmp_path, "folder", images)
    trainer: Any = SimpleNamespace(is_global_zero=True, current_epoch=1)
    monkeypatch.setattr(playground, "LARGEST", 1000)
    writer.on_train_end(trainer, gan)
    assert not (tmp_path / PLAYGROUND).exists()
    assert generate.main([str(trained_run), "--export", "p.html"]) == 2
    error = capsys.readouterr().err
    assert "can have no playground: its networks have" in error
    assert len(error.splitlines()) == 1
    monkeypatch.undo()
    writer.on_train_end(trainer, gan)
    assert f"{tmp_path.name} after 1 epoch<" in (tmp_path / PLAYGROUND).read_text(encoding="utf-8")
