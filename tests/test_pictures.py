"""A folder of pictures: what is read of it, in which form and order, what is left out, and what is kept."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from first_gan.data import DataError, pictures
from first_gan.data.pictures import read_folder, square

SIDE = 8
CACHE = f".first-gan-{SIDE}.pt"


def gray(value: int, side: int = SIDE) -> Image.Image:
    return Image.new("L", (side, side), value)


def fill(folder: Path, count: int = 20, **classes: int) -> Path:
    """Gray pictures 0.png, 1.png, ... whose gray is their number, in the folder or in class folders (10 more each)."""
    for number, name in enumerate(classes or [""]):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(classes.get(name, count)):
            gray(100 * number + index).save(folder / name / f"{index}.png")
    return folder


def pixel(path: Path, side: int = SIDE) -> list[int]:
    """The value of a picture's middle, as it is read: one number, or red, green and blue."""
    result = square(path, side)
    assert not isinstance(result, str), result
    return result[:, side // 2, side // 2].tolist()


def test_class_folders_at_any_depth_are_mixed_in_an_order_that_never_changes(tmp_path: Path) -> None:
    fill(tmp_path, dogs=30, cats=30)
    (tmp_path / "dogs/deep/deeper").mkdir(parents=True)
    gray(77).save(tmp_path / "dogs/deep/deeper/last.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("no picture", encoding="utf-8")
    torch.manual_seed(1)
    data = read_folder(tmp_path)
    assert (data.classes, data.shape, len(data.train), len(data.test)) == (("cats", "dogs"), (1, SIDE, SIDE), 55, 6)
    values = torch.cat([data.train, data.test])[:, 0, 0, 0]
    labels = torch.cat([data.train_labels, data.test_labels])
    assert sorted(values.tolist()) == sorted([*range(30), 77, *range(100, 130)])
    assert labels.tolist() == [int(not value >= 100) for value in values]  # dogs came first
    assert set(data.test_labels.tolist()) == {0, 1}
    assert 0.3 < data.train_labels[:27].float().mean() < 0.7
    torch.manual_seed(2)
    (tmp_path / CACHE.replace("8", "original")).unlink()
    assert torch.equal(read_folder(tmp_path).train, data.train)


def test_pictures_alone_have_no_labels_and_hidden_ones_and_linked_folders_are_skipped(tmp_path: Path) -> None:
    fill(tmp_path / "mine", 20)
    gray(200).save(tmp_path / "mine/.hidden.png")
    fill(tmp_path / "mine/.thumbnails", 3)
    fill(tmp_path / "elsewhere", 3)
    (tmp_path / "mine/link").symlink_to(tmp_path / "elsewhere")
    data = read_folder(tmp_path / "mine", SIDE)
    assert (data.classes, len(data.train), len(data.test)) == ((), 18, 2)
    assert not data.train_labels.any()


def test_pictures_beside_class_folders_are_refused(tmp_path: Path) -> None:
    fill(fill(tmp_path, cats=20), 1)
    with pytest.raises(DataError, match=r"such as 0\.png, and class folders, such as cats"):
        read_folder(tmp_path, SIDE)


def test_colour_stays_and_gray_becomes_three_channels_beside_it(tmp_path: Path) -> None:
    fill(tmp_path)
    Image.new("RGB", (SIDE, SIDE), (7, 7, 7)).save(tmp_path / "gray_in_three.png")
    assert read_folder(tmp_path, SIDE).shape == (1, SIDE, SIDE)
    Image.new("RGB", (SIDE, SIDE), (10, 20, 30)).save(tmp_path / "colour.webp", lossless=True)
    data = read_folder(tmp_path, SIDE)
    assert data.shape == (3, SIDE, SIDE)
    found = torch.cat([data.train, data.test])[:, :, 0, 0].tolist()
    assert [10, 20, 30] in found
    assert [5, 5, 5] in found


def chunk(kind: bytes, content: bytes) -> bytes:
    """One of those that a PNG file consists of."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def modes() -> dict[str, tuple[Image.Image, list[int]]]:
    """Pictures of every kind that PNG has, and the pixel that each must become."""
    palette = Image.new("P", (SIDE, SIDE), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    clear_palette = palette.copy()
    clear_palette.info["transparency"] = 1
    return {
        "bilevel": (Image.new("1", (SIDE, SIDE), 1), [255]),
        "16-bit gray": (Image.fromarray(np.full((SIDE, SIDE), 100 * 257, np.uint16)), [100]),
        "16-bit white": (Image.fromarray(np.full((SIDE, SIDE), 65535, np.uint16)), [255]),
        "palette": (palette, [10, 20, 30]),
        "transparent palette": (clear_palette, [255]),
        "transparent": (Image.new("RGBA", (SIDE, SIDE), (10, 20, 30, 0)), [255]),
        "half transparent": (Image.new("RGBA", (SIDE, SIDE), (0, 0, 255, 51)), [204, 204, 255]),
        "gray and alpha": (Image.new("LA", (SIDE, SIDE), (0, 51)), [204]),
    }


@pytest.mark.parametrize("kind", modes())
def test_every_mode_becomes_what_one_sees_on_white(kind: str, tmp_path: Path) -> None:
    image, expected = modes()[kind]
    image.save(tmp_path / "a.png")
    assert pixel(tmp_path / "a.png") == expected


def test_a_cmyk_jpeg_is_read_and_a_jpeg_under_a_wrong_name_too(tmp_path: Path) -> None:
    Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    gray(99).save(tmp_path / "b.png", "JPEG")
    red, green, blue = pixel(tmp_path / "a.jpg")
    assert red > 230 > 30 > max(green, blue)
    assert pixel(tmp_path / "b.png") == [99]


def test_the_shorter_side_is_scaled_with_antialiasing_and_the_middle_kept(tmp_path: Path) -> None:
    wide = np.zeros((32, 96), np.uint8)  # the middle third is a fine checkerboard: gray, if it is averaged
    wide[::2, 32:64:2] = wide[1::2, 33:64:2] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    Image.fromarray(wide.T.copy()).save(tmp_path / "high.png")
    for name in ("wide.png", "high.png"):
        result = square(tmp_path / name, SIDE)
        assert not isinstance(result, str)
        assert result.shape == (1, SIDE, SIDE)
        assert (result[:, 1:-1, 1:-1].float() - 127.5).abs().max() < 3
    exact = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) * 4)
    exact.save(tmp_path / "exact.png")
    assert square(tmp_path / "exact.png", 8)[0].tolist() == np.asarray(exact).tolist()  # type: ignore[index]


def test_a_large_jpeg_and_the_cameras_orientation(tmp_path: Path) -> None:
    half = np.zeros((80, 80), np.uint8)
    half[:40] = 255  # white above
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90° clockwise: what was above is right
    Image.fromarray(half).save(tmp_path / "a.jpg", exif=exif)
    result = square(tmp_path / "a.jpg", SIDE)
    assert not isinstance(result, str)
    assert result[0, :, :3].max() < 30
    assert result[0, :, -3:].min() > 225


def test_a_jpeg_with_more_views_of_the_camera_is_one_picture(tmp_path: Path) -> None:
    gray(50).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[gray(60)])
    assert pixel(tmp_path / "a.jpg") == [50]


def test_unusable_pictures_are_named_and_left_out_also_from_the_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 30)
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    for name in ("b.png", "c.jpg", "d.webp"):
        noise.save(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])  # cut short
    gray(1).save(tmp_path / "a1.png", save_all=True, append_images=[gray(2)])
    header = struct.pack(">IIBBBBB", 20_000, 5_001, 8, 2, 0, 0, 0)  # and no pixels that could be decoded
    (tmp_path / "a2.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"nothing"))
    gray(3).save(tmp_path / "a3.png", "GIF")
    os.mkfifo(tmp_path / "a4.png")
    (tmp_path / "a5.png").symlink_to("nowhere")
    data = read_folder(tmp_path, SIDE)
    assert len(data.train) + len(data.test) == 30
    err = capsys.readouterr().err
    assert f"{tmp_path}: 8 of 38 pictures left out" in err
    reasons = ["animated", "over 100 megapixels", "not a PNG, JPEG or WebP", "not a file", "not a file"]
    for number, reason in enumerate(reasons, start=1):
        assert f"a{number}.png: {reason}\n" in err
    assert "and 3 more" in err
    read_folder(tmp_path, SIDE)
    assert capsys.readouterr().err == err
    assert Image.MAX_IMAGE_PIXELS != pictures.GIANT
    for name in ("b.png", "c.jpg", "d.webp"):
        assert "broken or cut short" in str(square(tmp_path / name, SIDE))


def test_too_few_or_no_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path, 19)
    with pytest.raises(DataError, match="holds 19 pictures that can be read, and 20 are the fewest"):
        read_folder(tmp_path, SIDE)
    (tmp_path / "19.png").write_text("broken", encoding="utf-8")
    with pytest.raises(DataError, match="holds 19 pictures"):
        read_folder(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds 0 pictures"):
        read_folder(tmp_path / "none")
    with pytest.raises(DataError, match=r"nowhere cannot be read: .*--data\.data_dir"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="cannot be read: Not a directory"):
        read_folder(tmp_path / "0.png")


@pytest.mark.parametrize("image_size", [7, 257, 0])
def test_an_illegal_image_size_is_named(tmp_path: Path, image_size: int) -> None:
    with pytest.raises(DataError, match=rf"--data\.image_size must be 8 to 256 pixels, got {image_size}"):
        read_folder(tmp_path, image_size)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ([(8, 8), (9, 9)], r"0\.png is 8×8 and 1\.png is 9×9"),
        ([(12, 8), (12, 8)], r"0\.png is 12×8, and images must be squares"),
        ([(257, 257), (257, 257)], "257×257, and images must be squares of one size, 8 to 256"),
        ([(4, 4), (4, 4)], "4×4"),
    ],
)
def test_without_an_image_size_all_must_be_squares_of_one(tmp_path: Path, sizes: list[Any], named: str) -> None:
    for number, size in enumerate(sizes):
        Image.new("L", size).save(tmp_path / f"{number}.png")
    with pytest.raises(DataError, match=named) as caught:
        read_folder(tmp_path)
    assert "--data.image_size" in str(caught.value)


def change(folder: Path) -> None:
    gray(200).save(folder / "3.png")
    os.utime(folder / "3.png", ns=(1, 1))


def add(folder: Path) -> None:
    gray(200).save(folder / "99.png")


def remove(folder: Path) -> None:
    (folder / "3.png").unlink()


def rename(folder: Path) -> None:
    (folder / "3.png").rename(folder / "x.png")


def damage(folder: Path) -> None:
    cache = folder / CACHE
    cache.write_bytes(cache.read_bytes()[:-100])


def replace_by_other_data(folder: Path) -> None:
    torch.save({"signature": "x", "images": 3}, folder / CACHE)


def refuse(*_: object) -> None:
    raise AssertionError("a picture was read again")


@pytest.mark.parametrize("happens", [change, add, remove, rename, damage, replace_by_other_data])
def test_pictures_are_read_once_until_a_file_changes(
    happens: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 40)
    first = read_folder(tmp_path, SIDE)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "square", refuse)
        again = read_folder(tmp_path, SIDE)
    assert all(torch.equal(getattr(first, name), getattr(again, name)) for name in ("train", "test", "train_labels"))
    happens(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "square", refuse)
        with pytest.raises(AssertionError, match="read again"):
            read_folder(tmp_path, SIDE)
    now = read_folder(tmp_path, SIDE)
    values = torch.cat([now.train, now.test])[:, 0, 0, 0].tolist()
    assert len(values) == {add: 41, remove: 39}.get(happens, 40)
    assert (200 in values) == (happens in (change, add))
    monkeypatch.setattr(pictures, "square", refuse)
    assert torch.equal(read_folder(tmp_path, SIDE).train, now.train)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [CACHE]  # no part is left


def test_a_cache_is_of_one_size(tmp_path: Path) -> None:
    fill(tmp_path)
    assert [read_folder(tmp_path, side).shape[1] for side in (8, 16, None, 8)] == [8, 16, 8, 8]


def test_a_folder_that_cannot_be_written_is_read_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures.files, "write", full)
    fill(tmp_path)
    assert torch.equal(read_folder(tmp_path, SIDE).train, read_folder(tmp_path, SIDE).train)
    assert not (tmp_path / CACHE).exists()
