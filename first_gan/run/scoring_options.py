"""What evaluate.py can be asked for, and which checkpoint is meant. Loads no torch."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse import Namespace

from first_gan.run.cli import Parser, UserError, expand
from first_gan.run.finding import checkpoint_of, no_checkpoint
from first_gan.run.folder import RunFolderError

RUN = "a run's name or folder (its best epoch), a checkpoint, or last: the newest run"
EXAMPLES = """\
examples:
  evaluate.py last        the newest run's best epoch
  evaluate.py lightning_logs/version_0/checkpoints/last.ckpt
"""


def parse(argv: Sequence[str]) -> Namespace:
    """Reads the arguments.

    Raises:
        UserError: One is out of range, or the checkpoint is not there.
    """
    parser = Parser(
        prog="evaluate.py",
        usage="evaluate.py RUN [options]",
        description="Scores a checkpoint's generator against the test set.",
        epilog=EXAMPLES,
    )
    parser.add_argument("checkpoint", type=str, metavar="RUN", help=RUN)
    parser.add_argument(
        "--data_dir", type=str | None, metavar="DIR", help="where the images (folder or .npz file) are, if they moved"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides the latent vectors; 0 or more")
    options = parser.parse_args(list(argv))
    if not 0 <= options.seed < 2**63:
        raise UserError(f"--seed must be 0 to {2**63 - 1}, got {options.seed}")
    checkpoint_there(options.checkpoint)
    return options


def checkpoint_there(name: str) -> Path:
    """The checkpoint that is meant, which no one has read yet.

    Raises:
        UserError: There is none.
    """
    try:
        path = checkpoint_of(str(expand(name)))
        if path.is_dir() or not path.exists():
            raise no_checkpoint(path)
    except RunFolderError as error:
        raise UserError(str(error)) from error
    except OSError:  # a name that no file can have
        raise UserError(str(no_checkpoint(Path(name)))) from None
    return path
