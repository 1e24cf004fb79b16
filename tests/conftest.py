"""Fixtures: images on disk, a clean working directory, and the command line in this process."""

import contextlib
import gzip
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision import datasets

import train
from first_gan.callbacks import curves
from first_gan.callbacks import playground as playgrounds
from first_gan.data import idx, raw_folder
from first_gan.data.digits import make_digits
from first_gan.drawing.pictures import png
from first_gan.scores.judge import Judge

REAL_MNIST = os.environ.get("MNIST_DIR")
LONGEST = [f"test_{name}.py" for name in ("attacks", "distributed", "benchmarks", "resume", "evaluate")]
PIXEL = png(Image.new("RGB", (1, 1)))
UNREACHABLE = "http://127.0.0.1:9/"  # the discard port: refused at once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two workers end at about the same time if the longest files come first."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def images_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four IDX files: real MNIST's where MNIST_DIR leads to it, else the built-in digits'."""
    if REAL_MNIST:
        return unpacked(Path(REAL_MNIST).absolute(), tmp_path_factory.mktemp("mnist"))
    rendered = os.environ.get("DIGITS_DIR")  # by whoever runs many sessions
    data_dir = Path(rendered) if rendered else tmp_path_factory.mktemp("images")
    if not rendered:
        make_digits(data_dir)
    as_mnist = (
        tmp_path_factory.mktemp("four") / "files"
    )  # under another name: the digits' folder is not taken for MNIST's
    as_mnist.symlink_to(raw_folder(data_dir, "digits"), target_is_directory=True)
    return as_mnist


def unpacked(packed: Path, folder: Path) -> Path:
    """The same four files without gzip, whose unpacking would take a fifth of each short run; returns `folder`."""
    for name, path in (idx.find(packed, "mnist") or {}).items():
        (folder / name).write_bytes(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    return folder


@pytest.fixture(scope="session")
def arrays(images_dir: Path) -> dict[str, torch.Tensor]:
    paths = idx.find(images_dir, "mnist")
    assert paths is not None
    return idx.read_dataset(paths)


@pytest.fixture(autouse=True)
def clean_slate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty working directory, no MNIST_DIR, no network, and the random state as it was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_DIR", raising=False)
    for dataset in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST):
        monkeypatch.setattr(dataset, "mirrors", [UNREACHABLE])
    state = torch.get_rng_state()
    yield
    torch.set_rng_state(state)


@pytest.fixture(autouse=True)
def undrawn_curves(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """curves.png of runs in this process is composed but not drawn, which takes longer than training them: it is one pixel.

    A test that looks at it asks for `drawn_curves`.
    """
    if "drawn_curves" not in request.fixturenames:
        monkeypatch.setattr(curves, "png", lambda figure: PIXEL)


@pytest.fixture(autouse=True)
def unwritten_playgrounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The playground of runs in this process is an empty page, for the same reason; a test of it asks for `written_playgrounds`."""
    if "written_playgrounds" not in request.fixturenames:
        monkeypatch.setattr(playgrounds, "page", lambda *parts: ("", ""))


@pytest.fixture
def written_playgrounds() -> None:
    """playground.html is written as it is."""


@pytest.fixture
def drawn_curves() -> None:
    """curves.png is drawn."""


@pytest.fixture(scope="session")
def trained_run(images_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two epochs with a moving average and scores; to be read, or copied."""
    root = tmp_path_factory.mktemp("trained")
    scored = ["--quality.samples", "500", "--model.ema_decay", "0.8", "--model.lr", "1e-3"]
    assert (
        train.main([*small_run(images_dir), *scored, "--default_root_dir", str(root), "--quality.every_n_epochs", "1"])
        == 0
    )
    return root / "lightning_logs/version_0"


@pytest.fixture
def small(images_dir: Path) -> list[str]:
    return small_run(images_dir)


def small_run(images_dir: Path) -> list[str]:
    """Options of a run of a second: two epochs of 10 updates on 600 images, not scored."""
    data = ["--data.data_dir", str(images_dir), "--data.train_rows", "600", "--data.batch_size", "64"]
    quick = ["--accelerator", "cpu", "--max_epochs", "2", "--log_every_n_steps", "4", "--quality.every_n_epochs", "0"]
    return [*data, *quick]


@pytest.fixture(scope="session")
def finished_runs(images_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of `small`'s options, of one epoch and of two, in a folder each."""
    root = tmp_path_factory.mktemp("finished")
    for epochs in ("1", "2"):
        (root / epochs).mkdir()
        with contextlib.chdir(root / epochs):
            assert train.main([*small_run(images_dir), "--max_epochs", epochs]) == 0
    return root


@pytest.fixture
def finished_run(finished_runs: Path, tmp_path: Path) -> None:
    """The working directory is that of a run by `small`'s options: as after `run(*small)`, but trained once for all tests."""
    shutil.copytree(finished_runs / "2", tmp_path, dirs_exist_ok=True)


@pytest.fixture
def run_of_one_epoch(finished_runs: Path, tmp_path: Path) -> None:
    """The same after `--max_epochs 1`."""
    shutil.copytree(finished_runs / "1", tmp_path, dirs_exist_ok=True)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs train.py's command line in this process: (exit code, stdout, stderr)."""

    def call(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = train.main(argv)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """train.py's trials are fake ones, and nobody fetches images; the folder of the fake."""
    import study
    from first_gan.study import processes

    (tmp_path / "fake").mkdir()
    shutil.copy(Path(__file__).with_name("fake_train.py"), tmp_path / "fake/train.py")
    (tmp_path / "fake/histories").symlink_to(Path(__file__).with_name("histories"))
    monkeypatch.setattr(processes, "ROOT", tmp_path / "fake")
    monkeypatch.setattr(processes, "POLL", 0.01)
    monkeypatch.setattr(study, "ready", lambda options: None)
    return tmp_path / "fake"


@pytest.fixture
def call(fake: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs study.py's command line in this process: (exit code, stdout, stderr)."""

    import study

    def called(*argv: str) -> tuple[int, str, str]:
        code = study.main(argv)
        return code, *capsys.readouterr()

    return called


def offline(**extra: str) -> dict[str, str]:
    """The environment of a process that finds no network and no MNIST."""
    environment = {key: value for key, value in os.environ.items() if key != "MNIST_DIR"}
    return environment | {"http_proxy": UNREACHABLE, "https_proxy": UNREACHABLE, "no_proxy": ""} | extra


@pytest.fixture(scope="session", autouse=True)
def opinions_kept() -> Iterator[None]:
    """What a judge says of the same thousands of real images is computed once, and not by each run again."""
    opinion, known = Judge.opinion, dict[str, tuple[torch.Tensor, torch.Tensor]]()

    def kept(self: Judge, images: torch.Tensor, batch_size: int = 500) -> tuple[torch.Tensor, torch.Tensor]:
        if images.dtype != torch.uint8 or len(images) < 5000:
            return opinion(self, images, batch_size)
        asked = hashlib.sha256(images.numpy().tobytes())
        for weights in self.state_dict().values():
            asked.update(weights.numpy().tobytes())
        if asked.hexdigest() not in known:
            known[asked.hexdigest()] = opinion(self, images, batch_size)
        return known[asked.hexdigest()]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "opinion", kept)
        yield
