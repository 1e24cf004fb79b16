"""Ctrl-C, SIGTERM and SIGUSR1: a clean end at any moment. Imports nothing heavy, so that it can be there first."""

import inspect
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

# SIGUSR1 is how clusters (SLURM's --signal, SGE's -notify) say that a job's time is nearly over; Windows has none.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))


class Interrupted(KeyboardInterrupt):
    """One of `SIGNALS`; a KeyboardInterrupt, so that the Trainer winds down as it does for Ctrl-C."""


class StopSignals:
    """Turns `SIGNALS` into `Interrupted`: at once, or while training at the next call of `check`.

    An exception out of nowhere can strike in a destructor, where Python prints and drops it; between updates it cannot.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False
        self.shared = False  # with other processes, which stop together: `check` leaves it to `stop_together`
        self.together = False  # all of them are stopping

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Has the signals within it; whoever had them before gets them back. Only a process's main thread can have them."""
        self.received, self.shared, self.together = None, False, False
        previous = [signal.getsignal(number) for number in SIGNALS]
        self.install()
        try:
            yield
        finally:
            if in_main_thread():
                for number, handler in zip(SIGNALS, previous, strict=True):
                    signal.signal(number, handler)

    def install(self, deferred: bool = False) -> None:
        """Takes the signals over, also from Lightning; `deferred` leaves the first one to `check`."""
        self.deferred = deferred
        if in_main_thread():
            for number in SIGNALS:
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        wait = self.deferred and self.received is None
        self.received = number
        if not wait:
            raise Interrupted

    def check(self) -> None:
        """Raises `Interrupted` if a signal came."""
        if self.received is not None and not self.shared:
            raise Interrupted

    def stop_together(self, received: int) -> None:
        """`check` of processes that stop together: raises `Interrupted` if one of them received a signal, which counts for all."""
        if received:
            self.received, self.together = received, True
            raise Interrupted

    @property
    def exit_code(self) -> int:
        """What a shell makes of a process ended by the signal that came."""
        return 128 + (self.received or signal.SIGINT)


STOP = StopSignals()


def in_main_thread() -> bool:
    """Whether Python lets the caller have signals."""
    return threading.current_thread() is threading.main_thread()


def exit_on_signals() -> None:
    """Called first by a script: while there is nothing to wind down, a signal ends the process as it ends any.

    Not by a handler of Python's: one cannot run while torch's libraries are loaded, which takes seconds on a busy machine.
    """
    if process_is_ours():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


def leave(code: int) -> NoReturn:
    """Called last by a script: ends it; after an interruption at once, without the seconds that unloading torch can take."""
    if process_is_ours() and code in (128 + number for number in SIGNALS):
        os._exit(code)  # all that was printed is flushed: see output.py
    sys.exit(code)


def process_is_ours() -> bool:
    """Whether the interpreter was started to run the calling script: not by IPython's %run, a debugger, or before a prompt."""
    frame = inspect.currentframe()
    for _ in range(
        3
    ):  # this, its caller and the script, to who runs the script's lines: nobody, or runpy for `python -m`
        frame = frame and frame.f_back
    while frame is not None and frame.f_globals.get("__name__") == "runpy":
        frame = frame.f_back
    return frame is None and not sys.flags.inspect and in_main_thread()
