"""What a watched generator draws: always the same z, after each epoch, beside real images as D is shown them."""

from typing import Any

import torch
from torch import Tensor, nn

from first_gan.doctor.evidence import Evidence
from first_gan.doctor.networks import as_images, tensors
from first_gan.doctor.records import Call, Part
from first_gan.drawing.pictures import to_pixels
from first_gan.report.pictures import MOST_FRAMES, thinned
from first_gan.sampling import in_eval_mode
from first_gan.scores.likeness import FEWEST, SAMPLES, Likeness

MOST_REAL, MOST_BYTES = 2000, 64 << 20  # real images that are kept
CHUNK = 128
GRID = 64  # images of a grid


class Samples:
    """Keeps real images and z of the loop, draws by them and measures.

    Args:
        generator: G.
        latent_dim: Of z ~ N(0, 1); None draws by z of the loop, with whatever else G is given.
        real: Real images; None keeps those that D is shown.

    Raises:
        ValueError: The real ones are no images.
    """

    def __init__(self, generator: nn.Module, latent_dim: int | None, real: Tensor | None) -> None:
        self.generator, self.given = generator, real
        self.calls: list[tuple[tuple, dict]] = []
        self.count = 0
        if latent_dim is not None:
            z = torch.randn(SAMPLES, latent_dim, generator=torch.Generator().manual_seed(0))
            weight = next(generator.parameters())
            self.calls, self.count = [((z.to(weight),), {})], SAMPLES
        if real is not None and as_images(real) is None:
            raise ValueError(f"real must be images (N, C, H, W) of 1 or 3 channels, got {tuple(real.shape)}")
        self._real: list[Tensor] = [] if real is None else [real.detach().float().cpu()]
        self._kept = 0 if real is None else len(real)
        self._likeness: Likeness | None = None
        self._scale: tuple[float, float] | None = None
        self.real_grid: Tensor | None = None
        self.grids: dict[int, Tensor] = {}  # by epoch, uint8
        self.batch = 0

    def see(self, part: Part) -> None:
        """Keeps a part's real images, or the z that its generated ones came from, as long as more are wanted."""
        if part.call is not None:
            self._see_call(part.call)
            return
        self.batch = max(self.batch, len(part.images))
        full = self._kept >= MOST_REAL or self._kept * part.images[0].numel() * 4 > MOST_BYTES
        if self.given is None and not full and self._likeness is None:
            self._real.append(part.images.float().cpu().clone())
            self._kept += len(part.images)

    def _see_call(self, call: Call) -> None:
        if self.count >= SAMPLES or call.z is None or call.kept:  # D and G may be trained on the same images
            return
        call.kept = True
        rows = len(call.z)
        copied = _rows(call.arguments, rows, slice(0, min(rows, SAMPLES - self.count)))
        self.calls.append((copied[0], copied[1]))
        self.count += min(rows, SAMPLES - self.count)

    @property
    def latent_dim(self) -> int:
        """Numbers in one z; 0 where none was seen."""
        z = next((each for args in self.calls for each in tensors(list(args)) if each.is_floating_point()), None)
        return 0 if z is None else z[0].numel()

    @torch.no_grad()
    def draw(self) -> Tensor | None:
        """Images in eval mode, (N, ...), float32 on the CPU; None where no z was seen. Torch's random numbers stay as they are."""
        if not self.calls:
            return None
        device = next(self.generator.parameters()).device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), in_eval_mode(self.generator):
            return torch.cat([self._images(args, kwargs) for args, kwargs in self.calls])

    def _images(self, args: tuple, kwargs: dict) -> Tensor:
        rows = max(len(each) for each in tensors([args, kwargs]) if each.ndim)
        parts = []
        for start in range(0, rows, CHUNK):
            part = _rows((args, kwargs), rows, slice(start, start + CHUNK))
            output = self.generator(*part[0], **part[1])
            parts.append(next(iter(tensors(output))).float().cpu())
        return torch.cat(parts)

    def measure(self, seen: Evidence, epoch: int) -> dict[str, float]:
        """Draws, keeps a grid, and returns what `Likeness` says; nothing where the loop's data are no images."""
        drawn = self.draw()
        if drawn is None:
            return {}
        images = as_images(drawn)
        if images is None:
            return {}
        if self._likeness is None and self._real and sum(map(len, self._real)) >= FEWEST:
            real = as_images(torch.cat([each for each in self._real if each.shape[1:] == self._real[0].shape[1:]]))
            if real is not None and real.shape[1:] == images.shape[1:]:
                self._scale = scale_of(real, seen.bounds)
                self.real_grid = to_pixels(self._scaled(real[:GRID]))
                self._likeness = Likeness(self._scaled(real))
                self._real = []
        images = self._scaled(images)
        self.grids[epoch] = to_pixels(images[:GRID])
        if len(self.grids) > 2 * MOST_FRAMES:
            self.grids = {kept: self.grids[kept] for kept in thinned(list(self.grids))}
        if self._likeness is None or not bool(images.isfinite().all()):
            return {}
        return self._likeness.of(images)

    def _scaled(self, images: Tensor) -> Tensor:
        """In [-1, 1]."""
        low, high = self._scale or (-1.0, 1.0)
        return ((images - low) / (high - low) * 2 - 1).clamp(-1, 1)


def scale_of(real: Tensor, bounds: tuple[float, float] | None) -> tuple[float, float]:
    """The range of the images: what G can draw, if real ones are not beyond it; else theirs."""
    low, high = real.min().item(), real.max().item()
    if bounds is not None and low > bounds[0] - 0.05 and high < bounds[1] + 0.05:
        return bounds
    return low, max(high, low + 1e-6)


def _rows(value: Any, count: int, rows: slice) -> Any:
    """The same arguments for some rows alone: of tensors that have a row for each image."""
    if isinstance(value, Tensor):
        return value[rows].detach().clone() if value.ndim and len(value) == count else value
    if isinstance(value, dict):
        return {name: _rows(each, count, rows) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_rows(each, count, rows) for each in value)
    return value
