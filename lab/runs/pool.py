"""Runs in other processes, several at once; the parent's side of `lab.runs.worker`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from signal import Signals
from typing import Any

from lab.runs import interrupt, threads
from lab.runs.files import read_json, write_json
from lab.runs.locks import run_lock
from lab.runs.outcome import Outcome
from lab.runs.plan import Job
from lab.runs.worker import order

# -P: the current folder, where anything may lie, is no place to import from.
COMMAND = (sys.executable, "-P", "-m", "lab", "worker")
SECONDS_BETWEEN_LOOKS = 0.2

Message = tuple["Worker", dict[str, Any] | None]


class Worker:
    """One process that does one run after another. What it tells goes to `inbox`, and None at its end.

    `job`: the run it is at; None where it waits for one.
    """

    def __init__(self, threads_used: int, inbox: SimpleQueue[Message]) -> None:
        self.job: Job | None = None
        self.threads_used = threads_used
        self._inbox = inbox
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `died`
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(threads_used),
            process_group=0 if os.name == "posix" else None,  # Ctrl-C in a terminal goes to the parent alone
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def give(self, job: Job, how: Mapping[str, Any]) -> None:
        """Have it do a run; `how` as in `worker.order`."""
        self.job = job
        self._send(json.dumps(order(job, **how), default=str) + "\n")

    def interrupt(self) -> None:
        """Ask the run to stop at its next safe place."""
        self._send("interrupt\n")

    def kill(self) -> None:
        """Stop it at once. What it leaves is what any killed run leaves; one that waits leaves nothing."""
        self._process.kill()
        self._process.wait()

    def died(self, job: Job) -> Outcome:
        """How the run ended that the process did not survive; called once its last message has come."""
        code = self._process.wait()
        with self._errors:
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip().splitlines()
        if self._process.stdin:
            with suppress(OSError):
                self._process.stdin.close()
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"
        memory = " (out of memory?)" if code == -9 else ""
        outcome = Outcome("failed", f"its process {how}{memory}{f': {words[-1]}' if words else ''}")
        _mark_failed(job, outcome.error or "")
        return outcome

    def _send(self, text: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it has died, which its end tells
            self._process.stdin.write(text.encode())
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with suppress(ValueError):  # the torn last line of a killed process
                    self._inbox.put((self, json.loads(line)))
        self._inbox.put((self, None))


class Pool:
    """At most `size` workers at once, kept from run to run. Use as a context: whatever ends the block ends them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._inbox: SimpleQueue[Message] = SimpleQueue()
        self._workers: list[Worker] = []
        self._interrupted = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *details: object) -> None:
        for worker in self._workers:
            worker.kill()

    @property
    def busy(self) -> bool:
        """Whether any worker is at work."""
        return any(worker.job for worker in self._workers)

    @property
    def full(self) -> bool:
        """Whether all workers that there may be are at work."""
        return sum(worker.job is not None for worker in self._workers) >= self._size

    def start(self, job: Job, how: Mapping[str, Any]) -> None:
        """Give a run to a worker that waits, or to a new one; `how` as in `worker.order`."""
        waiting = [worker for worker in self._workers if worker.job is None]
        worker = next((worker for worker in waiting if worker.threads_used == how["threads_used"]), None)
        if worker is None:
            if len(self._workers) >= self._size:
                self._dismiss(waiting[0])
            worker = Worker(how["threads_used"], self._inbox)
            self._workers.append(worker)
        worker.give(job, how)

    def listen(self, on_event: Callable[[Job, dict[str, Any]], None]) -> tuple[Job, Outcome] | None:
        """Pass on what the workers tell, for a moment or until a run ends; passes Ctrl-C on to them, once."""
        if interrupt.asked() and not self._interrupted:
            self._interrupted = True
            for worker in self._workers:
                worker.interrupt()
        try:
            worker, event = self._inbox.get(timeout=SECONDS_BETWEEN_LOOKS)
        except Empty:
            return None
        job = worker.job
        if worker not in self._workers or job is None:  # the end of one that waited
            self._workers = [other for other in self._workers if other is not worker]
            return None
        if event is None:
            self._workers.remove(worker)
            return job, worker.died(job)
        if event["event"] != "outcome":
            on_event(job, event)
            return None
        worker.job = None
        if event["status"] == "failed":  # who knows what it left behind in its process
            self._dismiss(worker)
        return job, Outcome(event["status"], event["error"], event["seconds"])

    def _dismiss(self, worker: Worker) -> None:
        self._workers.remove(worker)
        worker.kill()


def _environment(threads_used: int) -> dict[str, str]:
    """A worker finds the modules that its parent finds, and its libraries start with their share of the threads."""
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**os.environ, **threads.variables(threads_used), "PYTHONPATH": path}


def _mark_failed(job: Job, error: str) -> None:
    """Write down why a run whose process died did not go on; else it would pass for interrupted."""
    with suppress(Exception), run_lock(job.path).acquire(timeout=0):
        info = read_json(job.path / "run.json")
        if info["status"] == "running":
            write_json(job.path / "run.json", {**info, "status": "failed", "error": error})


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"
