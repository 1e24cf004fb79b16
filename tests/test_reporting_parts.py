"""What a report is put together from: curves, colors, questions, D's opinion, names, explanations; and when a run writes it."""

import json
import re
import shutil
import webbrowser
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from datamodule import MNISTDataModule
from first_gan.callbacks import report as writing
from first_gan.callbacks.curves import draw
from first_gan.callbacks.report import ReportWriter
from first_gan.data import TRAIN_IMAGES
from first_gan.drawing.latent import latent_vectors
from first_gan.report import charts, gallery
from first_gan.report.__main__ import main
from first_gan.report.questions import questions
from first_gan.report.run import Record, Run
from first_gan.report.windows import joined
from first_gan.report.words import GLOSSARY, explained, recipe, title
from first_gan.run.checkpoints import load_checkpoint
from first_gan.run.folder import LAST, OPINION, RECORD, REPORT
from first_gan.run.names import flat
from first_gan.run.options import build_parser
from gan_module import GAN
from tests.made_runs import make_run, write_rows
from tests.test_reporting import FOLDER, data_of, report_of
from tests.test_reporting_images import section_of

TEMPLATES = Path(gallery.__file__).parent / "templates"
TEXT, LINES = ("ink", "soft", "good", "bad", "unsure"), ("d", "g", "third", "fourth", "fifth", "sixth", "gray", "edge")


def test_leftover_updates_count_by_their_number_and_are_no_point_of_their_own() -> None:
    rows = [{"step": 50.0 * (n + 1), "epoch": 0.0, "loss": 1.0} for n in range(4)]
    rows.append({"step": 204, "epoch": 0, "loss": 28.0, "val": 3.0})
    *whole, last = joined(rows)
    assert whole == rows[:3]
    assert last == {"step": 204, "epoch": 0, "loss": pytest.approx(3.0), "val": 3.0}
    half = [*rows[:4], {"step": 225, "epoch": 0, "loss": 28.0}]
    assert joined(half) == half
    assert joined([]) == []


def test_no_curve_jumps_at_the_end_of_an_epoch() -> None:
    make_run(FOLDER)
    names = dict.fromkeys(("train/d_loss", "train/g_loss", "train/d_real", "train/d_fake"), 1.0)
    rows = [{"step": 50 * (n + 1), "epoch": n // 9, **names} for n in range(18)]
    rows += [{"step": 904, "epoch": 1, **dict.fromkeys(names, 9.0), "train/thumbnail_fd": 0.5}]
    write_rows(FOLDER, rows)
    drawn = {chart["title"]: chart for chart in data_of(report_of(FOLDER))["charts"]}
    (d_loss, _) = drawn["Losses (nats)"]["series"]
    assert max(d_loss["values"]) < 2
    assert drawn["Losses (nats)"]["x"][-1] == drawn["Thumbnails: distance from real images"]["x"][-1] == 2
    for axes in draw(Run.read(FOLDER).rows).axes:
        assert all(max(line.get_ydata()) < 2 for line in axes.lines)


def test_updates_are_placed_within_their_epochs_and_a_cut_one_is_no_whole_one() -> None:
    rows = [{"step": step, "epoch": epoch} for step, epoch in ((50, 0), (100, 0), (150, 1), (200, 1), (250, 2))]
    place = charts.places(rows)
    assert [place(step) for step in (0, 50, 100, 175, 200, 250)] == [0, 0.5, 1, 1.75, 2, 2.5]
    assert charts.places(rows[:1])(25) == 0.5


def palettes() -> list[dict[str, str]]:
    """page.css's colors by name, of the light scheme and of the dark one."""
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{(.*?)\}", css, re.S)[:2]
    return [dict(re.findall(r"--([a-z]+): (#[0-9a-f]+)", root)) for root in roots]


def luminance(color: str) -> float:
    """Of #rgb or #rrggbb, by WCAG 2."""
    digits = color[1:] if len(color) == 7 else "".join(2 * each for each in color[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_texts_lines_and_controls_stand_out(scheme: int) -> None:
    colors = palettes()[scheme]
    for behind in ("card", "page"):
        assert {
            name: contrast(colors[name], colors[behind])
            for name in TEXT
            if contrast(colors[name], colors[behind]) < 4.5
        } == {}
    assert {
        name: contrast(colors[name], colors["card"]) for name in LINES if contrast(colors[name], colors["card"]) < 3
    } == {}
    assert set(colors) == {*TEXT, *LINES, "card", "page", "line"}
    assert {curve.color for chart in charts.OF_ONE for curve in chart.curves} | set(charts.COLORS) <= set(LINES)


def test_no_color_stands_beside_the_palette() -> None:
    css = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    assert re.findall(r"#[0-9a-f]{3,6}\b", re.sub(r":root \{.*?\}", "", css, flags=re.S)) == ["#000"]  # behind pictures
    assert re.findall(r"#[0-9a-f]{6}|rgb\(", (TEMPLATES / "charts.js").read_text(encoding="utf-8")) == []


def test_lines_of_a_chart_are_told_apart_without_colors() -> None:
    for chart in charts.OF_ONE:
        for one, other in combinations(chart.curves, 2):
            assert one.dash != other.dash, (chart.title, one.label, other.label)


def test_what_findings_speak_of_is_marked_where_it_shows() -> None:
    make_run(FOLDER, epochs=40, history="lr_4e-3_6000_images_long_seed_0")
    page = report_of(FOLDER)
    found = {chart["title"]: chart["faults"] for chart in data_of(page)["charts"]}
    assert found["FCD: distance from real images"] == [{"label": "relapsed", "start": 5, "end": 40}]
    assert [each["label"] for each in found["Losses (nats)"]] == ["diverging"]
    assert 'FCD: distance from real images <span class="chip bad">relapsed</span>' in page
    assert section_of(page, "samples").count('<span class="chip bad">mode collapse</span>') == 1
    assert section_of(page, "classes").count('<span class="chip bad">modes missing</span>') == 1
    assert "what a finding speaks of" in page


def test_each_question_has_a_word_a_sentence_and_a_gauge() -> None:
    make_run(FOLDER, epochs=40, history="lr_4e-3_6000_images_long_seed_0")
    make_run(Path("well"), epochs=8)
    expected = {
        FOLDER: {"No": False, "Too much": False, "Diverging": False},
        Path("well"): {"Yes": False, "Neither": True, "Settled": True},  # it improves, and is not good yet
    }
    for folder, words in expected.items():
        asked = questions(Run.read(folder))
        assert all(each.sentence for each in asked)
        gauges = {each.word: each.gauge for each in asked if each.gauge is not None}
        inside = {word: gauge.healthy[0] <= gauge.place <= gauge.healthy[1] for word, gauge in gauges.items()}
        assert inside == words
        chips = re.findall(r'<span class="chip (\w+)">([\w ]+)</span>', section_of(report_of(folder), "verdict"))
        assert chips == [(each.mood, each.word) for each in asked]
    assert {each.mood for each in questions(Run.read(FOLDER))} == {"bad"}


def test_ds_opinion_is_ds(trained_run: Path, arrays: dict[str, torch.Tensor]) -> None:
    record = Record.read(trained_run / RECORD)
    assert record is not None
    assert (len(record.d_samples), len(record.d_doubted), len(record.d_trusted)) == (64, 16, 16)
    assert record.d_samples == sorted(record.d_samples, reverse=True)
    checkpoint = load_checkpoint(trained_run / LAST)
    gan = GAN(**checkpoint["hyper_parameters"])
    gan.configure_model()
    gan.load_state_dict(checkpoint["state_dict"])
    gan.eval()
    held_out = arrays[TRAIN_IMAGES][600 : 600 + writing.ASKED].reshape(-1, 1, 28, 28)
    with torch.no_grad():
        believed = gan.discriminator(held_out / 127.5 - 1).flatten().sigmoid()
        of_samples = gan.discriminator(gan.sample(latent_vectors(64, 100, 0))).flatten().sigmoid()
    ordered, by_doubt = believed.sort()
    assert record.d_doubted == pytest.approx(ordered[:16].tolist(), abs=1e-5)
    assert record.d_trusted == pytest.approx(ordered.flip(0)[:16].tolist(), abs=1e-5)
    assert record.d_samples == pytest.approx(of_samples.sort(descending=True).values.tolist(), abs=1e-5)
    sheet = np.asarray(Image.open(trained_run / OPINION)).reshape(6, 28, 16, 28).transpose(0, 2, 1, 3)
    assert np.array_equal(sheet[4, 0], held_out[by_doubt[0], 0].numpy())
    page = (trained_run / REPORT).read_text(encoding="utf-8")
    told = re.findall(r"<figcaption>(0\.\d\d)</figcaption>", section_of(page, "opinion"))
    assert told == [f"{value:.2f}" for value in (*record.d_samples, *record.d_doubted, *record.d_trusted)]


def test_a_run_without_ds_opinion_has_a_report_without_it(trained_run: Path) -> None:
    shutil.copytree(trained_run, FOLDER)
    kept = json.loads((FOLDER / RECORD).read_text(encoding="utf-8"))
    for names in (["d_samples"], ["d_samples", "d_doubted", "d_trusted"]):  # as earlier versions left it
        older = {name: value for name, value in kept.items() if name not in names}
        (FOLDER / RECORD).write_text(json.dumps(older), encoding="utf-8")
        assert Record.read(FOLDER / RECORD) is not None
        assert 'id="nearest"' in report_of(FOLDER)
    assert 'id="opinion"' not in report_of(FOLDER)
    (FOLDER / RECORD).write_text(json.dumps(kept), encoding="utf-8")
    assert 'id="opinion"' in report_of(FOLDER)
    (FOLDER / OPINION).unlink()
    assert 'id="opinion"' not in report_of(FOLDER)


@pytest.mark.parametrize("name", ["best", "dcgan", "lesson"])
def test_a_run_is_called_by_its_recipe_as_long_as_it_keeps_to_it(name: str) -> None:
    parser = build_parser(GAN, MNISTDataModule)
    config = str(TEMPLATES.parents[2] / f"configs/{name}.yaml")

    def of(*argv: str) -> dict[str, Any]:
        return flat(yaml.safe_load(parser.dump(parser.parse_args(["--config", config, *argv]), skip_unset=False)))

    assert recipe(of("--max_epochs", "3", "--model.steps_per_execution", "5")) == f"{name} recipe"
    for change in (["--model.lr_d", "0"], ["--model.r1", "0.1"], ["--model.discriminator.widths", "[99]"]):
        if name != "dcgan" or "widths" not in change[0]:
            assert recipe(of(*change)) == ""


def test_a_page_is_called_by_its_runs_name_where_it_has_one() -> None:
    make_run(FOLDER)
    make_run(Path("lightning_logs/slow-d"))
    fcd = Run.read(FOLDER).diagnosis.evidence[0].value
    assert title(Run.read(FOLDER)) == f"MNIST · FCD {fcd:.0f}"
    assert title(Run.read(Path("lightning_logs/slow-d"))) == f"slow-d · FCD {fcd:.0f}"
    assert f"<title>MNIST · FCD {fcd:.0f}: " in report_of(FOLDER)
    assert "version_0" not in report_of(FOLDER).split('<section id="run">')[0]


def test_words_are_explained_once_and_text_stays_text() -> None:
    seen: set[str] = set()
    text = "<FCD> of nats, FCD, D(G(z)) and a recall; recalled"
    shown = explained(text, seen)
    assert seen == {"FCD", "nats", "D(G(z))", "recall"}
    assert shown.startswith('&lt;<dfn tabindex="0">FCD<span role="tooltip">')
    assert re.sub(r"<span.*?</span>|</?dfn.*?>", "", shown) == text.replace("<", "&lt;").replace(">", "&gt;")
    assert explained("FCD", seen) == "FCD"
    assert all(len(meaning) < 200 for meaning in GLOSSARY.values())


def test_each_page_explains_a_word_once() -> None:
    make_run(FOLDER)
    pages = [report_of(FOLDER) for _ in range(2)]
    assert [page.count('<dfn tabindex="0">FCD<') for page in pages] == [1, 1]
    assert len({page.count("<dfn") for page in pages}) == 1


def test_the_page_is_written_now_and_then_at_a_hundredth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = [0.0], list[float]()
    monkeypatch.setattr(writing.time, "monotonic", lambda: clock[0])
    writer = ReportWriter(".")
    writer._start = writer._written = 0.0

    def write(live: float | None = None) -> None:
        written.append(live or 0.0)
        clock[0] += 2.0  # that it takes

    monkeypatch.setattr(writer, "_write", write)
    for epoch in range(100):
        clock[0] += 10.0
        writer.on_train_epoch_end(SimpleNamespace(is_global_zero=True, current_epoch=epoch, max_epochs=101), None)  # type: ignore[arg-type]
    assert written == [50.0, 200.0, 200.0, 200.0, 200.0]
    assert 2.0 * len(written) <= clock[0] / 100


def test_a_run_writes_its_page_while_it_goes_on_and_opens_it_where_that_is_wanted(
    run: Callable[..., tuple[int, str, str]], small: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lived, opened = list[bool](), list[str]()
    monkeypatch.setattr(writing, "COST", 0.0)
    monkeypatch.setattr(writing, "RARITY", 0)
    monkeypatch.setattr(webbrowser, "open_new_tab", lambda url: opened.append(url) or False)
    shown = writing.page.report

    def report(run: Run, live: float | None = None, **others: Any) -> str:
        lived.append(live is not None)
        return shown(run, live=live, **others)

    monkeypatch.setattr(writing.page, "report", report)
    code, _, err = run(*small, "--open")
    assert code == 0
    assert lived == [True, False]  # after the first epoch of two, and at the end
    assert opened == [(FOLDER / REPORT).absolute().as_uri()]
    assert err == f"No browser was found to open {FOLDER / REPORT} in.\n"
    assert "open: false" in (FOLDER / "config.yaml").read_text(encoding="utf-8")  # a matter of one process
    assert main([str(FOLDER)]) == 0
    assert len(opened) == 1
    assert main([str(FOLDER), "--open"]) == 0
    assert opened[1:] == opened[:1]
