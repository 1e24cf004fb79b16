"""The report of other images than MNIST's: in color, of any size, of any classes or none."""

import base64
import html
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from first_gan.drawing.pictures import enlarged
from first_gan.report.comparison import comparison
from first_gan.report.pictures import native, open_picture
from first_gan.report.run import Record, Run
from first_gan.run.folder import NEAREST, RECORD, WALK
from tests.made_runs import end_run, make_run, save_noise, write_rows
from tests.test_reporting import FOLDER, data_of, report_of


def section_of(page: str, name: str) -> str:
    """One section of a page; an empty string where it has none."""
    return page.partition(f'<section id="{name}">')[2].split("</section>")[0]


def pictures_in(part: str) -> list[Image.Image]:
    """The pictures that a part of a page shows, in order."""
    encoded = re.findall(r"data:image/webp;base64,([\w+/=]+)", part)
    return [Image.open(io.BytesIO(base64.b64decode(each))) for each in encoded]


@pytest.mark.parametrize(("tile", "channels"), [(28, 1), (64, 1), (16, 3), (32, 3), (128, 3)])
def test_pictures_of_any_size_and_color_are_shown_whole(tile: int, channels: int) -> None:
    side = 8 * (tile + 2) + 2
    make_run(FOLDER, side=side, channels=channels)
    end_run(FOLDER, "ab", tile, channels, pairs=5)
    save_noise(FOLDER / "samples/real.png", (channels, 2 * (tile + 2) + 2, side))  # of few images
    page = report_of(FOLDER)
    frame, real = pictures_in(section_of(page, "samples"))
    assert (frame.size, real.size) == (
        (min(side, 640),) * 2,
        (min(side, 640), round(min(side, 640) * (2 * tile + 6) / side)),
    )
    pairs = pictures_in(section_of(page, "nearest"))
    assert [pair.size for pair in pairs] == [(min(tile, 90), 2 * min(tile, 90))] * 5
    (walk,) = pictures_in(section_of(page, "walk"))
    assert walk.size == (8 * tile, 48 * tile) or (tile > 32 and 6 * walk.width == walk.height)  # large noise is shrunk
    assert 'data-steps="48"' in page
    for picture, path in ((frame, "samples/epoch_0004.png"), (walk, WALK), (pairs[0], NEAREST)):
        red, _, blue = (np.asarray(each, dtype=int) for each in picture.convert("RGB").split())
        assert (np.abs(red - blue).mean() > 5) == (channels == 3), path
    shown = re.findall(r'width="(\d+)" height="(\d+)"', page)
    assert [int(width) / int(height) for width, height in shown] == [
        pytest.approx(picture.width / picture.height) for picture in (frame, real, *pairs)
    ]
    comparing = comparison([Run.read(FOLDER), Run.read(FOLDER)])
    assert [picture.size for picture in pictures_in(comparing)] == [frame.size] * 2


@pytest.mark.parametrize(("side", "factor"), [(242, 3), (146, 4), (402, 1)])
def test_the_report_finds_a_grids_own_pixels_again(side: int, factor: int) -> None:
    small = Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side), dtype=np.uint8))
    large = enlarged(small)
    assert large.size == (factor * side,) * 2
    large.save("grid.png")
    found = open_picture(Path("grid.png"), 640)
    assert found is not None
    assert np.array_equal(np.asarray(found), np.asarray(small))
    large.putpixel((1, 0), 255 - int(large.getpixel((1, 0))))  # type: ignore[arg-type]
    assert native(large).size == large.size


def test_large_noise_in_color_fits() -> None:
    make_run(FOLDER, epochs=60, side=8 * 66 + 2, channels=3)
    end_run(FOLDER, "ab", 64, 3)
    assert len(report_of(FOLDER)) < 3 * 1024 * 1024


@pytest.mark.parametrize("number", [2, 4, 10, 60])
def test_classes_are_shown_by_name_with_their_shares(number: int) -> None:
    names = [f"kind <{each}>" for each in range(number)]
    make_run(FOLDER)
    end_run(FOLDER, names)
    classes = section_of(report_of(FOLDER), "classes")
    assert re.findall(r"<b>(.*?)</b>", classes) == [html.escape(name) for name in names]
    total = number * (number + 1) / 2
    shares = [(100 * (number - each) / total, 100 * (each + 1) / total) for each in range(number)]
    titles = [
        f"{name}: {drawn:.1f} % of the samples, {real:.1f} % of the data"
        for name, (drawn, real) in zip(names, shares, strict=True)
    ]
    assert re.findall(r'<div(?: class="missing")? title="(.*?)">', classes) == [html.escape(title) for title in titles]
    missing = [name for name, (drawn, _) in zip(names, shares, strict=True) if drawn < 10 / number]
    assert re.findall(r'<div class="missing" title="(.*?):', classes) == [html.escape(name) for name in missing]
    assert ("(in red and crossed out: missing)" in classes) == bool(missing)
    label = re.search(r'aria-label="(.*?)"', classes)
    assert label is not None
    assert "0 to 9" not in label[1]
    for name, (drawn, real) in zip(names, shares, strict=True):
        assert f"{name} {drawn:.1f} and {real:.1f}" in html.unescape(label[1])


def test_classes_without_names_have_their_numbers() -> None:
    make_run(FOLDER)
    end_run(FOLDER, "abcd")
    kept = json.loads((FOLDER / RECORD).read_text(encoding="utf-8"))
    assert kept["class_names"] == ["a", "b", "c", "d"]
    for names in ([], ["of", "another", "run"]):
        (FOLDER / RECORD).write_text(json.dumps(kept | {"class_names": names}), encoding="utf-8")
        assert re.findall(r"<b>(.*?)</b>", section_of(report_of(FOLDER), "classes")) == ["0", "1", "2", "3"]
    del kept["class_names"]  # as earlier versions wrote it
    (FOLDER / RECORD).write_text(json.dumps(kept), encoding="utf-8")
    record = Record.read(FOLDER / RECORD)
    assert record is not None
    assert record.class_names == []
    (FOLDER / RECORD).write_text(json.dumps(kept | {"class_names": ["a", 1]}), encoding="utf-8")
    assert Record.read(FOLDER / RECORD) is None


@pytest.mark.parametrize("names", [[], ["all"]])
def test_a_run_without_labels_says_so_and_shows_everything_else(names: list[str]) -> None:
    make_run(FOLDER, side=242, channels=3)
    end_run(FOLDER, names, tile=32, channels=3)
    page = report_of(FOLDER)
    assert page.count("The training images have no labels, so there is no FCD and no count of classes.") == 1
    assert 'id="classes"' not in page
    for present in ("samples", "curves", "nearest", "walk", "run"):
        assert section_of(page, present)
    assert "best FCD" not in section_of(page, "curves")
    (variety,) = (chart for chart in data_of(page)["charts"] if chart["title"] == "Fidelity and variety")
    assert variety["note"] == "Diversity: how far apart (real images: 1)."


def test_a_run_with_labels_or_one_that_goes_on_is_not_said_to_have_none() -> None:
    make_run(FOLDER)
    end_run(FOLDER, [])
    assert "have no labels" in report_of(FOLDER)
    (FOLDER / RECORD).unlink()  # not known before the end
    assert "have no labels" not in report_of(FOLDER)
    end_run(FOLDER, "ab")
    assert "have no labels" not in report_of(FOLDER)


def test_all_that_was_found_is_told_and_marked() -> None:
    make_run(FOLDER, epochs=40, history="lr_4e-3_6000_images_long_seed_0")
    page = report_of(FOLDER)
    verdict = section_of(page, "verdict")
    assert '<p class="verdict bad"><strong>diverging</strong>' in verdict
    also = verdict.split("Also found")[1].split("</ul>")[0]
    assert re.findall(r"<li><strong>(.*?)</strong>", also) == [
        *("mode collapse", "discriminator dominates", "relapsed", "modes missing")
    ]
    assert "<strong>relapsed</strong> since epoch 6" in also
    assert "epoch 4 was better" in also
    marks = [mark for mark in data_of(page)["marks"] if mark["kind"] == "fault"]
    assert marks == [{"epoch": 6, "label": "relapsed since", "kind": "fault"}]
    assert "since when something is wrong" in section_of(page, "curves")


def test_a_class_without_a_number_in_a_spoilt_table_breaks_nothing() -> None:
    rows = make_run(FOLDER)
    write_rows(FOLDER, [row | {"val/class_seven": 0.0} for row in rows])
    assert "seven" not in section_of(report_of(FOLDER), "classes")
