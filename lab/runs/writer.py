"""What a recipe gets: the `RunWriter`, and `open_run`, the one place where a run begins, goes on and ends.

Everything a watcher may want to know goes to `on_event` as a small JSON-able dict with `run` (the id) and `event`:
`waiting`; `start` (step: where it goes on, None from the beginning); `start_over` (reason); `stage` (name);
`progress` (epoch, epochs, metrics); `metric` (step, values); `log`, `warning` (text); `end` (status, error).
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.runs import interrupt, provenance, seeds
from lab.runs.artifacts import Artifacts, number
from lab.runs.checkpoints import Checkpoint, load_latest, prune, save_checkpoint
from lab.runs.files import (
    FORMAT_VERSION,
    NewerFormat,
    clearly,
    read_json,
    remove,
    remove_leftovers,
    storage_error,
    write_atomic,
    write_json,
)
from lab.runs.home import runs_dir
from lab.runs.identity import config_hash, run_id, source_hash
from lab.runs.journal import Journal
from lab.runs.locks import RunBusy, run_lock

if TYPE_CHECKING:
    import numpy as np

    from lab.config import Cell
    from lab.experiment import DataFacts, Recipe

OnEvent = Callable[[dict[str, Any]], None]
_GLANCE = 0.5  # seconds; longer than anybody holds a lock only to look whether it is free


class RunWriter(Artifacts):
    """The run directory as its recipe sees it while it runs.

    `finished`: the run was already there when it was opened; there is nothing to do. `threads`: how many it may use.
    """

    def __init__(self, path: Path, cell: Cell, facts: DataFacts, info: dict[str, Any], on_event: OnEvent) -> None:
        super().__init__(path)
        self.id = path.name
        self.config: Any = cell.config
        self.seed: int = cell.config.seed
        self.threads: int = info["threads"]
        self.data = facts
        self.finished = False
        self.warnings: list[str] = []
        self._info = info
        self._on_event = on_event
        self._seconds = 0.0  # before this process
        self._since = time.monotonic()

    # --- randomness

    def generator(self, name: str) -> np.random.Generator:
        """A fresh generator at the beginning of this run's stream `name`; asked twice, the same numbers come twice."""
        return seeds.generator(self.seed, name)

    def stream_seed(self, name: str) -> int:
        """A seed in [0, 2**32) for the stream `name`, for libraries that take one."""
        return seeds.stream_seed(self.seed, name)

    # --- what happens

    def stage(self, name: str) -> None:
        """Say what begins now, for the progress line and the log; stop here if Ctrl-C was pressed."""
        self.check_interrupt()
        self._log.append(f"{provenance.now()} {name}")
        self._event("stage", name=name)

    def progress(self, epoch: int, epochs: int, **metrics: float) -> None:
        """Say how far it is; nothing is written."""
        self._event("progress", epoch=epoch, epochs=epochs, metrics={k: number(v) for k, v in metrics.items()})

    def log(self, text: str) -> None:
        """Add a line to log.txt."""
        self._log.append(f"{provenance.now()} {text}")
        self._event("log", text=text)

    def warn(self, text: str) -> None:
        """Add a line to log.txt and to the warnings of the run, which the report shows."""
        self._log.append(f"{provenance.now()} warning: {text}")
        if text not in self.warnings:
            self.warnings.append(text)
        self._event("warning", text=text)

    def metric(self, step: int, **values: float) -> None:
        """Add a line to metrics.jsonl: the step, the values (NaN and infinities become null), seconds so far."""
        numbers = {name: number(value) for name, value in values.items()}
        self._metrics.append(json.dumps({"step": int(step), **numbers, "time": round(self._elapsed(), 3)}))
        self._event("metric", step=int(step), values=numbers)

    def count(self, **counts: int) -> None:
        """Add to the counts of the data in run.json what only reading all of it told, e.g. `tokens=448_211`."""
        self._info["data"]["counts"] |= {name: int(count) for name, count in counts.items()}

    def check_interrupt(self) -> None:
        """Raise KeyboardInterrupt where somebody pressed Ctrl-C: call it wherever stopping loses nothing."""
        if interrupt.asked():
            raise KeyboardInterrupt

    # --- checkpoints

    def checkpoint(self, step: int, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Save what the recipe needs to go on after `step`, then stop here if Ctrl-C was pressed.

        `tensors`: arrays of numbers; `state`: plain JSON data (NaN and integers of any size come back as they were,
        tuples as lists). The last two are kept.
        """
        kept = {
            "metrics_bytes": self._metrics.sync(),
            "log_bytes": self._log.sync(),
            "results": self.results,
            "warnings": self.warnings,
            "default_embedding": self.default_embedding,
            "seconds": self._elapsed(),
            "counts": self._info["data"]["counts"],
        }
        save_checkpoint(self.path / "checkpoints", Checkpoint(step, dict(tensors), dict(state), kept))
        self.check_interrupt()

    def latest_checkpoint(self) -> Checkpoint | None:
        """The last checkpoint: where the recipe is to go on from; None where it is to begin."""
        return load_latest(self.path / "checkpoints")

    # --- used by open_run

    def _begin(self, values: Mapping[str, Any], checkpoint: Checkpoint | None, reason: str | None) -> None:
        kept = checkpoint.writer if checkpoint else {}
        self.results = kept.get("results", [])
        self.warnings = kept.get("warnings", [])
        self.default_embedding = kept.get("default_embedding")
        self._seconds = kept.get("seconds", 0.0)
        self._info["data"]["counts"] |= kept.get("counts", {})
        write_atomic(self.path / "config.yaml", _config_yaml(values))
        self._write_info("running")
        self._metrics = Journal(self.path / "metrics.jsonl", kept.get("metrics_bytes", 0))
        self._log = Journal(self.path / "log.txt", kept.get("log_bytes", 0))
        if self._metrics.length == 0:
            self._metrics.append(json.dumps({"format_version": FORMAT_VERSION}))
        if reason:
            self._log.append(f"{provenance.now()} starts over: {reason}")
            self._event("start_over", reason=reason)
        if checkpoint:
            self._log.append(f"{provenance.now()} goes on after step {checkpoint.step}")
        self._event("start", step=checkpoint.step if checkpoint else None)

    def _end(self, status: str, error: str | None = None) -> None:
        self._metrics.sync()
        self._log.sync()
        write_json(self.path / "results.json", {"results": self.results})
        self._write_info(status, error)  # the last write
        self._event("end", status=status, error=error)

    def _stop(self, error: BaseException) -> None:
        if self._info["status"] == "finished":  # what came after the last write is no part of the run
            return
        if isinstance(error, KeyboardInterrupt | GeneratorExit):
            self._end("interrupted")
        else:
            self._log.append(f"{provenance.now()} {traceback.format_exc()}")
            self._end("failed", _one_line(error))

    def _close(self) -> None:
        for journal in ("_metrics", "_log"):
            if hasattr(self, journal):
                getattr(self, journal).close()

    def _write_info(self, status: str, error: str | None = None) -> None:
        self._info |= {
            "status": status,
            "error": error,
            "finished": None if status == "running" else provenance.now(),
            "seconds": round(self._elapsed(), 3),
            "default_embedding": self.default_embedding,
            "warnings": self.warnings,
        }
        write_json(self.path / "run.json", self._info)

    def _elapsed(self) -> float:
        return self._seconds + time.monotonic() - self._since

    def _event(self, event: str, **details: Any) -> None:
        self._on_event({"run": self.id, "event": event, **details})


@contextmanager
def open_run(
    recipe: Recipe,
    cell: Cell,
    facts: DataFacts,
    *,
    study: str | None = None,
    threads: int = 1,
    on_event: OnEvent | None = None,
    rerun: bool = False,
    wait: bool = True,
) -> Iterator[RunWriter]:
    """Hold a run's lock while the block does it, and keep its status: running, then finished, interrupted or failed.

    A run that stopped halfway goes on from its last checkpoint where source, torch, numpy, gensim and threads are the
    same; else it starts over and says so. A finished one is handed out with `finished` true, untouched, unless `rerun`.
    Ctrl-C and errors of the block are recorded and raised again, a full disk as one clear `LabError`.

    Raises:
        RunBusy: another process holds the lock and `wait` is false. With `wait` it is waited for.
    """
    path = runs_dir() / recipe.name / run_id(recipe, cell.config, facts.fingerprint, facts.inputs)
    on_event = on_event or (lambda event: None)
    with _locked(path, wait, on_event):
        info = _info(recipe, cell, facts, threads, study)
        before = _info_before(path)
        run = RunWriter(path, cell, facts, info, on_event)
        if before.get("status") == "finished" and not rerun:
            run.finished = True
            yield run
            return
        checkpoint, reason = (None, None) if rerun else _where_to_go_on(path, before, info)
        if checkpoint:
            info |= _going_on(before, info, checkpoint)
            remove_leftovers(path)
            prune(path / "checkpoints")
        else:
            remove(path)
        try:
            run._begin(cell.values, checkpoint, reason)
            yield run
            run._end("finished")
        except BaseException as error:
            clear = storage_error(error)
            with suppress(LabError, OSError, AttributeError):  # on a full disk it stays `running`, with a free lock
                run._stop(clear or error)
            if clear:
                raise clear from error
            raise
        finally:
            run._close()


@contextmanager
def _locked(path: Path, wait: bool, on_event: OnEvent) -> Iterator[None]:
    from filelock import Timeout

    with clearly(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = run_lock(path)
    try:
        with clearly(path):
            lock.acquire(timeout=_GLANCE)
    except Timeout:
        if not wait:
            raise RunBusy(f"run {path.name} is being done by another process") from None
        on_event({"run": path.name, "event": "waiting"})
        while not lock.is_locked:
            if interrupt.asked():
                raise KeyboardInterrupt from None
            with suppress(Timeout):
                lock.acquire(timeout=_GLANCE)
    try:
        yield
    finally:
        lock.release()


def _info(recipe: Recipe, cell: Cell, facts: DataFacts, threads: int, study: str | None) -> dict[str, Any]:
    """run.json at the start of a run."""
    return {
        "id": run_id(recipe, cell.config, facts.fingerprint, facts.inputs),
        "experiment": recipe.name,
        "recipe_version": recipe.version,
        "status": "running",
        "error": None,
        "seed": cell.config.seed,
        "study": study,
        "config_hash": config_hash(recipe, cell.config),
        "source_hash": source_hash(recipe),
        "git_commit": provenance.git_commit(),
        "data": {
            "fingerprint": facts.fingerprint,
            "counts": dict(facts.counts),
            "description": facts.description,
            **({"inputs": dict(facts.inputs)} if facts.inputs else {}),
        },
        "packages": provenance.packages(),
        "host": provenance.host(),
        "threads": threads,
        "started": provenance.now(),
        "finished": None,
        "seconds": 0.0,
        "resumed": [],
    }


def _info_before(path: Path) -> dict[str, Any]:
    """run.json of an earlier start; empty where there was none or a disk damaged it."""
    try:
        return read_json(path / "run.json")
    except NewerFormat:
        raise
    except LabError:
        return {}


def _where_to_go_on(
    path: Path, before: Mapping[str, Any], info: Mapping[str, Any]
) -> tuple[Checkpoint | None, str | None]:
    """The checkpoint to go on from; or None, and why one that is there cannot be used."""
    checkpoint = load_latest(path / "checkpoints") if before else None
    if checkpoint is None:
        return None, None
    changes = [
        f"{name} {before['packages'].get(name)} → {info['packages'].get(name)}"
        for name in provenance.DECISIVE
        if before["packages"].get(name) != info["packages"].get(name)
    ]
    if before["threads"] != info["threads"]:
        changes.append(f"threads {before['threads']} → {info['threads']}")
    if before["source_hash"] != info["source_hash"]:
        changes.append("the source of lab or of the recipe")
    if changes:
        return None, f"changed since step {checkpoint.step}: {', '.join(changes)}"
    return checkpoint, None


def _going_on(before: Mapping[str, Any], info: Mapping[str, Any], checkpoint: Checkpoint) -> dict[str, Any]:
    """What run.json says of a resumed run; `exact`: the same machine type, so the same numbers bit for bit."""
    exact = all(before["host"][key] == info["host"][key] for key in ("machine", "processor"))
    this_time = {"time": provenance.now(), "step": checkpoint.step, "exact": exact}
    return {"started": before["started"], "resumed": [*before["resumed"], this_time]}


def _config_yaml(values: Mapping[str, Any]) -> str:
    from lab.config import to_yaml

    return f"# format_version: {FORMAT_VERSION}\n{to_yaml(values)}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, LabError) else f"{type(error).__name__}: {text}".rstrip(": ")
