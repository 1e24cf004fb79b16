"""Which of D's inputs are generated: they are G's images themselves, a part of a larger minibatch, or G's with noise on top."""

from collections.abc import Iterable

import torch
from torch import Tensor

from first_gan.doctor.records import Call

SURE = 5.5  # standard errors by which images must be more like their own than like the next
ALIKE = 0.02  # correlation by which they must, at least
NOISED = 3  # calls of G, the last ones, whose images are looked for under noise


def generated_rows(images: Tensor, calls: Iterable[Call]) -> list[tuple[slice, Call | None]]:
    """The rows of a minibatch, each range with the call of G that drew it, or None where they are real."""
    recent = list(reversed(list(calls)))
    whole = slice(0, len(images))
    for call in recent:  # also by detach() and view()
        if (
            images.untyped_storage().data_ptr() == call.images.untyped_storage().data_ptr()
            and images.numel() <= call.images.numel()
        ):
            return [(whole, call)]
    for matches, calls in ((_equal, recent), (_alike, recent[:NOISED])):
        for call in calls:
            if call.images[0].numel() != images[0].numel():
                continue
            count = min(len(call.images), len(images))
            for start in dict.fromkeys((0, len(images) - count)):
                if matches(images[start : start + count], call.images[:count]):
                    found: list[tuple[slice, Call | None]] = [(slice(start, start + count), call)]
                    rest = slice(0, start) if start else slice(count, len(images))
                    return found + ([(rest, None)] if rest.stop > rest.start else [])
    return [(whole, None)]


def _equal(images: Tensor, drawn: Tensor) -> bool:
    ends = torch.tensor([0, len(images) - 1], device=images.device)
    return bool(torch.equal(images[ends].flatten(1), drawn[ends].flatten(1).to(images.dtype)))


def _alike(images: Tensor, drawn: Tensor) -> bool:
    """Whether images are more like the drawn ones in their own places than like those in the next, beyond chance: noise was added."""
    if len(images) < 16:
        return False
    one, other = (each.flatten(1).float() for each in (images, drawn))
    one, other = ((each - each.mean(0)) for each in (one, other))
    one, other = (each / each.norm(dim=1, keepdim=True).clamp_min(1e-12) for each in (one, other))
    closer = (one * (other - other.roll(1, 0))).sum(1)
    return closer.mean().item() > max(ALIKE, SURE * closer.std().item() / len(closer) ** 0.5)
