"""A trained generator as a file that needs nothing of this program: ONNX, or PyTorch's own exported program."""

import hashlib
import io
import logging
import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim

from first_gan import files
from first_gan.run.shell import relative

OPSET = 18
TOLERANCE = 1e-5  # of pixels in [-1, 1]
PACKAGES = ("onnx", "onnxscript", "onnxruntime")  # requirements-onnx.txt


class ExportError(Exception):
    """What was exported cannot be made, or does not draw what the generator draws; the message says so."""


def export(generator: nn.Module, latent_dim: int, path: Path) -> str:
    """Writes a generator: z (N, latent_dim) float32 in, images (N, C, H, W) in [-1, 1] out, for any N; returns what to say of it.

    The file is written only after it was run and drew the generator's images, to `TOLERANCE`.

    Args:
        generator: In eval mode.
        latent_dim: Length of its latent vectors.
        path: `.onnx`, or `.pt2` for `torch.export.load`.

    Raises:
        ExportError: The images differ, or are not finite.
        OSError: The file cannot be written.
    """
    generator.requires_grad_(False)
    z = torch.randn(7, latent_dim, generator=torch.Generator().manual_seed(0))
    expected = generator(z)
    if not expected.isfinite().all():
        raise ExportError("the generator draws no images: its weights are not finite, so its run had diverged")
    program = torch.export.export(generator, (z[:2],), dynamic_shapes=({0: Dim("batch")},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine, which would change the file's hash
    if path.suffix.lower() == ".onnx":
        content = _onnx(program)
        images, made_for = _run_onnx(content, z), f"ONNX opset {OPSET}"
    else:
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        content = buffer.getvalue()
        buffer.seek(0)
        images, made_for = torch.export.load(buffer).module()(z), f"torch.export of torch {torch.__version__}"
    error = (images - expected).abs().max().item()
    if not error <= TOLERANCE:
        raise ExportError(f"the exported generator draws other images: they differ by up to {error:.1g}")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, content)
    shape = ", ".join(map(str, expected.shape[1:]))
    return (
        f"written to {relative(path)}: {made_for}, sha256 {hashlib.sha256(content).hexdigest()}\n"
        f"z (batch, {latent_dim}) to images (batch, {shape}) in [-1, 1]; run here, its images differ by {error:.1g} at most"
    )


def missing() -> list[str]:
    """The packages that ONNX needs and that are not installed."""
    return [name for name in PACKAGES if find_spec(name) is None]


def _onnx(program: torch.export.ExportedProgram) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # and not what its steps were
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of onnxscript and torch about each other
        made = torch.onnx.export(
            program,
            input_names=["z"],
            output_names=["images"],
            opset_version=OPSET,
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
    assert made is not None
    model = made.model_proto
    for node in model.graph.node:
        del node.metadata_props[:]  # names of Python classes and functions that it was made from
    return model.SerializeToString()


def _run_onnx(content: bytes, z: Tensor) -> Tensor:
    import onnxruntime  # not everyone has it

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"z": z.numpy()})[0])
