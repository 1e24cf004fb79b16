"""The report in a real browser: it shows, moves, fits phone and desktop, and its console is empty."""

import io
import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from first_gan.report.__main__ import main
from first_gan.report.index import INDEX
from first_gan.run.folder import REPORT
from first_gan.study.page import study_page
from first_gan.study.results import Outcome, Results
from tests.made_runs import end_run, make_run, write_rows

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
REQUIRED = os.environ.get("REQUIRE_BROWSER") == "1"
PHONE, DESKTOP = (375, 812), (1280, 900)
FLAGS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-dev-shm-usage"),
    *(
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        "force-color-profile=srgb",
        "hide-scrollbars",
    ),
)

pytestmark = pytest.mark.skipif(
    not REQUIRED and not (CHROMIUM and DRIVER),
    reason="no chromium and chromedriver here (on Debian: apt install chromium chromium-driver)",
)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    assert CHROMIUM, "REQUIRE_BROWSER=1, and there is no chromium"
    assert DRIVER, "REQUIRE_BROWSER=1, and there is no chromedriver"
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(executable_path=DRIVER))
    yield driver
    driver.quit()


def show(chrome: Chrome, path: Path, size: tuple[int, int], scheme: str = "light") -> None:
    """Opens a page from disk, as a person would by a double click."""
    width, height = size
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == PHONE}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    chrome.get_log("browser")  # empties it
    chrome.get(path.absolute().as_uri())
    settle(chrome)


def settle(chrome: Chrome) -> None:
    """Waits until the page is drawn for what is emulated now."""
    chrome.execute_async_script(
        "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(arguments[0], 100)))"
    )


def picture(chrome: Chrome) -> Image.Image:
    """The whole page."""
    shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "fromSurface": True})
    return Image.open(io.BytesIO(b64decode(shot["data"]))).convert("RGB")


def element(chrome: Chrome, selector: str) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, selector)


@pytest.fixture(scope="module")
def comparison_page(trained_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compared")
    for name, history in (("dominated", "frozen_G_seed_0"), ("lesson", "lesson_seed_0")):
        make_run(folder / name / "version_0", epochs=8, history=history, side=242, lr=len(name) / 1000)
    runs = [trained_run, folder / "dominated/version_0", folder / "lesson/version_0"]
    assert main([*map(str, runs), "--out", str(folder / "comparison.html")]) == 0
    return folder / "comparison.html"


# How many pixels of the first chart are as transparent as a band.
FAINT_PIXELS = """
const canvas = document.querySelector("#charts canvas");
const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
return data.reduce((count, value, at) => count + (at % 4 === 3 && value > 40 && value < 52), 0);
"""


def overflow(chrome: Chrome) -> list[Any]:
    """What reaches beyond the right edge of the page, but for what scrolls inside its own box."""
    return chrome.execute_script(
        """
        const wide = (each) => each.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5;
        return [...document.querySelectorAll("body *")]
          .filter((each) => wide(each) && !each.closest(".scroll table, pre, .u-wrap"))
          .map((each) => each.outerHTML.slice(0, 100));
        """
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("which", ["report", "comparison"])
def test_pages_fit_both_widths_and_schemes_and_the_console_is_empty(
    which: str, size: tuple[int, int], scheme: str, chrome: Chrome, trained_run: Path, comparison_page: Path
) -> None:
    show(chrome, trained_run / REPORT if which == "report" else comparison_page, size, scheme)
    assert overflow(chrome) == []
    content = chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    assert content["width"] == size[0]
    assert content["height"] > 1000
    shot = picture(chrome)
    background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
    color = tuple(map(int, background.removeprefix("rgb(").removesuffix(")").split(",")))
    assert sum(color) > 600 if scheme == "light" else sum(color) < 150
    edge = shot.crop((size[0] - 8, 0, size[0], shot.height))
    assert edge.getcolors() == [(8 * shot.height, color)]  # nothing is drawn in the margin
    assert chrome.get_log("browser") == []
    good = "each.alt && each.complete && each.naturalWidth"
    assert (
        chrome.execute_script(f"return [...document.images].filter((each) => !({good})).map((each) => each.outerHTML)")
        == []
    )
    small = chrome.execute_script(
        "return [...document.querySelectorAll('p, td, dd, li')].filter(e => parseFloat(getComputedStyle(e).fontSize) < 12).length"
    )
    assert small == 0
    assert faint(chrome) == []


def faint(chrome: Chrome) -> list[Any]:
    """Texts, and bounds of what can be pressed, that hardly stand out against what is behind them: below WCAG's 4.5 and 3."""
    return chrome.execute_script(
        """
        const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = (color) => {
          const linear = color.slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
          return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
        };
        const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
        const behind = (each) => {
          for (; each; each = each.parentElement) {
            const color = rgb(getComputedStyle(each).backgroundColor);
            if (color.length === 3) return color;
          }
        };
        const found = [];
        for (const each of document.querySelectorAll("body *")) {
          const style = getComputedStyle(each);
          const says = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
          if (says && !each.closest("script, svg") && contrast(rgb(style.color), behind(each)) < 4.5) found.push(each.outerHTML.slice(0, 80));
          const bound = each.matches("button, .chip, .scale") && contrast(rgb(style.borderTopColor), behind(each.parentElement));
          if (bound && bound < 3) found.push(each.outerHTML.slice(0, 80));
        }
        return found;
        """
    )


@pytest.mark.parametrize("value", [0.0, 1e-40, 1e30, 3e38, -5.0])
def test_extreme_values_neither_break_the_charts_nor_the_layout(value: float, chrome: Chrome, tmp_path: Path) -> None:
    rows = make_run(tmp_path / "run")
    names = [name for name in rows[0] if name.startswith(("train/", "val/")) and "class" not in name]
    write_rows(tmp_path / "run", [*rows[:-1], rows[-1] | dict.fromkeys(names, value)])
    assert main([str(tmp_path / "run")]) == 0
    show(chrome, tmp_path / "run" / REPORT, PHONE)
    assert chrome.get_log("browser") == []
    assert overflow(chrome) == []


NAMES = {"none": [], "two": ["cat", "dog"], "four": ["circle", "square", "triangle", "crescent moon"]} | {
    "ten": list("0123456789"),
    "sixty": [f"{'Pneumonoultramicroscopic' if number == 7 else 'kind'} {number}" for number in range(60)],
}


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("classes", NAMES)
def test_reports_of_color_and_any_classes_fit_and_are_readable(
    classes: str, size: tuple[int, int], chrome: Chrome, tmp_path: Path
) -> None:
    names = NAMES[classes]
    make_run(tmp_path / "run", side=8 * 34 + 2, channels=3)
    end_run(tmp_path / "run", names, tile=32, channels=3)
    assert main([str(tmp_path / "run")]) == 0
    show(chrome, tmp_path / "run" / REPORT, size)
    assert overflow(chrome) == []
    assert chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["width"] == size[0]
    assert chrome.get_log("browser") == []
    labels = chrome.find_elements(By.CSS_SELECTOR, ".histogram b")
    assert [label.text for label in labels] == names
    cut = "return [...document.querySelectorAll('.histogram b')].filter((each) => each.scrollWidth > each.clientWidth + 1).length"
    assert chrome.execute_script(cut) == 0
    lengths = [max(bar.size.values()) for bar in chrome.find_elements(By.CSS_SELECTOR, ".histogram .generated")]
    for number, length in enumerate(lengths[:4]):  # their shares fall evenly
        assert length == pytest.approx(lengths[0] * (len(names) - number) / len(names), abs=1.5)
    assert min(lengths[:1], default=60) >= 60
    shapes = (
        "return [...document.images].map((each) => [each.width / each.height, each.naturalWidth / each.naturalHeight])"
    )
    for shown, natural in chrome.execute_script(shapes):
        assert shown == pytest.approx(natural, rel=0.02)
    walk = element(chrome, "#walk-view").size
    assert walk["width"] / walk["height"] == pytest.approx(8, rel=0.02)


def test_all_runs_are_sorted_by_mouse_and_keyboard_and_filtered(chrome: Chrome, tmp_path: Path) -> None:
    for number, name in enumerate(("run_10", "run_9", "late")):
        rows = make_run(tmp_path / name, epochs=2 + number, lr=(2e-4, 1e-5, 1e-3)[number])
        write_rows(tmp_path / name, [row | {"val/fcd": (100.0, 20.0, 3.0)[number]} for row in rows])
    (tmp_path / "nothing").mkdir()
    assert main(["--all", str(tmp_path)]) == 0
    for size in (PHONE, DESKTOP):
        show(chrome, tmp_path / INDEX, size)
        assert overflow(chrome) == []
        assert chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["width"] == size[0]
    heads = {each.text: each for each in chrome.find_elements(By.CSS_SELECTOR, "thead th")}

    def order() -> list[str]:
        return [each.text for each in chrome.find_elements(By.CSS_SELECTOR, "tbody th") if each.is_displayed()]

    def press(name: str, key: str | None = None) -> list[str]:
        button = heads[name].find_element(By.TAG_NAME, "button")
        button.click() if key is None else button.send_keys(key)
        return order()

    assert press("FCD") == ["late", "run_9", "run_10", "nothing"]
    assert press("FCD", Keys.ENTER) == ["run_10", "run_9", "late", "nothing"]
    assert heads["FCD"].get_attribute("aria-sort") == "descending"
    assert press("run", Keys.SPACE) == ["late", "nothing", "run_9", "run_10"]
    assert press("--model.lr") == ["run_9", "run_10", "late", "nothing"]
    sorted_by = chrome.find_elements(By.CSS_SELECTOR, "[aria-sort]")
    assert [(each.text, each.get_attribute("aria-sort")) for each in sorted_by] == [("--model.lr", "ascending")]
    element(chrome, "#filter").send_keys("RUN_ 0.0002")
    assert (order(), element(chrome, "#count").text) == (["run_10"], "1 of 4")
    assert chrome.get_log("browser") == []


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESKTOP, "light")])
def test_a_studys_page_fits_and_shows_bands_but_not_their_edges(
    chrome: Chrome, tmp_path: Path, size: tuple[int, int], scheme: str
) -> None:
    ends = {"epochs": 2, "best_epoch": 1, "best_fcd": 2.0}
    outcomes = [
        Outcome(f"r1={r1}_seed_{seed}", seed, {"model.r1": r1}, "done", result)
        for r1 in (0.2, 0.4)
        for seed in (0, 1)
        for fcd in [10 * r1 + seed]
        for result in [{"fcd": fcd, "verdict": "improving", "curves": {"val/fcd": {"1": 2 * fcd, "2": fcd}}} | ends]
    ]
    outcomes.append(Outcome("r1=9_seed_0", 0, {"model.r1": 9}, "failed", {}, "<b>diverged</b>"))
    page = study_page(Results("r1", {"max_epochs": 2}, {"varied": ["model.r1"], "sampled": {}}, outcomes, {}), tmp_path)
    (tmp_path / "study.html").write_text(page, encoding="utf-8")
    show(chrome, tmp_path / "study.html", size, scheme)
    assert chrome.get_log("browser") == []
    assert overflow(chrome) == []
    curves = chrome.find_elements(By.CSS_SELECTOR, "#charts .legend button")
    assert [curve.text.split()[:2] for curve in curves] == [["r1", "0.2"], ["r1", "0.4"]]  # and not their bands' edges
    banded = [chrome.execute_script(FAINT_PIXELS)]
    for curve in curves:
        curve.click()
        banded.append(chrome.execute_script(FAINT_PIXELS))
    assert banded[0] > banded[1] > 1000 > banded[2]  # a band goes with its curve
    assert "r1 0.2 and r1 0.4 cannot be told apart" not in element(chrome, "#best").text  # by the same with each seed
    assert "r1 0.2 is better than r1 0.4 (FCD 2.5 against 4.5, 2 seeds, p < .001)." in element(chrome, "#best").text
    assert "<b>diverged</b>" in element(chrome, "#failed").text
    assert len(chrome.find_elements(By.CSS_SELECTOR, ".strip .dot")) == 4
