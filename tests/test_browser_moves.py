"""What moves in the report: the epoch that samples and curves show together, by mouse and by keys; copying; loading itself again."""

import html
import io
import re
import shutil
from pathlib import Path

from PIL import Image
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from first_gan.report.charts import OF_ONE
from first_gan.report.page import report, write
from first_gan.report.run import Run
from first_gan.run.folder import REPORT
from tests.test_browser import DESKTOP, PHONE, chrome, element, pytestmark, settle, show

__all__ = ["chrome", "pytestmark"]
CLOCK = "window.setInterval = (step) => { window.step = step; return 1; };"  # to be turned by hand


def legend(chrome: Chrome, number: int = 1) -> list[str]:
    """The epoch and the values beside a chart's curves."""
    beside = element(chrome, f"#plot-{number} + .legend")
    return [each.text for each in beside.find_elements(By.CSS_SELECTOR, ".at, b")]


def pixels(chrome: Chrome, selector: str) -> bytes:
    """An element as it is seen."""
    return Image.open(io.BytesIO(element(chrome, selector).screenshot_as_png)).convert("RGB").tobytes()


def test_the_slider_scrubs_the_epochs_by_mouse_and_keyboard_and_stays_where_it_is(
    chrome: Chrome, trained_run: Path
) -> None:
    show(chrome, trained_run / REPORT, PHONE)
    slider, note = element(chrome, "#epoch"), element(chrome, "#frame-note")
    assert note.text.startswith("after epoch 2")
    seen, place = [pixels(chrome, "#frame")], slider.rect
    below = element(chrome, "#verdict").rect
    for key, expected in ((Keys.ARROW_LEFT, "after epoch 1"), (Keys.HOME, "before training")):
        slider.send_keys(key)
        assert note.text.startswith(expected)
        assert slider.get_attribute("aria-valuetext") == note.text
        assert note.text in str(element(chrome, "#frame").get_attribute("alt"))
        assert (slider.rect, element(chrome, "#verdict").rect) == (place, below)
        seen.append(pixels(chrome, "#frame"))
    assert len(set(seen)) == 3
    assert legend(chrome)[0] == "epoch 0"
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", slider)
    ActionChains(chrome).move_to_element(slider).click().perform()  # its middle
    assert note.text.startswith("after epoch 1")
    assert legend(chrome)[0] == "epoch 1"
    assert chrome.get_log("browser") == []


def test_the_epochs_play_and_stop_at_the_last_and_the_walk_goes_round(chrome: Chrome, trained_run: Path) -> None:
    show(chrome, trained_run / REPORT, DESKTOP)
    chrome.execute_script(CLOCK)
    element(chrome, "#play").send_keys(Keys.ENTER)
    notes = [element(chrome, "#frame-note").text]
    for _ in range(2):
        chrome.execute_script("window.step()")
        notes.append(element(chrome, "#frame-note").text)
    assert [note.split(" ·")[0] for note in notes] == ["before training", "after epoch 1", "after epoch 2"]
    assert element(chrome, "#play").get_attribute("aria-label") == "Pause"
    chrome.execute_script("window.step()")
    assert element(chrome, "#play").get_attribute("aria-label") == "Play the epochs"
    element(chrome, "#walk-play").send_keys(Keys.SPACE)
    steps = []
    for _ in range(49):
        chrome.execute_script("window.step()")
        steps.append(element(chrome, "#walk-step").get_attribute("aria-valuetext"))
    assert steps[:2] == ["step 2 of 48", "step 3 of 48"]
    assert steps[-2:] == ["step 1 of 48", "step 2 of 48"]
    assert element(chrome, "#walk-play").get_attribute("aria-label") == "Pause"


def test_the_latent_walk_is_scrubbed(chrome: Chrome, trained_run: Path) -> None:
    show(chrome, trained_run / REPORT, PHONE)
    seen = [pixels(chrome, "#walk-view")]
    for key in (Keys.PAGE_UP, Keys.END):
        element(chrome, "#walk-step").send_keys(key)
        seen.append(pixels(chrome, "#walk-view"))
    assert len(set(seen)) == 3
    assert element(chrome, "#walk-step").get_attribute("aria-valuetext") == "step 48 of 48"


def test_curves_tell_the_verdicts_numbers_lead_the_samples_on_hover_and_follow_the_scheme(
    chrome: Chrome, trained_run: Path
) -> None:
    show(chrome, trained_run / REPORT, DESKTOP)
    plots = chrome.find_elements(By.CSS_SELECTOR, "#charts .uplot")
    assert len(plots) == len(OF_ONE)
    for plot in plots:
        canvas = Image.open(io.BytesIO(plot.find_element(By.TAG_NAME, "canvas").screenshot_as_png)).convert("RGB")
        assert len(canvas.getcolors(1 << 20)) > 20
    values = legend(chrome)
    said = html.unescape((trained_run / REPORT).read_text(encoding="utf-8"))
    losses = re.search(r"D's at (\S+), G's at (\S+) nats", said)
    fcd = re.search(r"FCD (\S+), at first", said)
    assert losses is not None
    assert fcd is not None
    assert values == ["epoch 2", losses[1], losses[2]]
    assert legend(chrome, 4)[1] == fcd[1]
    still = pixels(chrome, "#plot-1 canvas")
    over = element(chrome, "#charts .u-over")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", over)
    ActionChains(chrome).move_to_element_with_offset(over, -int(over.size["width"] / 4), 0).perform()
    hovered = [legend(chrome, 1), legend(chrome, 2)]
    assert [each[0] for each in hovered] == ["epoch 0.5"] * 2  # all cursors move along
    assert all(value != "–" and float(value) > 0 for value in hovered[0][1:])
    assert hovered[0][1:] != values[1:]
    ActionChains(chrome).move_to_element_with_offset(over, int(over.size["width"] / 10), 0).perform()
    assert element(chrome, "#frame-note").text.startswith("after epoch 1")
    assert element(chrome, "#epoch").get_attribute("value") == "1"
    ActionChains(chrome).move_to_element(element(chrome, "#curves h2")).perform()
    assert [legend(chrome, number)[0] for number in (1, 2)] == ["epoch 1"] * 2  # at rest where it was left
    assert pixels(chrome, "#plot-1 canvas") != still  # a line marks that epoch
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    light = pixels(chrome, "#plot-1 canvas")
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    settle(chrome)
    assert pixels(chrome, "#plot-1 canvas") != light
    assert chrome.get_log("browser") == []


def test_keys_alone_get_everywhere(chrome: Chrome, trained_run: Path) -> None:
    show(chrome, trained_run / REPORT, DESKTOP)
    wanted = "#play, #epoch, .plot, .legend button, summary, dfn, #walk-play, #walk-step, .copy"
    chrome.execute_script("window.got = new Set(); addEventListener('focusin', (e) => window.got.add(e.target));")
    count = len(chrome.find_elements(By.CSS_SELECTOR, wanted))
    ActionChains(chrome).send_keys(*[Keys.TAB] * (count + 8)).perform()
    unreached = f"return [...document.querySelectorAll('{wanted}')].filter((each) => !window.got.has(each)).map((each) => each.outerHTML)"
    assert chrome.execute_script(unreached) == []
    plot = element(chrome, "#plot-4")
    plot.send_keys(Keys.ARROW_LEFT)
    assert element(chrome, "#frame-note").text.startswith("after epoch 1")
    assert str(plot.get_attribute("aria-valuetext")).startswith("epoch 1: samples ")
    plot.send_keys(Keys.HOME)
    assert element(chrome, "#frame-note").text.startswith("before training")
    curve = element(chrome, "#plot-4 + .legend button")
    before = pixels(chrome, "#plot-4 canvas")
    curve.send_keys(Keys.SPACE)
    assert curve.get_attribute("aria-pressed") == "false"
    settle(chrome)
    assert pixels(chrome, "#plot-4 canvas") != before
    term = element(chrome, "#curves dfn")
    chrome.execute_script("arguments[0].focus()", term)
    assert "that a real image is real" in term.find_element(By.TAG_NAME, "span").text


def test_commands_are_copied_by_the_way_that_is_open(chrome: Chrome, trained_run: Path) -> None:
    show(chrome, trained_run / REPORT, DESKTOP)
    command, button = element(chrome, "#command-1"), element(chrome, ".copy")
    for stub in (
        "Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => { window.copied = text; } } })",
        "navigator.clipboard.writeText = () => Promise.reject(); window.copied = ''; "
        "document.execCommand = () => { window.copied = getSelection().toString(); return true; }",
    ):
        chrome.execute_script(stub + "; document.querySelector('.copy').textContent = 'Copy'")
        button.send_keys(Keys.ENTER)
        settle(chrome)
        assert chrome.execute_script("return window.copied") == command.text
        assert button.text == "Copied"


def test_on_paper_bars_and_pictures_stay_and_headings_are_not_left_alone(chrome: Chrome, trained_run: Path) -> None:
    show(chrome, trained_run / REPORT, DESKTOP, "dark")
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    settle(chrome)
    style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    for kept in (".bars .generated", "#walk-view", ".scale i", ".swatch"):
        assert chrome.execute_script(style, kept, "printColorAdjust") == "exact"
    assert chrome.execute_script(style, "h2", "breakAfter") == "avoid"
    assert chrome.execute_script(style, ".chart", "breakInside") == "avoid"
    assert chrome.execute_script(style, "section", "backgroundColor") == "rgb(255, 255, 255)"
    chrome.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert "D's at" in element(chrome, "#verdict").text
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_while_the_run_goes_on_the_page_loads_itself_again_where_it_was(chrome: Chrome, trained_run: Path) -> None:
    shutil.copytree(trained_run, "run")
    Path("run/report/record.json").unlink()
    write(report(Run.read(Path("run")), live=60.0), Path("run/report.html"))
    early = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": CLOCK})
    try:
        show(chrome, Path("run/report.html"), PHONE)
        assert "this page shows it again" in element(chrome, "#live").text
        element(chrome, "#epoch").send_keys(Keys.HOME)
        element(chrome, "#options summary").click()
        chrome.execute_script("document.getElementById('plot-2').focus(); scrollTo(0, 1900); window.before = true")
        top = "document.getElementById('curves').getBoundingClientRect().top"
        place = f"return [Math.round({top}), document.activeElement.id, document.getElementById('options').open]"
        read = chrome.execute_script(place)
        assert read[1:] == ["plot-2", True]
        chrome.execute_script("window.step()")
        settle(chrome)
        assert chrome.execute_script("return window.before") is None
        assert chrome.execute_script(place) == read
        assert element(chrome, "#frame-note").text.startswith("before training")
        write(report(Run.read(Path("run"))), Path("run/report.html"))  # it has ended
        chrome.execute_script("window.step()")
        settle(chrome)
        assert chrome.execute_script(place) == read
        assert chrome.execute_script("return typeof window.step") == "undefined"
    finally:
        chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", early)
