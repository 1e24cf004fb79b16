"""The playground's page, of what first_gan/drawing/playground.py puts into it."""

from collections.abc import Mapping
from typing import Any

from first_gan.report import page

SCRIPTS = ("playground.js", "playground_page.js", "playground_draw.js", "playground_walk.js", "playground_duel.js")


def render(name: str, model: Mapping[str, Any]) -> str:
    """The page as HTML that needs nothing else.

    Args:
        name: What it is a playground of.
        model: The networks as plain data (see `first_gan.drawing.playground`).
    """
    channels, height, width = model["shape"]
    return page.render(
        "playground.html",
        title=f"{name}: playground",
        name=name,
        model=model,
        scripts=SCRIPTS,
        drawable=(channels, height, width) == (1, 28, 28),
        duel=bool(model["real"]),
    )
