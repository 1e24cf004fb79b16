"""A contact sheet: rows of images below each other, each with its label."""

from collections.abc import Mapping

from PIL import Image, ImageDraw, ImageFont

from first_gan.drawing.pictures import PADDING, enlarged

LABEL, FONT = 80, 15  # pixels of the labels' column, and of their letters
MOST_ACROSS = 1100  # pixels; of large images a row shows fewer


def sheet(rows: Mapping[str, Image.Image], width: int) -> Image.Image:
    """Rows of images with sharp, enlarged pixels.

    Args:
        rows: By label; pictures of one size and mode, each images beside each other as in `grid`.
        width: Of one image, in pixels.
    """
    first = next(iter(rows.values()))
    across = min(first.width, max(1, (MOST_ACROSS - PADDING) // (width + PADDING)) * (width + PADDING) + PADDING)
    larger = {label: enlarged(row.crop((0, 0, across, row.height))) for label, row in rows.items()}
    factor = next(iter(larger.values())).width // across
    down = factor * (first.height - PADDING)  # rows share the space between them
    whole = Image.new(first.mode, (LABEL + factor * across, down * len(rows) + factor * PADDING))
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(FONT)
    for number, (label, row) in enumerate(larger.items()):
        whole.paste(row, (LABEL, number * down))
        draw.text((LABEL - 8, number * down + row.height // 2), label, fill="white", font=font, anchor="rm")
    return whole
