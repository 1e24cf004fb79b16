"""What commands print: in any encoding, and no reason to stop where nothing can be printed any more."""

import errno
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

# What a file's name or contents could do to a terminal: set its title, ask it for input. Colors and the cursor are rich's.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
CONTROLS_BUT_COLORS = re.compile(r"(?!\x1b\[[0-9;?]*[A-Za-z])" + CONTROLS.pattern)
CLOSED_BY_READER = (errno.EPIPE, errno.EINVAL)  # `| head` has seen enough; Windows says EINVAL


class Output:
    """stdout or stderr, but characters that its encoding lacks are replaced, and nothing is written after a failure.

    Args:
        stream: The stream; None where the process was started without it.
        errors: How a character that the encoding lacks is replaced, as for `str.encode`.
    """

    def __init__(self, stream: TextIO | None, errors: str) -> None:
        self._stream: TextIO = io.StringIO() if stream is None else stream
        self._errors = errors
        self.failure = OSError(errno.EBADF, "it is closed") if stream is None else None  # why nothing can be printed
        self.on_dropped: Callable[[], None] | None = None  # called at the first text that is dropped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        if self.failure is not None and self.on_dropped is not None and text.strip():  # print writes line ends alone
            say, self.on_dropped = self.on_dropped, None
            say()
        controls = CONTROLS_BUT_COLORS if self._stream.isatty() else CONTROLS
        text = controls.sub(lambda match: ascii(match[0])[1:-1], text)
        encoding = self._stream.encoding or "utf-8"
        try:
            text.encode(encoding, self._stream.errors or "strict")
            shown = text
        except UnicodeEncodeError:
            shown = text.encode(encoding, self._errors).decode(encoding)
        self._attempt(self._stream.write, shown)
        return len(text)

    def flush(self) -> None:
        self._attempt(self._stream.flush)

    def _attempt(self, action: Callable[..., Any], *arguments: str) -> None:
        if self.failure is not None:
            return
        try:
            action(*arguments)
        except OSError as error:
            self.failure = error
            with suppress(OSError):  # a stream without a descriptor has nothing to be redirected
                _to_nowhere(self._stream.fileno())  # else Python fails once more, on what is buffered, when it ends


@contextmanager
def safe_output(program: str) -> Iterator[None]:
    """Within it whatever is printed goes through `Output`; where printing fails, what is done goes on, and stderr says so.

    --help and --print_config do nothing but print: they end with 1 where they cannot. A reader that has seen enough is
    no failure of theirs.

    Args:
        program: The command's name, to stand before what is said.
    """
    for number in (0, 1, 2):  # a file that is opened would take the number of one that is closed, and get its output
        try:
            os.fstat(number)
        except OSError:
            _to_nowhere(number)
    before = sys.stdout, sys.stderr
    out, err = Output(sys.stdout, "replace"), Output(sys.stderr, "backslashreplace")
    sys.stdout, sys.stderr = out, err  # type: ignore[assignment]

    def say(consequence: str = "; all else goes on") -> None:
        assert out.failure is not None
        print(f"{program}: nothing can be printed any more ({out.failure.strerror}){consequence}", file=err)

    if out.failure is None:
        out.on_dropped = say
    try:
        yield
        out.flush()
        if out.failure is not None and out.on_dropped is not None and out.failure.errno not in CLOSED_BY_READER:
            say()
    except SystemExit as end:
        out.flush()
        if end.code or out.failure is None or out.failure.errno in CLOSED_BY_READER:
            raise
        say("")
        raise SystemExit(1) from end
    finally:
        err.flush()
        sys.stdout, sys.stderr = before


def _to_nowhere(number: int) -> None:
    """Leads a file descriptor, open or not, to the null device."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, number)  # by which child processes inherit it
    if null != number:
        os.close(null)
    else:
        os.set_inheritable(number, True)
