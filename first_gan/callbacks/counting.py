"""What the callbacks ask of a GAN, and how far a run is: alike for this program's own and for any LightningModule."""

import math
from typing import Any

import torch
from pytorch_lightning import Trainer
from torch import Tensor

from first_gan.data import images_of
from first_gan.sampling import Sampling, in_eval_mode

# A LightningModule that has `latent_dim` and `sample(z)`: images (N, C, H, W) in [-1, 1] for latent vectors (N, latent_dim).
GAN = Any
CHUNK = 100  # images that D is asked about at a time


def updates_done(trainer: Trainer, gan: GAN) -> int:
    """Updates so far: the module's own count where it keeps one (`updates`), else minibatches."""
    own = getattr(gan, "updates", None)
    return trainer.fit_loop.total_batch_idx + 1 if own is None else int(own)


def epoch_is_whole(trainer: Trainer, gan: GAN) -> bool:
    """Whether the epoch that ended had all its updates; `max_steps` and `max_time` may cut it short."""
    of_an_epoch = trainer.num_training_batches
    return math.isinf(of_an_epoch) or updates_done(trainer, gan) % of_an_epoch == 0


def is_last_epoch(trainer: Trainer) -> bool:
    """Whether no epoch follows the one that ends."""
    enough = trainer.max_steps != -1 and trainer.global_step >= trainer.max_steps
    return trainer.should_stop or enough or trainer.current_epoch + 1 == trainer.max_epochs


def trained_weights(gan: GAN) -> dict[str, Any]:
    """What to give `sample` so that it draws by the trained weights, where it draws by their average; else nothing."""
    averaged = isinstance(gan, Sampling) and gan.ema is not None
    return {"generator": gan.generator} if averaged else {}


@torch.no_grad()
def samples(gan: GAN, z: Tensor, **kwargs: Any) -> Tensor:
    """float32 images on the CPU for latent vectors on the CPU, in eval mode; afterwards every layer is in its mode again."""
    with in_eval_mode(gan):
        return gan.sample(z.to(gan.device), **kwargs).float().cpu()


@torch.no_grad()
def believed(gan: GAN, images: Tensor) -> Tensor:
    """D's probability that each of the images, uint8 or in [-1, 1], (N, C, H, W), is real, in eval mode: (N,), on the CPU."""
    weight = next(gan.discriminator.parameters())
    with in_eval_mode(gan.discriminator):
        logits = [gan.discriminator(images_of(part, gan.image_shape).to(weight)) for part in images.split(CHUNK)]
    return torch.cat(logits).flatten().float().sigmoid().cpu()


def taken_for_real(gan: GAN, images: Tensor) -> float:
    """The share of images that D takes for real; as for `believed`."""
    return (believed(gan, images) > 0.5).float().mean().item()
