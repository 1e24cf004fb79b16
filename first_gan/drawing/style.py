"""matplotlib in its own default style, whatever a matplotlibrc says in the folder that a command is run from."""

import contextlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any


def import_matplotlib() -> Any:
    """Before anything else imports it: it would read the working directory's matplotlibrc, and fail on a broken one."""
    with contextlib.suppress(FileNotFoundError), contextlib.chdir(Path(__file__).parent):  # or that folder is gone
        import_module("matplotlib")
    return import_module("matplotlib")


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it what is drawn looks the same for everyone."""
    matplotlib = import_matplotlib()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
