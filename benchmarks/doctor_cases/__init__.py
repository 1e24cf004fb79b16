"""Training loops that people write, correct ones and ones with one fault, for benchmarks/doctor_suite.py.

Each case is a whole loop of plain PyTorch, written anew after a pattern of public tutorials and threads: it makes its networks
and optimizers, asks for a doctor as a person would, and trains.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

MODULES = (
    "correct_open",
    "correct_open_inputs",
    "correct_open_losses",
    "correct_closed",
    "correct_closed_losses",
    "correct_closed_nets",
    "faults_open",
    "faults_open_losses",
    "faults_open_rates",
    "faults_open_steps",
    "faults_closed",
    "faults_closed_losses",
    "faults_closed_modes",
    "faults_closed_steps",
)
EPOCHS = 7  # of 32 updates each: 224


@dataclass(frozen=True)
class Images:
    """What a case trains on.

    Args:
        pixels: uint8, (N, 1, 28, 28), in random order; 2,048 of them.
        labels: Their classes, (N,).
    """

    pixels: torch.Tensor
    labels: torch.Tensor

    def scaled(self) -> torch.Tensor:
        """In [-1, 1], as tanh draws them."""
        return self.pixels / 127.5 - 1

    def loader(self, images: torch.Tensor | None = None, batch_size: int = 64, shuffle: bool = True) -> DataLoader:
        """Minibatches (images, labels): of `scaled()`, or of others."""
        images = self.scaled() if images is None else images
        return DataLoader(TensorDataset(images, self.labels), batch_size, shuffle=shuffle, drop_last=True)


MakeDoctor = Callable[..., Any]  # called as Doctor(generator, discriminator, g_optimizer, d_optimizer); has epoch_end()
Loop = Callable[[MakeDoctor, Images, int], None]  # with how many epochs to train


@dataclass(frozen=True)
class Case:
    """A loop and what is wrong with it.

    Args:
        name: Of its function.
        fault: The doctor's name for it; empty where the loop is correct.
        closed: Whether it is of the half that no detector was made by.
        loop: Trains.
    """

    name: str
    fault: str
    closed: bool
    loop: Loop


_found: list[Case] = []


def case(fault: str = "") -> Callable[[Loop], Loop]:
    """Makes a loop a case: of a fault, or a correct one."""

    def keep(loop: Loop) -> Loop:
        name: str = loop.__name__  # type: ignore[attr-defined]
        _found.append(Case(name, fault, loop.__module__.split(".")[-1].split("_")[1] == "closed", loop))
        return loop

    return keep


def cases() -> list[Case]:
    """All of them."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    return list(_found)
