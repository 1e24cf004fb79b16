"""The built-in digits: MNIST's shape without a network, rendered from matplotlib's fonts and distorted like handwriting.

Each image is a glyph of a random font, bent elastically (after Simard et al. 2003), rotated, sheared and scaled, drawn
with a stroke of random thickness, and centred by its mass as MNIST's are.
"""

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from torch import Tensor

from first_gan.bars import bar
from first_gan.data import TEST_IMAGES, TEST_LABELS, TEST_ROWS, TRAIN_IMAGES, TRAIN_LABELS, TRAIN_ROWS, idx, raw_folder
from first_gan.data.download import folder_in_the_making
from first_gan.drawing import style

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSans-BoldOblique"),
    *("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-Oblique"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
    *("cmr10", "cmss10", "cmtt10", "cmb10", "cmti10"),
)
GLYPH = 64  # side of the square that a glyph is drawn in, pixels
FINE = 56  # side of a distorted glyph before it is averaged down to 28
CHUNK = 1000


def make_digits(data_dir: Path, seed: int = 0) -> None:
    """Renders 60,000 training and 10,000 test digits and keeps them as IDX files under `data_dir`.

    Raises:
        DataError: The folder cannot be written; nothing is left behind.
    """
    with folder_in_the_making(raw_folder(data_dir, "digits")) as folder, bar(console=Console()) as progress:
        task = progress.add_task("Rendering 70,000 digits", total=TRAIN_ROWS + TEST_ROWS)
        glyphs = draw_glyphs()
        generator = torch.Generator().manual_seed(seed)
        splits = ((TRAIN_IMAGES, TRAIN_LABELS, TRAIN_ROWS), (TEST_IMAGES, TEST_LABELS, TEST_ROWS))
        for images_name, labels_name, rows in splits:
            images, labels = [], []
            for _ in range(rows // CHUNK):
                chunk_labels = torch.randint(10, (CHUNK,), generator=generator)
                images.append(render(glyphs, chunk_labels, generator))
                labels.append(chunk_labels.to(torch.uint8))
                progress.advance(task, CHUNK)
            idx.write(folder / images_name, torch.cat(images))
            idx.write(folder / labels_name, torch.cat(labels))


def render(glyphs: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Draws one distorted digit per label.

    Args:
        glyphs: Blurred ink of every font's digits, (fonts, 10, GLYPH, GLYPH) in [0, 1].
        labels: Digits to draw, (N,).
        generator: Source of all randomness.

    Returns:
        uint8 images (N, 28, 28), ink 255 on 0.
    """
    n = len(labels)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    ink = glyphs[torch.randint(len(glyphs), (n,), generator=generator), labels].unsqueeze(1)

    # Each output pixel looks up where in the glyph it comes from: rotation · shear · scale, then an elastic bend.
    angle, shear = uniform(-0.26, 0.26), uniform(-0.35, 0.35)
    scale_x, scale_y = uniform(0.85, 1.4), uniform(0.95, 1.15)
    cos, sin = angle.cos(), angle.sin()
    rows = [scale_x * (cos + shear * sin), scale_x * (shear * cos - sin), scale_y * sin, scale_y * cos]
    matrix = torch.stack(rows, 1).view(n, 2, 2)
    affine = torch.cat([matrix, torch.zeros(n, 2, 1)], dim=2)
    grid = F.affine_grid(affine, [n, 1, FINE, FINE], align_corners=False)
    bend = torch.randn(n, 2, 5, 5, generator=generator) * uniform(0.03, 0.10).view(n, 1, 1, 1)
    bend = F.interpolate(bend, (14, 14), mode="bicubic", align_corners=True)
    grid = grid + F.interpolate(bend, (FINE, FINE), mode="bilinear", align_corners=True).permute(0, 2, 3, 1)
    blurred = F.grid_sample(ink, grid, align_corners=False)

    # The blurred stroke cut at a random level is a thinner or thicker stroke with a soft edge.
    level = uniform(0.2, 0.5).view(n, 1, 1, 1)
    image = F.avg_pool2d(torch.sigmoid((blurred - level) * 16), 2) * uniform(0.9, 1.0).view(n, 1, 1, 1)
    image = ((image - 0.1) / 0.8).clamp(0, 1)
    return (_centred(image.squeeze(1)) * 255).round().clamp(0, 255).to(torch.uint8)


def _centred(images: Tensor) -> Tensor:
    """Shifts each image by whole pixels so that its centre of mass comes to lie in the middle."""
    side = images.shape[-1]
    positions = torch.arange(side, dtype=torch.float32)
    mass = images.sum((1, 2)).clamp_min(1e-6)
    shift_y = ((images.sum(2) @ positions) / mass - (side - 1) / 2).round().long()
    shift_x = ((images.sum(1) @ positions) / mass - (side - 1) / 2).round().long()
    pad = side // 2
    padded = F.pad(images, (pad, pad, pad, pad))
    y = (torch.arange(side) + pad + shift_y.unsqueeze(1)).clamp(0, 2 * side - 1)
    x = (torch.arange(side) + pad + shift_x.unsqueeze(1)).clamp(0, 2 * side - 1)
    return padded[torch.arange(len(images)).view(-1, 1, 1), y.unsqueeze(2), x.unsqueeze(1)]


def draw_glyphs() -> Tensor:
    """The ten digits in every font, blurred: (fonts, 10, GLYPH, GLYPH), brightest 1."""
    folder = Path(style.import_matplotlib().get_data_path(), "fonts", "ttf")
    glyphs = np.zeros((len(FONTS), 10, GLYPH, GLYPH), np.float32)
    for row, name in enumerate(FONTS):
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), 100)
        font = ImageFont.truetype(str(folder / f"{name}.ttf"), math.floor(100 * 0.72 * GLYPH / _height(font)))
        for digit in range(10):
            image = Image.new("L", (GLYPH, GLYPH))
            draw = ImageDraw.Draw(image)
            left, top, right, bottom = draw.textbbox((0, 0), str(digit), font=font)
            draw.text(((GLYPH - left - right) / 2, (GLYPH - top - bottom) / 2), str(digit), fill=255, font=font)
            glyphs[row, digit] = np.asarray(image, np.float32) / 255
    ink = torch.from_numpy(glyphs)
    blurred = F.avg_pool2d(F.avg_pool2d(ink, 5, stride=1, padding=2), 3, stride=1, padding=1)
    return blurred / blurred.amax((2, 3), keepdim=True)


def _height(font: ImageFont.FreeTypeFont) -> float:
    _, top, _, bottom = font.getbbox("0")
    return bottom - top
