"""Ctrl-C: once asks the running work to stop at its next safe place, twice stops it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


def asked() -> bool:
    """Whether somebody wants the running work to stop. Runs look at it wherever stopping loses nothing."""
    return _asked.is_set()


def ask() -> None:
    """Ask the running work to stop at its next safe place."""
    _asked.set()


@contextmanager
def catching(on_first: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turn the first Ctrl-C inside the block into `ask()`; the second raises KeyboardInterrupt, the third kills.

    `on_first` is called at the first one, to tell the user that it was heard. Outside the main thread, where
    Python delivers no signals, the block only starts with nothing asked.
    """
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if asked():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            raise KeyboardInterrupt
        ask()
        on_first()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked.clear()
