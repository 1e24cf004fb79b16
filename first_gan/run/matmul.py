"""Which library multiplies fp32 matrices on a CPU: the faster one, where it computes exactly.

torch gives fp32 products to MKL. On AMD's CPUs with AVX-512 oneDNN, a part of torch too, is faster: by a sixth on a Zen 4,
twice on a Zen 5. torch takes it where it is permitted to round to bf16, which oneDNN does on CPUs that have units for that
(AMX) and not on others: so it is tried out first, on products that bf16 cannot hold.
"""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

TORCH, ONEDNN = "torch", "onednn"
OPTIONS = ("auto", TORCH, ONEDNN)
PERMITTED = "bf16"  # what lets torch take oneDNN
SIZES = ((64, 32, 512), (128, 100, 256), (256, 784, 512), (96, 512, 784), (512, 256, 784), (128, 256, 1))  # (m, k, n)


class MatmulError(ValueError):
    """The library that was asked for cannot be taken here; the message says why."""


@contextmanager
def chosen(option: str) -> Iterator[str]:
    """Within it, fp32 products on the CPU are computed by that library.

    The choice is the same on the same machine each time, so that a resumed run computes the same bits: no time is measured.

    Args:
        option: torch, onednn, or auto: oneDNN where it is exact and known to be faster.

    Yields:
        torch or onednn.

    Raises:
        MatmulError: onednn is asked for where it is not there, not taken or not exact.
    """
    library = option
    if option == "auto":
        library = ONEDNN if is_taken() and is_faster() and is_exact() else TORCH
    elif option == ONEDNN and not (is_taken() and is_exact()):
        raise MatmulError(f"matmul {ONEDNN}: {why_not()}; --matmul auto takes what is right here")
    if library == TORCH:
        yield library
        return
    with permitted():
        yield library


def is_faster() -> bool:
    """Whether this is a CPU where oneDNN was measured to be faster than MKL: AMD's with AVX-512."""
    return vendor() == "AuthenticAMD"


def is_taken() -> bool:
    """Whether torch takes oneDNN where it is permitted to: without AVX-512 it was seen to leave it alone."""
    return settings() is not None and torch.backends.cpu.get_cpu_capability() == "AVX512"


def is_exact() -> bool:
    """Whether oneDNN is there and computes fp32 products as fp32, at sizes of networks and in all layouts of gradients."""
    if settings() is None:
        return False
    with permitted():
        return all(map(is_exact_at, SIZES))


def is_exact_at(size: tuple[int, int, int]) -> bool:
    """Whether products of numbers with 12 bits, whose sums fit into fp32's 24, come out whole."""
    m, k, n = size
    numbers = torch.Generator().manual_seed(0)

    def whole(rows: int, columns: int, most: int) -> Tensor:
        return torch.randint(-most, most + 1, (rows, columns), generator=numbers).float()

    for left, right in ((whole(m, k, 4095), whole(k, n, 2)), (whole(m, k, 2), whole(k, n, 4095))):
        exact = left.double() @ right.double()
        across = multiplied(left.T.contiguous().T, right.T.contiguous().T)  # as gradients have them
        if not (torch.equal(multiplied(left, right).double(), exact) and torch.equal(across.double(), exact)):
            return False
    return True


def spelled(library: str) -> str:
    """Its name for a person."""
    if library == ONEDNN:
        return "oneDNN"
    return "MKL" if torch.backends.mkl.is_available() else "torch"


def multiplied(left: Tensor, right: Tensor) -> Tensor:
    return left @ right


@contextmanager
def permitted() -> Iterator[None]:
    """Within it torch takes oneDNN for fp32 products."""
    matmul = settings()
    before = matmul.fp32_precision
    matmul.fp32_precision = PERMITTED
    try:
        yield
    finally:
        matmul.fp32_precision = before


def settings() -> Any:
    """torch's settings of oneDNN's products; None where it has no oneDNN, or (before 2.9) no such setting."""
    matmul = getattr(torch.backends.mkldnn, "matmul", None)
    there = torch.backends.mkldnn.is_available() and hasattr(matmul, "fp32_precision")
    return matmul if there else None


def why_not() -> str:
    if settings() is None:
        return f"torch {torch.__version__} has no oneDNN whose products can be chosen"
    if not is_taken():
        return "this CPU has no AVX-512, without which torch does not take it"
    return "on this CPU it rounds products to bf16, which --precision 32-true must not"


def vendor() -> str:
    """AuthenticAMD, GenuineIntel, ...; empty where the system does not say."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        return next((line.split(":")[1].strip() for line in lines if line.startswith("vendor_id")), "")
    return next((name for name in ("AuthenticAMD", "GenuineIntel") if name in platform.processor()), "")
