"""The quality metrics, each against an independent oracle and on cases whose answer is known."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import scipy.special
import torch
from prdc import compute_prdc
from sklearn.neighbors import KernelDensity, NearestNeighbors
from torch import Tensor
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import poly_mmd

from first_gan.data import TEST_IMAGES, TRAIN_IMAGES, ImageSet, scaled
from first_gan.drawing.latent import latent_vectors
from first_gan.scores import metrics
from first_gan.scores.judge import FEATURES, SHIPPED, WEIGHTS, Judge, load
from first_gan.scores.scoring import Reference, all_scores, draw, feature_scores, floor_scores, sample_count
from tests.conftest import REAL_MNIST


def gaussians(n: int, dims: int, shift: float = 0.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dims, dims, generator=torch.Generator().manual_seed(99)) / dims**0.5
    return torch.randn(n, dims, generator=generator) @ mixing + shift


X, Y = gaussians(700, 12), gaussians(500, 12, shift=0.3, seed=1)


def test_fcd_is_the_frechet_distance_of_two_gaussians() -> None:
    x, y = X.double().numpy(), Y.double().numpy()
    covariances = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert metrics.fcd(X, Y) == pytest.approx(expected, rel=1e-6)
    assert metrics.fcd(X, X) == pytest.approx(0, abs=1e-6)


def test_fcd_of_fewer_samples_than_features_is_refused() -> None:
    with pytest.raises(ValueError, match="needs more samples"):
        metrics.fcd(X[:12], Y)


def test_kid_is_the_unbiased_mmd_of_torchmetrics() -> None:
    n = min(len(X), len(Y))
    expected = poly_mmd(X[:n].double(), Y[:n].double()).item()
    assert metrics.kid(X[:n], Y[:n]) == pytest.approx(expected, rel=1e-9)


def test_kid_of_one_distribution_is_zero_on_average() -> None:
    values = [metrics.kid(gaussians(300, 5, seed=2 * s), gaussians(300, 5, seed=2 * s + 1)) for s in range(20)]
    assert abs(sum(values) / 20) < 3 * np.std(values) / 20**0.5


@pytest.mark.parametrize("k", [3, 5])
def test_prdc_equals_its_authors_code(k: int) -> None:
    expected = compute_prdc(Y.numpy(), X.numpy(), nearest_k=k)
    assert vars(metrics.prdc(X, Y, k)) == pytest.approx(expected, abs=1e-9)


def test_classifier_score_equals_torchmetrics() -> None:
    logits = 4 * gaussians(400, 10)
    oracle = InceptionScore(feature=torch.nn.Identity(), splits=1)
    oracle.update(logits)
    assert metrics.classifier_score(logits.softmax(1)) == pytest.approx(oracle.compute()[0].item(), rel=1e-4)
    assert metrics.classifier_score(torch.eye(10).repeat(7, 1)) == pytest.approx(10)
    assert metrics.classifier_score(torch.eye(10)[[3] * 50]) == pytest.approx(1)


def test_parzen_equals_scikit_learns_kernel_density() -> None:
    generator = torch.Generator().manual_seed(0)
    centres, validation, test = (torch.rand(n, 1, 6, 6, generator=generator) for n in (300, 80, 120))
    ours = metrics.parzen(centres, validation, test)

    def densities(sigma: float, images: Tensor) -> np.ndarray:
        return KernelDensity(bandwidth=sigma).fit(centres.flatten(1)).score_samples(images.flatten(1))

    sigmas = np.logspace(-1, 0, 10)
    best = max(sigmas, key=lambda sigma: densities(sigma, validation).mean())
    assert ours.sigma == pytest.approx(best)
    expected = densities(best, test)
    assert ours.log_likelihood == pytest.approx(expected.mean(), rel=1e-4)  # its tree sums to about 1e-5
    assert ours.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(120), rel=1e-4)
    squared = scipy.spatial.distance.cdist(test.flatten(1).double(), centres.flatten(1).double(), "sqeuclidean")
    exact = (
        scipy.special.logsumexp(-squared / (2 * best**2), axis=1) - math.log(300) - 18 * math.log(2 * math.pi * best**2)
    )
    assert ours.log_likelihood == pytest.approx(exact.mean(), rel=1e-9)


def test_histogram_modes_and_kl() -> None:
    classes = torch.tensor([0] * 50 + [1] * 49 + [2])
    shares = metrics.histogram(torch.eye(10)[classes])
    assert shares.tolist() == [0.5, 0.49, 0.01, *[0.0] * 7]
    even = torch.full((10,), 0.1, dtype=torch.float64)
    assert metrics.modes_covered(shares, even) == 3
    of_four = torch.tensor([0.5, 0.455, 0.025, 0.02], dtype=torch.float64)  # an even share is 0.25, a tenth of it 0.025
    assert metrics.modes_covered(of_four, torch.full((4,), 0.25)) == 3
    rare = torch.tensor([0.81, 0.09, 0.1, 0], dtype=torch.float64)  # a tenth of 0.09 is 0.009
    assert metrics.modes_covered(torch.tensor([0.985, 0.01, 0.005, 0.0]), rare) == 2
    assert metrics.modes_covered(torch.tensor([0.5, 0.3, 0.1, 0.1]), rare) == 3  # the data lack the fourth
    assert metrics.histogram_kl(even, even) == 0
    expected = sum(p * math.log(p / 0.1) for p in (0.5, 0.49, 0.01))
    assert metrics.histogram_kl(shares, even) == pytest.approx(expected)
    assert metrics.histogram_kl(even, shares) == math.inf


def test_nearest_finds_copies_and_equals_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CHUNK", 30)  # several parts of the training set
    rows, distances = metrics.nearest(Y[:40], X)
    expected = NearestNeighbors(n_neighbors=1).fit(X.double()).kneighbors(Y[:40].double())
    assert rows.tolist() == expected[1][:, 0].tolist()
    torch.testing.assert_close(distances, torch.from_numpy(expected[0][:, 0]))
    rows, distances = metrics.nearest(X[[5, 650]], X)
    assert rows.tolist() == [5, 650]
    assert distances.max() < 1e-6


def test_neither_chunks_nor_order_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def everything(x: Tensor, y: Tensor) -> list[float]:
        parzen = metrics.parzen(x.sigmoid(), y[:100].sigmoid(), y.sigmoid())
        neighbours = vars(metrics.prdc(x, y)).values()
        return [
            metrics.fcd(x, y),
            metrics.kid(x, y),
            *neighbours,
            *vars(parzen).values(),
            metrics.classifier_score(x.softmax(1)),
        ]

    expected = everything(X, Y)
    monkeypatch.setattr(metrics, "CHUNK", 64)
    shuffled = X[torch.randperm(len(X), generator=torch.Generator().manual_seed(0))]
    assert everything(shuffled, Y) == pytest.approx(expected, rel=1e-9)


@pytest.fixture(scope="module")
def judge() -> Judge:
    dataset = "mnist" if REAL_MNIST else "digits"  # as `arrays` is
    return load(WEIGHTS / f"{dataset}.pt", SHIPPED[dataset])


def test_known_cases_are_ranked_as_they_must_be(judge: Judge, arrays: dict[str, Tensor]) -> None:
    """Real images score at the floor; noise on them, one digit alone, one image alone, and noise each score worse."""
    n = 2000
    reference = Reference(judge, arrays[TEST_IMAGES][:n])
    real = scaled(arrays[TRAIN_IMAGES][:n])
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(real.shape, generator=generator)
    digit = real[judge.opinion(real)[1].argmax(1) == 7]
    cases = {
        "real": real,
        "real with noise": (real + 0.5 * noise).clamp(-1, 1),
        "one digit": digit.repeat(n // len(digit) + 1, 1, 1, 1)[:n],
        "one image": real[:1].expand(n, -1, -1, -1),
        "noise": noise.clamp(-1, 1),
    }
    scores = {name: feature_scores(images, reference) for name, images in cases.items()}
    others = [scores[name] for name in cases if name != "real"]
    floor = scores["real"]
    assert all(floor["fcd"] < other["fcd"] / 4 for other in others)
    assert all(floor["kid"] < other["kid"] / 4 for other in others)
    assert all(floor["coverage"] > other["coverage"] + 0.1 for other in others)
    assert floor["modes_covered"] == 10
    assert (scores["one digit"]["modes_covered"], scores["one image"]["modes_covered"]) == (1, 1)
    assert floor["histogram_kl"] < 0.02 < scores["one digit"]["histogram_kl"]
    assert scores["one image"]["classifier_score"] == pytest.approx(1)
    assert scores["one image"]["recall"] == 0
    assert scores["noise"]["precision"] < 0.1 < 0.8 < floor["precision"]
    assert floor["classifier_score"] > 9
    assert scores["real with noise"]["confidence"] < floor["confidence"]


def test_batch_size_and_order_of_images_change_no_score(judge: Judge, arrays: dict[str, Tensor]) -> None:
    reference = Reference(judge, arrays[TEST_IMAGES][:600])
    images = scaled(arrays[TRAIN_IMAGES][:600])
    shuffled = images[torch.randperm(600, generator=torch.Generator().manual_seed(0))]
    assert feature_scores(shuffled, reference) == pytest.approx(feature_scores(images, reference), rel=1e-4, abs=1e-6)
    for ours, theirs in zip(judge.opinion(images, 7), judge.opinion(images, 600), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_scores_of_a_small_colour_dataset_of_three_classes() -> None:
    """As many real images as generated ones where they are compared with their neighbours, FCD against all of them."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (1200, 3, 16, 16), generator=generator, dtype=torch.uint8)
    pixels[834:1000] = 128  # the validation images, the last sixth of those to train on: they choose another sigma
    labels = torch.zeros(1200, dtype=torch.int64)
    data = ImageSet(pixels[:1000], labels[:1000], pixels[1000:], labels[1000:], ("a", "b", "c"))
    judge = Judge((3, 16, 16), 3).eval().requires_grad_(False)
    reference = Reference(judge, data.test)
    images = torch.rand(500, 3, 16, 16, generator=generator) * 2 - 1
    scores = all_scores(images, reference, data)
    assert len(scores["histogram"]) == 3
    features, real = judge.opinion(images)[0], judge.opinion(scaled(data.test))[0]
    assert scores["fcd"] == pytest.approx(metrics.fcd(features, real))
    assert scores["kid"] == pytest.approx(metrics.kid(features[:200], real))
    assert scores["coverage"] == metrics.prdc(features[:200], real).coverage
    unit = (images.double() + 1) / 2
    window = metrics.parzen(unit, data.train[834:].double() / 255, data.test.double() / 255)
    assert scores["parzen"] == pytest.approx(window.log_likelihood)
    assert scores["diversity"] == pytest.approx(metrics.spacing(images) / metrics.spacing(scaled(data.train[:500])))
    nearest = metrics.nearest(unit[:64], data.train / 255)[1].median().item()
    assert scores["nearest_training_distance"] == pytest.approx(nearest)
    floor = floor_scores(reference, data)
    assert floor["fcd"] == pytest.approx(metrics.fcd(judge.opinion(data.train[:834])[0], real))
    assert 0.8 < floor["diversity"] < 1.2
    assert floor["nearest_training_distance"] > 1
    without_judge = all_scores(images, None, data)
    assert without_judge == {name: scores[name] for name in without_judge}
    assert (
        set(without_judge)
        == set(floor_scores(None, data))
        == set(scores) - set(feature_scores(images, reference)) - {"histogram"}
    )


@pytest.mark.parametrize(
    ("count", "words", "missing"),
    [
        (FEATURES + 1, "", set()),
        (FEATURES, "FCD needs more than 96 real images; here are 96", {"fcd"}),
        (6, "FCD needs", {"fcd"}),
        (5, "KID, precision", {"fcd", "kid", "precision", "recall", "density", "coverage"}),
    ],
)
def test_too_few_real_images_leave_scores_out_and_are_said(count: int, words: str, missing: set[str]) -> None:
    pixels = torch.randint(0, 256, (300, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    judge = Judge((1, 8, 8), 2).eval().requires_grad_(False)
    enough, reference = Reference(judge, pixels), Reference(judge, pixels[:count])
    scores = [feature_scores(scaled(pixels[:200]), each) for each in (enough, reference)]
    assert set(scores[0]) - set(scores[1]) == missing
    assert words in reference.too_few
    assert (reference.too_few == "") == (not missing)
    assert ("KID" in reference.too_few) == ("kid" in missing)


def test_images_are_drawn_from_the_latent_vectors_of_the_seed_in_any_batches() -> None:
    layer = torch.nn.Linear(5, 4)
    images = draw(layer, 5, 33, seed=3, batch_size=7)
    with torch.no_grad():
        torch.testing.assert_close(images, layer(latent_vectors(33, 5, 3)))
    assert torch.equal(draw(layer, 5, 20, seed=3, batch_size=7), images[:20])


def test_large_images_are_compared_in_smaller_numbers() -> None:
    shapes = {(1, 28, 28): 10_000, (3, 64, 64): 10_000, (3, 128, 128): 2_500, (3, 256, 256): 625}
    assert {shape: sample_count(shape) for shape in shapes} == shapes


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_features_that_are_no_numbers_have_no_distance(value: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAPACK must not see them: it was seen to crash."""
    monkeypatch.delattr(torch.linalg, "eigh")
    real = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    assert math.isnan(metrics.fcd(real.double() * value, real))


def test_features_that_are_nearly_all_alike_have_a_distance() -> None:
    """As of a G whose every pixel is at its end, in two or three patterns."""
    generator = torch.Generator().manual_seed(0)
    real = torch.rand(100, 49, generator=generator) * 2 - 1
    for patterns in (1, 2, 3):
        ends = torch.randint(2, (patterns, 49), generator=generator) * 2.0 - 1
        drawn = ends[torch.randint(patterns, (512,), generator=generator)]
        covariances = [torch.cov(each.T.double()) for each in (drawn, real)]
        root = scipy.linalg.sqrtm(covariances[1].numpy() @ covariances[0].numpy() + 1e-15 * np.eye(49)).real.trace()
        means = (drawn.double().mean(0) - real.double().mean(0)).square().sum()
        expected = means + covariances[0].trace() + covariances[1].trace() - 2 * root
        assert metrics.fcd(drawn, real) == pytest.approx(expected.item(), rel=1e-4)
