"""Which run is meant: by its folder, its name, or as the last one; and which of its checkpoints."""

from contextlib import suppress
from pathlib import Path

from first_gan.run.folder import BEST, CONFIG, LAST, LOGS, SAMPLES, RunFolderError, folder_of, number_of


def runs_in(logs: Path) -> list[Path]:
    """The run folders that have a checkpoint, the one that was begun last first."""

    def begun(folder: Path) -> tuple[int, int]:
        with suppress(OSError):
            drawn = [path.stat().st_mtime_ns for path in (folder / SAMPLES).glob("*.png")]
            return min(drawn or [(folder / LAST).stat().st_mtime_ns]), number_of(folder)
        return 0, number_of(folder)

    return sorted((path.parents[1] for path in logs.glob(f"*/{LAST}") if path.is_file()), key=begun, reverse=True)


def run_called(name: str, root: Path = Path()) -> Path:
    """A path as it is, if something is there; else the run of that name, or for `last` the newest; else the path.

    A folder that is no run's does not hide a run of its name.

    Args:
        name: As typed.
        root: Where `lightning_logs/` is.
    """
    path = Path(name)
    with suppress(OSError):
        named = path.name == name and (root / LOGS / name).is_dir()
        if path.is_file() or (path.is_dir() and not (named and not (path / CONFIG).is_file())):
            return path
        if name == "last" and (found := runs_in(root / LOGS)):
            return found[0]
        if named:
            return root / LOGS / name
    return path


def folder_called(name: str) -> Path:
    """The run folder that is meant by its path, its name, `last`, or one of its checkpoints; else the path.

    Raises:
        RunFolderError: `last` is named, and there is no run.
    """
    path = run_called(name)
    if name == "last" and path == Path(name) and not path.is_dir():
        find_checkpoint(name, Path())
    with suppress(OSError):
        if path.is_file():
            return folder_of(path) or path
    return path


def find_checkpoint(ckpt_path: str, root: Path, name: str | None = None) -> Path | None:
    """The checkpoint that `--ckpt_path` names.

    Args:
        ckpt_path: A checkpoint's path, or its run folder's, or the run's name; `last` for the newest run that has one; `auto` likewise, where
            there may be none yet.
        root: Where `lightning_logs/` is.
        name: Of the one run that `auto` may mean; None for any.

    Raises:
        RunFolderError: There is none.
    """
    if ckpt_path not in ("last", "auto"):
        path = run_called(ckpt_path, root)
        for found in (path, path / LAST, path / LAST.name):
            with suppress(OSError):
                if found.is_file():
                    return found
        raise no_checkpoint(path)
    wanted = name if ckpt_path == "auto" else None
    if found_runs := [folder for folder in runs_in(root / LOGS) if wanted in (None, folder.name)]:
        return found_runs[0] / LAST
    if ckpt_path == "auto":
        return None
    raise RunFolderError(
        f"{ckpt_path}: no run in {root / LOGS} has a {LAST.name} yet, so there is nothing to resume or to draw from"
    )


def checkpoint_of(name: str) -> Path:
    """The checkpoint to draw from or to score: as named, or the best one of a run, which may be named as in `run_called`.

    Raises:
        RunFolderError: `last` is named, and there is no run.
    """
    folder = run_called(name)
    if name == "last" and folder == Path(name):
        find_checkpoint(name, Path())
    with suppress(OSError):
        for found in (folder / BEST, folder / LAST):
            if found.is_file():
                return found
    return folder


def no_checkpoint(path: Path) -> RunFolderError:
    """What to say of a path that is no checkpoint's."""
    with suppress(OSError):  # a name that no file can have
        if path.is_dir():
            found = " or ".join(map(str, sorted(path.rglob("*.ckpt"))[:3]))
            return RunFolderError(f"{path} is a folder" + (f"; name {found}" if found else " without a checkpoint"))
    return RunFolderError(f"no checkpoint at {path}")
