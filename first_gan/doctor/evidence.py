"""What a watched loop has shown so far, within bounds: faults are looked for in it."""

import math
from collections import deque
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from first_gan.doctor.losses import LOGIT, OTHER, PROBABILITY, Push, loss_of, push
from first_gan.doctor.networks import BOUNDS, same
from first_gan.doctor.records import Call, Part, Step

KEPT = 64  # minibatches, of each kind
WINDOW = 16  # of the last ones, in which a layer's mode counts
STRIP = 49  # averages that an image is looked at by
ENOUGH_Z = 500  # numbers that tell a uniform distribution from a normal one


@dataclass
class Reals:
    """Real images as D gets them: their range, and how much minibatches differ, beside what differs within one."""

    low: float = math.inf
    high: float = -math.inf
    batches: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(3, 1))  # of means, of their squares, of variances
    size: int = 0
    last: Tensor | None = None  # means of the minibatch before
    steps: float = 0.0  # sum of squared changes from one minibatch to the next

    def add(self, images: Tensor) -> None:
        low, high = images.aminmax()
        self.low, self.high = min(self.low, low.item()), max(self.high, high.item())
        if len(images) < 2 or (self.size and len(images) != self.size):
            return
        flat = images.flatten(1).float().cpu()
        points = F.adaptive_avg_pool1d(flat[:, None], min(STRIP, flat.shape[1]))[:, 0].double()
        mean = points.mean(0)
        self.sums = self.sums + torch.stack([mean, mean.square(), points.var(0)])
        if self.last is not None:
            self.steps += (mean - self.last).square().sum().item()
        self.size, self.batches, self.last = len(images), self.batches + 1, mean

    @property
    def clumped(self) -> float:
        """How much more minibatches differ than random ones would, as a ratio of variances: 1 for random ones."""
        if self.batches < 2:
            return math.nan
        return self.size * self._between / max(self.sums[2].sum().item() / self.batches, 1e-12)

    @property
    def jumps(self) -> float:
        """How much of what minibatches differ lies between neighbours: about 1 in any random order, near 0 in a sorted one."""
        if self.batches < 2:
            return math.nan
        return self.steps / (self.batches - 1) / 2 / max(self._between, 1e-12)

    @property
    def _between(self) -> float:
        """Variance of the minibatches' means."""
        means, squares, _ = self.sums / self.batches
        return ((squares - means.square()).clamp_min(0).sum() * self.batches / (self.batches - 1)).item()


@dataclass(frozen=True)
class Noise:
    """What z's numbers are like."""

    count: int
    low: float
    high: float

    @property
    def kind(self) -> str:
        """Of which distribution; empty where they are too few."""
        if self.count < ENOUGH_Z or self.low == self.high:
            return ""
        if max(-self.low, self.high) > 1.001:
            return "normal"
        return "uniform in [0, 1]" if self.low >= 0 else "uniform in [-1, 1]"


@dataclass
class Evidence:
    """All that faults are looked for in.

    Args:
        updates: Of G so far.
        pushes: What losses did to D's output: `real`, `fake` (both in D's steps), `g` (generated images in G's steps).
        drives: By "g" and "d", for each step, what its losses did to D's output for generated images.
        accumulated: By "g" and "d", for each step that could be judged.
        moved: How much steps changed the weights, as a share of their size.
        moves_other: Whether they changed the other network's too.
        eval_mode: Whether layers of a network in training were in eval mode.
        steps: How many of each were watched.
        sigmoids: At the end of D, at most.
        outside: Whether D put out anything outside of [0, 1].
        bounds: What G's last activation can put out; None where it is not known.
        noise_on_top: How far D's generated images lie from G's, at most.
        z: Of the last update's, a few, and how many updates on end they have been the same.
        trained, drawn: Distributions of z while G is trained, and wherever else it draws.
        broken: What was NaN or infinite first; empty for nothing.
    """

    updates: int = 0
    pushes: dict[str, deque[Push]] = field(
        default_factory=lambda: {name: deque(maxlen=KEPT) for name in ("real", "fake", "g")}
    )
    drives: dict[str, deque[list[Push]]] = field(default_factory=lambda: {name: deque(maxlen=KEPT) for name in "gd"})
    accumulated: dict[str, deque[bool]] = field(default_factory=lambda: {name: deque(maxlen=KEPT) for name in "gd"})
    moved: dict[str, deque[float]] = field(default_factory=lambda: {name: deque(maxlen=KEPT) for name in "gd"})
    moves_other: dict[str, int] = field(default_factory=lambda: {"g": 0, "d": 0})
    eval_mode: dict[str, deque[bool]] = field(default_factory=lambda: {name: deque(maxlen=WINDOW) for name in "gd"})
    steps: dict[str, int] = field(default_factory=lambda: {"g": 0, "d": 0})
    sigmoids: int = 0
    outside: bool = False
    bounds: tuple[float, float] | None = None
    noise_on_top: float = 0.0
    reals: Reals = field(default_factory=Reals)
    z: Tensor | None = None
    z_same: int = 0
    z_rows_same: int = 0
    trained: str = ""
    drawn: str = ""
    broken: str = ""

    def add(self, name: str, step: Step) -> None:
        """Takes a step of G's optimizer ("g") or D's ("d") in."""
        self.steps[name] += 1
        moved = step.moved.item()
        self.moved[name].append(moved)
        self.moves_other[name] += bool(step.other_moved)
        if step.accumulated is not None:
            self.accumulated[name].append(step.accumulated)
        drives = [read for part in step.parts if (read := self._read(name, part)).sign and part.call is not None]
        if drives:
            self.drives[name].append(drives)
        if name == "g" and step.calls:
            self.eval_mode["g"].append(step.calls[-1].eval_mode)
            self._drew(step.calls[-1])
        if name == "d" and step.parts:
            self.eval_mode["d"].append(any(part.eval_mode for part in step.parts))
        if not self.broken and not (math.isfinite(moved) and math.isfinite(step.grad_norm.item())):
            network = "the generator" if name == "g" else "the discriminator"
            what = "the weights" if not math.isfinite(moved) else "the gradient"
            self.broken = f"{what} of {network}"

    def _read(self, name: str, part: Part) -> Push:
        assert part.grad is not None
        if not self.broken and not (part.out.isfinite().all() and part.grad.isfinite().all()):
            self.broken = "D's output, or the loss on it"
        read = push(part.out, part.grad)
        self.sigmoids = max(self.sigmoids, part.ends_in.count("Sigmoid"))
        self.outside = self.outside or bool(((part.out < 0) | (part.out > 1)).any())
        if name == "d":
            self.pushes["real" if part.call is None else "fake"].append(read)
        elif part.call is not None:
            self.pushes["g"].append(read)
        if part.call is None:
            if name == "d":
                self.reals.add(part.images)
        elif part.images.numel() == part.call.images.numel():
            apart = (part.images.flatten() - part.call.images.flatten().to(part.images.dtype)).abs().max().item()
            self.noise_on_top = max(self.noise_on_top, apart)
        return read

    def _drew(self, call: Call) -> None:
        """A call of G in a step of G."""
        if call.ends_in:
            self.bounds = BOUNDS[call.ends_in[0]]
        if call.z is None:
            return
        z = call.z.reshape(len(call.z), -1)  # one z alone has no row of its own
        few = z[:4, :16].clone()
        self.z_same = self.z_same + 1 if self.z is not None and same(self.z, few) else 0
        alike = len(z) > 1 and bool((z == z[0]).all())
        self.z_rows_same = self.z_rows_same + 1 if alike else 0
        self.z, self.trained = few, noise(z).kind or self.trained

    @property
    def d_loss(self) -> str:
        losses = {loss_of(self.pushes[name]) for name in ("real", "fake")}
        return losses.pop() if len(losses) == 1 else next((loss for loss in losses if loss != OTHER), OTHER)

    @property
    def g_loss(self) -> str:
        return loss_of(self.pushes["g"])

    @property
    def probabilities(self) -> str:
        """How D's outputs are probabilities: `probability`, `logit`; empty for a critic, or where it is not known."""
        if self.sigmoids:
            return PROBABILITY
        return self.d_loss if self.d_loss in (PROBABILITY, LOGIT) else ""


def noise(z: Tensor) -> Noise:
    low, high = z.aminmax()
    return Noise(z.numel(), low.item(), high.item())
