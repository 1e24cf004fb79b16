"""A watched loop's settings, as far as they can be seen, and advice in words for who has no command line to type it into."""

import re
from dataclasses import replace
from typing import Any

from torch.optim import Optimizer

from first_gan.diagnosis.advice import Advice
from first_gan.diagnosis.verdicts import Diagnosis
from first_gan.doctor.samples import Samples
from first_gan.doctor.watch import Watch

WORDS = {
    "model.lr_g": "learning rate of G's optimizer: {}",
    "model.lr_d": "learning rate of D's optimizer: {}",
    "model.betas": "betas of both Adams: {}",
    "model.d_steps": "steps of D for each of G's: {}",
    "model.r1": "R1 penalty on D's gradient at real images (Mescheder et al. 2018), weight {}",
    "model.latent_dim": "length of z: {}",
    "model.ema_decay": "draw from a moving average of G's weights, decay {}",
    "data.batch_size": "minibatches of {}",
    "data.train_rows": "real images: {}",
    "max_epochs": "epochs: {}",
    "precision": "full precision, no autocast",
}


def settings(
    watch: Watch, g_optimizer: Optimizer, d_optimizer: Optimizer, samples: Samples, epochs: int
) -> dict[str, Any]:
    """Options by the names that advice goes by."""
    g, d = (optimizer.param_groups[0] for optimizer in (g_optimizer, d_optimizer))
    found: dict[str, Any] = {
        "model.generator": "the loop's",
        "model.discriminator": "the loop's",
        "data.dataset": "the loop's",
    }
    found |= {"model.lr_g": float(g["lr"]), "model.lr_d": float(d["lr"]), "max_epochs": epochs}
    if "betas" in g:
        found["model.betas"] = [float(beta) for beta in g["betas"]]
    if samples.latent_dim:
        found["model.latent_dim"] = samples.latent_dim
    if samples.batch:
        found["data.batch_size"] = samples.batch
    if watch.sides["g"].steps:
        found["model.d_steps"] = max(1, round(watch.sides["d"].steps / watch.sides["g"].steps))
    return found


def reworded(diagnosis: Diagnosis) -> Diagnosis:
    """The same with advice in words."""
    return replace(
        diagnosis,
        advice=[
            Advice(in_words(each.option), each.why.replace(", as in configs/best.yaml", ""))
            for each in diagnosis.advice
        ],
    )


def in_words(option: str) -> str:
    """`--model.lr_d 1e-4` as a person would say it."""
    match = re.fullmatch(r"--(\S+) (.*)", option)
    if match is None or match[1] not in WORDS:
        return option
    return WORDS[match[1]].format(match[2].strip('"'))
