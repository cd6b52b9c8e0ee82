"""Keep freed memory in the process, so that a training step does not ask the system for the same pages again."""

from __future__ import annotations

import ctypes
import sys

# The option numbers of glibc's malloc.h
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


def reuse_freed_memory() -> bool:
    """Tell the C library not to map large blocks one by one; returns whether it could be told (glibc only).

    By default each large activation is mapped when made and unmapped when freed, and the system clears every page of it
    anew: a quarter of a convolutional training step on a CPU, at the price of about an eighth more memory kept.
    Results are the same bits. Holds for the whole process; calling it again does nothing more.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False  # another C library
    told = [set_option(_MMAP_MAX, 0), set_option(_TRIM_THRESHOLD, 2**31 - 1), set_option(_TOP_PAD, 64 << 20)]
    return all(told)
