"""One way to write a file and one to read it, safe whatever lies there: links, pipes, devices, a full disk."""

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
PART = re.compile(r"\.[0-9a-f]{16}\.part")  # what a writer that was killed leaves behind
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)  # Windows has the latter alone
NO_WAIT = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def write(path: Path, content: bytes) -> None:
    """Writes a file so that there is always either the old one or the whole new one, also when the disk is full.

    A link in its place is replaced, not followed. Its folder must be there: one that someone has removed is not made anew.

    Raises:
        OSError: It cannot be written, or a folder, device or pipe is in its place.
    """
    with suppress(FileNotFoundError):
        if not (stat.S_ISREG(mode := path.lstat().st_mode) or stat.S_ISLNK(mode)):
            raise OSError(errno.EEXIST, "something that is no file is there", str(path))
    part = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_FOLLOW, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException as error:
        if isinstance(error, OSError):
            error.filename = str(path)  # and not the part's name, or none
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, or one that a link leads to, to be read.

    Raises:
        OSError: It cannot be read, or is no regular file: a pipe would never end, nor would /dev/zero.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | NO_WAIT)
    except ValueError as error:  # NUL in a name
        raise OSError(errno.EINVAL, "no file can have that name", str(path)) from error
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = (errno.EISDIR, "it is a folder") if stat.S_ISDIR(kind) else (errno.EINVAL, "it is no regular file")
        raise OSError(*what, str(path))
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read(path: Path, most: int) -> bytes:
    """All of a file.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        OSError: As for `opened`, or it is larger.
    """
    with opened(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most / MIB:,.0f} MiB", str(path))
    return content


def text(path: Path, most: int = MIB) -> str:
    """A text file in UTF-8, without the mark that Windows' editors put before it, and with line ends as Python has them.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
        OSError: As for `read`.
    """
    return read(path, most).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def sweep(folders: Iterable[Path]) -> None:
    """Removes what killed writers left in folders in which nobody writes now."""
    for folder in folders:
        with suppress(OSError):
            for path in folder.iterdir():
                if PART.fullmatch(path.name):
                    path.unlink()
