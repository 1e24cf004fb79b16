"""All quality metrics of one set of images against a dataset, as one dictionary of plain numbers."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from first_gan.data import ImageSet, ImageShape, scaled
from first_gan.drawing.latent import latent_vectors
from first_gan.scores import metrics
from first_gan.scores.judge import FEATURES, Judge

SAMPLES = 10_000
VALUES = SAMPLES * 3 * 64 * 64  # of all images that are compared pixel by pixel: about 1 GB as float64
SHOWN = 64  # samples whose nearest training image is looked for
PARZEN_VALIDATION = 1000  # validation images that choose Parzen's sigma, the first
DIVERSITY = 512  # images whose diversity is measured


@dataclass
class Reference:
    """What generated images are compared with: real ones, and the judge's view of them.

    Args:
        judge: The judge of this dataset.
        images: uint8, (N, C, H, W).
    """

    judge: Judge
    images: Tensor

    def __post_init__(self) -> None:
        self.features, probabilities = self.judge.opinion(self.images)
        self.histogram = metrics.histogram(probabilities)

    @property
    def too_few(self) -> str:
        """Which scores cannot be had of so few real images, and why; empty where all can."""
        if len(self.images) > FEATURES:
            return ""
        also = (
            "" if len(self.images) > metrics.NEIGHBOURS else ", and KID, precision, recall, density and coverage some"
        )
        return f"FCD needs more than {FEATURES} real images{also}; here are {len(self.images)}"


def sample_count(image_shape: ImageShape) -> int:
    """How many images are drawn and compared by protocol: 10,000, or fewer of large ones (2,500 of 3×128×128)."""
    return min(SAMPLES, VALUES // math.prod(image_shape))


def feature_scores(images: Tensor, reference: Reference) -> dict[str, float]:
    """What the judge's features and opinions say of images (N, C, H, W) in [-1, 1]; `class_7` is the share of class 7.

    KID and the neighbours' scores take as many real images as generated ones, the first; FCD takes all. Those that need more
    real images than there are are left out (see `Reference.too_few`).
    """
    features, probabilities = reference.judge.opinion(images)
    shares = metrics.histogram(probabilities)
    alike_many = min(len(features), len(reference.features))
    generated, real = features[:alike_many], reference.features[:alike_many]
    scores: dict[str, float] = {}
    if alike_many > FEATURES:
        scores["fcd"] = metrics.fcd(features, reference.features)
    if alike_many > metrics.NEIGHBOURS:
        scores |= {"kid": metrics.kid(generated, real)} | vars(metrics.prdc(generated, real))
    return (
        scores
        | {
            "classifier_score": metrics.classifier_score(probabilities),
            "modes_covered": metrics.modes_covered(shares, reference.histogram),
            "histogram_kl": metrics.histogram_kl(shares, reference.histogram),
            "confidence": probabilities.max(1).values.mean().item(),
        }
        | {f"class_{number}": share for number, share in enumerate(shares.tolist())}
    )


def pixel_scores(images: Tensor, data: ImageSet) -> dict[str, float]:
    """What needs no judge: Parzen's window, how near the nearest training images are, and diversity.

    `diversity` is the distance from a generated image to its nearest other one, as a share of the same between as many real
    images (medians): near 1 where images differ as the real ones do, near 0 where G draws a few again and again.

    Args:
        images: (N, C, H, W) in [-1, 1].
        data: The dataset.
    """
    unit = (images.double() + 1) / 2
    validation, test = data.train[data.validation][:PARZEN_VALIDATION], data.test[: sample_count(data.shape)]
    parzen = metrics.parzen(unit, validation.double() / 255, test.double() / 255)
    few = min(DIVERSITY, len(images), len(data.train))
    return {
        "parzen": parzen.log_likelihood,
        "parzen_standard_error": parzen.standard_error,
        "parzen_sigma": parzen.sigma,
        "nearest_training_distance": _nearest_distance(unit[:SHOWN], data),
        "diversity": metrics.spacing(images[:few]) / max(metrics.spacing(scaled(data.train[:few])), 1e-12),
    }


def all_scores(images: Tensor, reference: Reference | None, data: ImageSet) -> dict[str, Any]:
    """`feature_scores`, unless there is no judge, and `pixel_scores`; the classes' shares as one list, `histogram`.

    Args:
        images: (N, C, H, W) in [-1, 1]; `sample_count` many by protocol.
        reference: The test set; None where there is no judge.
        data: The dataset.
    """
    scores: dict[str, Any] = {}
    if reference is not None:
        scores |= feature_scores(images, reference)
        scores["histogram"] = [scores.pop(f"class_{number}") for number in range(len(reference.histogram))]
    return scores | pixel_scores(images, data)


def floor_scores(reference: Reference | None, data: ImageSet) -> dict[str, Any]:
    """`all_scores` of real images: about what a perfect generator would get. Training images that are not validation ones, 10,000
    at most, are scored as if generated; the judge was trained on them, which flatters its confidence and adds a little to
    the distances.

    For how near the nearest training images are, and for diversity, test images stand in: a training image is its own nearest.
    """
    real = data.train[: data.validation.start][: sample_count(data.shape)]
    few = min(DIVERSITY, len(data.test))
    spacing = metrics.spacing(scaled(data.test[:few])) / max(metrics.spacing(scaled(data.train[:few])), 1e-12)
    near = _nearest_distance(data.test[:SHOWN].float() / 255, data)
    return all_scores(scaled(real), reference, data) | {"nearest_training_distance": near, "diversity": spacing}


def _nearest_distance(images: Tensor, data: ImageSet) -> float:
    """Median distance from images in [0, 1] to their nearest training image."""
    parts = data.train.split(SAMPLES)  # all as floats would be gigabytes
    return torch.stack([metrics.nearest(images, part.float() / 255)[1] for part in parts]).amin(0).median().item()


def draw(generator: torch.nn.Module, latent_dim: int, samples: int, seed: int, batch_size: int = 1000) -> Tensor:
    """Images (samples, C, H, W) in [-1, 1] on the CPU; the latent vectors come from the seed alone."""
    weight = next(generator.parameters())
    z = latent_vectors(samples, latent_dim, seed)
    with torch.no_grad():
        return torch.cat([generator(part.to(weight)).float().cpu() for part in z.split(batch_size)])
