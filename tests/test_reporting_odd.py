"""Reports of runs whose files are damaged, missing or odd."""

import html
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from first_gan.report.__main__ import main
from first_gan.report.comparison import comparison
from first_gan.report.page import report, without_places
from first_gan.report.run import Record, Run
from first_gan.run.folder import NEAREST, RECORD, REPORT, ROOT, SIGNATURE, RunFolderError
from tests.made_runs import make_run, write_rows
from tests.test_reporting import FOLDER, data_of, report_of


def test_html_in_a_value_is_escaped() -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    folder = Path("<img src=x onerror=alert(3)>")
    make_run(folder, evil=evil)
    make_run(FOLDER)
    for page in (report_of(folder), comparison([Run.read(folder), Run.read(FOLDER)])):
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert page.count("<script") == 3  # the data, uPlot and the page's own


def test_broken_lines_are_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(FOLDER)
    lines = (FOLDER / "metrics.csv").read_text(encoding="utf-8").splitlines()
    lines[2] = "938,1,half a line"
    (FOLDER / "metrics.csv").write_text(
        "\n".join([*lines, "\x00\udcff,,".encode("utf-8", "replace").decode(), ""]), encoding="utf-8"
    )
    assert main([str(FOLDER)]) == 0
    assert "2 broken lines of metrics.csv left out: 3, 6" in capsys.readouterr().err
    page = (FOLDER / REPORT).read_text(encoding="utf-8")
    assert "2 broken lines of metrics.csv left out: 3, 6" in page
    assert data_of(page)["charts"][0]["x"] == [1, 3, 4]


def test_broken_pictures_and_a_broken_record_are_left_out() -> None:
    make_run(FOLDER)
    (FOLDER / "samples/epoch_0002.png").write_bytes(b"no picture")
    for name in (RECORD, NEAREST):
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text('{"epoch": "many"}', encoding="utf-8")
    assert [frame["epoch"] for frame in data_of(report_of(FOLDER))["frames"]] == [0, 1, 3, 4]


@pytest.mark.parametrize("record", ["NaN", "Infinity", "1e999", "[" * 100_000, '"much"'])
def test_a_record_of_other_values_is_as_good_as_none(record: str, trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    whole = json.loads((FOLDER / RECORD).read_text(encoding="utf-8"))
    for name in whole:
        (FOLDER / RECORD).write_text(json.dumps(whole | {name: "X"}).replace('"X"', record), encoding="utf-8")
        assert Record.read(FOLDER / RECORD) is None


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda: shutil.rmtree(FOLDER), "is not a run folder"),
        (lambda: (FOLDER / "config.yaml").write_text("lr: 1\n", encoding="utf-8"), "is not a run folder"),
        (
            lambda: (FOLDER / "config.yaml").write_text(f"{SIGNATURE}\ndata: [", encoding="utf-8"),
            "config.yaml is broken",
        ),
        (lambda: (FOLDER / "config.yaml").write_bytes(b"\xff\xfe"), "config.yaml is broken"),
        (
            lambda: (FOLDER / "config.yaml").write_text(f"{SIGNATURE}\nmax_epochs: 2020-01-01", encoding="utf-8"),
            "holds values that",
        ),
        (lambda: (FOLDER / "metrics.csv").unlink(), "has no epoch yet"),
        (lambda: (FOLDER / "metrics.csv").write_text("step,epoch\nx,y\n", encoding="utf-8"), "has no epoch yet"),
        (lambda: (FOLDER / "metrics.csv").write_text("", encoding="utf-8"), "has no epoch yet"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    spoil: Callable[[], object], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(FOLDER)
    spoil()
    assert main([str(FOLDER)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (FOLDER / REPORT).exists()


def test_a_name_that_no_file_can_have_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(FOLDER)
    assert main([str(FOLDER), "--out", "x" * 300]) == 2
    assert "cannot be written: File name too long" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["null", "many", "[1]", "60000"])
def test_odd_options_are_shown_as_they_are(value: str) -> None:
    shown = {"null": "all", "60000": "60,000"}.get(value, html.escape(value))
    make_run(FOLDER)
    text = (FOLDER / "config.yaml").read_text(encoding="utf-8").replace("train_rows: 60000", f"train_rows: {value}")
    (FOLDER / "config.yaml").write_text(text, encoding="utf-8")
    assert f"mnist, {shown} images" in report_of(FOLDER)


def test_perfect_or_vanished_numbers_are_reported() -> None:
    rows = make_run(FOLDER)
    write_rows(FOLDER, [row | {"val/fcd": 0.0, "train/d_loss": 0.0, "train/g_loss": 0.0} for row in rows])
    assert "FCD 0, at first 0" in report_of(FOLDER)


def test_a_report_that_cannot_be_made_does_not_hide_how_the_run_ended(
    run: Callable[..., tuple[int, str, str]], small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Run, live: float | None = None) -> str:
        raise RunFolderError("config.yaml is broken")

    monkeypatch.setattr("first_gan.report.page.report", fail)
    code, out, err = run(*small)
    assert (code, err) == (0, "No report: config.yaml is broken\n")
    assert "Verdict: " in out
    code, out, err = run(*small, "--model.lr", "1e30")
    assert code == 1
    assert "Verdict: diverging" in out
    assert "diverged in epoch 1" in err


def test_a_config_of_another_shape_is_reported_as_it_is() -> None:
    make_run(FOLDER)
    (FOLDER / "config.yaml").write_text(f"{SIGNATURE}\nonly words\n", encoding="utf-8")
    assert "only words" in report_of(FOLDER)


def test_a_page_says_nothing_of_where_the_images_are(trained_run: Path, images_dir: Path) -> None:
    pages = [report(Run.read(trained_run)), comparison([Run.read(trained_run), Run.read(trained_run)])]
    for text in pages:
        assert str(images_dir) not in text
        assert str(Path.home()) not in text
    assert f"data_dir: …/{images_dir.name}" in pages[0]


def test_the_commands_of_a_page_name_no_folder_of_the_machine(trained_run: Path, tmp_path: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    for run, named in ((trained_run, trained_run.name), (FOLDER, FOLDER.as_posix())):
        page = html.unescape(report(Run.read(run)))
        typed = re.findall(r'<code id="command-\d">(.*)</code>', page)
        assert [" ".join(line.split()[1:4]) for line in typed] == [
            f"train.py --ckpt_path {named}",
            f"evaluate.py {named}",
            f"generate.py {named} --num",
            f"generate.py --evolution {named}",
        ]
        assert {Path(line.split()[0]).name for line in typed} == {line.split()[0] for line in typed}
        assert str(ROOT) not in page
        assert str(tmp_path) not in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("data_dir: /home/ada/data/mnist", "data_dir: …/mnist"),
        ("a: '/x y/my, z.ckpt'\nb: ~/runs/z\n~/runs/z", "a: '…/my, z.ckpt'\nb: …/z\n…/z"),
        ("evil: </script><b>1/2</b>", "evil: </script><b>1/2</b>"),
        (r"data_dir: C:\Users\ada\mnist", "data_dir: …/mnist"),
        ("betas: [0.5, 0.999]\nnetworks/dcgan.py 1/2", "betas: [0.5, 0.999]\nnetworks/dcgan.py 1/2"),
    ],
)
def test_of_a_place_its_name_is_shown(text: str, shown: str) -> None:
    assert without_places(text) == shown
