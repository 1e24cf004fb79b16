"""What samples tell of a generator without labels or a judge: how alike they are to each other and to real images.

Most of it looks at thumbnails, images averaged down to 7×7 pixels: noise in single pixels is averaged out there, so it counts
neither as diversity nor as distance, and 512 images are enough for a Fréchet distance.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from first_gan.data import images_of
from first_gan.scores import metrics

SAMPLES, FEWEST = 512, 32  # images that are compared: as many as the real ones, if those are not too few
NEIGHBOURHOOD = 5000  # training images, and as many held-out ones, among which the nearest is looked for
CHUNK = 100  # images at a time
THUMBNAIL = 7  # pixels a side
KINDS, ROUNDS = 20, 20  # kinds of real images, as k-means finds them in so many rounds


def thumbnails(images: Tensor) -> Tensor:
    """Images (N, C, H, W), uint8 or in [-1, 1], averaged down to 7×7 pixels, (N, C * 49), float64, on the CPU."""
    parts = (_floats(part).double() for part in images.split(CHUNK))  # 5,000 large images as floats would be gigabytes
    return torch.cat([F.adaptive_avg_pool2d(part, THUMBNAIL).flatten(1) for part in parts])


@dataclass
class Kinds:
    """Kinds of images: centres of thumbnails, and how many real images are nearest to each."""

    centres: Tensor
    shares: Tensor

    def shares_of(self, points: Tensor) -> Tensor:
        """Share of thumbnails (N, D) that are of each kind, (kinds,)."""
        nearest, _ = metrics.nearest(points, self.centres)
        return nearest.bincount(minlength=len(self.centres)).double() / len(points)


def kinds_of(points: Tensor) -> Kinds:
    """k-means of thumbnails (N, D), from centres that lie evenly among them; the same for the same thumbnails."""
    centres = points[:: max(1, len(points) // KINDS)][:KINDS].clone()
    for _ in range(ROUNDS):
        nearest, _ = metrics.nearest(points, centres)
        for kind in range(len(centres)):
            if len(own := points[nearest == kind]):
                centres[kind] = own.mean(0)
    found = Kinds(centres, torch.empty(0))
    found.shares = found.shares_of(points)
    return found


class Likeness:
    """Measures samples against real images.

    Args:
        real: Images that G is trained on, uint8 or in [-1, 1], (N, C, H, W), at least `FEWEST`.
        held_out: Images that it is not trained on, likewise; None where there are none.
    """

    def __init__(self, real: Tensor, held_out: Tensor | None = None) -> None:
        first = _floats(real[:SAMPLES])
        self.samples = len(first)
        self._spacing = metrics.spacing(first)
        points = thumbnails(real[:NEIGHBOURHOOD])
        self._thumbnail_spacing = metrics.spacing(points[:SAMPLES])
        self.real, self._kinds, self._spread = points, kinds_of(points), points.var(0).sum().item()
        self._seen, self._unseen = points[:0], points[:0]  # as many of both
        if held_out is not None and len(held_out) >= FEWEST:
            few = min(len(points), len(held_out))
            self._seen, self._unseen = points[:few], thumbnails(held_out[:few])

    def of(self, images: Tensor) -> dict[str, float]:
        """All measurements of generated images (N, C, H, W) in [-1, 1].

        Returns:
            By name: `diversity`, the distance from a sample to its nearest other one as a share of the same between real
            images (medians; in pixels); `thumbnail_diversity`, the same of thumbnails; `thumbnail_fd`, the Fréchet distance of
            Gaussians fitted to the thumbnails, as a share of the distance of their mean drawn again and again: 0 for real
            images, 1 for one average blob, above 1 for noise; `missing_kinds`, the share of real images whose kind makes up
            less than a tenth of its share among samples (after NDB, Richardson & Weiss 2018); `copying`, how much nearer
            samples lie to training images than to as many held-out ones: 0 where it makes no difference, 1 where they are
            copies (after Meehan et al. 2020).

        Raises:
            ValueError: They have other channels than the real ones.
        """
        points = thumbnails(images)
        if points.shape[1] != self.real.shape[1]:
            real = self.real.shape[1] // THUMBNAIL**2
            raise ValueError(f"samples of {images.shape[1]} channels cannot be measured against real images of {real}")
        missing = self._kinds.shares_of(points) < metrics.MODE_SHARE * self._kinds.shares
        found = {
            "diversity": metrics.spacing(images) / max(self._spacing, 1e-12),
            "thumbnail_diversity": metrics.spacing(points) / max(self._thumbnail_spacing, 1e-12),
            "missing_kinds": self._kinds.shares[missing].sum().item(),
        }
        if min(len(points), len(self.real)) > points.shape[1]:
            found["thumbnail_fd"] = metrics.fcd(points, self.real) / max(self._spread, 1e-12)
        if len(self._unseen):
            training, held_out = (metrics.nearest(points, near)[1].median() for near in (self._seen, self._unseen))
            found["copying"] = 1 - (training / held_out.clamp_min(1e-12)).item()
        return found


def _floats(images: Tensor) -> Tensor:
    return images_of(images.cpu(), (images.shape[1], images.shape[2], images.shape[3]))
