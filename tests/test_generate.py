"""generate.py: what it draws, that a seed decides it, and what it refuses."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

import generate
from first_gan.drawing import images as drawing
from first_gan.drawing import latent as sampling
from first_gan.drawing.latent import STEPS, latent_vectors
from first_gan.run import checkpoints
from first_gan.run.folder import LAST
from first_gan.run.stopping import Interrupted
from first_gan.scores.judge import shipped
from gan_module import HERE
from tests.conftest import small_run
from tests.made_runs import make_run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def checkpoint(trained_run: Path) -> str:
    return str(trained_run / LAST)


def array(*argv: str) -> np.ndarray:
    """The images (N, 28, 28) that a command draws."""
    assert generate.main([*argv, "--out", "array.npz", "--overwrite"]) == 0
    return np.load("array.npz")["images"][:, 0]


def tiles(picture: Image.Image, padding: int = 2) -> np.ndarray:
    """The images (N, 28, 28) of a grid."""
    side = 28 + padding
    pixels = np.asarray(picture.convert("L"))[padding:, padding:]
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    return pixels.reshape(rows, side, columns, side)[:, :28, :, :28].transpose(0, 2, 1, 3).reshape(-1, 28, 28)


def native(picture: Image.Image, times: int) -> Image.Image:
    """As it was before each pixel became a square of so many."""
    pixels = np.asarray(picture.convert("L"))
    small = pixels[::times, ::times]
    assert np.array_equal(small.repeat(times, 0).repeat(times, 1), pixels)
    return Image.fromarray(small)


def test_the_default_is_the_runs_own_grid(checkpoint: str, trained_run: Path, capsys: Capture) -> None:
    assert generate.main([checkpoint]) == 0
    assert capsys.readouterr() == ("written 64 images to samples.png\n", "")
    drawn, of_run = native(Image.open("samples.png"), 3), native(Image.open(trained_run / "samples/epoch_0002.png"), 3)
    assert drawn.size == of_run.size == (242, 242)
    difference = np.abs(np.asarray(drawn, dtype=int) - np.asarray(of_run.convert("L"), dtype=int))
    assert difference.max() <= 1  # that one was drawn in float32
    assert difference.mean() < 0.01


def test_a_seed_decides_the_images_whatever_the_batch_size_and_number(checkpoint: str) -> None:
    images = array(checkpoint, "--num", "50")
    assert images.shape == (50, 28, 28)
    assert images.dtype == np.uint8
    assert len(np.unique(images.reshape(50, -1), axis=0)) == 50
    many = array(checkpoint, "--num", "4000")
    assert np.array_equal(many[:50], images)
    for batch_size in ("1", "7"):
        assert np.array_equal(array(checkpoint, "--num", "4000", "--batch_size", batch_size), many)
    assert np.array_equal(array(checkpoint, "--num", "9"), images[:9])
    assert not np.array_equal(array(checkpoint, "--num", "50", "--seed", "1"), images)


def test_all_formats_hold_the_same_images(checkpoint: str, capsys: Capture) -> None:
    images = array(checkpoint, "--num", "12")
    for out in ("grid.png", "images.pt", "folder"):
        assert generate.main([checkpoint, "--num", "12", "--out", out]) == 0
    assert np.array_equal(tiles(native(Image.open("grid.png"), 4)), images)
    assert np.array_equal(torch.load("images.pt", weights_only=True).numpy()[:, 0], images)
    files = sorted(Path("folder").iterdir())
    assert [file.name for file in files] == [f"image_{number:06d}.png" for number in range(12)]
    assert np.array_equal(np.stack([np.asarray(Image.open(file)) for file in files]), images)
    assert "written 12 images to folder/" in capsys.readouterr().out


def test_the_moving_average_is_drawn_unless_the_trained_weights_are_asked_for(checkpoint: str) -> None:
    images = array(checkpoint, "--num", "4")
    assert np.array_equal(array(checkpoint, "--num", "4", "--weights", "ema"), images)
    raw = array(checkpoint, "--num", "4", "--weights", "raw")
    assert not np.array_equal(raw, images)
    gan = checkpoints.load_gan(Path(checkpoint), checkpoints.load_checkpoint(Path(checkpoint)), HERE)
    expected = gan.generator(latent_vectors(4, gan.latent_dim, 0)).add(1).mul(127.5)
    assert np.abs(raw - expected.detach().numpy()[:, 0]).max() <= 0.51


@pytest.mark.parametrize("digit", [0, 8])
def test_a_digit_is_the_judges_choice_of_many(digit: int, checkpoint: str, capsys: Capture) -> None:
    chosen = array(checkpoint, "--digit", str(digit), "--num", "3")
    assert "the 3 of 150 that the judge is surest of" in capsys.readouterr().out
    candidates = array(checkpoint, "--num", "150")
    _, probabilities = shipped("mnist").opinion(torch.from_numpy(candidates).view(-1, 1, 28, 28))
    best = probabilities[:, digit].argsort(descending=True, stable=True)[:3]
    assert np.array_equal(chosen, candidates[best])


def test_walks_as_a_film_and_as_a_strip(checkpoint: str) -> None:
    for out in ("walk.gif", "walk.png"):
        assert generate.main([checkpoint, "--interpolate", "--num", "4", "--out", out]) == 0
    film = Image.open("walk.gif")
    assert (film.n_frames, film.size, film.info["loop"]) == (sampling.ANCHORS * STEPS, (248, 248), 0)
    ends = array(checkpoint, "--num", "16").reshape(4, 4, 28, 28)  # of each walk its anchors
    frames = [tiles(native(frame, 4)) for frame in ImageSequence.Iterator(film)]
    for anchor in (0, 1):
        shown = frames[anchor * STEPS].astype(int)
        assert np.abs(shown - ends[:, anchor]).max() <= 5  # of 32 grays
    strip = tiles(native(Image.open("walk.png"), 2)).reshape(4, STEPS, 28, 28)
    assert np.array_equal(strip[:, 0], ends[:, 0])
    assert np.array_equal(strip[:, -1], ends[:, 1])
    moves = np.abs(np.diff(strip.astype(int), axis=1)).mean(axis=(0, 2, 3))
    assert moves.min() > 0


def test_an_evolution_shows_the_grids_with_their_epochs(trained_run: Path) -> None:
    assert generate.main(["--evolution", str(trained_run)]) == 0
    film = Image.open("evolution.gif")
    assert film.n_frames == 3
    grid = native(Image.open(trained_run / "samples/epoch_0002.png"), 3)
    assert film.size == (2 * grid.width, 2 * (grid.height + 20))
    film.seek(2)
    shown = np.asarray(native(film, 2), dtype=int)
    assert np.abs(shown[: grid.height] - np.asarray(grid.convert("L"))).max() <= 5
    captions = [
        np.asarray(native(frame, 2))[grid.height :].tobytes()
        for frame in ImageSequence.Iterator(Image.open("evolution.gif"))
    ]
    assert len(set(captions)) == 3
    make_run(Path("long"), epochs=90)
    assert generate.main(["--evolution", "long", "--frames", "10", "--out", "long.gif"]) == 0
    assert Image.open("long.gif").n_frames == 10


def test_nothing_is_overwritten_unasked(checkpoint: str, trained_run: Path, capsys: Capture) -> None:
    Path("folder").mkdir()
    for out in ("samples.png", "walk.gif", "a.npz", "g.pt2", "folder/image_000000.png"):
        Path(out).write_text("precious", encoding="utf-8")
    for argv in (
        [checkpoint],
        [checkpoint, "--interpolate", "--out", "walk.gif"],
        [checkpoint, "--out", "a.npz"],
        [checkpoint, "--out", "folder"],
        [checkpoint, "--export", "g.pt2"],
        ["--evolution", str(trained_run), "--out", "walk.gif"],
    ):
        assert generate.main(argv) == 2
        assert "--overwrite replaces" in capsys.readouterr().err
    kept = ("samples.png", "walk.gif", "a.npz", "g.pt2", "folder/image_000000.png")
    assert {Path(out).read_text(encoding="utf-8") for out in kept} == {"precious"}
    assert generate.main([checkpoint, "--overwrite"]) == 0
    assert Image.open("samples.png").size == (3 * 242, 3 * 242)
    Path("folder/mine.txt").write_text("mine", encoding="utf-8")
    for number in (20, 5):
        assert generate.main([checkpoint, "--num", str(number), "--out", "folder", "--overwrite"]) == 0
        assert len(list(Path("folder").glob("image_*.png"))) == number  # no earlier ones among them
    assert Path("folder/mine.txt").read_text(encoding="utf-8") == "mine"
    assert Image.open("folder/image_000000.png").size == (28, 28)
    Path("link.png").symlink_to("nowhere")
    assert generate.main([checkpoint, "--out", "link.png"]) == 2
    assert Path("link.png").is_symlink()


@pytest.mark.parametrize("there", [True, False])
def test_an_interrupted_folder_of_images_is_as_it_was(
    there: bool, checkpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    before = ["image_000000.png", "image_000001.png"] if there else []
    if there:
        assert generate.main([checkpoint, "--num", "2", "--out", "folder"]) == 0
    drawn: list[int] = []

    def interrupted(image: torch.Tensor) -> Image.Image:
        drawn.append(1)
        if len(drawn) == 7:
            raise Interrupted
        return Image.new("L", (28, 28))

    monkeypatch.setattr(drawing, "picture", interrupted)
    assert generate.main([checkpoint, "--num", "9", "--out", "folder", "--overwrite"]) == 130
    assert "Interrupted" in capsys.readouterr().err
    assert sorted(path.name for path in Path().rglob("*.png")) == before
    assert [path.name for path in Path().iterdir()] == ["folder"] * there


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "name a checkpoint"),
        (["nowhere.ckpt"], "no checkpoint at nowhere.ckpt"),
        (["."], ". is a folder; name text.ckpt"),
        (["text.ckpt"], "text.ckpt is damaged or not a checkpoint"),
        (["CKPT", "--num", "0"], "--num must be 1 to"),
        (["CKPT", "--num", "x"], "--num"),
        (["CKPT", "--seed", "-1"], "--seed must be 0 to"),
        (["CKPT", "--batch_size", "0"], "--batch_size must be 1 to"),
        (["CKPT", "--digit", "10"], "--digit must be 0 to 9, got 10"),
        (["CKPT", "--digit", "-1"], "--digit must be at least 0"),
        (["CKPT", "--digit", "0", "--interpolate"], "--interpolate means nothing with --digit"),
        (["CKPT", "--frames", "9"], "--frames means nothing here"),
        (["CKPT", "--export", "g.pt2", "--seed", "1"], "--seed means nothing with --export"),
        (["CKPT", "--num", "10001"], "--num must be 1 to 10000, got 10001; --out images.npz takes more"),
        (["CKPT", "--interpolate", "--num", "1001"], "--num must be 1 to 1000"),
        (["CKPT", "--digit", "1", "--out", "d.npz", "--num", "20001"], "--num must be 1 to 20000"),
        (["--evolution", ".", "--frames", "2"], "--frames must be 3 to"),
        (["CKPT", "--out", "x" * 300 + ".png"], "cannot be written: File name too long"),
        (["CKPT", "--out", ".png"], "its suffix must be"),
        (["CKPT", "--out", "samples.v2/"], "or none for a folder"),
        (["CKPT", "--out", "samples.jpeg"], "its suffix must be .png or .npz or .pt, or none for a folder"),
        (["CKPT", "--interpolate", "--out", "walk.npz"], "its suffix must be .gif or .png"),
        (["CKPT", "--export", "g.pth"], "--export g.pth: its suffix must be .onnx or .pt2 or .html"),
        (["CKPT", "--export", "g.pt2", "--out", "x.png"], "--export names its file itself"),
        (["CKPT", "--out", "text.ckpt/below.png"], "cannot be written"),
        (["CKPT", "--weights", "best"], "--weights"),
        (["CKPT", "--wieghts", "raw"], "did you mean --weights?"),
        (["--evolution", "."], "is not a run folder"),
        (["CKPT", "--evolution", "."], "--evolution takes a run folder alone"),
        (["CKPT", "--evolution", ".", "--digit", "1"], "--evolution means nothing with --digit"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_one_line_and_exit_code_2(argv: list[str], words: str, checkpoint: str, capsys: Capture) -> None:
    Path("text.ckpt").write_text("no checkpoint", encoding="utf-8")
    assert generate.main([checkpoint if word == "CKPT" else word for word in argv]) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert len(err.splitlines()) == 1
    assert out == ""
    assert [path.name for path in Path().iterdir()] == ["text.ckpt"]


def test_a_run_without_moving_average_has_none_to_draw_from(images_dir: Path, capsys: Capture) -> None:
    import train

    assert train.main([*small_run(images_dir), "--max_epochs", "1"]) == 0
    path = f"lightning_logs/version_0/{LAST}"
    assert generate.main([path, "--weights", "ema"]) == 2
    assert "--weights ema: this run kept no moving average" in capsys.readouterr().err
    assert generate.main([path, "--weights", "raw"]) == 0


def test_a_checkpoint_of_a_gpu_is_drawn_from_on_the_cpu(checkpoint: str) -> None:
    """Its tensors name the device that they were saved from; here that is rewritten, which is all that differs."""
    with zipfile.ZipFile(checkpoint) as source, zipfile.ZipFile("gpu.ckpt", "w") as target:
        for item in source.infolist():
            content = source.read(item)
            if item.filename.endswith("data.pkl"):
                assert b"X\x03\x00\x00\x00cpu" in content
                content = content.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            target.writestr(item, content)
    if not torch.cuda.is_available():
        with pytest.raises(RuntimeError, match="CUDA"):
            torch.load("gpu.ckpt", weights_only=True)
    assert np.array_equal(array("gpu.ckpt", "--num", "5"), array(checkpoint, "--num", "5"))


def test_the_door_as_a_process(checkpoint: str, trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, tmp_path / "run")
    command = [sys.executable, str(Path(generate.__file__)), f"run/{LAST}", "--num", "4"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"COLUMNS": "120"}, encoding="utf-8"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "written 4 images to samples.png\n", "")
