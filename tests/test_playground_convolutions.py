"""The playground of a DCGAN: a frame is quick, and stored numbers are read as they were written."""

from base64 import b64encode
from pathlib import Path

import pytest
import torch
from selenium.webdriver import Chrome

from first_gan.drawing import playground
from networks import dcgan
from tests import test_browser
from tests.played_networks import gan_of
from tests.test_browser import DESKTOP, show
from tests.test_playground import quickest_frame

chrome = test_browser.chrome
pytestmark = test_browser.pytestmark


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the networks of configs/dcgan.yaml, untrained."""
    gan = gan_of(dcgan.Generator(width=32), dcgan.Discriminator(width=32), 100, (1, 28, 28))
    path = tmp_path_factory.mktemp("page") / "dcgan.html"
    path.write_text(playground.page("dcgan", gan, gan.generator)[0], encoding="utf-8")
    return path


def test_a_frame_of_convolutions_is_quick(chrome: Chrome, page: Path) -> None:
    show(chrome, page, DESKTOP)
    assert quickest_frame(chrome) < 12  # milliseconds; about 3 on a quiet machine


@pytest.mark.parametrize("count", [6, 7])
def test_numbers_of_twelve_bits_are_read_as_they_were_written(count: int, chrome: Chrome, page: Path) -> None:
    written = torch.tensor([-2047, 2047, -1, 0, 1, 1029, -1030])[:count]
    show(chrome, page, DESKTOP)
    stored = b64encode(bytes(playground._twelve_bits(written).tolist())).decode()
    assert chrome.execute_script("return [...numbers(arguments[0], 'int12')]", stored) == written.tolist()
