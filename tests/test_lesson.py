"""lesson.py: the same updates as GAN's, watched by the doctor, and whole without it."""

import gzip
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lesson
from first_gan.data import TRAIN_IMAGES
from tests.test_gan_module import Remembering, fit

SCRIPT = Path(lesson.__file__)


@pytest.fixture
def few(arrays: dict[str, torch.Tensor]) -> Path:
    """A folder with MNIST's file of training images, cut to 640."""
    Path("few").mkdir()
    pixels = arrays[TRAIN_IMAGES][:640].numpy().tobytes()
    Path("few/train-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + pixels))
    return Path("few")


def train(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["lesson.py", *arguments])
    lesson.main()


def test_three_updates_leave_the_weights_that_gans_do() -> None:
    torch.manual_seed(0)
    gan, taught = Remembering(), lesson.Lesson()
    for ours, theirs in ((gan.generator, taught.G), (gan.discriminator, taught.D)):
        theirs.load_state_dict(ours.state_dict())
        theirs.double()
    before = taught.G.state_dict()["model.0.weight"].clone()
    batches = fit(gan, updates=3)
    torch.set_rng_state(gan.drawn_from)
    torch.set_default_dtype(torch.float64)
    try:
        for real in batches:
            taught.update(real)
    finally:
        torch.set_default_dtype(torch.float32)
    for ours, theirs in ((gan.generator, taught.G), (gan.discriminator, taught.D)):
        for name, weights in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], weights, rtol=0, atol=1e-9)
    assert (taught.G.state_dict()["model.0.weight"] - before).abs().max() > 1e-4


def test_it_trains_draws_and_is_watched(
    few: Path, arrays: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = lesson.mnist(few)
    assert torch.equal(images, arrays[TRAIN_IMAGES][:640] / 127.5 - 1)
    train(monkeypatch, "--epochs", "2", "--data_dir", str(few))
    out = capsys.readouterr().out
    assert "Epoch 2/2: D's loss " in out
    assert "doctor, epoch 1: too early to tell" in out
    assert sorted(path.name for path in Path("lesson").iterdir()) == ["doctor.html", "epoch_01.png", "epoch_02.png"]


def test_it_needs_nothing_but_its_own_file(few: Path) -> None:
    Path("elsewhere").mkdir()
    shutil.copy(SCRIPT, "elsewhere/lesson.py")
    command = [sys.executable, "elsewhere/lesson.py", "--epochs", "1", "--data_dir", str(few), "--out", "drawn"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=120, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in Path("drawn").iterdir()] == ["epoch_01.png"]
    assert "doctor" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], "--epochs must be at least 1"),
        (["--out", "few"], "--out few exists"),
        (["--data_dir", "broken"], "MNIST cannot be read from --data_dir broken"),
        (["--data_dir", "nowhere"], "MNIST cannot be read from --data_dir nowhere"),
    ],
)
def test_bad_input_is_said_and_nothing_is_made(
    arguments: list[str],
    words: str,
    few: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("broken").mkdir()
    content = (few / "train-images-idx3-ubyte.gz").read_bytes()
    Path("broken/train-images-idx3-ubyte.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(SystemExit) as ended:
        train(monkeypatch, "--data_dir", str(few), *arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err
    assert not Path("lesson").exists()
    assert [path.name for path in few.iterdir()] == ["train-images-idx3-ubyte.gz"]


def test_it_is_a_lesson_to_be_read_at_a_sitting() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    assert "lightning" not in text
