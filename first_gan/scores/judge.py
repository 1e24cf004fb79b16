"""The judge: a small digit classifier on whose features and opinions the quality metrics stand.

Inception knows no digits (its maintainers advise against FID on MNIST), so a classifier of the dataset itself judges. Its
weights are fixed, because scores of different judges cannot be compared: those for MNIST and for the built-in digits
lie beside this file, checked by their hash; other datasets get a judge of their own, trained once and kept.

Train and test one: `python -m first_gan.scores --dataset digits --out judge.pt`
"""

import hashlib
import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

CLASSES, FEATURES = 10, 96
EPOCHS, BATCH_SIZE, PEAK_LR, SHIFT = 8, 128, 4e-3, 2
WEIGHTS = Path(__file__).parent / "weights"
SHIPPED = {  # SHA-256 of the weights by dataset
    "mnist": "8b2efd9a8d6c3706d95366b84d8e08bbfc5c39c8c206d3b58f58987644133b57",
    "digits": "230a61b1b9b5bbb46ca7bd7514377777de005efcf09be9184cd405108a649fff",
}


class JudgeError(Exception):
    """The judge cannot be had; the message says why."""


class Judge(nn.Module):
    """Images (N, 1, 28, 28) in [-1, 1] to class logits (N, 10), by way of features (N, 96).

    `sha256` is that of its weights' file, and stands beside every score.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sha256 = ""
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        )
        self.hidden = nn.Sequential(nn.Flatten(), nn.Linear(64 * 3 * 3, FEATURES), nn.ReLU())
        self.classifier = nn.Linear(FEATURES, CLASSES)
        self.to(memory_format=torch.channels_last)  # a quarter faster on a CPU

    def features(self, images: Tensor) -> Tensor:
        return self.hidden(self.convolutions(images.to(memory_format=torch.channels_last)))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images))

    @torch.no_grad()
    def opinion(self, images: Tensor, batch_size: int = 500) -> tuple[Tensor, Tensor]:
        """Features (N, 96) and class probabilities (N, 10) of images in [-1, 1], float32."""
        features = torch.cat([self.features(part) for part in images.split(batch_size)])
        return features, self.classifier(features).softmax(1)


def train(
    images: Tensor, labels: Tensor, seed: int = 0, on_step: Callable[[int, int], None] = lambda done, of: None
) -> Judge:
    """Trains a judge: Adam, a one-cycle learning rate, images shifted by up to 2 pixels each way. Deterministic.

    Args:
        images: uint8, (N, 28, 28) or (N, 1, 28, 28).
        labels: 0 to 9, (N,).
        seed: Decides weights, order and shifts.
        on_step: Called after each step with the number done and of all.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge()
    padded = F.pad(images.view(-1, 28, 28), [SHIFT] * 4)
    labels = labels.long()
    optimizer = torch.optim.Adam(judge.parameters(), fused=True)
    steps = EPOCHS * -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LR, steps)
    done = 0
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(images), generator=generator).split(BATCH_SIZE):
            shifts = torch.randint(2 * SHIFT + 1, (2, len(rows), 1), generator=generator) + torch.arange(28)
            shifted = padded[rows[:, None, None], shifts[0][:, :, None], shifts[1][:, None, :]]
            loss = F.cross_entropy(judge(as_input(shifted)), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            done += 1
            on_step(done, steps)
    return judge.eval().requires_grad_(False)


def as_input(images: Tensor) -> Tensor:
    """uint8 images as the judge takes them: float32 (N, 1, 28, 28) in [-1, 1]."""
    return images.view(-1, 1, 28, 28).float().div_(127.5).sub_(1.0)


def accuracy(judge: Judge, images: Tensor, labels: Tensor) -> float:
    """Share of uint8 images that the judge takes for what they are."""
    return (judge.opinion(as_input(images))[1].argmax(1) == labels).float().mean().item()


def load(path: Path, sha256: str | None = None) -> Judge:
    """Reads a judge's weights.

    Args:
        path: What `save` wrote.
        sha256: What the file's hash must be; None for any.

    Raises:
        JudgeError: The file cannot be read, or is not the one it should be.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JudgeError(f"{path} cannot be read: {error.strerror}") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 is not None and found != sha256:
        raise JudgeError(f"{path} is not the judge that scores are compared by (its SHA-256 differs); restore the file")
    judge = Judge()
    try:
        judge.load_state_dict(torch.load(io.BytesIO(content), weights_only=True))
    except Exception as error:  # torch.load raises many kinds; none of them executes what it reads
        raise JudgeError(f"{path} holds no judge's weights; remove it, and it is trained anew") from error
    judge.sha256 = found
    return judge.eval().requires_grad_(False)


def save(judge: Judge, path: Path) -> None:
    """Writes the weights, whole or not at all."""
    content = io.BytesIO()  # in a file of its own name torch.save would write that name too, and change the hash
    torch.save(judge.state_dict(), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content.getvalue())
    part.replace(path)


def shipped(dataset: str) -> Judge:
    """The judge of mnist or digits."""
    return load(WEIGHTS / f"{dataset}.pt", SHIPPED[dataset])


def judge_of(dataset: str, images: Tensor, labels: Tensor, cache: Path) -> Judge:
    """The judge of a dataset: the shipped one, or the kept one, or one that is trained now, with a bar, and kept.

    Args:
        dataset: mnist, digits, fashion_mnist or kmnist.
        images: The training images, uint8.
        labels: Their classes.
        cache: Folder that keeps judges that are not shipped.

    Raises:
        JudgeError: The shipped weights are broken, or the folder cannot be written.
    """
    if dataset in SHIPPED:
        return shipped(dataset)
    path = cache / f"judge_{dataset}.pt"
    if not path.is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=cache):  # before minutes of training, not after them
                pass
            save(train_with_bar(dataset, images, labels), path)
        except OSError as error:
            raise JudgeError(f"{cache} cannot keep the judge of {dataset}: {error.strerror}") from error
    return load(path)


def train_with_bar(dataset: str, images: Tensor, labels: Tensor) -> Judge:
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(f"Training the judge of {dataset}", total=None)
        return train(images, labels, on_step=lambda done, of: bar.update(task, completed=done, total=of))
