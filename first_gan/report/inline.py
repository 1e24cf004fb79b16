"""Pages in a notebook: a comparison, a playground or a report below the cell that made it.

Page(comparison([Run.called("first"), Run.called("broken")]))
"""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

FRAME = Markup(
    '<iframe title="A page" {}="{}" width="100%" height="{}" sandbox="allow-scripts allow-downloads" style="border: 0"></iframe>'
)


class Page:
    """A page that a notebook shows in a frame.

    Args:
        page: Its HTML, or the file that holds it.
        height: Of the frame, in pixels.
    """

    def __init__(self, page: str | Path, height: int = 600) -> None:
        self.page, self.height = page, height

    def _repr_html_(self) -> str:
        address = served(self.page) if isinstance(self.page, Path) else None
        if address is not None:
            return FRAME.format("src", address, self.height)
        html = self.page.read_text(encoding="utf-8") if isinstance(self.page, Path) else self.page
        return FRAME.format("srcdoc", html, self.height)


def served(file: Path) -> str | None:
    """A file's address, seen from the notebook, where a Jupyter server has both; None elsewhere, as in Colab and VS Code.

    Such a server drops a message of more than 3 MB, which a playground within the notebook may be.
    """
    session, shell = os.environ.get("JPY_SESSION_NAME"), _shell()
    if not session or shell is None:
        return None
    start, file = (
        Path(shell.user_ns["_dh"][0]),
        file.absolute(),
    )  # where the notebook is: a cell may have gone elsewhere
    root = start.joinpath(*[".."] * (len(Path(session).parts) - 1)).resolve()  # what the server serves
    if not (root / session).is_file() or not file.resolve().is_relative_to(root):
        return None
    return quote(os.path.relpath(file.resolve(), start.resolve()).replace(os.sep, "/"))


def _shell() -> Any:
    """IPython's, if this is one."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
