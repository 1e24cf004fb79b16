"""Watches any training loop of a GAN: names faults in its code, and says after each epoch whether it learns."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup
from torch import Tensor, nn
from torch.optim import Optimizer

from first_gan.diagnosis import diagnose
from first_gan.diagnosis.history import D_ACCURACY, D_FAKE, D_LOSS, D_REAL, DIVERGED, G_LOSS
from first_gan.diagnosis.verdicts import BAD, GOOD, Diagnosis, badge, listed
from first_gan.doctor.evidence import Evidence, noise
from first_gan.doctor.faults import Fault, look
from first_gan.doctor.losses import LOGIT
from first_gan.doctor.records import Call, Step
from first_gan.doctor.samples import Samples
from first_gan.doctor.settings import reworded, settings
from first_gan.doctor.watch import Watch, unwrapped

LOOK_EVERY = 8  # steps of G that are watched


class Doctor:
    """Watches a loop that it does not own, by hooks; what is learned stays the same to the last bit.

    Faults in the code are printed as soon as they are seen, a verdict when it changes. The first 208 updates are watched, and
    two in 32 after them.

    Args:
        generator: G; its first floating-point argument is z.
        discriminator: D; it puts out a probability, a logit or a critic's score for each image.
        g_optimizer: Whose steps train G.
        d_optimizer: Whose steps train D.
        latent_dim: Length of z ~ N(0, 1) that samples are drawn from, (N, latent_dim); None draws from z as the loop has them.
        real: Real images (N, C, H, W) in the range that D gets them in; None takes those that D is shown.
        quiet: Whether to print nothing.

    Raises:
        TypeError: A network or an optimizer is none.
        ValueError: `latent_dim` is below 1, or `real` are no images.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        g_optimizer: Optimizer,
        d_optimizer: Optimizer,
        latent_dim: int | None = None,
        real: Tensor | None = None,
        quiet: bool = False,
    ) -> None:
        for name, network in (("generator", generator), ("discriminator", discriminator)):
            if not isinstance(network, nn.Module):
                raise TypeError(f"{name} must be a network (nn.Module), got {type(network).__name__}")
        for name, optimizer in (("g_optimizer", g_optimizer), ("d_optimizer", d_optimizer)):
            if not isinstance(unwrapped(optimizer), Optimizer):
                raise TypeError(f"{name} must be an optimizer of torch.optim, got {type(optimizer).__name__}")
        if latent_dim is not None and latent_dim < 1:
            raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
        self.quiet = quiet
        self.failure: Exception | None = None  # of the doctor's own, which ended its watch
        self.faults: list[Fault] = []
        self.diagnosis: Diagnosis | None = None
        self.epoch = 0
        self.rows: list[dict[str, float]] = []
        self.settings: dict[str, Any] = {}
        self.evidence = Evidence()
        self.samples = Samples(generator, latent_dim, real)
        self._start = time.monotonic()
        self._sums: dict[str, list[float]] = {}
        self._watch = Watch(generator, discriminator, g_optimizer, d_optimizer, self._stepped, self._drew, self._failed)
        self._optimizers = unwrapped(g_optimizer), unwrapped(d_optimizer)

    def __enter__(self) -> "Doctor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes all hooks away; reports can still be written."""
        self._watch.close()

    @property
    def seconds(self) -> float:
        """Since it has been watching."""
        return time.monotonic() - self._start

    @property
    def updates(self) -> int:
        """G's steps so far."""
        return self._watch.updates

    def epoch_end(self) -> Diagnosis:
        """Draws samples, measures them and diagnoses the loop; to be called at the end of each epoch.

        Raises:
            RuntimeError: No step of an optimizer was seen yet: other ones were given, or it is called too early.
        """
        if not self.updates and self.failure is None:
            raise RuntimeError(
                "the doctor has seen no step of the optimizers it was given; see that they are the loop's own"
            )
        self._look()
        row: dict[str, float] = {"step": self.updates, "epoch": self.epoch}
        row |= {name: sum(values) / len(values) for name, values in self._sums.items() if values}
        self._sums = {}
        row |= {f"train/{name}": value for name, value in self._measured().items() if math.isfinite(value)}
        if self.evidence.broken:
            row[DIVERGED] = 1.0
        self.rows.append(row)
        self.epoch += 1
        before, self.settings = self.diagnosis, settings(self._watch, *self._optimizers, self.samples, self.epoch)
        self.diagnosis = reworded(diagnose(self.rows, self.settings))
        if before is None or before.verdict != self.diagnosis.verdict:
            self._say(f"doctor, epoch {self.epoch}: {self.diagnosis.headline()}")
        return self.diagnosis

    def _measured(self) -> dict[str, float]:
        """What samples show; nothing where they cannot be drawn, which is said once."""
        if self.failure is not None:
            return {}
        try:
            with self._watch.pause():
                return self.samples.measure(self.evidence, self.epoch)
        except Exception as error:  # the loop is not ours to break
            self._failed(error)
            return {}

    def write_report(self, path: Path | str) -> None:
        """Writes a page with verdict, faults, curves and samples, as one HTML file that needs nothing else.

        Raises:
            RuntimeError: No epoch has ended yet.
            OSError: It cannot be written.
        """
        from first_gan.doctor.page import write

        if not self.rows:
            raise RuntimeError("there is nothing to report yet: call epoch_end() first")
        write(self, Path(path))

    def _repr_html_(self) -> str:
        """Faults and verdict, as a notebook shows them."""
        faults = [
            Markup("<code>{}</code> {}. <b>{}</b>").format(each.name, each.message, each.fix) for each in self.faults
        ]
        count = f"{len(faults) or 'no'} fault{'s' * (len(faults) != 1)} in the loop's code"
        head = badge(count, BAD if faults else GOOD) + f", after {self.updates:,} updates"
        verdict = Markup("<p>No epoch has ended yet.</p>") if self.diagnosis is None else self.diagnosis.html()
        return Markup("<p>{}</p>{}").format(head, listed(faults)) + verdict

    def _stepped(self, name: str, step: Step) -> None:
        seen = self.evidence
        seen.updates = self.updates + 1
        seen.add(name, step)
        self._measure(name, step)
        if sum(seen.steps.values()) % (2 * LOOK_EVERY) == 0:
            self._look()

    def _drew(self, call: Call) -> None:
        if call.z is not None and self.evidence.trained:
            kind = noise(call.z).kind
            self.evidence.drawn = kind if kind not in ("", self.evidence.trained) else self.evidence.drawn

    def _look(self) -> None:
        """Looks for faults, and says which are new."""
        for fault in look(self.evidence, self.faults):
            self.faults.append(fault)
            self._say(f"doctor, update {fault.update}: {fault.name}: {fault.message}\n    {fault.fix}")

    def _measure(self, name: str, step: Step) -> None:
        """Keeps what a step says of D's outputs and of the networks, for the epoch's means."""
        self._keep(f"train/{name}_grad_norm", step.grad_norm.item())
        self._keep(f"train/{name}_step", step.moved.item())
        logits: dict[bool, Tensor] = {}
        kind = self.evidence.probabilities
        for part in step.parts:
            self.samples.see(part)
            if kind:
                out = part.out.double()
                logits[part.call is None] = (
                    out if kind == LOGIT and not self.evidence.sigmoids else out.clamp(1e-12, 1 - 1e-12).logit()
                )
        if name == "d" and len(logits) == 2:
            real, fake = logits[True], logits[False]
            self._keep(D_LOSS, (nll(real) + nll(-fake)).item())
            self._keep(D_REAL, real.sigmoid().mean().item())
            self._keep(D_FAKE, fake.sigmoid().mean().item())
            self._keep(D_ACCURACY, torch.cat([real > 0, fake < 0]).double().mean().item())
        elif name == "g" and False in logits:
            self._keep(G_LOSS, nll(logits[False]).item())

    def _keep(self, name: str, value: float) -> None:
        if math.isfinite(value):
            self._sums.setdefault(name, []).append(value)

    def _failed(self, error: Exception) -> None:
        self.failure = error
        self._say(f"doctor: this loop cannot be watched any further ({type(error).__name__}: {error}); it goes on")

    def _say(self, line: str) -> None:
        if not self.quiet:
            print(line, flush=True)


def nll(logits: Tensor) -> Tensor:
    """Mean of -log sigmoid, in nats."""
    return nn.functional.softplus(-logits).mean()
