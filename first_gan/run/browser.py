"""Opens a page in the person's browser."""

import sys
import webbrowser
from pathlib import Path

from first_gan.run.shell import relative


def show(page: Path) -> None:
    """Opens a file in the browser, and says so where there is none to be found."""
    try:
        opened = webbrowser.open_new_tab(page.absolute().as_uri())
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        print(f"No browser was found to open {relative(page)} in.", file=sys.stderr)
