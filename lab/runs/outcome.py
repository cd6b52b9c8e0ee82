"""How the doing of a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Outcome:
    """`status`: `busy` where another process is at work on the run; `error`: one line where it failed.

    `seconds`: how long it took this time. `exception`: what was raised, where that happened in this process.
    """

    status: Literal["finished", "failed", "interrupted", "busy"]
    error: str | None = None
    seconds: float = 0.0
    exception: BaseException | None = None
