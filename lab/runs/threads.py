"""Threads: the cores of the machine are shared among the runs that go on at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

# What the libraries below numpy, torch and numba read when they are first imported.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
# numba refuses a change of its variable once its threads have started, so only fresh processes get it.
_FRESH_VARIABLES = (*_VARIABLES, "NUMBA_NUM_THREADS", "NUMEXPR_MAX_THREADS")


def allowed_cores() -> int:
    """How many cores the system lets this process use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cores() -> int:
    """How many cores this process is to use: those allowed, or fewer where the user has set OMP_NUM_THREADS."""
    wished = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed_cores(), int(wished)) if wished.isdigit() and int(wished) > 0 else allowed_cores()


def variables(threads: int) -> dict[str, str]:
    """Environment of a fresh process that computes with `threads` threads, whichever library does it."""
    return dict.fromkeys(_FRESH_VARIABLES, str(threads))


@contextmanager
def limited(threads: int) -> Iterator[None]:
    """Compute with `threads` threads inside the block, in libraries already loaded and in those still to come."""
    before = {name: os.environ.get(name) for name in _VARIABLES}
    with ExitStack() as stack:
        stack.callback(_restore, before)
        os.environ.update(dict.fromkeys(_VARIABLES, str(threads)))
        if "numpy" in sys.modules or "torch" in sys.modules:
            from threadpoolctl import threadpool_limits

            stack.enter_context(threadpool_limits(threads))
        if torch := sys.modules.get("torch"):
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(threads)
        yield


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
