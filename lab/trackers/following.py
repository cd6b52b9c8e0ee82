"""A tracker on a thread of its own: whatever it does, the runs it follows neither wait for it nor fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lab.trackers.installed import MakeTracker
from lab.trackers.tracker import Facts, Status, Tracker

PATIENCE = 30.0  # seconds: a call that takes longer, once all runs have ended, is not waited for
LONGEST_ERROR = 300  # characters of it in the warning
PAUSE = 30.0  # seconds for which a tracker that failed is left alone

Metrics = tuple[int, Mapping[str, float]]


@dataclass(frozen=True)
class Subject:
    """A run or study with what there is to tell of it, read from its folder when it is needed.

    `history`: its metrics so far. `results`: its last numbers. `artifacts`: its files. `parent`: the id of its study.
    """

    facts: Facts
    params: Mapping[str, Any]
    history: Callable[[], Iterable[Metrics]]
    results: Callable[[], Mapping[str, float]]
    artifacts: Callable[[], Iterable[Path]]
    parent: str | None = None


@dataclass
class Follower:
    """Tells one tracker of runs and studies. Every method but `close` returns at once.

    After the first thing that goes wrong `warning` says what. A run that the tracker lost is begun again at its end,
    and all of it told from its folder.
    """

    name: str
    make: MakeTracker
    warning: str | None = None
    _open: dict[str, Tracker] = field(default_factory=dict)
    _subjects: dict[str, Subject] = field(default_factory=dict)
    _calls: SimpleQueue[Callable[[], None] | None] = field(default_factory=SimpleQueue)
    _made: int = 0
    _pause_ends: float = 0.0
    _closing: bool = False
    _gave_up: bool = False

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"tracker {self.name}", daemon=True)
        self._thread.start()

    def begin(self, subject: Subject) -> None:
        """A run or study begins, or goes on with the metrics that it has now."""
        so_far = list(subject.history()) if subject.facts.goes_on else []
        self._calls.put(partial(self._begin, subject, so_far))

    def metrics(self, id: str, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step of a run."""
        self._calls.put(partial(self._metrics, id, step, values))

    def end(self, id: str, status: Status) -> None:
        """A run or study has ended; its folder is complete."""
        self._calls.put(partial(self._end, id, status))

    def close(self) -> None:
        """Wait until all is told, as long as the tracker takes it."""
        self._closing = True
        self._calls.put(None)
        before = -1
        try:
            while self._thread.is_alive() and self._made != before:
                before = self._made
                self._thread.join(PATIENCE)
        except KeyboardInterrupt:  # it is not worth a second one
            self._gave_up = True
            return
        if self._thread.is_alive():
            self._gave_up = True
            self._warn(f"has not answered for {PATIENCE:g} s")

    # --- on the thread

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._gave_up:
                continue
            try:
                call()
            except Exception as error:
                self._pause_ends = time.monotonic() + PAUSE
                self._gave_up = self._closing
                self._warn(f"failed ({_one_line(error)})")

    def _begin(self, subject: Subject, so_far: Iterable[Metrics]) -> None:
        facts = subject.facts
        self._subjects[facts.id] = subject
        if time.monotonic() < self._pause_ends:
            return
        if subject.parent and subject.parent not in self._open:
            self._begin(self._subjects[subject.parent], [])
        tracker = self.make()
        tracker.begin(replace(facts, parent=self._open.get(subject.parent or "")), subject.params)
        self._made += 1
        for step, values in so_far:
            tracker.metrics(step, values)
            self._made += 1
        self._open[facts.id] = tracker

    def _metrics(self, id: str, step: int, values: Mapping[str, float]) -> None:
        if tracker := self._open.pop(id, None):
            tracker.metrics(step, values)  # where this raises it stays lost until its end
            self._made += 1
            self._open[id] = tracker

    def _end(self, id: str, status: Status) -> None:
        subject = self._subjects[id]
        if id not in self._open:
            lost = replace(subject, facts=replace(subject.facts, goes_on=True))
            self._begin(lost, list(subject.history()))
        tracker = self._open.pop(id, None)
        if tracker is None:
            return
        if values := subject.results():
            tracker.results(values)
            self._made += 1
        for path in subject.artifacts():
            tracker.artifact(path)
            self._made += 1
        tracker.end(status)
        self._made += 1

    def _warn(self, what: str) -> None:
        if self.warning is None:
            self.warning = f"tracker {self.name} {what}; the runs go on, and their folders have everything"


def _one_line(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
