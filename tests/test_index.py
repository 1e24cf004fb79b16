"""The page of all runs, and the comparison: who is on them, what is said of what is broken, where links lead."""

import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

from first_gan.report.__main__ import main
from first_gan.report.comparison import comparison
from first_gan.report.index import INDEX, Entry, entry_of, index
from first_gan.report.run import Run
from first_gan.run.folder import REPORT, SIGNATURE
from tests.made_runs import end_run, make_run, write_rows
from tests.test_reporting import data_of

LOGS = Path("lightning_logs")


def rows_of(page: str) -> dict[str, str]:
    """The table's rows, by the name of the run."""
    body = page.split("<tbody>")[1].split("</tbody>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)
    return {unescape(re.search(r'scope="row" data-key="(.*?)"', row)[1]): unescape(row) for row in rows}  # type: ignore[index]


def written() -> str:
    assert main(["--all"]) == 0
    return (LOGS / INDEX).read_text(encoding="utf-8")


@pytest.fixture
def odd_folders(tmp_path: Path) -> dict[str, str]:
    """Folders in which something is the matter, by what is said of each."""
    make_run(LOGS / "killed")
    make_run(LOGS / "half", epochs=3)
    end_run(LOGS / "half", "0123456789")
    with (LOGS / "half/metrics.csv").open("a", encoding="utf-8") as file:
        file.write("1876,3,0.5")
    make_run(LOGS / "config")
    (LOGS / "config/config.yaml").write_text(f"{SIGNATURE}\na: [", encoding="utf-8")
    make_run(LOGS / "values")
    (LOGS / "values/config.yaml").write_text(f"{SIGNATURE}\nmax_epochs: 2020-01-01", encoding="utf-8")
    make_run(LOGS / "young")
    (LOGS / "young/metrics.csv").unlink()
    (LOGS / "foreign/checkpoints").mkdir(parents=True)
    (LOGS / "foreign/hparams.yaml").write_text("lr: 1", encoding="utf-8")
    (LOGS / "notes").mkdir()
    (LOGS / "gone").symlink_to("nowhere")
    no_run = "is not a run folder of train.py: it has no config.yaml of a run"
    return {
        "killed": "no report yet; still going on, or broken off after epoch 4",
        "half": "no report yet; 1 broken line of metrics.csv left out: 5",
        "config": "config.yaml is broken; mend it",
        "values": "config.yaml or metrics.csv holds values that train.py does not write; mend them",
        "young": "has no epoch yet, so there is nothing to report",
        **dict.fromkeys(("foreign", "notes", "gone"), no_run),
    }


def test_every_folder_has_a_row_and_a_broken_one_says_what_is_the_matter(
    odd_folders: dict[str, str], tmp_path: Path
) -> None:
    make_run(LOGS / "sweep/lightning_logs/version_3", lr=1e-3)
    make_run(LOGS / "a&b<i>")
    end_run(LOGS / "a&b<i>", "0123456789")
    assert main([str(LOGS / "a&b<i>")]) == 0
    page = written()
    rows = rows_of(page)
    assert set(rows) == {*odd_folders, "sweep/lightning_logs/version_3", "a&b<i>"}
    for name, note in odd_folders.items():
        assert re.findall(r"<small>(.*?)</small>", rows[name]) == [note], name
    assert "<small>" not in rows["a&b<i>"]
    assert re.findall(r'href="(.*?)"', page) == ["data:,", "a%26b%3Ci%3E/report.html"]
    assert str(tmp_path) not in page
    assert re.findall(r"(?:src|href)=\"(?!data:)[^\"]*//", page) == []
    for name in ("killed", "half", "a&b<i>"):
        assert 'src="data:image/webp' in rows[name]


def test_a_run_shows_its_best_scores_its_end_and_the_options_that_differ() -> None:
    for name, lr in (("slow", 2e-4), ("fast", 1e-3)):
        rows = make_run(LOGS / name, lr=lr)
        end_run(LOGS / name, "0123456789")
        write_rows(LOGS / name, [row | {"val/fcd": fcd, "val/coverage": fcd / 100} for row, fcd in zip(rows, (9, 3, 4, 5), strict=True)])  # fmt: skip
    config = LOGS / "fast/config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("max_epochs: 4", "max_epochs: 9"), encoding="utf-8")
    page = written()
    assert re.findall(r"<button type=\"button\">(--.*?)</button>", page) == ["--max_epochs", "--model.lr"]
    rows = rows_of(page)
    cells = {name: re.findall(r"<td[^>]*>([^<]*)</td>", row) for name, row in rows.items()}
    assert cells["fast"][:2] == ["3", "0.030"]  # coverage is of the same epoch
    assert cells["fast"][-5:] == ["4 of 9", "1 min 0 s", "2026-01-02 03:04", "9", "0.001"]
    assert cells["slow"][-5:] == ["4", "1 min 0 s", "2026-01-02 03:04", "4", "0.0002"]
    assert "ended before its 9 epochs" in rows["fast"]
    assert "Samples after epoch 2" in rows["fast"]


def test_hundreds_of_runs_fit_on_a_page() -> None:
    make_run(LOGS / "noise", side=242)
    entry = entry_of(LOGS / "noise", LOGS, others=299)
    assert entry.grid is not None
    assert (entry.grid["width"], entry.grid["height"]) == (122, 122)
    page = index([replace(entry, name=f"noise_{number}") for number in range(300)], LOGS)
    assert page.count("<img") == 300
    assert len(page) < 3 << 20


def test_a_folder_that_cannot_be_read_for_whatever_reason_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    make_run(LOGS / "run")

    def fail(folder: Path) -> Run:
        raise MemoryError

    monkeypatch.setattr(Run, "read", fail)
    assert entry_of(LOGS / "run", LOGS) == Entry("run", ["cannot be read (MemoryError)"])


def test_only_a_page_of_runs_is_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(LOGS / "run")
    (LOGS / INDEX).write_text("precious", encoding="utf-8")
    assert main(["--all"]) == 2
    assert (LOGS / INDEX).read_text(encoding="utf-8") == "precious"
    assert "is not a page of runs; --overwrite replaces it" in capsys.readouterr().err
    assert main(["--all", "--overwrite"]) == 0
    assert main(["--all", "."]) == 0  # the folder above means the same one
    assert "run" in rows_of((LOGS / INDEX).read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "name a run, several to compare them, or --all"),
        (["--all"], "lightning_logs cannot be read: No such file"),
        (["--all", "empty"], "empty has no runs"),
        (["--all", "a", "b"], "one log folder at most"),
        (["--all", "--out", "x.html"], "no --out"),
        (["last"], "no run in lightning_logs has a last.ckpt yet"),
    ],
)
def test_bad_input_is_one_line(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    assert main(argv) == 2
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_report_and_a_comparison_take_names_folders_checkpoints_and_last(trained_run: Path) -> None:
    for name in ("mine", "other"):
        shutil.copytree(trained_run, LOGS / name)
    (LOGS / "other" / REPORT).unlink()
    assert main([str(LOGS / "other/checkpoints/best.ckpt")]) == 0
    assert (LOGS / "other" / REPORT).is_file()
    for number, first in enumerate(("mine", str(LOGS / "mine"), str(LOGS / "mine/checkpoints/last.ckpt"))):
        assert main([first, "last", "--out", f"{number}.html"]) == 0
    pages = {Path(f"{number}.html").read_text(encoding="utf-8") for number in range(3)}
    assert len(pages) == 1
    assert '<a href="lightning_logs/mine/report.html">mine</a>' in pages.pop()
    assert main([str(LOGS / "mine/checkpoints/none.ckpt")]) == 2


def test_a_comparison_marks_the_best_says_where_runs_end_and_what_real_images_reach() -> None:
    for name, epochs, fcd in (("long", 4, 30.0), ("short", 2, 20.04)):
        rows = make_run(Path(name), epochs=epochs)
        write_rows(Path(name), [row | {"val/fcd": fcd, "val/floor_fcd": 1.5, "val/coverage": 0.5} for row in rows])
    page = comparison([Run.read(Path(name)) for name in ("long", "short")])
    assert "href=" not in page.split("<body>")[1]  # where it will lie is not known
    assert "<b>20</b>" in page
    assert "<td>30</td>" in page
    assert "<b>0.500</b>" not in page  # both have it
    assert '<tr><th scope="row">real images</th><td></td><td></td><td>1.5</td>' in page
    charts = {chart["title"]: chart for chart in data_of(page)["charts"]}
    of_fcd = charts["FCD: distance from real images"]["series"]
    assert [each["label"] for each in of_fcd] == ["long, to epoch 4", "short, to epoch 2", "real images"]
    assert [each["values"] for each in of_fcd] == [[30.0] * 4, [20.04] * 2 + [None] * 2, [1.5] * 4]
    assert of_fcd[2]["color"] == "gray"
    assert len(charts["D's loss (nats)"]["series"]) == 2
    assert not any(charts[title]["log"] for title in ("D's loss (nats)", "G's loss (nats)"))  # as in a report


def test_scores_on_other_data_are_not_called_better() -> None:
    for name, dataset in (("a", "mnist"), ("b", "digits")):
        rows = make_run(Path(name))
        write_rows(Path(name), [row | {"val/fcd": float(ord(name))} for row in rows])
        config = Path(name, "config.yaml")
        config.write_text(config.read_text(encoding="utf-8").replace("mnist", dataset), encoding="utf-8")
    page = comparison([Run.read(Path(name)) for name in ("a", "b")])
    assert "<b>" not in page.split('id="options"')[0]
