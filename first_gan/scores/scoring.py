"""All quality metrics of one set of images against a dataset, as one dictionary of plain numbers."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from first_gan.data import TEST_IMAGES, TRAIN_IMAGES
from first_gan.scores import metrics
from first_gan.scores.judge import Judge, as_input

SAMPLES = 10_000
SHOWN = 64  # samples whose nearest training image is looked for
PARZEN_VALIDATION = slice(50_000, 51_000)  # rows of the training set: the paper's validation set, its first 1,000


@dataclass
class Reference:
    """What generated images are compared with: real ones, and the judge's view of them.

    Args:
        judge: The judge of this dataset.
        images: uint8, (N, 1, 28, 28).
    """

    judge: Judge
    images: Tensor

    def __post_init__(self) -> None:
        self.features, probabilities = self.judge.opinion(as_input(self.images))
        self.histogram = metrics.histogram(probabilities)


def feature_scores(images: Tensor, reference: Reference) -> dict[str, float]:
    """What the judge's features and opinions say of images (N, 1, 28, 28) in [-1, 1]; `class_7` is the share of sevens.

    KID and the neighbours' scores take as many real images as generated ones, the first; FCD takes all.
    """
    features, probabilities = reference.judge.opinion(images)
    shares = metrics.histogram(probabilities)
    alike_many = reference.features[: len(features)]
    neighbours = metrics.prdc(features, alike_many)
    return {
        "fcd": metrics.fcd(features, reference.features),
        "kid": metrics.kid(features, alike_many),
        "classifier_score": metrics.classifier_score(probabilities),
        "precision": neighbours.precision,
        "recall": neighbours.recall,
        "density": neighbours.density,
        "coverage": neighbours.coverage,
        "modes_covered": metrics.modes_covered(shares),
        "histogram_kl": metrics.histogram_kl(shares, reference.histogram),
        "confidence": probabilities.max(1).values.mean().item(),
    } | {f"class_{number}": share for number, share in enumerate(shares.tolist())}


def all_scores(images: Tensor, reference: Reference, arrays: dict[str, Tensor]) -> dict[str, Any]:
    """`feature_scores`, Parzen's window, and how near the nearest training images are.

    Args:
        images: (N, 1, 28, 28) in [-1, 1]; 10,000 by protocol.
        reference: The test set.
        arrays: The dataset's four arrays, uint8, by file name.
    """
    unit = (images.double() + 1) / 2
    training, test = arrays[TRAIN_IMAGES], arrays[TEST_IMAGES]
    parzen = metrics.parzen(unit, training[PARZEN_VALIDATION].double() / 255, test.double() / 255)
    _, distances = metrics.nearest(unit[:SHOWN], training.float() / 255)
    scores: dict[str, Any] = dict(feature_scores(images, reference))
    scores["histogram"] = [scores.pop(f"class_{number}") for number in range(len(reference.histogram))]
    return scores | {
        "parzen": parzen.log_likelihood,
        "parzen_standard_error": parzen.standard_error,
        "parzen_sigma": parzen.sigma,
        "nearest_training_distance": distances.median().item(),
    }


def floor_scores(reference: Reference, arrays: dict[str, Tensor]) -> dict[str, Any]:
    """`all_scores` of real images: about what a perfect generator would get. The first 10,000 training images are scored as if generated;
    the judge was trained on them, which flatters its confidence and adds a little to the distances.

    For how near the nearest training images are, test images stand in: a training image is its own nearest.
    """
    scores = all_scores(as_input(arrays[TRAIN_IMAGES][:SAMPLES]), reference, arrays)
    shown, training = arrays[TEST_IMAGES][:SHOWN].float() / 255, arrays[TRAIN_IMAGES].float() / 255
    return scores | {"nearest_training_distance": metrics.nearest(shown, training)[1].median().item()}


def draw(generator: torch.nn.Module, latent_dim: int, samples: int, seed: int, batch_size: int = 1000) -> Tensor:
    """Images (samples, 1, 28, 28) in [-1, 1] on the CPU; the latent vectors come from the seed alone."""
    z = torch.randn(samples, latent_dim, generator=torch.Generator().manual_seed(seed))
    weight = next(generator.parameters())
    with torch.no_grad():
        return torch.cat([generator(part.to(weight)).float().cpu() for part in z.split(batch_size)])
