"""How good generated images are: distances and scores on the judge's features, and the 2014 paper's Parzen window.

All take whole sets, work through them in chunks (under 2 GiB for 10,000 against 10,000) and in float64, draw nothing at
random, and do not depend on the order of the images.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 250  # rows of a distance matrix at a time: 20 MB, which the allocator reuses; blocks of 80 MB were slower
NEIGHBOURS = 5
MODE_SHARE = 0.1  # a class counts as covered from this part of an even share of the samples on
PARZEN_SIGMAS = torch.logspace(-1, 0, 10, dtype=torch.float64)


@dataclass
class PRDC:
    """Precision and recall (Kynkäänniemi et al. 2019), density and coverage (Naeem et al. 2020)."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass
class Parzen:
    """A Parzen window's mean log-likelihood of test images in nats, its standard error, and the sigma that was chosen."""

    log_likelihood: float
    standard_error: float
    sigma: float


def fcd(generated: Tensor, real: Tensor) -> float:
    """Fréchet classifier distance: the Fréchet distance of two Gaussians (Heusel et al. 2017) on the judge's features.

    Args:
        generated: Features, (N, D); N must exceed D, or the covariance is singular.
        real: Features, (M, D).

    Returns:
        NaN where one of them is NaN or infinite, or too large to be squared.

    Raises:
        ValueError: Too few samples for so many features.
    """
    if min(len(generated), len(real)) <= generated.shape[1]:
        raise ValueError(f"FCD on {generated.shape[1]} features needs more samples than that")
    a, b = generated.double(), real.double()
    covariances = torch.cov(a.T), torch.cov(b.T)
    if not all(bool(each.isfinite().all()) for each in covariances):  # of which LAPACK makes NaN, an error or a crash
        return math.nan
    # The trace of the product's square root, by symmetric matrices: of the product itself, where images are alike, LAPACK
    # was seen not to find the eigenvalues.
    values, vectors = torch.linalg.eigh(covariances[1])
    half = vectors * values.clamp_min(0).sqrt()
    root = torch.linalg.eigvalsh(half.T @ covariances[0] @ half).clamp_min(0).sqrt().sum()
    means = (a.mean(0) - b.mean(0)).square().sum()
    return float(means + covariances[0].trace() + covariances[1].trace() - 2 * root)


def kid(generated: Tensor, real: Tensor) -> float:
    """Kernel distance (Bińkowski et al. 2018): the unbiased squared MMD with the kernel (x·y / D + 1)³, over all pairs.

    Args:
        generated: Features, (N, D).
        real: Features, (M, D).
    """

    def kernel_sum(a: Tensor, b: Tensor) -> float:
        return sum((rows @ b.T).div_(b.shape[1]).add_(1).pow_(3).sum().item() for rows in a.split(CHUNK))

    def without_itself(a: Tensor) -> float:
        return kernel_sum(a, a) - ((a.square().sum(1) / a.shape[1] + 1) ** 3).sum().item()

    x, y = generated.double(), real.double()
    n, m = len(x), len(y)
    return without_itself(x) / (n * (n - 1)) + without_itself(y) / (m * (m - 1)) - 2 * kernel_sum(x, y) / (n * m)


def classifier_score(probabilities: Tensor) -> float:
    """exp(mean KL(p(class | image) ‖ p(class))): 1 to the number of classes. Inception's score, with the judge.

    Args:
        probabilities: Of each class for each image, (N, classes).
    """
    p = probabilities.double().clamp_min(torch.finfo(torch.float64).tiny)
    marginal = p.mean(0)
    return (p * (p.log() - marginal.log())).sum(1).mean().exp().item()


def prdc(generated: Tensor, real: Tensor, k: int = NEIGHBOURS) -> PRDC:
    """Precision, recall, density and coverage from k-nearest-neighbour balls, as in their authors' code.

    Args:
        generated: Features, (N, D).
        real: Features, (M, D).
        k: The ball around an image reaches to its k-th nearest neighbour in its own set.
    """
    generated, real = generated.double(), real.double()
    real_radii, generated_radii = _radii(real, k), _radii(generated, k)
    in_a_real_ball = torch.zeros(len(generated), dtype=torch.long, device=generated.device)
    recalled, covered = 0, 0
    squares = _squares(generated)
    for rows, radii in zip(real.split(CHUNK), real_radii.split(CHUNK), strict=True):
        distances = _squared_distances(rows, generated, squares)
        inside = distances < radii[:, None]
        in_a_real_ball += inside.sum(0)
        covered += int(inside.any(1).sum())
        recalled += int((distances < generated_radii).any(1).sum())
    return PRDC(
        precision=(in_a_real_ball > 0).double().mean().item(),
        recall=recalled / len(real),
        density=in_a_real_ball.double().mean().item() / k,
        coverage=covered / len(real),
    )


def histogram(probabilities: Tensor) -> Tensor:
    """Share of images that the judge takes for each class, (classes,), float64."""
    classes = probabilities.shape[1]
    return probabilities.argmax(1).bincount(minlength=classes).double() / len(probabilities)


def histogram_kl(generated: Tensor, real: Tensor) -> float:
    """KL(generated ‖ real) of two histograms, in nats; infinite where a class is generated that the data lack."""
    terms = generated * (generated / real).log()
    return terms[generated > 0].sum().item()


def modes_covered(shares: Tensor, real: Tensor) -> int:
    """Classes of the data that make up at least a tenth of their share there, or of an even one: of ten even classes, 1 %.

    Args:
        shares: Of the generated images, (classes,).
        real: Of real images, likewise.
    """
    wanted = real.clamp_max(1 / len(real))
    return int(((shares >= MODE_SHARE * wanted - 1e-9) & (real > 0)).sum())


def spacing(images: Tensor) -> float:
    """Median distance from an image to its nearest other one; among more images the nearest is nearer.

    Near 0 where a generator draws a few images again and again; it needs no judge.

    Args:
        images: (N, ...), 2 at least.
    """
    return _radii(images.flatten(1).double(), 1).median().sqrt().item()


def parzen(generated: Tensor, validation: Tensor, test: Tensor) -> Parzen:
    """Parzen window log-likelihood by the protocol of Goodfellow et al. 2014 (section 5 and table 1).

    An isotropic Gaussian on each generated image; sigma, from logspace(-1, 0, 10), by the likelihood of the validation
    images. Theis et al. 2016 show why it is not to be trusted alone: it disagrees with likelihood and with eyes.

    Args:
        generated: Images in [0, 1], (N, ...).
        validation: The images that choose sigma; the paper's are the first 1,000 of training rows 50,000 to 59,999.
        test: The images that are scored; the paper's are the whole test set.
    """
    centres = generated.flatten(1).double()
    by_sigma = _log_densities(validation.flatten(1).double(), centres, PARZEN_SIGMAS).mean(0)
    sigma = PARZEN_SIGMAS[by_sigma.argmax()]
    densities = _log_densities(test.flatten(1).double(), centres, sigma[None])[:, 0]
    return Parzen(densities.mean().item(), (densities.std() / len(densities) ** 0.5).item(), sigma.item())


def nearest(images: Tensor, training: Tensor) -> tuple[Tensor, Tensor]:
    """Each image's nearest training image by Euclidean distance of the pixels: is it a copy?

    Args:
        images: (N, ...), on the same scale as `training`.
        training: (M, ...).

    Returns:
        Row numbers (N,) and distances (N,).
    """
    images = images.flatten(1).double()
    best = torch.full((len(images),), float("inf"), dtype=torch.float64)
    rows = torch.zeros(len(images), dtype=torch.long)
    for start in range(0, len(training), 40 * CHUNK):
        part = training[start : start + 40 * CHUNK].flatten(1).double()
        distances, found = _squared_distances(images, part).min(1)
        closer = distances < best
        best[closer], rows[closer] = distances[closer], found[closer] + start
    return rows, best.sqrt()


def _squared_distances(a: Tensor, b: Tensor, b_squares: Tensor | None = None) -> Tensor:
    """(len(a), len(b)), by the dot products; rounding errors below 0 are cut off. `b_squares` are b's squared norms, if known."""
    b_squares = _squares(b) if b_squares is None else b_squares
    return torch.addmm(b_squares, a, b.T, alpha=-2).add_(_squares(a)[:, None]).clamp_min_(0)


def _squares(points: Tensor) -> Tensor:
    """Squared norms (N,)."""
    return points.square().sum(1)


def _radii(points: Tensor, k: int) -> Tensor:
    """Squared distance of each point to its k-th nearest neighbour, itself not counted."""
    squares = _squares(points)
    distances = (_squared_distances(rows, points, squares) for rows in points.split(CHUNK))
    return torch.cat([each.topk(k + 1, largest=False).values[:, k] for each in distances])


def _log_densities(points: Tensor, centres: Tensor, sigmas: Tensor) -> Tensor:
    """Log-densities (points, sigmas) of a mixture of Gaussians on the centres."""

    squares = _squares(centres)

    def chunks() -> Iterator[Tensor]:
        for rows in points.split(CHUNK):
            distances = _squared_distances(rows, centres, squares)
            closest = distances.min(1, keepdim=True).values  # factored out of the sum: exp() does not underflow there
            excess = distances.sub_(closest)
            sums = [(excess / (-2 * sigma**2)).exp_().sum(1).log() for sigma in sigmas]
            yield torch.stack(sums, 1) - closest / (2 * sigmas**2)

    normaliser = centres.shape[1] * (sigmas * (2 * torch.pi) ** 0.5).log()
    return torch.cat(list(chunks())) - torch.tensor(len(centres)).double().log() - normaliser
