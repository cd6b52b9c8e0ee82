"""Progress of a study of many short runs: how many are done, and how long the rest will take."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from lab.runs.progress import Progress, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lab.runs.outcome import Outcome
    from lab.runs.plan import Job

_SECONDS_BETWEEN_LINES = 15.0


class Brief(Progress):
    """One line that grows in a terminal, a line now and then elsewhere; warnings once each; failures at once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._began = self._told = time.monotonic()
        self._done_before = 0
        self._said: set[str] = set()

    def begin(self, total: int, done: int) -> None:
        """Work starts: `done` of `total` runs are finished already."""
        self.total, self.done, self._done_before = total, done, done
        self._began = self._told = time.monotonic()
        if done:
            self.say(f"{'all' if done == total else done} of {total} runs are finished already")

    def started(self, job: Job) -> None:
        """A run starts; what came before the first is not counted to the others."""
        if self.done == self._done_before:
            self._began = time.monotonic()

    def event(self, job: Job, event: Mapping[str, Any]) -> None:
        """Something happened in a run; only what it warns of is shown."""
        if event["event"] == "warning":
            self.say(event["text"])

    def ended(self, job: Job, outcome: Outcome, done: int, total: int) -> None:
        """A run ended."""
        self.done, self.total = done, total
        self.failed += outcome.status == "failed"
        if outcome.status == "failed":
            self.say(f"{job.label} failed: {outcome.error}")
        now = time.monotonic()
        if self._live or now - self._told >= _SECONDS_BETWEEN_LINES or done == total:
            self._told = now
            self._show(self._state(now))

    def say(self, text: str) -> None:
        """One line to the user, the same only once."""
        if text not in self._said:
            self._said.add(text)
            self._print(text)

    def close(self) -> None:
        """Nothing more comes."""
        if self._live:
            print(file=self._stream)

    def _state(self, now: float) -> str:
        here = self.done - self._done_before
        left = (now - self._began) / here * (self.total - self.done) if here else 0.0
        rest = f", about {duration(left)} left" if self.done < self.total and here else ""
        return f"{self._count()} in {duration(now - self._began)}{rest}"

    def _show(self, text: str) -> None:
        if self._live:
            print(f"\r  {text:<70}", end="", file=self._stream, flush=True)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        start = "\r" if self._live else ""
        print(f"{start}  {text:<70}".rstrip(), file=self._stream, flush=True)
