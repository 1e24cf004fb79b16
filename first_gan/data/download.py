"""Downloads a dataset from torchvision's mirrors: checked, retried, and moved into place all at once."""

import errno
import gzip
import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from first_gan.bars import bar, is_live
from first_gan.data import FILES, DataError, of_torchvision, raw_folder

TIMEOUT_S = 10
CHUNK = 1 << 16


def download(data_dir: Path, dataset: str, rounds: int = 2) -> None:
    """Fetches the four files of `dataset` into torchvision's layout under `data_dir`, unpacked.

    Args:
        data_dir: Made if it is not there.
        dataset: mnist, fashion_mnist or kmnist.
        rounds: How often all mirrors are tried for a file.

    Raises:
        DataError: No mirror gave a file with the right checksum; nothing is left behind.
    """
    with folder_in_the_making(raw_folder(data_dir, dataset)) as folder:
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        console = Console(stderr=True)
        with bar(*columns, transient=True, console=console, disable=not is_live(console)) as progress:
            for name, (file_name, md5) in zip(FILES, of_torchvision(dataset).resources, strict=True):
                packed = folder / file_name
                _fetch(of_torchvision(dataset).mirrors, file_name, md5, packed, progress, rounds)
                with gzip.open(packed, "rb") as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target)
                packed.unlink()


def _fetch(mirrors: list[str], file_name: str, md5: str, target: Path, progress: Progress, rounds: int) -> None:
    """Tries each mirror in turn, `rounds` times, until one gives the file with its checksum."""
    task = progress.add_task(file_name, total=None)
    failures: dict[str, str] = {}  # the last one of each mirror
    for _ in range(rounds):
        for mirror in mirrors:
            digest = hashlib.md5(usedforsecurity=False)
            try:
                with urllib.request.urlopen(mirror + file_name, timeout=TIMEOUT_S) as answer, target.open("wb") as file:
                    progress.reset(task, total=int(answer.headers.get("Content-Length") or 0) or None)
                    while chunk := answer.read(CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
                        progress.advance(task, len(chunk))
            except http.client.HTTPException as error:
                failures[mirror] = str(error)
                continue
            except OSError as error:  # urllib's errors among them
                if error.errno == errno.ENOSPC:
                    raise
                failures[mirror] = str(getattr(error, "reason", None) or error)
                continue
            if digest.hexdigest() == md5:
                return
            failures[mirror] = "the file was cut short or changed (wrong checksum)"
    raise DataError("; ".join(f"{mirror}{file_name}: {failure}" for mirror, failure in failures.items()))


@contextmanager
def folder_in_the_making(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final` that becomes it in one rename, or vanishes with the folders made for it."""
    parents = [parent for parent in final.parents if not parent.exists()]
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{final.name}-", dir=final.parent))
    except OSError as error:
        _remove_empty(parents)
        raise DataError(f"{error.filename or final.parent} cannot be written: {error.strerror}") from error
    try:
        yield folder
        folder.chmod(0o755)  # mkdtemp's folder is for its owner alone
        try:
            folder.rename(final)
        except OSError:
            if not final.is_dir():
                raise
            for path in folder.iterdir():  # it holds something else, or another process was faster with the same files
                path.replace(final / path.name)
    except OSError as error:
        raise DataError(f"{final} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _remove_empty(parents)


def _remove_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
