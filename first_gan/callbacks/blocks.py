"""Images as characters: two pixels in each, the upper half block's colour and the one behind it."""

import math

import torch
import torch.nn.functional as F
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from torch import Tensor

IMAGES = 8
NARROWEST, WIDEST = 9, 20  # columns that an image takes
LOWEST_SCREEN = 16  # lines, of which samples would leave too few
LEVEL = 8  # gray levels are rounded to, so that neighbours are often of one colour, and written once


def can_show(console: Console) -> bool:
    """Whether samples can be shown there: in a terminal with 256 colours or more, unless NO_COLOR says not to."""
    colours = console.is_terminal and not (console.is_dumb_terminal or console.no_color or console.legacy_windows)
    blocks = console.encoding.lower().startswith("utf")
    return colours and blocks and console.color_system in ("256", "truecolor") and console.height >= LOWEST_SCREEN


class Samples:
    """A row of images, as large as the terminal's width allows.

    Args:
        pixels: uint8, (N, C, H, W), of which the first eight are shown, or as many as fit.
    """

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels[:IMAGES]
        self._width, self._drawn = 0, list[Segment]()  # a bar is drawn twice a second, and these are new once an epoch

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width != self._width:
            self._width, self._drawn = options.max_width, drawn(self.pixels, options.max_width)
        return self._drawn


def drawn(pixels: Tensor, width: int) -> list[Segment]:
    """Images (N, C, H, W) beside each other, as many of them as fit into so many columns."""
    count = max(1, min(len(pixels), (width + 1) // (NARROWEST + 1)))
    columns = max(1, min(WIDEST, pixels.shape[3], (width + 1) // count - 1))
    images, segments = smaller(pixels[:count], columns), list[Segment]()
    for upper, lower in zip(images[:, :, 0::2].unbind(2), images[:, :, 1::2].unbind(2), strict=True):
        line: list[Segment] = []
        for above, below in zip(upper, lower, strict=True):  # each image's (3, W)
            pairs = zip(above.T.tolist(), below.T.tolist(), strict=True)
            line += [Segment("▀", Style(color=colour(one), bgcolor=colour(other))) for one, other in pairs]
            line.append(Segment(" "))
        segments += [*Segment.simplify(line[:-1]), Segment.line()]
    return segments


def smaller(pixels: Tensor, columns: int) -> Tensor:
    """Images so many pixels wide, uint8, (N, 3, an even height, W): means of the pixels that one stands for."""
    height, width = pixels.shape[2:]
    lines = max(1, math.floor(columns * height / width / 2 + 0.5))
    means = F.interpolate(pixels.float(), (2 * lines, columns), mode="area")
    means = (means / LEVEL).round().mul(LEVEL).clamp(0, 255).to(torch.uint8)
    return means.expand(-1, 3, -1, -1)


def colour(values: list[int]) -> str:
    return f"#{values[0]:02x}{values[1]:02x}{values[2]:02x}"
