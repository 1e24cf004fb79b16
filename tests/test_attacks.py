"""Nothing that is read runs, nothing damaged passes, nothing is overwritten: a tenth of `make attack`, and the worst cases one by one."""

import ast
import errno
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
import yaml
from filelock import FileLock, Timeout
from PIL import Image

import train
from datamodule import MNISTDataModule
from first_gan import tensors
from first_gan.callbacks import curves
from first_gan.callbacks.loggers import RunTensorBoard
from first_gan.report.pictures import open_picture
from first_gan.run import config, starting
from first_gan.run import folder as run_folder
from first_gan.run.options import NETWORKS, build_parser
from gan_module import GAN
from tests.test_train import FOLDER, Run

ROOT = Path(train.__file__).parent
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


@posix
def test_a_tenth_of_the_attacks_breaks_no_promise() -> None:
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.attacks",
        "--share",
        "0.1",
        "--jobs",
        "1",
        "--undrawn_curves",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", timeout=500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    tries = int(done.stdout.splitlines()[-1].split()[0].replace(",", ""))
    assert tries > 300


def test_no_option_but_the_networks_can_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap.py").write_text("class Trap: pass\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    parser = build_parser(GAN, MNISTDataModule)
    names = [
        name for name in parser.names() if not name.endswith("help") and name not in ("h", "print_config", "config")
    ]
    assert len(names) > 30
    for name in names:
        for value in ("trap.Trap", {"class_path": "trap.Trap"}, [{"class_path": "trap.Trap"}]):
            options: Any = value
            for part in reversed(name.rstrip("+").split(".")):
                options = {part: options}
            Path("c.yaml").write_text(yaml.safe_dump(options), encoding="utf-8")
            with suppress(Exception):
                build_parser(GAN, MNISTDataModule).parse(["--config", "c.yaml"])
            assert name in NETWORKS or "trap" not in sys.modules, name
            sys.modules.pop("trap", None)


def test_a_typed_config_names_only_classes_of_the_project_or_typed_ones(
    run: Run, small: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text("from gan_module import Generator as G\nprint('imported')\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    Path("c.yaml").write_text("model:\n  generator: mine.G\n", encoding="utf-8")
    Path("g.yaml").write_text("generator: mine.G\n", encoding="utf-8")
    for argv in (["--config", "c.yaml"], ["--model", "g.yaml"]):
        code, out, err = run(*small, *argv)
        assert (code, out) == (2, "")
        assert "if you trust it, name it yourself: --model.generator mine.G" in err
    assert run(*small, "--config", "c.yaml", "--model.generator", "mine.G")[0] == 0


@pytest.mark.parametrize(
    "text", ["a: &a [1]\nb: *a", "[" * 51 + "]" * 51, "!!int abc", "9" * 5000, "2024-99-99", "!!float x"]
)
def test_yaml_is_read_within_bounds(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        config.load(text)
    assert config.load("[" * 50 + "]" * 50)


def test_checksums_are_looked_at(run_of_one_epoch: None) -> None:
    path = FOLDER / "checkpoints/last.ckpt"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert torch.load(path, weights_only=True)  # torch does not notice
    with pytest.raises(tensors.Damaged):
        tensors.load(path)


@pytest.mark.parametrize(
    "spoilt",
    [
        torch.zeros(2, 2) * torch.nan,
        torch.zeros(2, 2, dtype=torch.int64),
        torch.zeros(2, 2, dtype=torch.complex64),
        torch.zeros(4),
        0.0,
    ],
)
def test_what_is_no_tensor_of_the_kind_does_not_fit(spoilt: Any) -> None:
    assert not tensors.fits(spoilt, torch.zeros(2, 2))
    assert tensors.fits(torch.zeros(2, 2, dtype=torch.bfloat16), torch.zeros(2, 2))


def test_a_tensor_that_claims_more_memory_than_it_brings_is_refused(tmp_path: Path) -> None:
    torch.save({"a": [torch.zeros(1).expand(200_000, 200_000)]}, tmp_path / "x")
    with pytest.raises(tensors.Damaged):
        tensors.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("loops", "fit_loop", "epoch_progress", "current", "processed"), 7),
        (("loops", "fit_loop", "epoch_progress"), []),
        (("callbacks",), 3),
        (("callbacks", "QualityMonitor", "best_fcd"), "low"),
        (("pytorch-lightning_version",), "x"),
        (("lr_schedulers",), [{}]),
        (("optimizer_states", 0, "param_groups", 0, "lr"), 7.0),
        (("optimizer_states", 1, "state", 0, "exp_avg"), torch.zeros(1)),
        (("optimizer_states", 1, "state", 99), {}),
    ],
)
def test_a_state_that_no_run_writes_is_refused_before_anything_is_made(
    run: Run, small: list[str], run_of_one_epoch: None, where: tuple[Any, ...], value: Any
) -> None:
    checkpoint = torch.load(FOLDER / "checkpoints/last.ckpt", weights_only=True)
    inner = checkpoint
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    torch.save(checkpoint, "copy.ckpt")
    code, _, err = run("--ckpt_path", "copy.ckpt", *small)
    assert code == 2
    assert "holds a state that training cannot go on from" in err
    assert len(list(Path("lightning_logs").iterdir())) == 1


@posix
@pytest.mark.parametrize("name", ["samples", "checkpoints", "report", "events.out.tfevents.1", ".lock"])
def test_a_link_in_a_run_folder_leads_nowhere(run: Run, finished_run: None, tmp_path: Path, name: str) -> None:
    precious = tmp_path / "precious"
    if (FOLDER / name).is_dir():
        (FOLDER / name).rename(precious)
    else:
        precious.write_text("mine", encoding="utf-8")
        (FOLDER / name).unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (FOLDER / name).symlink_to(precious)
    code, _, err = run("--ckpt_path", str(FOLDER / "checkpoints/last.ckpt"), "--max_epochs", "3")
    assert code == 2
    assert f"{name} is a link" in err
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path.name != ".lock"} == {
        path: before[path] for path in before if path.name != ".lock"
    }


def test_a_run_is_locked_before_its_checkpoint_is_read(
    run: Run, run_of_one_epoch: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = starting.load_checkpoint

    def locked(path: Path) -> Any:
        with pytest.raises(Timeout):
            FileLock(FOLDER / ".lock", is_singleton=False).acquire(timeout=0)
        return load(path)

    with monkeypatch.context() as patch:
        patch.setattr(starting, "load_checkpoint", locked)
        code, _, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert (code, err) == (0, "")
    assert run("--ckpt_path", "last", "--model.lr", "5")[0] == 2
    assert run("--ckpt_path", "last", "--max_epochs", "3")[0] == 0  # the one that was refused let go of it


@pytest.mark.parametrize("missing", [run_folder.RECORD, run_folder.REPORT])
def test_a_run_killed_between_its_last_checkpoint_and_its_end_gets_one(
    run: Run, finished_run: None, missing: Path
) -> None:
    checkpoint = (FOLDER / "checkpoints/last.ckpt").read_bytes()
    metrics = (FOLDER / "metrics.csv").read_bytes()
    (FOLDER / missing).unlink()
    code, out, err = run("--ckpt_path", "last")
    assert (code, err) == (0, "")
    assert "the run's end was missing" in out
    assert "Verdict" in out
    assert (FOLDER / run_folder.REPORT).is_file()
    assert (FOLDER / run_folder.RECORD).is_file()
    assert (FOLDER / "checkpoints/last.ckpt").read_bytes() == checkpoint
    assert (FOLDER / "metrics.csv").read_bytes() == metrics
    assert run("--ckpt_path", "last")[0] == 2  # now it has ended


def test_a_checkpoint_names_no_files(run_of_one_epoch: None) -> None:
    """Lightning would remove those that a callback's state names."""
    callbacks = torch.load(FOLDER / "checkpoints/last.ckpt", weights_only=True)["callbacks"]
    assert [name for name in callbacks if name.startswith("EpochCheckpoint")] == []
    assert "last.ckpt" not in str(callbacks)


def test_numbers_stay_as_they_were_written(tmp_path: Path) -> None:
    text = "step,epoch,a,b\n1,0,10,0.5\n2,0,,1e-07\n"
    (tmp_path / "metrics.csv").write_text(text, encoding="utf-8")
    run_folder.write_rows(tmp_path, run_folder.read_metrics(tmp_path))
    assert (tmp_path / "metrics.csv").read_text(encoding="utf-8") == text


def test_a_picture_of_a_run_is_a_png_of_bounded_size(tmp_path: Path) -> None:
    Image.new("L", (64, 64)).save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png") is not None
    for form in ("GIF", "TIFF", "EPS", "WEBP"):
        Image.new("L", (64, 64)).save(tmp_path / "b.png", form)
        assert open_picture(tmp_path / "b.png") is None
    Image.new("1", (5000, 5000)).save(tmp_path / "c.png")
    assert open_picture(tmp_path / "c.png") is None


def test_a_plot_is_of_one_style_and_fails_no_run(
    run: Run, small: list[str], monkeypatch: pytest.MonkeyPatch, drawn_curves: None
) -> None:
    run(*small)
    plain = (FOLDER / "curves.png").read_bytes()
    with matplotlib.rc_context({"axes.facecolor": "red", "font.size": 30, "text.usetex": True}):
        assert curves.rendered(run_folder.read_metrics(FOLDER)) == plain

    def broken(_: object) -> None:
        raise RuntimeError("no font")

    monkeypatch.setattr(curves, "draw", broken)
    code, _, err = run(*small)
    assert code == 0
    assert "No curves.png: matplotlib cannot draw it (no font)" in err


def test_a_matplotlibrc_that_lies_about_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "matplotlibrc").write_bytes(b"\xff\xfe: broken\n")
    done = subprocess.run([sys.executable, train.__file__, "--help"], cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_tensorboards_full_disk_is_an_oserror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logger = RunTensorBoard(tmp_path / "lightning_logs/version_0")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(logger.experiment, "add_scalar", full)
    with pytest.raises(OSError, match="No space"):
        logger.log_metrics({"a": 1.0}, 1)


def test_nothing_depends_on_asserts_which_python_can_leave_out() -> None:
    """`assert x is not None` is for the type checker alone."""
    code = [*ROOT.glob("*.py"), *(ROOT / "first_gan").rglob("*.py"), *(ROOT / "networks").rglob("*.py")]
    found = [
        f"{path.name}:{node.lineno}"
        for path in code
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Assert) and not ast.unparse(node.test).endswith(" is not None")
    ]
    assert found == []


@pytest.mark.parametrize(
    "argv", [["--devices", "9" * 30], ["--limit_train_batches", "1e308"], ["--model.steps_per_execution", "9" * 30]]
)
def test_numbers_beyond_all_bounds_are_refused(run: Run, small: list[str], argv: list[str]) -> None:
    code, _, err = run(*small, *argv)
    assert code == 2
    assert argv[0] in err
    assert not Path("lightning_logs").exists()


def test_what_would_control_a_terminal_is_printed_as_text(run: Run, small: list[str]) -> None:
    code, out, err = run(*small, "--default_root_dir", "a\x1b]0;title\x07b", "--max_epochs", "1")
    assert code == 0
    assert "\x1b" not in out + err
    assert r"a\x1b]0;title\x07b" in out
