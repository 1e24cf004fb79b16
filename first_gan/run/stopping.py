"""Ctrl-C and SIGTERM: a clean end at any moment. Imports nothing heavy, so that it can be there first."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; a KeyboardInterrupt, so that the Trainer winds down as it does for Ctrl-C."""


class StopSignals:
    """Turns SIGINT and SIGTERM into `Interrupted`: at once, or while training at the next call of `check`.

    An exception out of nowhere can strike in a destructor, where Python prints and drops it; between updates it cannot.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False

    def install(self, deferred: bool = False) -> None:
        """Takes the signals over, also from Lightning; `deferred` leaves the first one to `check`."""
        self.deferred = deferred
        for number in SIGNALS:
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        wait = self.deferred and self.received is None
        self.received = number
        if not wait:
            raise Interrupted

    def check(self) -> None:
        """Raises `Interrupted` if a signal came."""
        if self.received is not None:
            raise Interrupted

    @property
    def exit_code(self) -> int:
        """What a shell makes of a process ended by the signal that came."""
        return 128 + (self.received or signal.SIGINT)


STOP = StopSignals()


def exit_on_signals() -> None:
    """While there is nothing to wind down: a signal ends the process at once, without a traceback."""

    def leave_now(number: int, frame: FrameType | None) -> NoReturn:
        os.write(2, b"\nInterrupted.\n")
        os._exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, leave_now)


def leave(code: int) -> NoReturn:
    """Ends the process; after an interruption at once, without the seconds that unloading torch can take."""
    if code in (128 + number for number in SIGNALS):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
