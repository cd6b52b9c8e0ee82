"""Doing a run: in this process, or in one that `-j` starts (`python -m lab worker`), which does one after another.

A worker reads lines of JSON, its orders, from standard input, and writes a line of JSON for every event to standard
output, the last of a run with how it ended. Whatever libraries print goes to standard error. The word `interrupt` on
standard input, or its end (the parent died), asks the run to stop at its next safe place; the worker ends with it.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lab.runs import interrupt, threads
from lab.runs.outcome import Outcome
from lab.runs.plan import Job

Tell = Callable[[dict[str, Any]], None]


def do(job: Job, *, study: str | None, threads_used: int, rerun: bool, on_event: Tell) -> Outcome:
    """Do a run in this process. Nothing is raised: what happened stands in the outcome and in the run's own files."""
    from lab.runs.locks import RunBusy
    from lab.runs.writer import open_run

    began = time.monotonic()
    how: dict[str, Any] = {"study": study, "threads": threads_used, "on_event": on_event, "rerun": rerun}
    try:
        with (
            threads.limited(threads_used),
            open_run(job.recipe, job.cell, job.facts, wait=False, **how) as run,
        ):
            if not run.finished:
                job.recipe.run(job.cell.config, run)
    except RunBusy:
        return Outcome("busy")
    except KeyboardInterrupt:
        return Outcome("interrupted", seconds=time.monotonic() - began)
    except (Exception, SystemExit) as error:
        line = _error_of(job.path) or " ".join(f"{type(error).__name__}: {error}".split())
        return Outcome("failed", line, time.monotonic() - began, error)
    return Outcome("finished", seconds=time.monotonic() - began)


def order(job: Job, *, study: str | None, threads_used: int, rerun: bool) -> dict[str, Any]:
    """What a worker needs to know to do a run: plain data."""
    cell = job.cell
    return {
        "cell": {"experiment": cell.experiment, "values": cell.values, "row": cell.row, "entry": cell.entry},
        "facts": asdict(job.facts),
        "id": job.id,
        "label": job.label,
        "how": {"study": study, "threads_used": threads_used, "rerun": rerun},
    }


def worker_main(argv: Sequence[str] = ()) -> int:
    """Do the runs that standard input names; returns 0 however they ended, as their last events tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and passes it on
    events = os.dup(1)
    os.dup2(2, 1)

    def tell(event: Mapping[str, Any]) -> None:
        try:
            os.write(events, (json.dumps(event, default=str) + "\n").encode())
        except BrokenPipeError:  # the parent died, and standard input has ended too
            interrupt.ask()

    orders: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(orders,), daemon=True).start()
    while given := orders.get():
        outcome = _obey(json.loads(given), tell)
        gc.collect()  # what a run leaves in memory is not to lie beside the next one
        tell({"event": "outcome", "status": outcome.status, "error": outcome.error, "seconds": outcome.seconds})
    return 0


def _obey(given: Mapping[str, Any], tell: Tell) -> Outcome:
    try:
        return do(_job(given), on_event=tell, **given["how"])
    except Exception as error:
        return Outcome("failed", " ".join(f"{type(error).__name__}: {error}".split()))


def _job(given: Mapping[str, Any]) -> Job:
    from lab.config import Cell, load_recipe
    from lab.config.places import Tree
    from lab.experiment import DataFacts

    recipe = load_recipe(given["cell"]["experiment"])
    config = recipe.config.model_validate(given["cell"]["values"])
    cell = Cell(config=config, choices={}, tree=Tree({}, {}), choose={}, **given["cell"])
    return Job(given["id"], cell, recipe, DataFacts(**given["facts"]), given["label"])


def _listen(orders: SimpleQueue[bytes]) -> None:
    """Pass on what standard input orders, until it says stop or ends."""
    with os.fdopen(os.dup(0), "rb") as lines:
        for line in lines:
            if line == b"interrupt\n":
                break
            orders.put(line)
    interrupt.ask()
    orders.put(b"")


def _error_of(path: Path) -> str | None:
    from lab.runs.files import read_json

    try:
        info = read_json(path / "run.json")
    except Exception:
        return None
    return info.get("error") if info.get("status") == "failed" else None
