"""The command line: what is refused, how it is said, and that config files and flags mix in any order."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

import train
from datamodule import MNISTDataModule
from first_gan.run import declared
from first_gan.run.cli import UserError
from first_gan.run.folder import ROOT
from first_gan.run.help import cleaned
from first_gan.run.options import build_parser
from first_gan.run.words import NESTED
from gan_module import GAN
from tests.conftest import offline

Run = Callable[..., tuple[int, str, str]]
TRAIN = str(Path(train.__file__))


def parse(*argv: str) -> dict:
    return build_parser(GAN, MNISTDataModule).parse(argv).as_dict()


def refused(run: Run, *argv: str) -> str:
    """Runs what must be refused with one or two lines, exit code 2 and nothing left behind; returns the lines."""
    before = sorted(Path().rglob("*"))
    code, out, err = run(*argv)
    assert code == 2
    assert out == ""
    assert err.startswith("train.py: error: ")
    assert 1 <= err.count("\n") <= 2, err
    assert "Traceback" not in err
    assert sorted(Path().rglob("*")) == before
    return err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--bogus", "1"], "unknown option --bogus"),
        (["--max_epoch", "3"], "unknown option --max_epoch; did you mean --max_epochs?"),
        (["--model.l", "3"], "--model.l"),
        (["--lr", "1e-3"], "unknown option --lr; did you mean --model.lr?"),
        (["--model.init_args.lr", "1e-3"], "did you mean --model.lr?"),
        (["--trainer.max_epochs", "3"], "did you mean --max_epochs?"),
        (["--batch-size", "3"], "did you mean --data.batch_size?"),
        (["--epochs=3"], "unknown option --epochs; did you mean --max_epochs?"),
        (["--data.seed", "3"], "did you mean --seed_everything?"),
        (["--default_root_dir", "s3://bucket/runs"], "s3://bucket/runs is a URL; name a folder"),
        (["--data.data_dir", "gs://bucket/mnist"], "gs://bucket/mnist is a URL"),
        (["--ckpt_path", "https://host/last.ckpt"], "https://host/last.ckpt is a URL"),
        (["stray"], "stray"),
        (["--model.lr", "fast"], "--model.lr: Expected a float, got fast"),
        (["--model.lr_g", "fast"], "--model.lr_g: Expected float or null, got fast"),
        (["--model.betas", "[1]"], "--model.betas"),
        (["--max_epochs", "many"], "--max_epochs"),
        (["--gradient_clip_val", "1"], "--gradient_clip_val cannot be used here: the GAN steps its two optimizers"),
        (["--accumulate_grad_batches", "2"], "a larger --data.batch_size does the same"),
        (["--limit_val_batches", "2"], "there is no validation loop"),
        (["--data.batch_size", "0"], "--data.batch_size must be 1 to 60000, got 0"),
        (["--data.train_rows", "60001"], "--data.train_rows must be 1 to 60000, got 60001"),
        (["--model.lr", "-1"], "--model.lr must be above 0, got -1.0"),
        (["--model.latent_dim", "0"], "--model.latent_dim must be at least 1, got 0"),
        (["--model.betas", "[0.5,1.0]"], "--model.betas must be in [0, 1), got (0.5, 1.0)"),
        (["--max_epochs", "-5"], "max_epochs"),
        (["--max_epochs", "0"], "--max_epochs must be at least 1"),
        (["--max_steps", "0"], "--max_steps must be at least 1"),
        (["--limit_train_batches", "0"], "--limit_train_batches 0 leaves no update"),
        (["--limit_train_batches", "0.0001"], "--limit_train_batches 0.0001 leaves no update"),
        (["--data.batch_size", "9" * 25], "--data.batch_size must be 1 to 60000"),
        (["--model.latent_dim", "9" * 25], "gan_networks.Generator cannot be made"),
        (["--log_every_n_steps", "null"], "--log_every_n_steps must be at least 1"),
        (["--ckpt_path", "x" * 300], "no checkpoint at"),
        (["--ckpt_path", "~nobody-here/x"], "~nobody-here/x: Could not determine home directory"),
        (["--data.data_dir", "~nobody-here/x"], "home directory"),
        (["--default_root_dir", "~nobody-here/x", "--ckpt_path", "last"], "home directory"),
        (["--strategy", "ddp_find_unused_parameters_false"], "use auto or ddp"),
        (["--strategy", "ddp_spawn"], "--strategy ddp_spawn cannot be used here; use auto or ddp"),
        (["--model.generator.widths", "[99999999999]"], "gan_networks.Generator cannot be made"),
        (
            ["--model.generator.batch_norm", "true", "--data.batch_size", "1"],
            "--model.generator.batch_norm needs 2 images or more",
        ),
        (["--devices", "4096", "--accelerator", "auto"], "--devices 4096"),
        (["--max_steps", "-7"], "max_steps"),
        (["--log_every_n_steps", "0"], "--log_every_n_steps must be at least 1"),
        (["--seed_everything", "-1"], "--seed_everything must be 0 to"),
        (["--precision", "16-mixed"], "use bf16-mixed or 32-true"),
        (["--precision", "bf16-true", "--model.ema_decay", "0.9"], "use bf16-mixed or 32-true"),
        (
            ["--model.lr_decay", "0.5", "--max_epochs", "-1"],
            "needs an end to fall towards: --max_epochs or --max_steps",
        ),
        (["--precision", "31"], "--precision"),
        (["--strategy", "magic"], "magic"),
        (
            ["--model.generator.widht", "3"],
            "--model.generator.widht of gan_networks.Generator; did you mean --model.generator.widths?",
        ),
        (["--model.generator.widths", "256,512"], "several values are one word: --model.generator.widths '[256,512]'"),
        (["--model.generator.widths", "[256,", "512]"], "--model.generator.widths '[256,...]'"),
        (["--model.betas", "0.5", "0.999"], "several values are one word: --model.betas '[0.5,...]'"),
        (["--health.stop_on", "collapse"], "relapsed, oscillating, memorizing, modes missing, stalled"),
        (["--health.stop_on", "collapse"], "--health.stop_on '[mode collapse]'"),
        (["--model.generator.widths", "abc"], "--model.generator.widths: Expected a Sequence, got abc"),
        (
            ["--model.generator_widths", "[3]"],
            "unknown option --model.generator_widths; did you mean --model.generator.widths?",
        ),
        (["--model.batch_norm", "true"], "did you mean --model.generator.batch_norm?"),
        (["--model.generator", "os.system"], "--model.generator: os.system is not a network's class"),
        (["--model.generator", "nowhere.X"], "nowhere.X is not a network's class (No module named 'nowhere')"),
        (
            ["--model.generator", "networks.dcgan.Generator", "--model.generator.width", "0"],
            "--model.generator.width must be at least 1",
        ),
        (
            ["--model.generator", "networks.dcgan.Generator", "--model.generator.widths", "[3]"],
            "--model.generator.help networks.dcgan.Generator lists them",
        ),
        (
            ["--model.generator", "networks.dcgan.Discriminator"],
            "--model.generator: networks.dcgan.Discriminator cannot be made",
        ),
        (["--model.discriminator", "torch.nn.Flatten"], "--model.discriminator"),
        (["--data.image_size", "32"], "--data.image_size must be 8 to 256, and goes with folder and npz alone"),
        (["--data.dataset", "folder"], "--data.data_dir must name the folder of pictures"),
        (["--data.dataset", "npz", "--data.data_dir", "nowhere"], "--data.data_dir: there is nothing at nowhere"),
        (["--data.dataset", "imagenet"], "--data.dataset: Expected one of 'mnist', "),
        (["--config", "none.yaml"], "none.yaml"),
        (["--config"], "argument --config: expected one argument"),
        (["--config=--"], "argument --config: expected one argument"),
        (["--accelerator", "cpu", "--devices", "4096"], "--devices 4096: this machine has"),
        (["--ckpt_path", "last"], "nothing to resume"),
        (["--ckpt_path", "none.ckpt"], "no checkpoint at none.ckpt"),
        (["--data.data_dir", "nowhere"], "no MNIST in nowhere, and it cannot be downloaded"),
        (["--model.generator.batch_norm", "true", "--data.train_rows", "129"], "is alone; change --data.batch_size"),
    ],
)
def test_bad_input_is_one_clear_line(run: Run, argv: list[str], said: str) -> None:
    assert said in refused(run, *argv)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: [", "config"),
        ("just text", "just text"),
        ("model:\n  bogus: 1", "unknown option in a config file: bogus"),
        ("lr: 1e-3", "did you mean --model.lr?"),
        ("model:\n  init_args:\n    lr: 1e-3", "did you mean --model.lr?"),
        ("trainer:\n  max_epochs: 3", "did you mean --max_epochs?"),
        ("model:\n  class_path: gan_module.GAN\n  init_args:\n    lr: 1e-3", "did you mean --model.lr?"),
        ("max_epoch: 1", "max_epoch"),
        ("model: null", "--model must be a group of options"),
        ("data: 3", "data"),
        ("model:\n  lr: fast", "--model.lr"),
        ("gradient_clip_val: 1.0", "gradient_clip_val"),
    ],
)
def test_bad_yaml_is_one_clear_line(run: Run, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text, encoding="utf-8")
    assert said in refused(run, "--config", "c.yaml")


def test_config_that_is_no_text(run: Run, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(bytes(range(128, 256)))
    assert "not a text file" in refused(run, "--config", "c.yaml")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("built_for", "visible", "why"),
    [
        (None, None, "is built without CUDA: https://pytorch.org/get-started"),
        ("13.2", None, "no driver for its CUDA 13.2: see what nvidia-smi says"),
        ("13.2", "", "CUDA_VISIBLE_DEVICES hides all GPUs: unset it"),
    ],
)
def test_gpu_where_there_is_none(
    run: Run, monkeypatch: pytest.MonkeyPatch, built_for: str | None, visible: str | None, why: str
) -> None:
    monkeypatch.setattr(torch.version, "cuda", built_for)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    err = refused(run, "--accelerator", "gpu")
    assert "--accelerator gpu: there is no GPU here; leave it out to train on the CPU\n" in err
    assert why in err


def test_no_network_and_no_data_names_the_three_ways_out(run: Run) -> None:
    said = refused(run)
    assert all(way in said for way in ("--data.data_dir", "MNIST_DIR", "--data.dataset digits"))


def test_mnist_dir_that_is_empty(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MNIST_DIR", "empty")
    assert "MNIST_DIR=empty holds no MNIST files" in refused(run)


@pytest.mark.parametrize("root", ["file", "file/below"])
def test_log_folder_that_cannot_be_made(run: Run, small: list[str], tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert "no run folder can be made in" in refused(run, *small, "--default_root_dir", root)


def test_config_before_or_after_flags_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("max_epochs: 7\nmodel:\n  lr: 0.5\n", encoding="utf-8")
    flags = ["--max_epochs", "3", "--data.batch_size=16"]
    before, after = parse("--config", "c.yaml", *flags), parse(*flags, "--config=c.yaml")
    before.pop("config"), after.pop("config")
    assert before == after
    assert (before["max_epochs"], before["model"]["lr"], before["data"]["batch_size"]) == (3, 0.5, 16)


def test_sys_argv_is_read_and_left_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train.py", "--max_epochs", "0", "--config", "none.yaml"]
    monkeypatch.setattr(sys, "argv", list(words))
    assert train.main() == 2
    assert "none.yaml" in capsys.readouterr().err
    assert sys.argv == words


def test_print_config_round_trips(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--model.betas", "[0.1, 0.9]", "--data.dataset", "digits", "--max_epochs", "3"]
    texts = []
    for arguments in (argv, ["--config", "c.yaml"]):
        with pytest.raises(SystemExit) as end:
            train.main([*arguments, "--print_config"])
        assert end.value.code == 0
        texts.append(capsys.readouterr().out)
        (tmp_path / "c.yaml").write_text(texts[-1], encoding="utf-8")
    assert texts[0] == texts[1]
    assert yaml.safe_load(texts[0])["model"]["betas"] == [0.1, 0.9]


def test_help_has_every_option_with_help_and_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        train.main(["--help"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["usage: train.py [options]", ""]
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    told = {f"--{name}" for name in declared.names(ROOT)} - {"--model", "--data", "--quality", "--health"}
    shown = {line.split()[0] for line in lines if line.startswith("  --")} | {"--help"}
    assert shown == told | {f"--{name}" for name in NESTED}
    assert "Mescheder et al. 2018" in text
    for default in ("0.0002", "50", "[0.5,0.999]", "gan_networks.Generator", "[256,512]"):
        assert f"(default: {default})" in text
    assert not re.search(r":[a-z]+:|``|CONFIG|Disabled by default|Path to a configuration file|\bnull\b", text)


def test_words_of_lightnings_docstrings_are_plain() -> None:
    raw = """If :paramref:`~pytorch_lightning.trainer.trainer.Trainer.deterministic` is set, a
        :class:`datetime.timedelta`, ``-1``. Default: ``None``."""
    assert cleaned(raw) == "if deterministic is set, a timedelta, -1"


def test_names_are_read_from_the_sources_as_the_parser_knows_them() -> None:
    parser = build_parser(GAN, MNISTDataModule)
    theirs = {name for name in parser.names() if not name.endswith(("+", ".help", "-h"))}
    assert set(declared.names(ROOT)) == theirs
    for argv in (["--lr", "3"], ["--epochs=3"], ["--gradient_clip_val", "1"], ["--model.l", "3"]):
        with pytest.raises(UserError) as early:
            declared.check_names(argv)
        with pytest.raises(UserError) as late:
            parser.parse(argv)
        assert str(early.value) == str(late.value)
    declared.check_names(["--model.generator.width", "3", "--devices+=1", "--model.generator.help=x", "stray"])


def test_the_door_as_a_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, TRAIN, "--data.data_dir", "x"],
        env=offline(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        encoding="utf-8",
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 2, done.stderr
    assert "--data.dataset digits" in done.stderr
    assert done.stdout == ""
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_an_error_of_our_own_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "build_parser", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train.main([])


def test_user_errors_are_no_bugs() -> None:
    with pytest.raises(UserError):
        parse("--nope")
