"""Whether images are what their dataset's name says, by the opinion of MNIST's judge on their labels."""

from first_gan.data import FOLDERS, TORCHVISION, ImageSet
from first_gan.scores.judge import accuracy, shipped

LOOKED_AT = 1000  # test images, a fifth of a second
# Of MNIST's own judges' 99.4 %; 98.7 where pixels are black or white alone, 92 on the built-in digits, 38 mirrored, 19 inverted,
# 12 transposed, 10 with labels of other images.
RIGHT = 0.95


def doubts(dataset: str, data: ImageSet) -> str | None:
    """Why the images are probably not those of `dataset`; None where nothing speaks against it, or nothing is known."""
    if dataset not in TORCHVISION:
        return None
    right = accuracy(shipped("mnist"), data.test[:LOOKED_AT], data.test_labels[:LOOKED_AT])
    if dataset != "mnist" and right > RIGHT:
        return f"These are MNIST's digits, not {FOLDERS[dataset]}: MNIST's judge recognizes {right:.0%} of them."
    if dataset == "mnist" and right < RIGHT:
        return (
            f"MNIST's judge recognizes {right:.0%} of these images, and 99% of MNIST's own: they may be transposed, mirrored or "
            "inverted, have the labels of others, or be other images. Scores will mean little."
        )
    return None
