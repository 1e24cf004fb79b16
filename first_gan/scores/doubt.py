"""Are the images under a dataset's name really that dataset's? Where no checksum knows them, a judge's opinion of them tells."""

from pathlib import Path

from torch import Tensor

from first_gan.data import FOLDERS, ImageSet
from first_gan.scores.judge import SHIPPED, Judge, JudgeError, accuracy, shipped

LOOKED_AT = 500  # images: a fifth of a second
# MNIST's judge recognizes 99 % of MNIST, 97 % at half its brightness and 93 % of the built-in digits, but 47 % of MNIST upside
# down, 38 % mirrored, 20 % inverted and 13 % transposed.
RECOGNIZED = 0.8
WAYS = {  # in which images are written wrongly
    "transposed (rows and columns exchanged)": lambda images: images.transpose(2, 3),
    "mirrored": lambda images: images.flip(3),
    "upside down": lambda images: images.flip(2),
    "inverted (black and white exchanged)": lambda images: 255 - images,
}


def doubt(dataset: str, data: ImageSet, place: Path, test: bool = False) -> str:
    """What speaks against images being what the name of their dataset says.

    Images of mnist and of digits must be recognized by their judge, by the labels that are there. Those of fashion_mnist and
    kmnist, whose judge is trained on them, must not be recognized by MNIST's.

    Args:
        dataset: One of `first_gan.data.sources.DATASETS`.
        data: The images.
        place: Where they were found.
        test: Looks at the test images instead of those to train on.

    Returns:
        Two or three lines for a person; empty where there is no doubt, or none can be had: of a person's own images, and
        without a judge.
    """
    if data.published or dataset not in FOLDERS:
        return ""
    name, judged_as = FOLDERS[dataset], dataset if dataset in SHIPPED else "mnist"
    try:
        judge = shipped(judged_as)
    except JudgeError:  # which is said when it is needed for scores
        return ""
    images, labels = (data.test, data.test_labels) if test else (data.train, data.train_labels)
    rows = slice(None, None, max(1, len(images) // LOOKED_AT))  # from all over, as they may be sorted
    images, labels = images[rows], labels[rows]
    share = accuracy(judge, images, labels)
    said = f"A classifier of {FOLDERS[judged_as]} recognizes {share:.0%} of the images in {place} by their labels"
    if judged_as != dataset:
        way = "To train on MNIST: --data.dataset mnist"
        return f"{said}.\nThey are MNIST's, or very like them, and not {name}'s. {way}" if share >= RECOGNIZED else ""
    if share >= RECOGNIZED:
        return ""
    return f"{said}, and 99% of {name}'s own.\n{_reason(judge, images, labels)} Scores mean nothing for them."


def _reason(judge: Judge, images: Tensor, labels: Tensor) -> str:
    for way, turned in WAYS.items():
        if accuracy(judge, turned(images), labels) >= RECOGNIZED:
            return f"They are {way}."
    return "They are other images, or labelled otherwise."
