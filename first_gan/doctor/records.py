"""What is kept of a loop's calls, backward passes and steps until it has been read."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Call:
    """A call of G.

    Args:
        arguments: Positional and named.
        z: What it draws from: the first floating-point tensor among them; None where there is none.
        images: What it drew.
        ends_in: Activations that the images come out of.
        eval_mode: Whether some of its layers are in eval mode.
        taught: Whether a gradient came back.
        kept: Whether samples will be drawn from the same z.
    """

    arguments: tuple[tuple, dict]
    z: Tensor | None
    images: Tensor
    ends_in: list[str]
    eval_mode: bool
    taught: bool = False
    kept: bool = False


@dataclass
class Part:
    """The rows of one call of D that are real, or that are generated.

    Args:
        call: The call of G that drew them; None for real ones.
        images: They themselves.
        out: D's outputs, (N,).
        eval_mode: Whether some of D's layers are in eval mode.
        ends_in: Activations that the outputs come out of.
        grad: Of the loss, with respect to the outputs, (N,).
    """

    call: Call | None
    images: Tensor
    out: Tensor
    eval_mode: bool
    ends_in: list[str]
    grad: Tensor | None = None


@dataclass
class Event:
    """A backward pass that has reached the weights of a network.

    Args:
        parts: What its loss is made of, as far as D's outputs tell.
        fresh: Whether there was no gradient before.
    """

    parts: list[Part]
    fresh: bool


@dataclass
class Step:
    """A step of an optimizer.

    Args:
        parts: What the gradient is made of.
        accumulated: Whether gradients of the step before are still in it; None where that was not watched.
        moved: How much the weights changed, as a share of their size, (); NaN where there are none.
        other_moved: Whether it changed the other network's weights too, ().
        grad_norm: L2 norm of the network's gradient, ().
        calls: Of G to which a gradient came back since the last step of either.
    """

    parts: list[Part]
    accumulated: bool | None
    moved: Tensor
    other_moved: Tensor
    grad_norm: Tensor
    calls: list[Call]
