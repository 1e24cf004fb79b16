"""Progress bars: rich's, which in a notebook need no widgets."""

import time
from typing import Any

from rich.console import Console
from rich.progress import Progress, ProgressColumn

REFRESH_S = 0.25  # between two drawings in a notebook, each of which is a message to the browser


class NotebookBar(Progress):
    """A bar that IPython shows as HTML, and shows anew in the same place: rich's own wants ipywidgets there."""

    _place: Any = None  # where it is shown
    _drawn = 0.0

    def __init__(self, *columns: ProgressColumn | str, **options: Any) -> None:
        super().__init__(*columns, **options | {"auto_refresh": False})  # no thread of rich's: it draws for terminals

    def start(self) -> None:
        from IPython.display import display

        if not self.disable:
            self._place = display(self, display_id=True)

    def refresh(self) -> None:
        if self._place is not None and time.monotonic() - self._drawn > REFRESH_S:
            self._place.update(self)
            self._drawn = time.monotonic()

    def update(self, *arguments: Any, **fields: Any) -> None:
        super().update(*arguments, **fields)
        self.refresh()

    def advance(self, *arguments: Any, **fields: Any) -> None:
        super().advance(*arguments, **fields)
        self.refresh()

    def stop(self) -> None:
        if self._place is not None:
            self._place.update(self)
            self._place = None


def bar(*columns: ProgressColumn | str, console: Console, **options: Any) -> Progress:
    """rich's Progress for a console; in a notebook one that is shown there."""
    return (NotebookBar if console.is_jupyter else Progress)(*columns, console=console, **options)


def is_live(console: Console) -> bool:
    """Whether a bar can move there: in a terminal or a notebook."""
    return console.is_terminal or console.is_jupyter
