"""The judge: a small classifier of the dataset, on whose features and opinions the quality metrics stand.

Inception knows no digits (its maintainers advise against FID on MNIST), so a classifier of the dataset itself judges. Its
weights are fixed, because scores of different judges cannot be compared: those for MNIST and for the built-in digits
lie beside this file, checked by their hash; other datasets get a judge of their own, trained once and kept.

Train and test one: `python -m first_gan.scores --dataset digits --out judge.pt`
"""

import hashlib
import io
import math
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor, nn

from first_gan import files, tensors
from first_gan.bars import bar
from first_gan.data import ImageSet, ImageShape, scaled

FEATURES = 96
SIDE = 32  # pixels: larger images are averaged down to it, so that a judge costs the same for all of them
EPOCHS, BATCH_SIZE, PEAK_LR, SHIFT = 8, 128, 4e-3, 2
FEWEST_STEPS, MOST_EPOCHS = 2000, 40  # of few images 8 epochs are fewer steps: then more epochs, 40 at most
LARGEST = 64 << 20  # bytes of a judge's file
WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = {  # SHA-256 of the weights by dataset
    "mnist": "8b2efd9a8d6c3706d95366b84d8e08bbfc5c39c8c206d3b58f58987644133b57",
    "digits": "230a61b1b9b5bbb46ca7bd7514377777de005efcf09be9184cd405108a649fff",
}


class JudgeError(Exception):
    """The judge cannot be had; the message says why."""


class Judge(nn.Module):
    """Images (N, C, H, W) in [-1, 1] to class logits (N, classes), by way of features (N, 96).

    `sha256` is that of its weights' file, and stands beside every score.

    Args:
        image_shape: C, H and W of the images; H and W at least 8.
        classes: How many it tells apart.
    """

    def __init__(self, image_shape: ImageShape = (1, 28, 28), classes: int = 10) -> None:
        super().__init__()
        self.sha256 = ""
        channels, *sides = image_shape
        height, width = (min(side, SIDE) // 8 for side in sides)
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(64 * height * width, FEATURES), nn.ReLU())
        self.classifier = nn.Linear(FEATURES, classes)
        self.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def features(self, images: Tensor) -> Tensor:
        return self.hidden(self.convolutions(reduced(images).to(memory_format=torch.channels_last)))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))

    @torch.no_grad()
    def opinion(self, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
        """Features (N, 96) and class probabilities (N, classes), float32, of images in [-1, 1] or of uint8 pixels."""
        parts = (scaled(part) if part.dtype == torch.uint8 else part for part in images.split(batch_size))
        features = torch.cat([self.features(part) for part in parts])
        return features, self.classifier(features).softmax(1)


def reduced(images: Tensor) -> Tensor:
    """Floats (N, C, H, W) averaged down to a height and width of `SIDE` where these are larger."""
    height, width = (min(side, SIDE) for side in images.shape[2:])
    return images if images.shape[2:] == (height, width) else F.adaptive_avg_pool2d(images, (height, width))


def train(
    images: Tensor,
    labels: Tensor,
    classes: int = 10,
    seed: int = 0,
    on_step: Callable[[int, int], None] = lambda done, of: None,
) -> Judge:
    """Trains a judge: Adam, a one-cycle learning rate, images shifted by up to 2 pixels each way. Deterministic.

    Args:
        images: uint8, (N, C, H, W).
        labels: 0 to classes - 1, (N,).
        classes: How many there are.
        seed: Decides weights, order and shifts.
        on_step: Called after each step with the number done and of all.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge((images.shape[1], images.shape[2], images.shape[3]), classes)
    if max(images.shape[2:]) > SIDE:
        images = torch.cat([reduced(part.float()).round().to(torch.uint8) for part in images.split(1000)])
    height, width = images.shape[2:]
    padded = F.pad(images, [SHIFT] * 4).permute(0, 2, 3, 1)
    labels = labels.long()
    optimizer = torch.optim.Adam(judge.parameters(), fused=True)
    epochs = epochs_for(len(images))
    steps = epochs * -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, steps)
    done = 0
    for _ in range(epochs):
        for rows in torch.randperm(len(images), generator=generator).split(BATCH_SIZE):
            down, right = torch.randint(2 * SHIFT + 1, (2, len(rows), 1), generator=generator)
            y, x = down + torch.arange(height), right + torch.arange(width)
            shifted = padded[rows[:, None, None], y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)
            loss = F.cross_entropy(judge(scaled(shifted)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            on_step(done, steps)
    return judge.eval().requires_grad_(False)


def epochs_for(rows: int) -> int:
    """Epochs that a judge is trained on so many images: 8 of MNIST, more of a small dataset, which are few steps each."""
    return max(EPOCHS, min(MOST_EPOCHS, math.ceil(FEWEST_STEPS / math.ceil(rows / BATCH_SIZE))))


def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 images (N, C, H, W) that the judge takes for what they are."""
    return (judge.opinion(images)[1].argmax(1) == labels).float().mean().item()


def load(path: Path, sha256: str | None = None) -> Judge:
    """Reads a judge's weights.

    Args:
        path: What `save` wrote.
        sha256: What the file's hash must be; None for any.

    Raises:
        JudgeError: The file cannot be read, or is not the one it should be.
    """
    try:
        content = files.read(path, LARGEST)
    except OSError as error:
        raise JudgeError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise JudgeError(f"{path} is not the judge that scores are compared by (its SHA-256 differs); restore the file")
    try:
        weights = tensors.read(io.BytesIO(content))
        cells = math.isqrt(weights["hidden.1.weight"].shape[1] // 64)  # of 8 pixels, along a side
        shape = (weights["convolutions.0.weight"].shape[1], 8 * cells, 8 * cells)
        with torch.random.fork_rng(devices=[]):  # the weights that are overwritten here are random
            judge = Judge(shape, len(weights["classifier.weight"]))
        if not all(tensors.fits(weights[name], own) for name, own in judge.state_dict().items()):
            raise tensors.Damaged
        judge.load_state_dict(weights)
    except Exception as error:  # torch.load raises many kinds; none of them executes what it reads
        raise JudgeError(f"{path} holds no judge's weights; remove it, and it is trained anew") from error
    judge.sha256 = found
    return judge.eval().requires_grad_(False)


def save(judge: Judge, path: Path) -> None:
    """Writes the weights, whole or not at all."""
    content = io.BytesIO()  # in a file of its own name torch.save would write that name too, and change the hash
    torch.save(judge.state_dict(), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content.getvalue())


def shipped(dataset: str) -> Judge:
    """The judge of mnist or digits."""
    return load(WEIGHTS / f"{dataset}.pt", SHIPPED[dataset])


def judge_of(dataset: str, data: ImageSet, cache: Path) -> Judge:
    """The judge of a dataset: the shipped one, or the kept one, or one that is trained now, with a bar, and kept.

    Args:
        dataset: One of `first_gan.data.sources.DATASETS`.
        data: Its images.
        cache: Folder that keeps judges that are not shipped (see `first_gan.data.sources.cache_folder`); where it cannot be
            written, as on a read-only disk, `user_cache` does, and stderr says so.

    Raises:
        JudgeError: The images have no labels, the shipped weights are broken, or neither folder can be written.
    """
    if dataset in SHIPPED:
        return shipped(dataset)
    if len(data.classes) < 2:
        raise JudgeError("there is no judge without labels, and so no FCD and no other score that stands on one")
    name = f".first-gan-judge-{fingerprint(data)[:16]}.pt"
    folders = (cache, user_cache())
    if kept := next((folder / name for folder in folders if (folder / name).is_file()), None):
        return load(kept)
    folder = _writable(dataset, *folders)  # known before minutes of training, not after them
    try:
        save(train_with_bar(dataset, data), folder / name)
    except OSError as error:
        raise JudgeError(f"{folder} cannot keep the judge of {dataset}: {error.strerror}") from error
    if folder != cache:
        print(f"{cache} cannot be written, so the judge of {dataset} is kept in {folder}", file=sys.stderr)
    return load(folder / name)


def user_cache() -> Path:
    """The person's own cache folder: beside the weights that torch.hub keeps, so TORCH_HOME and XDG_CACHE_HOME decide."""
    return Path(torch.hub.get_dir()) / "first-gan"


def _writable(dataset: str, *folders: Path) -> Path:
    """The first of the folders in which a file can be made.

    Raises:
        JudgeError: There is none.
    """
    reasons = []
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError as error:
            reasons.append(f"{folder} cannot keep the judge of {dataset}: {error.strerror}")
    raise JudgeError("; ".join(reasons))


def fingerprint(data: ImageSet) -> str:
    """SHA-256 of what a judge is trained on: other images or labels need another judge."""
    digest = hashlib.sha256(repr((tuple(data.train.shape), len(data.classes))).encode())
    for array in (data.train, data.train_labels.long()):
        digest.update(array.contiguous().numpy().data)
    return digest.hexdigest()


def train_with_bar(dataset: str, data: ImageSet) -> Judge:
    with bar(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Training the judge of {dataset}", total=None)

        def show(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        return train(data.train, data.train_labels, len(data.classes), on_step=show)
