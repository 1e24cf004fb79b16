"""The playground: what its JavaScript computes is what torch computes, and one can draw, walk and duel."""

import re
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from torch import Tensor

import train
from first_gan.data import scaled
from first_gan.drawing import playground
from first_gan.drawing.latent import latent_vectors
from first_gan.drawing.layers import chain_of
from first_gan.drawing.pictures import to_pixels
from first_gan.scores.judge import shipped
from tests import test_browser
from tests.played_networks import made
from tests.test_browser import DESKTOP, PHONE, element, overflow, show
from tests.test_browser_moves import pixels

chrome = test_browser.chrome
needs_browser = test_browser.pytestmark
TABLET = (880, 900)
CONFIGS = Path(train.__file__).parent / "configs"
Z = 1000


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, arrays: dict[str, Tensor]) -> dict[str, tuple[Any, Path]]:
    """Playgrounds of fully connected networks, with the judge, and of convolutional ones for colour."""
    folder, both = tmp_path_factory.mktemp("played"), {}
    for name in ("linear", "norm", "conv"):
        gan = made(name)
        gray = arrays["t10k-images-idx3-ubyte"][:200].view(-1, 1, 28, 28)
        real = gray if name != "conv" else gray[:, :, 6:22, 2:26].repeat(1, 3, 1, 1)
        html, _ = playground.page(name, gan, gan.generator, real, shipped("mnist") if name == "linear" else None)
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
        both[name] = gan, folder / f"{name}.html"
    return both


COMPUTE = """
const z = numbers(arguments[0], "float32"), n = z.length / model.latent, images = [], logits = [], slopes = [];
for (let i = 0; i < n; i++) {
  const image = generated(z.subarray(i * model.latent, (i + 1) * model.latent)), outputs = forward(D, image);
  images.push(btoa(String.fromCharCode(...toPixels(image))));
  logits.push(last(outputs)[0]);
  if (i < 20) slopes.push(...gradient(D, outputs));
}
return { images, logits, slopes };
"""


@needs_browser
@pytest.mark.parametrize("name", ["linear", "norm", "conv"])
def test_the_page_computes_what_torch_computes(name: str, chrome: Chrome, played: dict[str, tuple[Any, Path]]) -> None:
    gan, path = played[name]
    z = latent_vectors(Z if name == "linear" else Z // 4, gan.latent_dim, seed=1)
    show(chrome, path, DESKTOP)
    found = chrome.execute_script(COMPUTE, b64encode(z.numpy().tobytes()).decode())
    images = gan.generator(z).detach()
    logits = gan.discriminator(images).detach().flatten()
    shown = torch.frombuffer(bytearray(b"".join(map(b64decode, found["images"]))), dtype=torch.uint8)
    off = (shown.view(images.shape).int() - to_pixels(images).int()).abs() > 1
    assert off.double().mean() <= 1e-4
    assert to_pixels(images).double().std() > 40
    assert (torch.tensor(found["logits"]) - logits).abs().max() < 0.05
    assert logits.std() > 0.3
    some = images[:20].clone().requires_grad_()
    (slopes,) = torch.autograd.grad(gan.discriminator(some).sum(), some)
    apart = (torch.tensor(found["slopes"]).view(slopes.shape) - slopes).flatten(1).norm(dim=1)
    assert (apart / slopes.flatten(1).norm(dim=1)).median() < 0.08
    assert chrome.get_log("browser") == []


@needs_browser
def test_the_judge_of_the_page_is_the_judge_and_a_frame_is_quick(
    chrome: Chrome, played: dict[str, tuple[Any, Path]], arrays: dict[str, Tensor]
) -> None:
    show(chrome, played["linear"][1], DESKTOP)
    found = chrome.execute_script(
        "return reals.map((real) => [[...real], softmax(last(forward(judge, scaled(real))))])"
    )
    images = torch.tensor([image for image, _ in found], dtype=torch.uint8).view(-1, 1, 28, 28)
    assert len(images) == playground.MOST_REAL
    of_test = {bytes(image) for image in arrays["t10k-images-idx3-ubyte"][:200].numpy().reshape(-1, 784)}
    assert {bytes(image) for image in images.numpy().reshape(-1, 784)} <= of_test
    assert (torch.tensor([odds for _, odds in found]) - shipped("mnist").opinion(images)[1]).abs().max() < 0.01
    assert quickest_frame(chrome) < 8  # milliseconds; about 1 on a quiet machine


def quickest_frame(chrome: Chrome) -> float:
    script = "const start = performance.now(); forward(D, generated(newLatent())); return performance.now() - start"
    return min(chrome.execute_script(script) for _ in range(30))


def text(chrome: Chrome, selector: str) -> str:
    return element(chrome, selector).text


def drag(chrome: Chrome, selector: str, points: list[tuple[float, float]]) -> None:
    """Drags the mouse from point to point of an element, whose corners are (0, 0) and (1, 1)."""
    target = element(chrome, selector)
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", target)
    width, height = target.size["width"], target.size["height"]
    actions = ActionChains(chrome, duration=0)
    for number, (x, y) in enumerate(points):
        actions.move_to_element_with_offset(target, int((x - 0.5) * width), int((y - 0.5) * height))
        if number == 0:
            actions.click_and_hold()
    actions.release().perform()
    test_browser.settle(chrome)


def seen_by_d(chrome: Chrome) -> np.ndarray:
    """The gray image on the canvas that shows what D sees, (28, 28)."""
    return canvas(chrome, "seen")[..., 0]


def canvas(chrome: Chrome, name: str) -> np.ndarray:
    """What is drawn on a canvas, (H, W, 3)."""
    source = chrome.execute_script("return byId(arguments[0]).toDataURL()", name)
    return np.array(Image.open(BytesIO(b64decode(source.partition(",")[2]))).convert("RGB")).astype(int)


def belief(gan: Any, image: np.ndarray) -> float:
    with torch.no_grad():
        return float(gan.discriminator(scaled(torch.from_numpy(image.astype(np.uint8))).view(1, 1, 28, 28)).sigmoid())


@needs_browser
def test_a_digit_is_drawn_by_mouse_centred_and_taken_back(chrome: Chrome, played: dict[str, tuple[Any, Path]]) -> None:
    gan, path = played["linear"]
    show(chrome, path, DESKTOP)
    assert text(chrome, "#draw-p") == "–"
    drag(chrome, "#paper", [(0.1, 0.05), (0.1, 0.45), (0.25, 0.45)])  # small, in a corner, heavy below
    image = seen_by_d(chrome)
    rows, _ = np.nonzero(image > 127)
    assert 18 <= rows.max() - rows.min() + 1 <= 20
    for axis in (0, 1):
        assert np.average(np.arange(28) + 0.5, weights=image.sum(1 - axis)) == pytest.approx(14, abs=0.6)
    assert int(text(chrome, "#draw-p").removesuffix("%")) == pytest.approx(100 * belief(gan, image), abs=1.1)
    assert re.match(
        r"The judge takes it for a \d, by ", element(chrome, "#draw-odds").get_attribute("aria-label") or ""
    )
    lines = [seen_by_d(chrome)]
    drag(chrome, "#paper", [(0.1, 0.3), (0.6, 0.3)])
    lines.append(seen_by_d(chrome))
    assert (lines[1] != lines[0]).any()
    element(chrome, "#undo").click()
    test_browser.settle(chrome)
    assert (seen_by_d(chrome) == lines[0]).all()
    element(chrome, "#eraser").click()
    drag(chrome, "#paper", [(0.02, 0.3), (0.3, 0.3)])
    assert seen_by_d(chrome).sum() < lines[0].sum()
    element(chrome, "#clear").click()
    test_browser.settle(chrome)
    assert seen_by_d(chrome).max() == 0
    assert text(chrome, "#draw-p") == "–"
    assert chrome.get_log("browser") == []


@needs_browser
def test_a_digit_is_drawn_by_keys_and_what_d_wants_is_shown_and_done(
    chrome: Chrome, played: dict[str, tuple[Any, Path]]
) -> None:
    show(chrome, played["linear"][1], PHONE)
    paper = element(chrome, "#paper")
    paper.send_keys(Keys.ARROW_UP * 5, Keys.SPACE, Keys.ARROW_DOWN * 9, Keys.SPACE, Keys.ARROW_LEFT * 3)
    test_browser.settle(chrome)
    rows, columns = np.nonzero(seen_by_d(chrome) > 127)
    assert rows.max() - rows.min() > 3 * (columns.max() - columns.min())  # a one
    paper.send_keys(Keys.BACKSPACE)
    test_browser.settle(chrome)
    assert seen_by_d(chrome).max() == 0
    element(chrome, "#from-generated").click()
    script = "const outputs = forward(D, centered()); return [last(outputs)[0], [...gradient(D, outputs)]]"
    before, slopes = chrome.execute_script(script)
    test_browser.settle(chrome)
    wish = canvas(chrome, "wish").reshape(784, 3)
    strongest = np.argsort(np.abs(slopes))[-50:]
    assert ((wish[strongest, 0] > wish[strongest, 2]) == (np.array(slopes)[strongest] > 0)).all()  # orange is lighter
    element(chrome, "#obey").click()
    assert chrome.execute_script(script)[0] > before
    element(chrome, "#from-real").click()
    script = "return reals.some((real) => real.every((pixel, i) => Math.round((centered()[i] + 1) * 127.5) === pixel))"
    assert chrome.execute_script(script)
    assert chrome.get_log("browser") == []


@needs_browser
def test_the_walk_moves_by_mouse_keys_and_sliders(chrome: Chrome, played: dict[str, tuple[Any, Path]]) -> None:
    gan, path = played["linear"]
    show(chrome, path, DESKTOP)
    seen = [pixels(chrome, "#drawn")]
    drag(chrome, "#pad", [(0.5, 0.5), (0.5, 1.5 / 9)])  # onto the first sample
    script = "return [[...here()], [...walk.samples[0]], [...toPixels(generated(here()))]]"
    z, sample, image = chrome.execute_script(script)
    assert z == pytest.approx(sample, abs=0.05)
    assert canvas(chrome, "drawn")[..., 0].flatten().tolist() == image
    seen.append(pixels(chrome, "#drawn"))
    element(chrome, "#freeze").click()
    element(chrome, "#pad").send_keys(Keys.ARROW_DOWN * 15, Keys.ARROW_LEFT * 15)
    test_browser.settle(chrome)
    assert (element(chrome, "#pad").get_attribute("aria-valuetext") or "").startswith("20% across, ")
    seen.append(pixels(chrome, "#drawn"))
    element(chrome, "#sliders input").send_keys(Keys.ARROW_RIGHT * 10)
    moved = np.array(chrome.execute_script("return [...latentAt(walk.at)]"))
    element(chrome, "#level").click()
    step = moved - np.array(chrome.execute_script("return [...latentAt(walk.at)]"))
    assert np.linalg.norm(step) == pytest.approx(1, abs=1e-3)
    first = chain_of("G", gan.generator, latent_vectors(2, 32, 0))[0].weight
    strength = torch.linalg.matrix_norm(first, 2).item()
    assert (first @ torch.from_numpy(step)).norm().item() == pytest.approx(strength, rel=1e-3)  # none changes it more
    element(chrome, "#mix").send_keys(Keys.END)
    assert chrome.execute_script("return [...here()]") == pytest.approx(z, abs=1e-4)
    element(chrome, "#new-z").click()
    assert chrome.execute_script("return [...walk.samples[0]]") != sample
    assert len(set(seen)) == 3
    assert chrome.get_log("browser") == []


@needs_browser
def test_the_duel_counts_who_was_right(chrome: Chrome, played: dict[str, tuple[Any, Path]]) -> None:
    gan, path = played["conv"]
    show(chrome, path, PHONE)
    assert chrome.find_elements(By.ID, "draw") == []  # for MNIST's size alone
    tiles = chrome.execute_script("return duel.tiles.map((tile) => [tile.isReal, [...tile.pixels]])")
    buttons = chrome.find_elements(By.CSS_SELECTOR, "#sheet button")
    for button in buttons[:6]:
        button.click()
    buttons[0].send_keys(Keys.SPACE)
    assert [button.get_attribute("aria-pressed") for button in buttons[:3]] == ["false", "true", "true"]
    element(chrome, "#reveal").click()
    is_real = torch.tensor([real for real, _ in tiles])
    images = torch.tensor([image for _, image in tiles], dtype=torch.uint8).view(-1, *gan.image_shape)
    marked = torch.tensor([1 <= number < 6 for number in range(len(tiles))])
    you = int((marked == is_real).sum())
    d = int(((gan.discriminator(scaled(images)).flatten() > 0) == is_real).sum())
    assert f"You were right {you} times of 20, D {d} times" in text(chrome, "#score")
    assert len(chrome.find_elements(By.CSS_SELECTOR, "#sheet .right")) == you
    assert 4 <= is_real.sum() <= 16
    element(chrome, "#another").click()
    assert chrome.execute_script("return duel.tiles.map((tile) => [tile.isReal, [...tile.pixels]])") != tiles
    assert text(chrome, "#score") == ""
    assert chrome.get_log("browser") == []


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_all_widths_and_schemes(scheme: str, chrome: Chrome, played: dict[str, tuple[Any, Path]]) -> None:
    show(chrome, played["linear"][1], PHONE, scheme)
    element(chrome, "#freeze").click()
    for size in (PHONE, TABLET, DESKTOP):
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE}
        chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        test_browser.settle(chrome)
        assert overflow(chrome) == []
        assert chrome.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]["width"] == size[0]
        background = chrome.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background))) > 600) == (scheme == "light")
    unnamed = "canvas:not([aria-label]):not([aria-hidden]), [role=img]:not([aria-label]), input:not(label input)"
    assert chrome.find_elements(By.CSS_SELECTOR, unnamed) == []
    assert chrome.get_log("browser") == []
