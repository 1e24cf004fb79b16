"""Which of D's inputs are generated: they are G's images themselves, a part of a larger minibatch, or G's with noise on top, or augmented."""

from collections.abc import Callable, Iterable, Iterator
from itertools import starmap

import torch
from torch import Tensor

from first_gan.doctor.networks import as_images
from first_gan.doctor.records import Call

SURE = 5.5  # standard errors by which images must be more like their own than like the next
ALIKE = 0.02  # correlation by which they must, at least
CALLS = 3  # of G, the last ones, whose images are looked for under noise and augmentations
LOOKS, SELDOM = 48, 16  # minibatches in which they are; where none was found, one in so many of those that follow


class Matcher:
    """Tells generated rows from real ones; where images are never changed on their way to D, it soon looks for that but seldom."""

    def __init__(self) -> None:
        self.looked, self.changed = 0, False

    def rows(self, images: Tensor, calls: Iterable[Call]) -> list[tuple[slice, Call | None]]:
        """The rows of a minibatch, each range with the call of G that drew it, or None where they are real."""
        recent = list(reversed(list(calls)))
        for call in recent:  # also by detach() and view()
            same_memory = images.untyped_storage().data_ptr() == call.images.untyped_storage().data_ptr()
            if same_memory and images.numel() <= call.images.numel():
                return [(slice(0, len(images)), call)]
        if found := _matched(images, recent, _equal):
            return found
        self.looked += 1
        if self.changed or self.looked <= LOOKS or self.looked % SELDOM == 0:
            found = _matched(images, recent[:CALLS], _alike)
            self.changed = self.changed or bool(found)
        return found or [(slice(0, len(images)), None)]


def _matched(
    images: Tensor, calls: list[Call], matches: Callable[[Tensor, Tensor], bool]
) -> list[tuple[slice, Call | None]]:
    """As `Matcher.rows`; empty where no call matches."""
    for call in calls:
        if call.images[0].numel() != images[0].numel():
            continue
        count = min(len(call.images), len(images))
        for start in dict.fromkeys((0, len(images) - count)):
            if matches(images[start : start + count], call.images[:count]):
                found: list[tuple[slice, Call | None]] = [(slice(start, start + count), call)]
                rest = slice(0, start) if start else slice(count, len(images))
                return found + ([(rest, None)] if rest.stop > rest.start else [])
    return []


def _equal(images: Tensor, drawn: Tensor) -> bool:
    ends = torch.tensor([0, len(images) - 1], device=images.device)
    return bool(torch.equal(images[ends].flatten(1), drawn[ends].flatten(1).to(images.dtype)))


def _alike(images: Tensor, drawn: Tensor) -> bool:
    """Whether images are more like the drawn ones in their own places than like those in the next, beyond chance: they were changed.

    Noise leaves them alike pixel by pixel; augmentations, which shift and brighten, leave them alike in their spectra.
    """
    if len(images) < 16:
        return False
    return any(starmap(_closer, zip(_looks(images), _looks(drawn), strict=True)))


def _looks(images: Tensor) -> Iterator[Tensor]:
    """Pixels (N, pixels), and how much there is of each spatial frequency."""
    yield images.flatten(1).float()
    shaped = as_images(images)
    if shaped is not None:
        yield torch.fft.rfft2(shaped.float()).abs().log1p().flatten(1)


def _closer(one: Tensor, other: Tensor) -> bool:
    one, other = ((each - each.mean(0)) for each in (one, other))
    one, other = (each / each.norm(dim=1, keepdim=True).clamp_min(1e-12) for each in (one, other))
    closer = (one * (other - other.roll(1, 0))).sum(1)
    return closer.mean().item() > max(ALIKE, SURE * closer.std().item() / len(closer) ** 0.5)
