"""What a page calls a run, and the words of its trade that it explains."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup, escape

from first_gan.diagnosis.history import FCD, digits
from first_gan.report.run import Run
from first_gan.run.config import load
from first_gan.run.folder import ROOT, number_of
from first_gan.run.names import flat

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "kmnist": "KMNIST", "digits": "built-in digits"}
# Options of the model that a recipe need not speak of, as they are where nobody sets them.
UNSAID: dict[str, Any] = {
    "model.latent_dim": 100,
    "model.lr_g": None,
    "model.lr_d": None,
    "model.lr_decay": 0,
    "model.d_steps": 1,
    "model.r1": 0,
    "model.ema_decay": 0,
}
UNSAID |= {"model.discriminator": "gan_networks.Discriminator", "model.discriminator.widths": [512, 256]}
UNSAID |= {"model.generator.batch_norm": False, "model.generator.layer_norm": False}
UNSAID |= {"model.discriminator.center": False, "model.discriminator.minibatch_std": 0}
UNSAID |= {"model.generator.hidden": 0, "model.discriminator.hidden": 0}
SPEED = "model.steps_per_execution"  # changes nothing but that
GLOSSARY = {
    "FCD": "Fréchet classifier distance: how far the generated images as a whole are from real ones, as a classifier sees both. "
    "0 is the same; lower is better.",
    "judge": "A classifier that was trained on the real images. Its features are what FCD, precision, recall and coverage stand on.",
    "nats": "The unit of the losses, by natural logarithms. A D that can only guess has a loss of 2 ln 2 = 1.39 nats.",
    "coverage": "The share of real images that have a generated one nearby: are all kinds there?",
    "precision": "The share of generated images that lie among real ones: do they look real?",
    "recall": "The share of real images that lie among generated ones: is their whole variety there?",
    "diversity": "How far apart generated images are from each other, as a share of what real ones are.",
    "thumbnails": "Images averaged down to 7×7 pixels, so that noise hardly counts: their distance from those of real images.",
    "D(G(z))": "D's probability that a generated image is real.",
    "D(x)": "D's probability that a real image is real.",
    "latent vector": "The random numbers z that G makes an image of. The same ones give the same image.",
    "moving average": "Samples are drawn from an average of G's recent weights, which is less noisy than the newest ones.",
    "mode collapse": "G draws nearly the same, whatever z is.",
}
TERM = re.compile("|".join(rf"(?<!\w){re.escape(term)}(?![\w(])" for term in sorted(GLOSSARY, key=len, reverse=True)))


def explained(text: str, seen: set[str]) -> Markup:
    """A text as HTML in which the words of the glossary have their explanation, at their first occurrence.

    Args:
        text: Plain.
        seen: The words that were explained already; those of this text are added.
    """
    html, at = Markup(), 0
    for match in TERM.finditer(text):
        word = match[0]
        if word not in seen:
            seen.add(word)
            tip = Markup('<dfn tabindex="0">{}<span role="tooltip">{}</span></dfn>').format(word, GLOSSARY[word])
            html += escape(text[at : match.start()]) + tip
            at = match.end()
    return html + escape(text[at:])


def title(run: Run) -> str:
    """What to call a run: the name that a person gave it, else its data and recipe; and its last FCD."""
    score = run.history.last(FCD)
    dataset = str(run.options.get("data.dataset", ""))
    own = number_of(run.folder.absolute()) < 0
    names = [run.name] if own or not dataset else [TITLES.get(dataset, dataset), recipe(run.options)]
    return " · ".join(filter(None, [*names, f"FCD {digits(score)}" if math.isfinite(score) else ""]))


def recipe(options: Mapping[str, Any], folder: Path = ROOT / "configs") -> str:
    """The recipe in configs/ whose model a run has; an empty text where there is none.

    Args:
        options: The run's, by name.
        folder: Of the recipes.
    """
    best, most = "", 0
    for path in sorted(folder.glob("*.yaml")):
        try:
            said = flat(load(path.read_text(encoding="utf-8")) or {})
        except (OSError, ValueError, AttributeError, yaml.YAMLError):
            continue
        model = {name: value for name, value in (UNSAID | said).items() if name.startswith("model.")}
        own = {name: value for name, value in options.items() if name.startswith("model.") and name != SPEED}
        if len(said) > most and all(own.get(name, UNSAID.get(name)) == model.get(name) for name in own | model):
            best, most = path.stem, len(said)
    return f"{best} recipe" if best else ""
