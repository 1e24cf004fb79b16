"""Known files by their checksums: which of the datasets one is of, whatever its name and folder say."""

import hashlib
from pathlib import Path

from torch import Tensor

from first_gan import files
from first_gan.data import LARGEST, TEST_IMAGES, TEST_LABELS, TORCHVISION, TRAIN_IMAGES, TRAIN_LABELS, of_torchvision

MNIST = {  # SHA-256 of the pixels or labels alone: they are the same however the file is packed
    TRAIN_IMAGES: "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    TRAIN_LABELS: "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
    TEST_IMAGES: "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
    TEST_LABELS: "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
}


def owner(path: Path, array: Tensor) -> str | None:
    """The dataset that a file is of, if it is one of those that were published.

    MNIST's are known in any packing. FashionMNIST's and KMNIST's are known as they are downloaded, gzipped; unpacked or packed
    anew they are not.

    Args:
        path: The file.
        array: What it holds, uint8.

    Returns:
        mnist, fashion_mnist, kmnist, or None for a file that is not known.
    """
    if hashlib.sha256(array.contiguous().numpy().data).hexdigest() in MNIST.values():
        return "mnist"
    md5 = hashlib.md5(files.read(path, LARGEST), usedforsecurity=False).hexdigest()
    sums = {md5: dataset for dataset in TORCHVISION for _, md5 in of_torchvision(dataset).resources}
    return sums.get(md5)
