"""What Lightning and torch say by themselves, and whether a person reads it."""

import logging
import sys
import warnings

LIGHTNING = "pytorch_lightning"
WARNINGS = (
    ".*exists and is not empty.*",  # a resumed run's own checkpoints
    ".*dirpath has changed.*",  # a folder that moved, or a copied checkpoint
    ".*callbacks used to create the checkpoint.*",  # the Timer of --max_time
    ".*smaller than the logging interval.*",  # epoch ends are logged too
    ".*LeafSpec.*",  # Lightning's own, of torch's pytree
    ".*have no `validation_step`.*",  # a GAN has none
)


class Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to stderr as it is then: Lightning's own handler writes past a bar that is drawn, which leaves parts of it behind."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def hush() -> None:
    """Silences what Lightning says and `callbacks/messages.py` says better, or what does not concern a person here."""
    _set(logging.WARNING, "ignore")


def let_speak() -> None:
    """Lets Lightning say everything."""
    _set(logging.INFO, "default")


def _set(level: int, action: str) -> None:
    logger = logging.getLogger(LIGHTNING)
    logger.setLevel(level)
    for handler in [each for each in logger.handlers if isinstance(each, logging.StreamHandler)]:
        logger.removeHandler(handler)
        logger.addHandler(Stderr())
    for message in WARNINGS:
        warnings.filterwarnings(action, message=message)  # type: ignore[arg-type]
