"""All attacks, and one of them in a process of its own."""

import os
import tempfile
import time
from pathlib import Path

INPUTS = {  # tries of each
    "crafted": 300,
    "run_files": 250,
    "options": 350,
    "names": 200,
    "code": 200,
    "places_of_files": 150,
    "configs": 250,
    "other_options": 250,
    "flips": 300,
    "archives": 120,
    "datasets": 150,
    "pictures": 100,
    "outputs": 120,
    "flips_of_a_judge": 100,
}
FAULTS = {"kills": 100, "failing_calls": 100, "full_disk": 100, "file_sizes": 40, "vanishing": 30}
Counts = dict[str, int]


def undrawn_curves() -> None:
    """From here on curves.png is one pixel in this process and its forks, which is drawn in no time."""
    import io

    from PIL import Image

    from first_gan.callbacks import curves

    pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(pixel, "PNG")
    curves.png = lambda figure: pixel.getvalue()


def attack(name: str, count: int, trained: Path) -> tuple[str, Counts, dict[str, list[str]], float]:
    """Makes so many tries of one attack, in a process that has the program loaded and forks one for each.

    Args:
        name: Of the attack.
        count: How many tries.
        trained: A folder in which processes leave the run that is attacked, so that it is trained once by each.
    """
    from tests.attacks import checkpoints, faults, files, inputs
    from tests.attacks.rig import Rig

    start = time.monotonic()
    function = next(getattr(module, name) for module in (inputs, files, checkpoints, faults) if hasattr(module, name))
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        rig = Rig(Path(folder).resolve(), trained / str(os.getpid()))
        function(rig, count)
    return name, rig.tries, rig.failures, time.monotonic() - start
