"""matplotlib in its own default style, whatever a matplotlibrc says in the folder that a command is run from."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


def import_matplotlib() -> None:
    """Called by a script before anything else imports it: it would read the working directory's matplotlibrc, and fail on a broken one."""
    with contextlib.suppress(FileNotFoundError), contextlib.chdir(Path(__file__).parent):  # or that folder is gone
        import matplotlib  # noqa: F401


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it what is drawn looks the same for everyone."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        yield
