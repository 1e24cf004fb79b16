"""The arithmetic limit: the matrix products of one update and nothing else, each into memory that is there already, by the faster library."""

import json
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from benchmarks.worker import Job
from first_gan.run import matmul
from first_gan.run.matmul import ONEDNN, TORCH
from gan_module import GAN


def products(gan: GAN, batch_size: int) -> list[tuple[int, int, int]]:
    """(m, k, n) of the (m, k) × (k, n) products of an update: no gradients that the update does not need."""
    generator, discriminator = layers_of(gan.generator), layers_of(gan.discriminator)
    both = 2 * batch_size

    def forward(layers: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int, int]]:
        return [(n, fan_in, fan_out) for fan_in, fan_out in layers]

    def weight_gradients(layers: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int, int]]:
        return [(fan_out, n, fan_in) for fan_in, fan_out in layers]

    def input_gradients(layers: Sequence[tuple[int, int]], n: int) -> list[tuple[int, int, int]]:
        return [(n, fan_out, fan_in) for fan_in, fan_out in layers]

    d_step = forward(generator, batch_size) + forward(discriminator, both)
    d_step += weight_gradients(discriminator, both) + input_gradients(discriminator[1:], both)
    g_step = forward(generator, batch_size) + forward(discriminator, batch_size)
    g_step += input_gradients(discriminator, batch_size)
    g_step += weight_gradients(generator, batch_size) + input_gradients(generator[1:], batch_size)
    return d_step + g_step


def layers_of(network: nn.Module) -> list[tuple[int, int]]:
    """(fan-in, fan-out) of its linear layers."""
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


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
        multiply(operands)
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


def multiply(operands: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
    for left, right, out in operands:
        torch.mm(left, right, out=out)


def main() -> None:
    job = Job.from_command_line()
    seconds = min(3.0, job.rows / 10_000)  # short runs beside it are no measurement either
    print(json.dumps(by_library(GAN(), job.batch_size, job.device, seconds)))


if __name__ == "__main__":
    main()
