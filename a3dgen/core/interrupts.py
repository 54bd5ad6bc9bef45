"""Ctrl-C and SIGTERM: delivered exactly once, also when C code swallows them.

Python raises KeyboardInterrupt wherever the process happens to be; inside a weakref callback, a ``__del__`` or a
callback from C it is printed and swallowed. The handler therefore leaves a mark besides, and whatever loops asks for
it with ``check``: an interrupt that was swallowed comes one person or one shard later instead of never.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_asked = False
T = TypeVar("T")


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into KeyboardInterrupt; later ones only repeat what is known.

    Clean-up that the first one set off can so not be broken by an impatient second one. What code in C made of the
    first one (NumPy's import: an ImportError) is turned back. For the main thread only.
    """
    global _asked
    _asked = False
    before = {number: signal.signal(number, _interrupt) for number in SIGNALS}
    hook, sys.unraisablehook = sys.unraisablehook, _unraisable
    try:
        yield
    except Exception as error:
        if _asked:
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook
        _asked = False


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Put the handlers of SIGINT and SIGTERM back after the block: some packages replace them on import."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that was not set from Python cannot be set from Python
                signal.signal(number, handler)


@contextlib.contextmanager
def postponed() -> Iterator[None]:
    """Hold interrupts back until the end of the block. Threads and processes started in it never see any."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check() -> None:
    """Raise KeyboardInterrupt if one was asked for, whether or not it was raised before. Other threads go on."""
    if _asked and threading.current_thread() is threading.main_thread():
        raise KeyboardInterrupt


def checked(items: Iterable[T]) -> Iterator[T]:
    """Yield from ``items``, with a ``check`` before each."""
    for item in items:
        check()
        yield item
    check()


def _unraisable(problem: Any) -> None:
    """Stay silent about a swallowed KeyboardInterrupt: the next ``check`` raises it again."""
    if not isinstance(problem.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(problem)


def _interrupt(number: int, frame: Any) -> None:
    global _asked
    first, _asked = not _asked, True
    if first:
        raise KeyboardInterrupt
