"""GPU errors that a machine without a GPU can find: host syncs, tensors on the wrong device, values needed where there are none."""

from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from torch.utils._python_dispatch import TorchDispatchMode

from first_gan.data.loader import EpochOrder, MinibatchLoader
from first_gan.drawing.latent import latent_vectors
from gan_module import GAN, Generator

ROOT = Path(__file__).parents[1]
NORMALIZED = partial(Generator, batch_norm=True)
SMALL = {"networks.dcgan.Generator": {"width": 4}, "networks.dcgan.Discriminator": {"width": 4}}
SYNCS = ("_local_scalar_dense", "nonzero", "is_nonzero", "masked_select", "_unique", "bincount")


class NoSync(TorchDispatchMode):
    """Refuses what would make a GPU's host wait."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert not any(name in str(func) for name in SYNCS), f"{func} waits for the device"
        return func(*args, **(kwargs or {}))


def update_alone(device: str, **recipe: Any) -> GAN:
    """A GAN whose `update` runs without a Trainer; on `meta` too, where tensors have no values."""
    with torch.device(device):
        gan = GAN(**recipe)
        gan.configure_model()
    networks = (gan.generator, gan.discriminator)
    plain = device == "meta"  # which has no fused Adam
    made = [torch.optim.Adam(each.parameters()) for each in networks] if plain else gan.configure_optimizers()
    wrapped = [SimpleNamespace(optimizer=each, zero_grad=each.zero_grad, step=each.step) for each in made]
    patches = {
        "global_step": 2,
        "optimizers": lambda self: wrapped,
        "manual_backward": lambda self, loss: loss.backward(),
    }
    gan.__class__ = type("Alone", (GAN,), patches)
    return gan


def recipe(config: str) -> dict[str, Any]:
    """The model's options in a file of configs/, its convolutions narrowed."""
    options = yaml.safe_load((ROOT / "configs" / config).read_text(encoding="utf-8")).get("model", {})
    for network in ("generator", "discriminator"):
        if network in options:
            options[network]["init_args"] |= SMALL.get(options[network]["class_path"], {})
    return options


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("d_steps", [1, 3])
@pytest.mark.parametrize("config", sorted(path.name for path in (ROOT / "configs").glob("*.yaml")))
def test_an_update_never_waits_for_the_device(config: str, d_steps: int, device: str) -> None:
    gan = update_alone(device, **recipe(config) | {"d_steps": d_steps})
    images = torch.zeros(96, 1, 28, 28, dtype=torch.uint8, device=device)
    for real, _ in MinibatchLoader(images, torch.zeros(96, device=device), 32, EpochOrder(96, seed=0)):
        with nullcontext() if device == "meta" else NoSync():  # meta tensors refuse by themselves
            gan.update(real)


def test_the_check_finds_a_host_that_waits() -> None:
    with pytest.raises(AssertionError, match="waits for the device"), NoSync():
        torch.ones(2).sum().item()


def test_images_labels_noise_and_samples_lie_where_the_networks_do() -> None:
    """On `meta`, in place of a GPU: what were made on the CPU, or left there, would say so."""
    with torch.device("meta"):
        gan = GAN(NORMALIZED, ema_decay=0.9)
        gan.configure_model()
        images, labels = torch.zeros(96, 1, 28, 28, dtype=torch.uint8), torch.zeros(96)
    real, its_labels = next(iter(MinibatchLoader(images, labels, 32, EpochOrder(96, 0))))
    fake = gan.generator(gan.sample_latent(len(real)))
    samples = gan.sample(latent_vectors(8, 100, seed=0))
    found = (real, its_labels, fake, gan.discriminator(torch.cat([real, fake])), samples)
    assert {tensor.device.type for tensor in found} == {"meta"}
