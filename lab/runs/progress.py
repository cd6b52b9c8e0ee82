"""What a person sees while runs go on: one live line a run in a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from lab.runs import interrupt

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lab.runs.outcome import Outcome
    from lab.runs.plan import Job

SECONDS_BETWEEN_LINES = 10.0
STOPPING = "Stopping at the next safe place; Ctrl-C again stops at once."

Event = Mapping[str, Any]
"""What a run's writer tells; `lab.runs.writer` lists the kinds."""


@dataclass
class RunView:
    """How far one run is, told by its events."""

    label: str
    clock: Callable[[], float] = time.monotonic
    stage: str = "starting"
    epoch: int = 0
    epochs: int = 0
    metrics: dict[str, float | None] = field(default_factory=dict)
    _since: tuple[int, float] | None = None

    def update(self, event: Event) -> None:
        """Take in a stage, or progress within one; other events change nothing."""
        if event["event"] == "stage":
            self.stage, self.epoch, self.epochs, self.metrics = event["name"], 0, 0, {}
            self._since = (0, self.clock())
        elif event["event"] == "progress":
            # A first word of epoch 0, or of a later one in a resumed run, is where the counting begins.
            if self._since is None or (self.epochs == 0 and event["epoch"] != 1):
                self._since = (event["epoch"], self.clock())
            self.epoch, self.epochs = event["epoch"], event["epochs"]
            self.metrics = dict(event.get("metrics") or {})

    def seconds_left(self) -> float | None:
        """Seconds until the last epoch of this stage ends, at the speed so far; None where that is not known."""
        if self._since is None or self.epoch <= self._since[0] or not self.epochs:
            return None
        passed = self.clock() - self._since[1]
        return passed / (self.epoch - self._since[0]) * (self.epochs - self.epoch)

    def words(self) -> tuple[str, str, str, str]:
        """Stage, epoch, metrics and time left in words; "" for what is not known."""
        left = self.seconds_left()
        return (
            self.stage,
            f"epoch {self.epoch}/{self.epochs}" if self.epochs else "",
            ", ".join(f"{name} {value:.4g}" for name, value in self.metrics.items() if value is not None),
            f"{duration(left)} left" if left else "",
        )


class Progress:
    """How far a study is. This class shows nothing: it is what `--quiet` gets, and what the others build on."""

    def __init__(self) -> None:
        self.total = self.done = self.failed = 0
        self.views: dict[str, RunView] = {}
        self._waiting_for = ""

    def begin(self, total: int, done: int) -> None:
        """Work starts: `done` of `total` runs are finished already."""
        self.total, self.done = total, done
        already = f", {'all' if done == total else done} finished already" if done else ""
        if total > 1 or already:
            self._print(f"{total} run{'' if total == 1 else 's'}{already}")

    def started(self, job: Job) -> None:
        """A run starts."""
        self.views[job.id] = RunView(job.label)
        self._print(f"{self._name(job)}: started")

    def event(self, job: Job, event: Event) -> None:
        """Something happened in a run that has started."""
        self.views[job.id].update(event)
        if event["event"] == "warning":
            self._print(f"{self._name(job)}: {event['text']}")
        elif event["event"] == "start_over":
            self._print(f"{self._name(job)}: starts over: {event['reason']}")
        elif event["event"] == "start" and event["step"] is not None:
            self._print(f"{self._name(job)}: goes on after step {event['step']}")
        else:
            self._moved(job, event)

    def ended(self, job: Job, outcome: Outcome, done: int, total: int) -> None:
        """A run ended, well or not; `done` of `total` are finished now, those of other processes included."""
        self.views.pop(job.id, None)
        self.done, self.total = done, total
        self.failed += outcome.status == "failed"
        how = {
            "finished": f"finished in {duration(outcome.seconds)}",
            "failed": f"failed: {outcome.error}",
            "busy": "another process is doing it",
        }
        self._print(f"{self._name(job)}: {how.get(outcome.status, outcome.status)} ({self._count()})")

    def waiting(self, jobs: Sequence[Job]) -> None:
        """Nothing is left to do here but for runs that other processes are doing."""
        ids = ", ".join(job.id[:4] for job in jobs)
        if ids != self._waiting_for:
            self._waiting_for = ids
            self._print(f"waiting for another process to do {ids}")

    def say(self, text: str) -> None:
        """One line to the user."""
        self._print(text)

    def stopping(self) -> None:
        """Ctrl-C was heard. Called from a signal handler, which may have interrupted a `print`."""
        os.write(2, f"\n{STOPPING}\n".encode())

    def close(self) -> None:
        """Nothing more comes."""

    def _name(self, job: Job) -> str:
        return f"{job.label} ({job.id[:4]})"

    def _count(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} done{failed}"

    def _print(self, text: str) -> None:
        pass

    def _moved(self, job: Job, event: Event) -> None:
        pass


class Lines(Progress):
    """Lines with the time in front, for a file or a pipe: every stage, and epochs at most every ten seconds a run."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._told: dict[str, float] = {}

    def _print(self, text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=self._stream, flush=True)

    def _moved(self, job: Job, event: Event) -> None:
        now = time.monotonic()
        recent = now - self._told.get(job.id, -SECONDS_BETWEEN_LINES) < SECONDS_BETWEEN_LINES
        if event["event"] == "stage" or (event["event"] == "progress" and not recent):
            if event["event"] == "progress":
                self._told[job.id] = now
            self._print(f"{self._name(job)}: {', '.join(word for word in self.views[job.id].words() if word)}")


class Live(Progress):
    """A line for each running run that is drawn anew four times a second, in a terminal."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live as RichLive

        super().__init__()
        self._console = console
        self._live = RichLive(console=console, get_renderable=self._table, refresh_per_second=4, transient=True)
        self._live.start()

    def stopping(self) -> None:
        """Ctrl-C was heard: the next drawing says so."""

    def close(self) -> None:
        """Take the live lines away."""
        self._live.stop()

    def _print(self, text: str) -> None:
        # Neither markup nor highlighting: labels and errors come from configs and data.
        self._console.print(text, markup=False, highlight=False)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for view in list(self.views.values()):
            table.add_row(*(Text(word, no_wrap=True, overflow="ellipsis") for word in (view.label, *view.words())))
        table.add_row(Text(self._count(), style="dim"), Text(STOPPING if interrupt.asked() else "", style="bold"))
        return table


def progress(quiet: bool = False) -> Progress:
    """The display that fits: live in a terminal, lines elsewhere, nothing but Ctrl-C's answer where `quiet`."""
    if quiet:
        return Progress()
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(sys.stdout)
    from rich.console import Console

    return Live(Console())


def duration(seconds: float) -> str:
    """Seconds as a person says them: `8 s`, `3:05 min`, `2:10 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
