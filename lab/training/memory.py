"""Memory that is kept between steps: what one step frees, the next one takes, without asking the system again.

The C library gives large blocks back to the system as soon as they are free, and every step then pays for fresh pages,
one by one: a third of the time of a convolutional network's step on the CPU. Numbers do not change.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4  # of glibc's mallopt
_LARGE, _MANY = 32 << 20, 65536  # what glibc's own thresholds rise to in a process that frees large blocks
_depth = 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Keep freed memory in the process while the block runs; at its end it goes back to the system.

    Blocks may be nested. Does nothing where the C library is not glibc.
    """
    global _depth
    library = _glibc()
    if library is None:
        yield
        return
    _depth += 1
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        _depth -= 1
        if _depth == 0:
            library.mallopt(_MMAP_MAX, _MANY)
            library.mallopt(_MMAP_THRESHOLD, _LARGE)
            library.mallopt(_TRIM_THRESHOLD, 2 * _LARGE)
            library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt") else None
