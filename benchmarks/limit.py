"""The arithmetic limit: the matrix products of one update and nothing else, each into memory that is there already, by the faster library."""

import json
import statistics
import time
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks import bare
from benchmarks.worker import Job
from first_gan.run import matmul
from first_gan.run.matmul import ONEDNN, TORCH
from gan_module import GAN


class Products(TorchDispatchMode):
    """Notes the (m, k, n) of each (m, k) × (k, n) product that is computed within it."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, int, int]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (torch.ops.aten.mm.default, torch.ops.aten.addmm.default):
            left, right = args[-2:]
            self.shapes.append((*left.shape, right.shape[1]))
        return func(*args, **(kwargs or {}))


def products(gan: GAN, batch_size: int) -> list[tuple[int, int, int]]:
    """Those of an update, which it makes."""
    g_optimizer, d_optimizer = gan.configure_optimizers()
    with Products() as seen:
        bare.update(gan, g_optimizer, d_optimizer, torch.zeros(batch_size, *gan.hparams["image_shape"]))
    return seen.shapes


def flops(shapes: Sequence[tuple[int, int, int]]) -> int:
    return sum(2 * m * k * n for m, k, n in shapes)


def seconds_per_update(gan: GAN, batch_size: int, device: str = "cpu", seconds: float = 3.0) -> float:
    """Median over as many repetitions as fit into `seconds`."""
    operands = [
        (torch.randn(m, k, device=device), torch.randn(k, n, device=device), torch.empty(m, n, device=device))
        for m, k, n in products(gan, batch_size)
    ]
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        for left, right, out in operands:
            torch.mm(left, right, out=out)
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def by_library(gan: GAN, batch_size: int, device: str = "cpu", seconds: float = 3.0) -> dict[str, float]:
    """`seconds_per_update` of each library that computes exactly here, by its name for a person."""
    times = {}
    for library in (TORCH, ONEDNN) if device == "cpu" and matmul.is_taken() and matmul.is_exact() else (TORCH,):
        with matmul.chosen(library):
            times[matmul.spelled(library)] = seconds_per_update(gan, batch_size, device, seconds)
    return times


def main() -> None:
    job = Job.from_command_line()
    seconds = min(3.0, job.rows / 10_000)  # short runs beside it are no measurement either
    print(json.dumps(by_library(GAN(), job.batch_size, job.device, seconds)))


if __name__ == "__main__":
    main()
