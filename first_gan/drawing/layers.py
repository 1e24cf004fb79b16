"""A network as a plain chain of layers, batch normalization folded in: what the playground's JavaScript computes."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from first_gan.layers import Centering, RunningMean
from first_gan.sampling import in_eval_mode

AS_IT_IS = (nn.Flatten, nn.Unflatten, nn.Identity, _DropoutNd)  # layers that change no number in eval mode
ALIKE = 1e-6  # of what a network and its chain make of the same inputs, computed in float64
RELU, LINEAR = 0.0, 1.0  # slopes below 0
LAYER_NORM = nn.LayerNorm(1).eps  # the playground's too
CENTERED, MORE = "centered", "more"  # folded into a linear layer that follows

Shape = tuple[int, int, int]  # channels, height, width; of a vector its length, 1, 1


class PlaygroundError(Exception):
    """There is no playground for these networks; the message says why."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain.

    Args:
        kind: linear, conv, deconv (a transposed convolution), pool (the largest of squares), norm (layer normalization) or
            centered (its bias is taken away).
        before: Shape of its input.
        after: Shape of its output.
        weight: As torch has it: linear (out, in), conv (out, in, k, k), deconv (in, out, k, k), norm (out,); else empty.
        bias: (out,); empty of a pool.
        stride: Of a convolution or pool.
        padding: Of a convolution.
        slope: Of leaky ReLU, below 0; 0 is ReLU, 1 nothing.
        tanh: Whether it ends in tanh.
    """

    kind: str
    before: Shape
    after: Shape
    weight: Tensor
    bias: Tensor
    stride: int = 1
    padding: int = 0
    slope: float = LINEAR
    tanh: bool = False


def chain_of(name: str, network: nn.Module, inputs: Tensor) -> list[Layer]:
    """The network's layers, in float64 on the CPU, in the order in which it calls them.

    Args:
        name: Of the network, for messages.
        network: A chain of fully connected, convolutional and pooling layers with batch normalization, or layer normalization of
            vectors, and (leaky) ReLU or tanh.
        inputs: What it is tried on, (n, ...).

    Raises:
        PlaygroundError: It is no such chain, or its weights are not finite.
    """
    chain: list[Layer] = []

    def called(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        _append(chain, name, layer, _shape(inputs[0]), _shape(output))

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(called) for leaf in leaves]
    kept = [*network.named_parameters(), *network.named_buffers()]
    try:
        with torch.no_grad(), in_eval_mode(network):
            weights = {key: _doubled(tensor) for key, tensor in kept}
            expected = torch.func.functional_call(network, weights, (inputs.double(),)).flatten(1)
            found = compute(chain, inputs.double()).flatten(1)
            apart = (found - expected).abs().max()
    except PlaygroundError:
        raise
    except Exception as error:  # whatever its forward raises in float64, or shapes that do not follow one another
        raise PlaygroundError(f"{name}, {_named(network)}, is not a plain chain of its layers") from error
    finally:
        for hook in hooks:
            hook.remove()
    if not expected.isfinite().all():
        raise PlaygroundError(f"{name}'s weights are not finite, so its run had diverged")
    if not apart <= ALIKE * (1 + expected.abs().max()):
        raise PlaygroundError(f"{name}, {_named(network)}, is not a plain chain of its layers")
    return chain


def compute(chain: list[Layer], inputs: Tensor) -> Tensor:
    """What a chain makes of inputs (n, ...), in their precision."""
    x = inputs
    for layer in chain:
        x = x.reshape(len(x), *layer.before)
        weight, bias = layer.weight.to(x), layer.bias.to(x)
        if layer.kind == "linear":
            x = F.linear(x.flatten(1), weight, bias)
        elif layer.kind == "conv":
            x = F.conv2d(x, weight, bias, layer.stride, layer.padding)
        elif layer.kind == "deconv":
            x = F.conv_transpose2d(x, weight, bias, layer.stride, layer.padding)
        elif layer.kind == CENTERED:
            x = x.flatten(1) - bias
        elif layer.kind == "norm":
            x = F.layer_norm(x.flatten(1), weight.shape, weight, bias, LAYER_NORM)
        else:
            x = F.max_pool2d(x, layer.stride)
        x = x.tanh() if layer.tanh else F.leaky_relu(x, layer.slope)
    return x


def _append(chain: list[Layer], name: str, layer: nn.Module, before: Shape, after: Shape) -> None:
    """Adds a layer that was called to the chain, or folds it into the one before it."""
    unknown = PlaygroundError(f"{name} has a layer that the playground does not know: {layer}")
    last = chain[-1] if chain else None
    bare = last is not None and last.slope == LINEAR and not last.tanh  # nothing has followed it yet
    if isinstance(layer, AS_IT_IS):
        return
    if isinstance(layer, RunningMean):  # constants in eval mode, for the linear layer that follows
        kind = CENTERED if isinstance(layer, Centering) else MORE
        chain.append(Layer(kind, before, after, torch.zeros(0), layer.mean))
        return
    if last is not None and last.kind in (CENTERED, MORE):
        if isinstance(layer, nn.Linear):
            chain[-1] = _with_constants(layer, chain[-1], after)
            return
        if not (last.kind == CENTERED and isinstance(layer, nn.Conv2d)):  # whose padding is of centered images
            raise unknown
    if isinstance(layer, nn.Linear):
        kind, options = "linear", dict[str, Any]()
    elif isinstance(layer, nn.LayerNorm) and layer.normalized_shape == before[:1] and layer.eps == LAYER_NORM:
        if before[1:] != (1, 1) or layer.weight is None:
            raise unknown
        kind, options = "norm", dict[str, Any]()
    elif isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)) and _is_plain(layer):
        kind = "conv" if isinstance(layer, nn.Conv2d) else "deconv"
        options = {"stride": layer.stride[0], "padding": layer.padding[0]}
    elif isinstance(layer, nn.MaxPool2d) and isinstance(layer.kernel_size, int) and _is_tiled(layer):
        empty = torch.zeros(0)
        chain.append(Layer("pool", before, after, empty, empty, layer.kernel_size))
        return
    elif last is None or not bare:
        raise unknown
    elif isinstance(layer, _BatchNorm) and layer.running_mean is not None and last.kind != "pool":
        chain[-1] = _normalized(last, layer, before)
        return
    elif isinstance(layer, (nn.ReLU, nn.LeakyReLU)) and 0 <= (slope := getattr(layer, "negative_slope", RELU)) < LINEAR:
        chain[-1] = replace(last, slope=float(slope))
        return
    elif isinstance(layer, nn.Tanh):
        chain[-1] = replace(last, tanh=True)
        return
    else:
        raise unknown
    out = layer.weight.shape[1 if kind == "deconv" else 0]
    bias = layer.weight.new_zeros(out) if layer.bias is None else layer.bias
    chain.append(Layer(kind, before, after, layer.weight, bias, **options))


def _with_constants(layer: nn.Linear, constants: Layer, after: Shape) -> Layer:
    """A linear layer whose inputs are centered, or have constants beside them, as one that takes them as they are."""
    bias = layer.weight.new_zeros(layer.out_features) if layer.bias is None else layer.bias
    inputs = layer.in_features if constants.kind == CENTERED else layer.in_features - len(constants.bias)
    shift = -layer.weight @ constants.bias if constants.kind == CENTERED else layer.weight[:, inputs:] @ constants.bias
    return Layer("linear", constants.before, after, layer.weight[:, :inputs].contiguous(), bias + shift)


def _normalized(layer: Layer, norm: _BatchNorm, shape: Shape) -> Layer:
    """A layer with the batch normalization that follows it folded into its weights."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = (norm.running_var + norm.eps).rsqrt() * (1.0 if norm.weight is None else norm.weight)
    shift = (0.0 if norm.bias is None else norm.bias) - norm.running_mean * factor
    if layer.kind == "linear":  # whose outputs may be the pixels of some channels
        pixels = layer.bias.numel() // factor.numel()
        factor, shift = factor.repeat_interleave(pixels), shift.repeat_interleave(pixels)
    along = (1, -1, 1, 1) if layer.kind == "deconv" else (-1, *[1] * (layer.weight.ndim - 1))
    return replace(layer, weight=layer.weight * factor.view(along), bias=layer.bias * factor + shift)


def _is_tiled(layer: nn.MaxPool2d) -> bool:
    """Whether pooling takes each pixel once."""
    return (layer.stride, layer.padding, layer.dilation) == (layer.kernel_size, 0, 1) and not layer.ceil_mode


def _is_plain(layer: nn.Conv2d | nn.ConvTranspose2d) -> bool:
    """Whether a convolution is square, and has no groups, holes or padding of another kind."""
    square = len({*layer.stride}) == len({*layer.kernel_size}) == len({*layer.padding}) == 1
    simple = layer.groups == 1 and {*layer.dilation} == {1} and {*layer.output_padding} == {0}
    return square and simple and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _shape(tensor: Tensor) -> Shape:
    """Of one input or output of a batch."""
    channels, height, width = [*tensor.shape[1:], 1, 1][:3]
    return channels, height, width


def _doubled(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return tensor.double() if tensor.is_floating_point() else tensor


def _named(network: nn.Module) -> str:
    return type(network).__qualname__
