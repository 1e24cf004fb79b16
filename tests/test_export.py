"""A generator exported as ONNX draws what the checkpoint draws."""

import hashlib
import re
import zipfile
from pathlib import Path

import pytest
import torch

import generate
from first_gan.drawing import export as exporting
from first_gan.drawing.latent import latent_vectors
from first_gan.run import checkpoints, shell
from first_gan.run import folder as run_folder
from first_gan.run.folder import LAST
from gan_module import HERE
from tests.conftest import small_run


@pytest.fixture(scope="module")
def checkpoint(trained_run: Path) -> str:
    return str(trained_run / LAST)


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_an_exported_generator_draws_the_same_images_for_any_batch(
    weights: str, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    for name in ("g.onnx", "g.pt2"):
        assert generate.main([checkpoint, "--export", name, "--weights", weights]) == 0
        said = capsys.readouterr().out
        assert hashlib.sha256(Path(name).read_bytes()).hexdigest() in said
        assert "z (batch, 100) to images (batch, 1, 28, 28) in [-1, 1]" in said
        if name == "g.onnx":
            opset = next(each.version for each in onnx.load(name).opset_import if each.domain == "")
            assert f"opset {opset}," in said
    assert sorted(path.name for path in Path().iterdir()) == ["g.onnx", "g.pt2"]  # weights inside, none beside
    root = str(Path(generate.__file__).parent).encode()
    assert root not in Path("g.onnx").read_bytes()
    with zipfile.ZipFile("g.pt2") as archive:
        assert all(root not in archive.read(name) for name in archive.namelist())
    gan = checkpoints.load_gan(Path(checkpoint), checkpoints.load_checkpoint(Path(checkpoint)), HERE)
    session = onnxruntime.InferenceSession("g.onnx", providers=["CPUExecutionProvider"])
    program = torch.export.load("g.pt2").module()
    for count in (1, 2, 33):
        z = latent_vectors(count, 100, seed=9)
        expected = gan.sample(z, gan.generator if weights == "raw" else None)
        (images,) = session.run(["images"], {"z": z.numpy()})
        torch.testing.assert_close(torch.from_numpy(images), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(program(z), expected, rtol=0, atol=1e-5)
        assert images.min() >= -1
        assert images.max() <= 1


@pytest.mark.parametrize(("norm", "kind"), [("batch_norm", "pt2"), ("layer_norm", "onnx")])
def test_normalization_is_exported_as_it_draws(norm: str, kind: str, images_dir: Path) -> None:
    """What draws otherwise is not written: see below."""
    import train

    assert train.main([*small_run(images_dir), "--max_epochs", "1", f"--model.generator.{norm}", "true"]) == 0
    assert generate.main([f"lightning_logs/version_0/{LAST}", "--export", f"g.{kind}"]) == 0


def test_an_export_that_draws_other_images_is_not_written(
    checkpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "TOLERANCE", -1.0)
    assert generate.main([checkpoint, "--export", "g.pt2"]) == 1
    assert "draws other images" in capsys.readouterr().err
    assert not Path("g.pt2").exists()


def test_missing_onnx_packages_are_one_line(
    checkpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(exporting, "PACKAGES", ("torch", "no_such_package"))
    assert generate.main([checkpoint, "--export", "g.onnx"]) == 2
    err = capsys.readouterr().err
    assert "--export g.onnx needs no_such_package: " in err
    assert f"-m pip install -r {shell.quoted(str(run_folder.ROOT / 'requirements-onnx.txt'))}" in err
    assert len(err.splitlines()) == 1
    assert set(re.findall(r"^\w+", (Path(generate.__file__).parent / "requirements-onnx.txt").read_text(encoding="utf-8"), re.MULTILINE)) == {
        "onnx",
        "onnxscript",
        "onnxruntime",
    }  # fmt: skip
