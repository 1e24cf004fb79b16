"""The playground's page, of what first_gan/drawing/playground.py puts into it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"
STYLES = ("page.css", "playground.css")
SCRIPTS = ("playground.js", "playground_page.js", "playground_draw.js", "playground_walk.js", "playground_duel.js")


def render(name: str, model: Mapping[str, Any]) -> str:
    """The page as HTML that needs nothing else.

    Args:
        name: What it is a playground of.
        model: The networks as plain data (see `first_gan.drawing.playground`).
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    styles, scripts = (
        [Markup((TEMPLATES / file).read_text(encoding="utf-8")) for file in files] for files in (STYLES, SCRIPTS)
    )  # our own, which are not to be escaped
    channels, height, width = model["shape"]
    return environment.get_template("playground.html").render(
        name=name,
        model=model,
        styles=styles,
        scripts=scripts,
        drawable=(channels, height, width) == (1, 28, 28),
        duel=bool(model["real"]),
    )
