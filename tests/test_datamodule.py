"""The data: what is read, in which order, and what is refused."""

import gzip
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from datamodule import MNISTDataModule
from first_gan.data import (
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    DataError,
    idx,
    published,
    raw_folder,
    scaled,
)
from first_gan.data.digits import draw_glyphs, make_digits, render
from first_gan.data.loader import EpochOrder, MinibatchLoader


def numbered(rows: int) -> MinibatchLoader:
    """A loader of images that say their row, labelled by it too."""
    images = torch.arange(rows, dtype=torch.uint8).view(rows, 1, 1, 1).expand(rows, 1, 28, 28)
    return MinibatchLoader(images, torch.arange(rows), 32, EpochOrder(rows, seed=0))


def test_every_image_once_an_epoch_beside_its_label_with_a_smaller_last_batch() -> None:
    loader = numbered(100)
    orders = []
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        batches = list(loader)
        assert [len(images) for images, _ in batches] == [len(labels) for _, labels in batches] == [32, 32, 32, 4]
        assert len(loader) == 4
        orders.append(torch.cat([labels for _, labels in batches]))
        assert torch.equal(torch.cat([images for images, _ in batches])[:, 0, 0, 0], scaled(orders[-1].byte()))
    assert all(torch.equal(order.sort().values, torch.arange(100)) for order in orders)
    assert not torch.equal(orders[0], orders[1])


def test_the_shuffle_comes_from_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> torch.Tensor:
        shuffle = EpochOrder(1000, seed)
        shuffle.set_epoch(epoch)
        return shuffle.indices()

    assert torch.equal(order(0, 1), order(0, 1))
    assert not torch.equal(order(0, 1), order(1, 0))
    assert not torch.equal(order(0, 0), order(1, 0))
    assert not torch.equal(order(0, 0), order(0, 1))


@pytest.mark.parametrize("world_size", [2, 3, 7])
def test_ranks_share_one_shuffle_without_repeats_and_get_equally_many(world_size: int) -> None:
    slices = [EpochOrder(1000, 5, rank, world_size).indices() for rank in range(world_size)]
    assert {len(s) for s in slices} == {1000 // world_size}
    assert len(torch.cat(slices).unique()) == 1000 // world_size * world_size
    whole = EpochOrder(1000, 5).indices()
    assert torch.equal(torch.stack(slices, 1).flatten(), whole[: 1000 // world_size * world_size])


def test_scaling_is_the_lessons_normalization() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(scaled(pixels), (pixels.float() / 255 - 0.5) / 0.5)


def lay_out(images_dir: Path, folder: Path, gz: bool, names: dict[str, str] | None = None) -> Path:
    """Copies the four files to `folder`, packed or not."""
    folder.mkdir(parents=True)
    paths = idx.find(images_dir, "mnist")
    assert paths is not None
    for name, path in paths.items():
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        target = folder / (f"{name}.gz" if gz else name)
        target.write_bytes(gzip.compress(content, 1) if gz else content)
    return folder


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("layout", ["plain", "torchvision", "MNIST_DIR"])
def test_both_layouts_gzipped_or_not(
    layout: str,
    gz: bool,
    images_dir: Path,
    arrays: dict[str, torch.Tensor],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = tmp_path / "d"
    lay_out(images_dir, root if layout != "torchvision" else raw_folder(root, "mnist"), gz)
    if layout == "MNIST_DIR":
        monkeypatch.setenv("MNIST_DIR", str(root))
    data = MNISTDataModule(data_dir=None if layout == "MNIST_DIR" else str(root), train_rows=59_000)
    data.prepare_data()
    data.setup()
    assert data.train_images.dtype == torch.uint8
    assert torch.equal(data.train_images, arrays[TRAIN_IMAGES][:59_000])
    assert torch.equal(data.images.train_labels, arrays[TRAIN_LABELS])


def test_what_is_packed_is_told_by_the_contents_not_by_the_name(images_dir: Path, tmp_path: Path) -> None:
    folder = lay_out(images_dir, tmp_path / "d", gz=False)
    labels = idx.read(folder / TEST_LABELS, (10_000,))
    (folder / TEST_LABELS).rename(folder / f"{TEST_LABELS}.gz")  # a browser unpacked it on the way
    assert torch.equal(idx.read(folder / f"{TEST_LABELS}.gz", (10_000,)), labels)
    (folder / TEST_LABELS).write_bytes(gzip.compress((folder / f"{TEST_LABELS}.gz").read_bytes()))
    assert torch.equal(idx.read(folder / TEST_LABELS, (10_000,)), labels)


@pytest.mark.parametrize("dataset", ["fashion_mnist", "kmnist"])
def test_the_relatives_are_read_from_their_own_folder_and_never_from_mnist_dir(
    dataset: str, images_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_DIR", str(images_dir))
    with pytest.raises(DataError, match=r"no (Fashion|K)MNIST in data"):
        MNISTDataModule(dataset=dataset).prepare_data()  # type: ignore[arg-type]
    monkeypatch.setattr(published, "MNIST", {})  # which would say that these files are MNIST's
    lay_out(images_dir, raw_folder(tmp_path / "d", dataset), gz=True)
    data = MNISTDataModule(dataset=dataset, data_dir=str(tmp_path / "d"))  # type: ignore[arg-type]
    data.prepare_data()
    data.setup()
    assert len(data.train_images) == 60_000


def _truncate(folder: Path) -> None:
    path = folder / TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:-1000])


def _swap(folder: Path) -> None:
    images, labels = (folder / TRAIN_IMAGES).read_bytes(), (folder / TRAIN_LABELS).read_bytes()
    (folder / TRAIN_IMAGES).write_bytes(labels)
    (folder / TRAIN_LABELS).write_bytes(images)


def _swap_splits(folder: Path) -> None:
    train, test = (folder / TRAIN_LABELS).read_bytes(), (folder / TEST_LABELS).read_bytes()
    (folder / TRAIN_LABELS).write_bytes(test)
    (folder / TEST_LABELS).write_bytes(train)


def _wrong_magic(folder: Path) -> None:
    path = folder / TEST_IMAGES
    path.write_bytes(b"\x00\x00\x0d\x03" + path.read_bytes()[4:])


def _broken_gzip(folder: Path) -> None:
    packed = bytearray(gzip.compress((folder / TEST_LABELS).read_bytes()))
    packed[len(packed) // 2] ^= 255
    (folder / TEST_LABELS).write_bytes(packed)


def _a_web_page(folder: Path) -> None:
    (folder / TEST_IMAGES).unlink()
    (folder / f"{TEST_IMAGES}.gz").write_text("<!DOCTYPE html>", encoding="utf-8")


def _cut_gzip(folder: Path) -> None:
    packed = gzip.compress((folder / TEST_LABELS).read_bytes())
    (folder / TEST_LABELS).unlink()
    (folder / f"{TEST_LABELS}.gz").write_bytes(packed[: len(packed) // 2])


def _label_over_9(folder: Path) -> None:
    path = folder / TRAIN_LABELS
    path.write_bytes(path.read_bytes()[:-1] + b"\x0a")


def _wrong_size(folder: Path) -> None:
    path = folder / TEST_IMAGES
    path.write_bytes(bytes([0, 0, 8, 3]) + struct.pack(">3I", 10_000, 14, 14) + bytes(10_000 * 14 * 14))


def _missing(folder: Path) -> None:
    (folder / TEST_LABELS).unlink()


def _unreadable(folder: Path) -> None:
    (folder / TEST_LABELS).unlink()
    (folder / TEST_LABELS).mkdir()


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (_truncate, f"{TRAIN_IMAGES} holds .* bytes instead of"),
    (_swap, f"{TRAIN_IMAGES} is not the IDX file its name says"),
    (_swap_splits, f"{TRAIN_LABELS} holds 10,000 values, where 60,000 belong"),
    (_wrong_magic, f"{TEST_IMAGES} is not the IDX file its name says"),
    (_broken_gzip, f"{TEST_LABELS} is a damaged gzip file"),
    (_a_web_page, f"{TEST_IMAGES}.gz is not the IDX file its name says"),
    (_cut_gzip, f"{TEST_LABELS}.gz is cut short"),
    (_label_over_9, f"{TRAIN_LABELS} holds the label 10"),
    (_wrong_size, f"{TEST_IMAGES} holds 10,000×14×14 values, where 10,000×28×28 belong"),
    (_missing, f"lacks {TEST_LABELS}"),
    (_unreadable, f"{TEST_LABELS} cannot be read"),
]


@pytest.mark.parametrize("dataset", ["mnist", "auto"])
@pytest.mark.parametrize(("break_it", "message"), BROKEN, ids=[breaker.__name__ for breaker, _ in BROKEN])
def test_broken_files_are_refused_not_replaced(
    break_it: Callable[[Path], None], message: str, dataset: str, images_dir: Path, tmp_path: Path
) -> None:
    folder = lay_out(images_dir, tmp_path / "d", gz=False)
    break_it(folder)
    before = sorted(tmp_path.rglob("*"))
    data = MNISTDataModule(dataset=dataset, data_dir=str(folder))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=message):  # noqa: PT012  either may find it
        data.prepare_data()
        data.setup()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.fixture(scope="session")
def digits_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    make_digits(folder)
    return folder


def test_digits_are_mnist_shaped_balanced_and_tell_apart(digits_dir: Path) -> None:
    paths = idx.find(digits_dir, "digits")
    assert paths is not None
    arrays = idx.read_dataset(paths)
    images, labels = arrays[TRAIN_IMAGES], arrays[TRAIN_LABELS]
    assert images.shape == (60_000, 1, 28, 28)
    assert arrays[TEST_IMAGES].shape == (10_000, 1, 28, 28)
    assert labels.bincount().min() > 5_500
    assert 0.08 < images.float().mean() / 255 < 0.22  # MNIST has 0.13
    assert len(images[:2000].flatten(1).unique(dim=0)) == 2000
    train, test = images[:20_000].flatten(1).float(), arrays[TEST_IMAGES][:1000].flatten(1).float()
    nearest = labels[:20_000][torch.cdist(test, train).argmin(1)]
    assert (nearest == arrays[TEST_LABELS][:1000]).float().mean() > 0.9


def test_digits_are_rendered_once(digits_dir: Path, tmp_path: Path) -> None:
    data = MNISTDataModule(dataset="digits", data_dir=str(tmp_path / "d"))
    shutil.copytree(digits_dir, tmp_path / "d")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")}
    data.prepare_data()
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "d").rglob("*")} == stamps


def test_digits_depend_on_the_seed_alone() -> None:
    def draw(seed: int) -> torch.Tensor:
        return render(draw_glyphs(), torch.arange(10), torch.Generator().manual_seed(seed))

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))


def test_auto_takes_mnist_where_it_is_and_says_why_it_takes_the_digits(
    images_dir: Path, digits_dir: Path, tmp_path: Path
) -> None:
    data = MNISTDataModule(dataset="auto", data_dir=str(images_dir))
    data.prepare_data()
    data.setup()
    assert (data.dataset, data.fallback_reason) == ("mnist", "")
    data = MNISTDataModule(dataset="auto", data_dir=str(digits_dir))
    data.prepare_data()
    data.setup()
    assert data.dataset == "digits"
    assert "refused" in data.fallback_reason
