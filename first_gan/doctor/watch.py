"""Hooks on a loop's networks, weights and optimizers: what D saw, what its loss said, what each step changed. Nothing is changed."""

from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from first_gan.doctor.matching import Matcher
from first_gan.doctor.networks import activations, fingerprint, floats, matrices, partly_in_eval_mode, same
from first_gan.doctor.records import Call, Event, Part, Step

ALWAYS, EVERY, TOGETHER = 208, 32, 2  # updates watched: so many at first, then so many of as many
ROWS = 256  # of D's outputs for one minibatch that are looked at
CALLS = 8  # of G that are remembered
EVENTS = 64


@dataclass
class Side:
    """One of the two networks, its optimizer, and its backward passes since its last step."""

    network: nn.Module
    optimizer: Optimizer
    events: deque[Event] = field(default_factory=lambda: deque(maxlen=EVENTS))
    steps: int = 0
    whole: bool = True  # whether all since its last step was watched
    incoming: Tensor | None = None
    before: tuple[Tensor, Tensor] | None = None


class Hook:
    """A hook that a copy of the network does not take along: an average of G's weights is not watched, nor does it keep the doctor."""

    def __init__(self, function: Callable[..., None] | None = None) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> None:
        if self.function is not None:
            self.function(*arguments)

    def __deepcopy__(self, memo: Any) -> "Hook":
        return Hook()

    def __reduce__(self) -> tuple:
        return Hook, ()


class Watch:
    """Watches the two networks and their optimizers.

    Args:
        generator: G.
        discriminator: D.
        g_optimizer: Its steps train G.
        d_optimizer: Its steps train D.
        on_step: Called after each step that was watched, with "g" or "d".
        on_draw: Called after calls of G: those that are watched, and all without gradients.
        on_failure: Called with what went wrong in watching itself; the loop goes on, and is not watched any more.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        g_optimizer: Optimizer,
        d_optimizer: Optimizer,
        on_step: Callable[[str, Step], None],
        on_draw: Callable[[Call], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.sides = {"g": Side(generator, g_optimizer), "d": Side(discriminator, d_optimizer)}
        self.on_step, self.on_draw, self.on_failure = on_step, on_draw, on_failure
        self.paused, self.on, self.failed = False, True, False
        self.calls: deque[Call] = deque(maxlen=CALLS)
        self.matcher = Matcher()
        self._pending: list[Part] = []
        self._reached = False  # whether this backward pass has reached weights
        self._handles: list[Any] = [
            generator.register_forward_hook(self._hook(self._drawn), with_kwargs=True),
            discriminator.register_forward_hook(self._hook(self._judged), with_kwargs=True),
        ]
        for name, side in self.sides.items():
            self._watch(name, side)

    @property
    def updates(self) -> int:
        """G's steps; D's, as long as G has made none."""
        return self.sides["g"].steps or self.sides["d"].steps

    def close(self) -> None:
        """Takes all hooks away."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self.calls.clear()

    @contextmanager
    def pause(self) -> Any:
        """Within it nothing is watched: the doctor draws."""
        self.paused, before = True, self.paused
        try:
            yield
        finally:
            self.paused = before

    def _watch(self, name: str, side: Side) -> None:
        weights = next((each for each in matrices(side.network) if each.requires_grad), None)
        if weights is not None:
            self._handles.append(weights.register_hook(self._hook(lambda grad: self._arriving(side, grad))))
            self._handles.append(
                weights.register_post_accumulate_grad_hook(self._hook(lambda weights: self._arrived(side, weights)))
            )
        optimizer = unwrapped(side.optimizer)
        self._handles.append(optimizer.register_step_pre_hook(self._hook(lambda *_: self._before(side))))
        self._handles.append(optimizer.register_step_post_hook(self._hook(lambda *_: self._after(name, side))))

    def _hook(self, function: Callable[..., None]) -> Hook:
        def guarded(*arguments: Any) -> None:
            if self.failed:
                return
            try:
                function(*arguments)
            except Exception as error:  # whatever it is, the loop is not ours to break
                self.failed = True
                self.on_failure(error)

        return Hook(guarded)

    def _drawn(self, network: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if self.paused or not (images := floats(output)):
            return
        z = next(iter(floats([args, kwargs])), None)
        call = Call(
            (args, kwargs),
            None if z is None else z.detach(),
            images[0].detach(),
            activations(images[0]) if self.on else [],
            self.on and partly_in_eval_mode(network),
        )
        self.calls.append(call)  # also when it is not watched: D may see its images when watching has begun again
        if self.on or not torch.is_grad_enabled():
            self.on_draw(call)
        if self.on and images[0].requires_grad:
            images[0].register_hook(self._hook(lambda grad: self._taught(call)))

    def _taught(self, call: Call) -> None:
        call.taught = call.taught or not torch.is_grad_enabled()

    def _judged(self, network: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
        if self.paused or not self.on or not (inputs := floats([args, kwargs])) or not (outputs := floats(output)):
            return
        images = max(inputs, key=lambda each: each[0].numel())
        out = min((each for each in outputs if len(each) == len(images)), key=torch.Tensor.numel, default=outputs[0])
        if not out.requires_grad or len(out) != len(images):
            return
        parts = [
            (
                rows,
                Part(call, images.detach()[rows], out.detach()[rows], partly_in_eval_mode(network), activations(out)),
            )
            for rows, call in self.matcher.rows(images.detach(), self.calls)
        ]
        out.register_hook(self._hook(lambda grad: self._pushed(parts, grad)))

    def _pushed(self, parts: list[tuple[slice, Part]], grad: Tensor) -> None:
        """The gradient of a loss has reached D's outputs."""
        if torch.is_grad_enabled():  # a gradient penalty's own gradient
            return
        if self._reached:
            self._pending, self._reached = [], False
        for rows, part in parts:
            self._pending.append(
                Part(part.call, part.images, _thin(part.out), part.eval_mode, part.ends_in, _thin(grad.detach()[rows]))
            )

    def _arriving(self, side: Side, grad: Tensor) -> None:
        if self.on and not torch.is_grad_enabled():
            side.incoming = fingerprint([grad])

    def _arrived(self, side: Side, weights: Tensor) -> None:
        if not self.on or side.incoming is None or weights.grad is None:
            return
        fresh = same(side.incoming, fingerprint([weights.grad]))
        side.events.append(Event(list(self._pending), fresh))
        side.incoming, self._reached = None, True

    def _before(self, side: Side) -> None:
        if self.on:
            other = self.sides["d" if side is self.sides["g"] else "g"]
            side.before = fingerprint(matrices(side.network)), fingerprint(other.network.parameters())

    def _after(self, name: str, side: Side) -> None:
        overflowed = getattr(
            unwrapped(side.optimizer), "found_inf", None
        )  # a fused one skips its step itself, under a GradScaler
        if self.on and side.before is not None and not (overflowed is not None and bool(overflowed)):
            self.on_step(name, self._step(side, *side.before))
        side.before = None
        side.steps += 1
        side.whole = self.on
        side.events.clear()
        if name == "g" or self.sides["g"].steps == 0:
            self._switch()

    def _step(self, side: Side, own: Tensor, others: Tensor) -> Step:
        other = self.sides["d" if side is self.sides["g"] else "g"]
        own_now, others_now = fingerprint(matrices(side.network)), fingerprint(other.network.parameters())
        fresh = [at for at, event in enumerate(side.events) if event.fresh]
        counted = list(side.events)[fresh[-1] if fresh else 0 :]
        grads = [weights.grad for weights in side.network.parameters() if weights.grad is not None]
        norms = torch.stack([grad.detach().float().norm() for grad in grads]) if grads else torch.zeros(1)
        calls = [call for call in self.calls if call.taught]
        for call in calls:
            call.taught = False
        return Step(
            [part for event in counted for part in event.parts],
            bool(side.events) and not fresh if side.whole else None,
            (own_now - own).norm() / own.norm().clamp_min(1e-12),
            (others_now != others).any(),
            norms.norm(),
            calls,
        )

    def _switch(self) -> None:
        """Turns watching on or off for the next update."""
        self.on = self.updates < ALWAYS or self.updates % EVERY < TOGETHER
        if not self.on:
            self._pending = []
            for side in self.sides.values():
                side.events.clear()
                side.whole = False


def unwrapped(optimizer: Any) -> Any:
    """The optimizer itself, where another library has wrapped it."""
    while not hasattr(optimizer, "register_step_pre_hook") and hasattr(optimizer, "optimizer"):
        optimizer = optimizer.optimizer
    return optimizer


def _thin(values: Tensor) -> Tensor:
    """At most `ROWS` values of a tensor, evenly spread, as a vector."""
    flat = values.flatten()
    return flat[:: max(1, -(-len(flat) // ROWS))]
