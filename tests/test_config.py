"""Config files: UTF-8 in every locale, as any editor saves it, with names of files that are not."""

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

import train
from first_gan.report import page
from first_gan.report.comparison import comparison
from first_gan.report.run import Run as ReadRun
from first_gan.run.checkpoints import data_dir_of_run
from first_gan.run.config import dump, load
from first_gan.run.folder import CONFIG, LAST, folder_of, open_run, read_config
from tests.made_runs import make_run
from tests.test_cli import parse, refused
from tests.test_train import FOLDER, Run, steps

ROOT = Path(train.__file__).parent
BYTES = "L\udce4t"  # a folder's name that is not UTF-8, as Python reads it


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_config_files_are_utf8_with_or_without_a_mark(mark: str) -> None:
    Path("c.yaml").write_text(f"{mark}data:\n  data_dir: Jörg/データ\n", encoding="utf-8")
    Path("group.yaml").write_text(f"{mark}data_dir: Jörg/データ\n", encoding="utf-8")
    assert parse("--config", "c.yaml")["data"]["data_dir"] == "Jörg/データ"
    assert parse("--data", "group.yaml")["data"]["data_dir"] == "Jörg/データ"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252"])
def test_a_config_file_in_another_encoding_is_one_clear_line(run: Run, encoding: str) -> None:
    Path("c.yaml").write_text("data:\n  data_dir: Jörg\n", encoding=encoding)
    said = refused(run, "--config", "c.yaml")
    assert encoding == "utf-16-le" or "c.yaml is not a text file in UTF-8" in said
    Path("c.yaml").write_text("data_dir: Jörg\n", encoding=encoding)
    refused(run, "--data", "c.yaml")


def test_the_locale_decides_neither_what_a_config_says_nor_what_is_written() -> None:
    Path("c.yaml").write_text("name: Jörg\n", encoding="utf-8")
    script = """
import os
from jsonargparse import ActionConfigFile
from first_gan.run.cli import Parser
parser = Parser()
parser.add_argument("--config", action=ActionConfigFile)
parser.add_argument("--name", type=str)
for words in (["--config", "c.yaml"], ["--name", os.fsdecode("J\\xf6rg".encode())]):
    options = parser.parse_args(words)
    assert os.fsencode(options.name) == "J\\xf6rg".encode()
    assert parser.dump(options) == "name: J\\xf6rg\\n"
options = parser.parse_args(["--name", os.fsdecode(b"L\\xe4t")])
assert parser.dump(options) == 'name: "L\\\\uDCE4t"\\n'
"""
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_a_printed_config_can_be_kept_whatever_stdouts_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Path("c.yaml")
    for encoding in ("cp1252", "ascii", "utf-8"):
        with monkeypatch.context() as patched, kept.open("w", encoding=encoding) as stdout:
            patched.setattr(sys, "stdout", stdout)
            with pytest.raises(SystemExit):
                train.main(["--data.data_dir", "Jörg/データ", "--print_config"])
        assert parse("--config", "c.yaml")["data"]["data_dir"] == "Jörg/データ"
    assert "Jörg/データ" in kept.read_text(encoding="utf-8")


def test_names_of_any_bytes_survive_a_config_file() -> None:
    options = {"a": [BYTES, 1e-5], "b": {"c": "Jörg: データ", "d": None}}
    text = dump(options)
    assert text.encode().isascii() is False
    assert load(text) == load(text, lambda text: yaml.load(text, yaml.CSafeLoader)) == options
    Path("c.yaml").write_text('data:\n  data_dir: "L\\uDCE4t"\nmodel:\n  lr: 1e-3\n', encoding="utf-8")
    read = parse("--config", "c.yaml")
    assert (read["data"]["data_dir"], read["model"]["lr"]) == (BYTES, 1e-3)


def test_a_run_on_a_folder_that_is_not_utf8_is_resumed_and_scored_there(run: Run, small: list[str]) -> None:
    Path(BYTES).symlink_to(small[1])
    assert run("--data.data_dir", BYTES, *small[2:], "--max_epochs", "1")[0] == 0
    assert read_config(FOLDER / CONFIG)["data"]["data_dir"] == data_dir_of_run(FOLDER / LAST) == BYTES
    config = FOLDER / CONFIG
    config.write_text("\ufeff" + config.read_text(encoding="utf-8"), encoding="utf-8")  # edited, in Windows' editor
    assert folder_of(FOLDER / LAST) == FOLDER.absolute()
    code, out, err = run("--ckpt_path", "last", "--max_epochs", "2")
    assert (code, err) == (0, "")
    assert "images from L?t\n" in out
    assert steps(FOLDER, "samples/generated") == [0, 10, 20]


def test_a_run_folder_that_tensorboard_cannot_name_is_refused(run: Run, small: list[str]) -> None:
    Path(BYTES).mkdir()
    said = refused(run, *small, "--default_root_dir", BYTES)
    assert "L\\udce4t: TensorBoard cannot write into a folder whose name is not UTF-8" in said
    assert said.endswith("\nname another by --default_root_dir\n")


def test_a_report_shows_names_of_any_kind() -> None:
    make_run(Path("run"))
    config = Path("run", CONFIG)
    text = config.read_text(encoding="utf-8").replace(
        "dataset: mnist", 'dataset: mnist\n  data_dir: "<b>[x]&L\\uDCE4t"'
    )
    config.write_text(text, encoding="utf-8")
    shutil.copytree("run", "[x]&データ")
    for folder in (Path("run"), Path("[x]&データ")):
        page.write(page.report(ReadRun.read(folder)), Path("r.html"))
        html = Path("r.html").read_text(encoding="utf-8")
        assert "<b>[x]" not in html
        assert f"<title>{str(folder).replace('&', '&amp;')} · FCD " in html
    page.write(comparison([ReadRun.read(Path("run")), ReadRun.read(Path("[x]&データ"))]), Path("r.html"))
    assert "[x]&amp;データ" in Path("r.html").read_text(encoding="utf-8")


def test_open_run_in_utf8() -> None:
    with ExitStack() as held:
        folder = open_run(None, Path("Jörg[x]"), "a: データ\n", "cpu", held)
    assert read_config(folder / CONFIG) == {"a": "データ"}
