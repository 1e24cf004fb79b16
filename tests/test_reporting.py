"""report.html and the comparison of runs: what they show, how large they get, and what they refuse."""

import html
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import train
from first_gan.data import TRAIN_IMAGES, idx
from first_gan.diagnosis import diagnose
from first_gan.report import charts, pictures
from first_gan.report.__main__ import main
from first_gan.report.comparison import comparison, distinguished
from first_gan.report.page import report
from first_gan.report.run import Record, Run, flat
from first_gan.run.folder import NEAREST, RECORD, REPORT, SUMMARY
from tests.made_runs import make_run, write_rows

FOLDER = Path("lightning_logs/version_0")


def data_of(page: str) -> dict[str, Any]:
    """What the page gives its script."""
    return json.loads(page.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def report_of(folder: Path) -> str:
    return report(Run.read(folder))


def test_a_run_of_500_epochs_of_noise_fits_and_keeps_its_first_best_and_last_grids() -> None:
    rows = make_run(FOLDER, epochs=500, side=242)
    rows[332]["val/fcd"] = 1.0
    write_rows(FOLDER, rows)
    assert main([str(FOLDER)]) == 0
    page = (FOLDER / REPORT).read_text(encoding="utf-8")
    assert len(page.encode()) < 3 * 1024 * 1024
    epochs = [frame["epoch"] for frame in data_of(page)["frames"]]
    assert len(epochs) == pictures.MOST_FRAMES
    assert {0, 333, 500} <= set(epochs)
    gaps = {later - earlier for earlier, later in pairwise(epochs)}
    assert max(gaps) <= 10
    assert "60 of 501 grids" in page
    assert {"epoch": 333, "label": "best FCD", "kind": "best"} in data_of(page)["marks"]


@pytest.mark.parametrize("count", [1, 2, 60, 61, 500])
def test_thinned_is_even_and_keeps_what_it_must(count: int) -> None:
    epochs = list(range(1, count + 1))
    kept = pictures.thinned(epochs, [count - 1, None])
    assert min(count, pictures.MOST_FRAMES) - 1 <= len(kept) <= pictures.MOST_FRAMES
    assert {1, max(1, count - 1), count} <= set(kept)
    assert kept == sorted(set(kept))


def test_the_page_says_what_summary_json_says_and_more(trained_run: Path) -> None:
    page = html.unescape((trained_run / REPORT).read_text(encoding="utf-8"))
    summary = json.loads((trained_run / SUMMARY).read_text(encoding="utf-8"))
    assert f"<strong>{summary['verdict']}</strong>" in page
    assert f"confidence {summary['confidence']}" in page
    assert all(f"<p>{answer['answer']}</p>" in page for answer in summary["answers"].values())
    assert all(each["expected"] in page for each in summary["evidence"])
    assert all(each["option"] in page for each in summary["advice"])
    for words in (
        "train.py --ckpt_path",
        "evaluate.py",
        "generate.py",
        "torch 2.",
        "latent_dim: 100",
        "dataset: mnist",
    ):
        assert words in page
    record = Record.read(trained_run / RECORD)
    assert record is not None
    assert record.images == 1200
    assert sum(record.classes) == pytest.approx(1)
    assert f"<figcaption>{record.distances[0]:.1f}</figcaption>" in page
    assert [frame["epoch"] for frame in data_of(page)["frames"]] == [0, 1, 2]
    shown = {chart["title"]: [each["label"] for each in chart["series"]] for chart in data_of(page)["charts"]}
    assert list(shown) == [chart.title for chart in charts.OF_ONE]
    assert shown["FCD: distance from real images"] == ["samples", "without moving average", "real"]


def test_the_page_needs_no_network(trained_run: Path) -> None:
    page = (trained_run / REPORT).read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!data:)[^"'>\s]*//""", page) == []
    assert "default-src 'none'" in page
    assert "Permission is hereby granted" in page  # uPlot's licence


def test_options_are_named_as_a_person_types_them() -> None:
    generator = {
        "class_path": "gan_networks.Generator",
        "init_args": {"widths": [256, 512], "batch_norm": False},
    }
    nested = {"model": {"lr": 2e-4, "generator": generator, "discriminator": None}, "data": {}, "max_epochs": 5}
    assert flat(nested) == {
        "model.lr": 2e-4,
        "model.generator": "gan_networks.Generator",
        "model.generator.widths": [256, 512],
        "model.generator.batch_norm": False,
        "model.discriminator": None,
        "max_epochs": 5,
    }
    inner = {"class_path": "networks.Block", "init_args": {"width": 8}}
    assert flat({"model": {"generator": {"class_path": "networks.Deep", "init_args": {"block": inner, "seed": None}}}}) == {
        "model.generator": "networks.Deep",
        "model.generator.block": "networks.Block",
        "model.generator.block.width": 8,
        "model.generator.seed": None,
    }  # fmt: skip
    for without in ({"class_path": "networks.Plain"}, {"class_path": "networks.Plain", "init_args": None}):
        assert flat({"model": {"generator": without}}) == {"model.generator": "networks.Plain"}
    make_run(FOLDER, generator=generator)
    options = Run.read(FOLDER).options
    assert (options["model.generator"], options["model.generator.widths"]) == (
        "gan_networks.Generator",
        [256, 512],
    )


def test_without_scores_judge_or_record_the_rest_is_shown() -> None:
    rows = make_run(FOLDER)
    write_rows(FOLDER, [{name: value for name, value in row.items() if not name.startswith("val/")} for row in rows])
    page = report_of(FOLDER)
    assert [chart["title"] for chart in data_of(page)["charts"]] == [
        chart.title for chart in charts.OF_ONE if chart not in (charts.DISTANCE, charts.THUMBNAILS)
    ]
    for absent in ('id="classes"', 'id="nearest"', 'id="walk"', "best FCD</span> ("):
        assert absent not in page
    assert (
        "its latent walk, nearest training images, classes of the data, D's opinion and timing are left at its end"
        in html.unescape(page)
    )
    assert "It has no checkpoint" in page


def test_shares_of_the_data_are_left_out_where_they_are_not_known(trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    assert "% of the data" in report_of(FOLDER)
    (FOLDER / RECORD).unlink()
    page = report_of(FOLDER)
    assert "% of the samples" in page
    assert "of the data" not in page.split('id="classes"')[1]


def test_reports_are_made_without_torch() -> None:
    modules = "first_gan.report.__main__, first_gan.report.film"
    check = (
        f"import sys, {modules}; sys.exit(bool({{'torch', 'torchvision', 'pytorch_lightning'}} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", check], cwd=Path(train.__file__).parent, check=True)


def test_the_resume_command_resumes(trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    line = re.search(r'<code id="command-1">(.*? --ckpt_path .*?)</code>', report_of(FOLDER))
    assert line is not None
    argv = shlex.split(html.unescape(line[1]).split("train.py ")[1])
    assert train.main(argv) == 0
    assert "4 epochs, 40 updates" in (FOLDER / REPORT).read_text(encoding="utf-8")


def test_a_run_that_was_resumed_and_goes_on_does_not_show_its_old_ending(trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    rows = Run.read(FOLDER).rows
    write_rows(FOLDER, [*rows, rows[-1] | {"step": 30, "epoch": 2}])
    page = report_of(FOLDER)
    assert "still going on or was killed" in page
    for absent in ('id="nearest"', 'id="walk"', "images a second"):
        assert absent not in page


def test_an_epoch_that_was_cut_short_is_said_to_be() -> None:
    rows = make_run(FOLDER, epochs=3)
    write_rows(FOLDER, [*rows[:2], rows[2] | {"step": 469 * 2 + 100}])
    page = report_of(FOLDER)
    assert "3 epochs, 1,038 updates" in page
    notes = [frame["note"].split(" ·")[0] for frame in data_of(page)["frames"]]
    assert notes == ["before training", "after epoch 1", "after epoch 2", "in epoch 3, which was cut short"]


def test_verdict_changes_are_those_that_the_run_said() -> None:
    rows = make_run(FOLDER, epochs=6)
    said = [diagnose(rows[: done + 1], {}).verdict for done in range(6)]
    assert Run.read(FOLDER).verdicts == said
    assert len(set(said)) > 1
    marks = [mark for mark in data_of(report_of(FOLDER))["marks"] if mark["kind"] == "verdict"]
    changed = [epoch for epoch in range(2, 7) if said[epoch - 1] != said[epoch - 2]]
    assert [mark["epoch"] for mark in marks] == changed


def test_long_curves_are_means_and_what_cannot_be_drawn_is_left_out() -> None:
    rows = [{"step": 10.0 * (number + 1), "epoch": 0.0, "train/d_loss": float(number)} for number in range(2500)]
    kept = charts.thinned(rows)
    assert len(kept) <= charts.MOST_POINTS
    assert kept[0] == {"step": 30.0, "epoch": 0.0, "train/d_loss": 1.0}
    assert kept[-1]["step"] == 25_000
    make_run(FOLDER)
    rows = [
        row | {"train/d_loss": math.nan, "train/g_loss": math.inf, "train/d_grad_norm": 0.0}
        for row in Run.read(FOLDER).rows
    ]
    write_rows(FOLDER, rows)
    drawn = {chart["title"]: chart["series"] for chart in data_of(report_of(FOLDER))["charts"]}
    assert [each["values"] for each in drawn["Losses (nats)"]] == [[None] * 4] * 2
    assert drawn["Gradient norms (L2)"][0]["values"] == [None] * 4


def test_a_comparison_shows_each_run_and_only_the_options_that_differ(capsys: pytest.CaptureFixture[str]) -> None:
    folders = [Path(f"{name}/lightning_logs/version_0") for name in ("slow", "fast", "broken")]
    for folder, lr in zip(folders, (2e-4, 1e-3, 1e-1), strict=True):
        make_run(folder, history="lesson_seed_0" if lr < 0.1 else "lr_1e-1_seed_0", lr=lr, latent_dim=100)
    assert main([*map(str, folders), "--out", "three.html"]) == 0
    page = Path("three.html").read_text(encoding="utf-8")
    table = page.split("Options that differ")[1].split("</table>")[0]
    assert re.findall(r"--([\w.]+)", table) == ["model.lr"]
    assert re.findall(r"<td>(.*?)</td>", table) == ["0.0002", "0.001", "0.1"]
    verdicts = re.findall(r"<strong>(.*?)</strong>", page)
    assert verdicts == [Run.read(folder).diagnosis.verdict for folder in folders]
    assert "diverging" in verdicts
    for chart in data_of(page)["charts"]:
        assert [each["label"] for each in chart["series"] if each["color"] != "gray"] == ["slow", "fast", "broken"]
        assert chart["x"] == [1, 2, 3, 4]
    assert page.count('alt="Generated images of') == 3
    before = Path("three.html").stat().st_mtime_ns
    assert main([*map(str, folders), "--out", "three.html"]) == 2
    assert "three.html exists; --overwrite replaces it" in capsys.readouterr().err
    assert Path("three.html").stat().st_mtime_ns == before
    assert main([*map(str, folders), "--out", "three.html", "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["logs/version_0", "logs/version_1"], ["version_0", "version_1"]),
        (["a/logs/version_0", "b/logs/version_0"], ["a", "b"]),
        (["a/logs/version_0", "a/logs/version_1", "b/logs/version_0"], ["a/logs/version_0", "a/logs/version_1", "b/logs/version_0"]),
        (["logs/version_0", "logs/version_0"], ["version_0", "version_0"]),
        (["logs", "logs/version_0"], ["logs", "logs/version_0"]),
    ],
)  # fmt: skip
def test_runs_are_named_by_what_tells_them_apart(paths: list[str], names: list[str]) -> None:
    assert distinguished([Path(path) for path in paths]) == names


def test_pages_are_read_and_written_as_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    make_run(FOLDER)
    command = [sys.executable, "-m", "first_gan.report", str(tmp_path / FOLDER)]
    locale = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(command, cwd=Path(train.__file__).parent, env=os.environ | locale, check=True)
    assert "▶" in (FOLDER / REPORT).read_text(encoding="utf-8")


def test_eight_runs_can_be_told_apart() -> None:
    folders = [Path(f"version_{number}") for number in range(8)]
    for folder in folders:
        make_run(folder)
    for chart in data_of(comparison([Run.read(folder) for folder in folders]))["charts"]:
        shown = [(each["color"], each["dash"]) for each in chart["series"]]
        assert len(set(shown)) == len(shown) == 8 + (shown[-1] == ("gray", 2))  # and what real images reach


def test_nearest_images_and_distances_are_those_of_all_training_images(trained_run: Path, images_dir: Path) -> None:
    paths = idx.find(images_dir, "mnist")
    assert paths is not None
    real = idx.read_dataset(paths)[TRAIN_IMAGES][:600].float() / 255
    strip = np.asarray(Image.open(trained_run / NEAREST)).reshape(2, 28, 16, 28).transpose(0, 2, 1, 3)
    samples, shown = torch.from_numpy(strip.copy()).float().flatten(2) / 255
    distances = torch.cdist(samples.double(), real.flatten(1).double())
    record = Record.read(trained_run / RECORD)
    assert record is not None
    assert record.distances == pytest.approx(distances.min(1).values.tolist(), rel=1e-6)
    assert shown.equal(real.flatten(1)[distances.argmin(1)])
    others = torch.cdist(real[:64].flatten(1).double(), real[64:].flatten(1).double()).min(1).values
    assert record.real_distance == pytest.approx(others.median().item(), rel=1e-6)


def test_a_resumed_run_adds_up_its_time_and_a_folder_that_cannot_be_written_is_said(
    trained_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path("lightning_logs/version_5")
    shutil.copytree(trained_run, copy)
    before = Record.read(copy / RECORD)
    assert train.main(["--ckpt_path", str(copy / "checkpoints/last.ckpt"), "--max_epochs", "3"]) == 0
    after = Record.read(copy / RECORD)
    assert before is not None
    assert after is not None
    assert after.images == 1800
    assert after.seconds > before.seconds
    assert after.updates == 30
    assert f"report       {copy / REPORT}" in capsys.readouterr().out
    assert main([str(copy), "--out", f"{copy / REPORT}/below.html"]) == 2
    assert "cannot be written" in capsys.readouterr().err
