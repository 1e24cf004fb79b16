"""Which loss a network is trained by, and toward which label, from what reaches its output: the gradient of the loss.

With outputs o and the gradient g of the loss with respect to them, minibatch by minibatch, c being any factor:

- binary cross-entropy of probabilities: g * o * (1 - o) = c * (o - label);
- binary cross-entropy of logits: g = c * (sigmoid(o) - label);
- least squares (LSGAN, Mao et al. 2017): g = c * (o - label).

Each is a straight line, whose zero is the label; a negative c means that the loss is maximized, as in the minimax loss of
Goodfellow et al. 2014. Where no line fits, as with a critic (WGAN) or the hinge loss, the sign alone tells where D's output is pushed.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor

PROBABILITY, LOGIT, SQUARES, OTHER = "probability", "logit", "least squares", "other"
Line = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]]  # x of outputs, y of gradients and outputs
LINES: dict[str, Line] = {
    PROBABILITY: (lambda out: out, lambda grad, out: grad * out * (1 - out)),
    LOGIT: (torch.sigmoid, lambda grad, out: grad),
    SQUARES: (lambda out: out, lambda grad, out: grad),
}
STRAIGHT = 0.05  # of what varies, how much may lie off the line
SPREAD = 1e-4  # of outputs, below which there is no line to see
FEW = 5  # minibatches that a line needs
APART = 0.05  # labels that are nearer are one and the same
OWN_WAY = 0.25  # of the way from the label of generated images to that of real ones: G must push at least so far
AGREED = 0.6  # mean sign of pushes that agree


@dataclass(frozen=True)
class Fit:
    """A line through one minibatch's outputs and gradients."""

    label: float
    slope: float
    off: float  # what lies off the line, as a share of what varies

    @property
    def aim(self) -> float:
        """Where outputs are pushed: a label of 0 or 1 that is fled from is the other."""
        return self.label if self.slope > 0 else 1 - self.label


@dataclass(frozen=True)
class Push:
    """What one minibatch's loss does to D's output.

    Args:
        sign: 1 pushes it up, -1 down, 0 where all gradients are 0.
        fits: A line by loss; empty where outputs hardly differ.
    """

    sign: int
    fits: dict[str, Fit]


def push(out: Tensor, grad: Tensor) -> Push:
    """Reads outputs of D and the gradient of the loss with respect to them, (N,) each."""
    out, grad = out.double(), grad.double()
    total = grad.sum().item()
    sign = 0 if total == 0 or not math.isfinite(total) else (-1 if total > 0 else 1)
    if len(out) < 4 or not out.std().item() > SPREAD:
        return Push(sign, {})
    fits = {}
    for loss, (x_of, y_of) in LINES.items():
        if loss == PROBABILITY and not (out.min() >= 0 and out.max() <= 1):
            continue
        x, y = x_of(out), y_of(grad, out)
        x_off, y_off = x - x.mean(), y - y.mean()
        slope = (x_off @ y_off / (x_off @ x_off)).item()
        varies = y_off.norm().item()
        if slope == 0 or not varies > 1e-6 * y.norm().item():  # a critic's constant gradient
            continue
        off = (y_off - slope * x_off).norm().item() / varies
        fits[loss] = Fit((x.mean() - y.mean() / slope).item(), slope, off)
    return Push(sign, fits)


def loss_of(pushes: Sequence[Push]) -> str:
    """The loss whose line fits minibatches of one kind, real or generated, best."""
    known = [each.fits for each in pushes if each.fits]
    if len(known) < FEW:
        return OTHER
    off = {loss: median(fits[loss].off if loss in fits else math.inf for fits in known) for loss in LINES}
    best = min(off, key=off.__getitem__)
    return best if off[best] < STRAIGHT else OTHER


def label_of(pushes: Sequence[Push], loss: str) -> float:
    """The label toward which minibatches are pushed; NaN where it is not known."""
    aims = [each.fits[loss].aim for each in pushes if loss in each.fits and each.fits[loss].off < STRAIGHT]
    return median(aims) if len(aims) >= FEW else math.nan


def sign_of(pushes: Sequence[Push]) -> float:
    """The mean direction of minibatches' pushes, -1 to 1; 0 where there is none."""
    signs = [each.sign for each in pushes if each.sign]
    return sum(signs) / len(signs) if len(signs) >= FEW else 0.0


def same_labels(real: Sequence[Push], fake: Sequence[Push], loss: str) -> bool:
    """Whether D is trained to say the same of real and of generated images."""
    labels = label_of(real, loss), label_of(fake, loss)
    if not any(map(math.isnan, labels)):
        return abs(labels[0] - labels[1]) < APART
    return sign_of(real) * sign_of(fake) > AGREED


def real_is_high(real: Sequence[Push], fake: Sequence[Push], loss: str) -> bool:
    """Whether D is trained to put out more for real images than for generated ones."""
    labels = label_of(real, loss), label_of(fake, loss)
    if not any(map(math.isnan, labels)):
        return labels[0] > labels[1]
    return sign_of(real) >= sign_of(fake)


def against(pushes: Sequence[Push], real: Sequence[Push], fake: Sequence[Push], loss: str, own: str) -> bool:
    """Whether pushes on generated images lead D's output to where D itself puts generated images.

    Args:
        pushes: Of G's loss.
        real: Of D's loss, on real images.
        fake: Of D's loss, on generated images.
        loss: D's loss.
        own: G's loss.
    """
    labels = label_of(real, loss), label_of(fake, loss), label_of(pushes, own)
    if loss == own and not any(map(math.isnan, labels)) and abs(labels[0] - labels[1]) >= APART:
        return (labels[2] - labels[1]) / (labels[0] - labels[1]) < OWN_WAY
    return sign_of(pushes) * sign_of(fake) > AGREED and sign_of(real) * sign_of(fake) < 0
