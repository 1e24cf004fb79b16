"""Networks by class, by instance or by name: built, described as plain data for a checkpoint, and tried out together.

A name in a file is imported only if it lies in the project's own `gan_module.py` or `networks/`: a checkpoint is data, and
must not decide what code runs. A person who names another class, in Python or on the command line, imports it.
"""

import copy
import importlib
import importlib.util
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

TRUSTED = ("gan_module", "gan_networks", "networks")
Network = Callable[..., nn.Module] | Mapping[str, Any]


class NetworkError(ValueError):
    """A network cannot be built, or a pair does not fit; the message names the option."""


def is_trusted(class_path: str) -> bool:
    """Whether a file may name this class: it lies in `gan_networks`, `gan_module` or `networks`."""
    return class_path.split(".")[0] in TRUSTED


def build(option: str, network: Network | None, project: Path, *shapes: Any) -> nn.Module:
    """The network itself.

    Args:
        option: Its name, for messages.
        network: A module; or its class, or any function, called with `shapes`; or plain data that names a class,
            `{"class_path": "networks.dcgan.Generator", "init_args": {"width": 64}}`.
        project: The folder of `gan_networks.py` and `networks/`, where plain data may name classes.
        shapes: (latent_dim, image_shape) of a generator, (image_shape,) of a discriminator.

    Raises:
        NetworkError: The class is not one of the project's, or is not there.
    """
    if network is None:
        raise NetworkError(f"{option} was given as a module or with options that no file holds: give it again")
    if isinstance(network, Mapping):
        network = partial(import_trusted(str(network["class_path"]), project), **network.get("init_args") or {})
    if isinstance(network, nn.Module):
        return network
    try:
        return network(*shapes)
    except (TypeError, RuntimeError) as error:  # a class of something else, or sizes beyond memory and int64
        made = described(network) or {}
        raise NetworkError(f"{option}: {made['class_path']} cannot be made: {_first_line(error)}") from error


def described(network: Network | None) -> dict[str, Any] | None:
    """A network as plain data for `build`; None for an instance, whose options are not known, or for options that are not plain."""
    if isinstance(network, Mapping):
        return {"class_path": network["class_path"], "init_args": dict(network.get("init_args") or {})}
    if network is None or isinstance(network, nn.Module):
        return None
    options = dict(network.keywords) if isinstance(network, partial) else {}
    made_by: Any = network.func if isinstance(network, partial) else network
    if isinstance(network, partial):  # LightningCLI's has the class among its arguments
        made_by = next((argument for argument in network.args if isinstance(argument, type)), made_by)
    if not all(map(is_plain, options.values())):  # a checkpoint could not hold them
        return None
    return {"class_path": f"{made_by.__module__}.{made_by.__qualname__}", "init_args": options}


def is_plain(value: Any) -> bool:
    """Whether a value is None, a bool, a number, a text, or a list of such."""
    if isinstance(value, (list, tuple)):
        return all(map(is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))


def import_trusted(class_path: str, project: Path) -> Callable[..., nn.Module]:
    """A class of the project's own `gan_networks.py`, `gan_module.py` or `networks/`; the names that `gan_module` takes from `gan_networks` are good too.

    Raises:
        NetworkError: It is another's, or is not there; nothing of another's was imported.
    """
    module_name, _, name = class_path.rpartition(".")
    refused = NetworkError(
        f"{class_path} is not a class of gan_networks.py or networks/, so it is not imported from a file"
    )
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)+", class_path) or not is_trusted(class_path):
        raise refused
    file = project.joinpath(*module_name.split("."))
    top = importlib.util.find_spec(module_name.split(".")[0])
    if not file.with_suffix(".py").is_file() or top is None or not Path(top.origin or "").is_relative_to(project):
        raise refused
    found = getattr(importlib.import_module(module_name), name, None)
    if not callable(found) or not is_trusted(str(getattr(found, "__module__", ""))):  # taken from elsewhere
        raise refused
    return found


def build_pair(
    generator: Network, discriminator: Network, latent_dim: int, image_shape: tuple[int, int, int], project: Path
) -> tuple[nn.Module, nn.Module]:
    """Both networks, tried out together: see `build` and `check_pair`."""
    g = build("model.generator", generator, project, latent_dim, image_shape)
    d = build("model.discriminator", discriminator, project, image_shape)
    check_pair(g, d, latent_dim, image_shape)
    return g, d


def check_pair(
    generator: nn.Module,
    discriminator: nn.Module,
    latent_dim: int,
    image_shape: tuple[int, ...],
    device: str = "meta",
) -> None:
    """Runs both networks once.

    Args:
        generator: G.
        discriminator: D.
        latent_dim: Length of z.
        image_shape: Channels, height and width of an image.
        device: meta, where nothing is computed but the first use of which takes a second; or where the networks lie.

    Raises:
        NetworkError: G does not take z or does not draw images of this shape, or D does not give one logit per image, or
            batch normalization in D would mix the real and the generated images, which it sees in one pass.
    """
    if any(isinstance(layer, _BatchNorm) for layer in discriminator.modules()):
        raise NetworkError(
            "model.discriminator has batch normalization, which would mix real and generated images: D sees both in one "
            "pass; use layer, group or instance normalization, or none"
        )
    images = _tried(
        generator, torch.zeros(2, latent_dim, device=device), f"model.generator: with z of length {latent_dim}"
    )
    if images.shape != (2, *image_shape):
        drawn, wanted = (" × ".join(map(str, shape)) for shape in (images.shape[1:], image_shape))
        raise NetworkError(
            f"model.generator draws images of {drawn}, where {wanted} belong (channels × height × width)"
        )
    seen = " × ".join(map(str, image_shape))
    logits = _tried(
        discriminator, torch.zeros(2, *image_shape, device=device), f"model.discriminator: with images of {seen}"
    )
    if logits.numel() != 2 or logits.shape[0] != 2:
        raise NetworkError(
            f"model.discriminator gives {tuple(logits.shape[1:])} numbers per image, where one logit belongs"
        )


def _tried(network: nn.Module, inputs: Tensor, what: str) -> Tensor:
    """What a network makes of inputs; on meta, one that needs values is run for real, as a copy."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    outputs: Any = None
    if inputs.is_meta:
        try:
            with torch.device("meta"), torch.no_grad():
                weights = {name: tensor.to("meta") for name, tensor in tensors.items()}
                outputs = torch.func.functional_call(network, weights, (inputs,))
        except Exception as error:  # whatever its forward raises
            if any(tensor.is_meta for tensor in tensors.values()):
                raise NetworkError(f"{what}: {_first_line(error)}") from error
    if outputs is None:
        try:
            device = next(iter(tensors.values()), torch.empty(0)).device
            with torch.no_grad(), torch.random.fork_rng():
                outputs = copy.deepcopy(network)(torch.zeros(inputs.shape, device=device))
        except Exception as error:
            raise NetworkError(f"{what}: {_first_line(error)}") from error
    if not isinstance(outputs, Tensor):
        raise NetworkError(f"{what}: it gives a {type(outputs).__name__}, where a tensor belongs")
    return outputs


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
