"""A recipe that leaves something of every kind, and ways to do its run: plainly, until it is killed, on a full disk.

As a program: `python walk_recipe.py plain|fork|full_disk …`, with LAB_HOME set.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
from pydantic import Field

from lab.config.base import ExperimentConfig, Section, presentation
from lab.embeddings.space import EmbeddingSpace
from lab.experiment import DataFacts, Recipe
from lab.runs import catalogue, provenance
from lab.runs.identity import source_hash
from lab.runs.run import Run
from lab.runs.writer import open_run


class ModelConfig(Section):
    rate: float = Field(0.1, gt=0)


class WalkConfig(ExperimentConfig):
    experiment: Literal["walk"] = "walk"
    model: ModelConfig = Field(default_factory=ModelConfig)
    steps: int = 6
    every: int = 2
    nap: float = presentation(0.0)
    ballast: int = presentation(0)


FACTS = DataFacts("no data", {"documents": 612}, "none")


def walk(config, run) -> None:
    """A random walk in three dimensions whose generator lives through checkpoints."""
    ids = [f"item {i}" for i in range(4)]
    random, place, start = run.generator("walk"), np.zeros(3), 0
    if checkpoint := run.latest_checkpoint():
        random.bit_generator.state = checkpoint.state["random"]
        place, start = checkpoint.tensors["place"], checkpoint.step
    else:
        run.stage("start")
        run.count(tokens=448_211)
        run.split("test", ids)
        run.embeddings(EmbeddingSpace(ids, np.ones((4, 3))), "item.untrained")
    for step in range(start + 1, config.steps + 1):
        time.sleep(config.nap)
        place = place + config.model.rate * random.normal(size=3)
        run.metric(step, distance=float(np.linalg.norm(place)))
        run.log(f"step {step} taken")
        if step == config.steps // 2:
            run.warn("halfway")
            run.result("way", "distance", float(place[0]), split="validation", n=1, higher_is_better=False)
            run.figure("ülk/..\0", b"PNG of " + place.tobytes(), title="halfway", caption="", data={"at": place})
        if step % config.every == 0:
            run.checkpoint(step, {"place": place}, {"random": random.bit_generator.state})
    run.stage("evaluate")
    values = place[0] + np.arange(4)
    run.scores("walk", "place", ids, values, note=ids)
    run.result("walk", "place", float(values.mean()), n=4, primary=True)
    run.embeddings(EmbeddingSpace(ids, np.outer(np.arange(1, 5), place)), "item", default=True)
    run.save_tensors("model", {"place": place, "ballast": np.zeros(config.ballast)}, {"steps": config.steps})
    run.save_json("settings", {"rate": config.model.rate})


RECIPE = Recipe("walk", "a random walk", 1, WalkConfig, lambda config: FACTS, walk)


def cell_of(config) -> SimpleNamespace:
    """What `open_run` needs of a cell."""
    return SimpleNamespace(config=config, values=config.model_dump(mode="json"))


def do(recipe=RECIPE, facts=FACTS, how=None, **values) -> Run:
    """Do the run of a config, as the launcher would."""
    config = recipe.config(**values)
    with open_run(recipe, cell_of(config), facts, **(how or {})) as run:
        if not run.finished:
            recipe.run(config, run)
    return Run(run.path)


def content(path: Path) -> dict[str, object]:
    """What a run directory holds that does not depend on when and in how many parts it was made."""
    found: dict[str, object] = {}
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        name = str(file.relative_to(path))
        if name == "metrics.jsonl":
            records = [json.loads(line) for line in file.read_text().splitlines()]
            found[name] = [{key: value for key, value in record.items() if key != "time"} for record in records]
        elif name == "log.txt":
            lines = [line.partition("Z ")[2] for line in file.read_text().splitlines()]
            found[name] = [line for line in lines if not line.startswith("goes on after step")]
        elif file.suffix == ".json" and name == "run.json":
            info = json.loads(file.read_text())
            found[name] = {key: info[key] for key in ("status", "error", "default_embedding", "warnings", "data")}
        elif file.name == "state.json":
            state = json.loads(file.read_text())
            for key in ("seconds", "metrics_bytes", "log_bytes"):
                del state["writer"][key]
            found[name] = state
        else:
            found[name] = file.read_bytes()
    return found


CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree"}
_left = [0]


def die_at(number: int, below: str) -> None:
    """Kill this process, as `kill -9` does, before the given touch of a file in a folder."""

    def hook(event: str, arguments: tuple) -> None:
        if event in CHANGES and below in str(arguments[0]):
            _left[0] -= 1
            if _left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    _left[0] = number
    sys.addaudithook(hook)


def fork(numbers: list[int], home: Path) -> None:
    """For each number n: a home where a run was killed at its n-th touch of a file, then done again by another."""
    for name in ("pandas", "pyarrow.parquet", "safetensors.numpy", "yaml"):
        importlib.import_module(name)  # here, not again in every child
    provenance.git_commit(), source_hash(RECIPE)
    os.fsync = lambda descriptor: None  # a killed process, unlike a lost machine, loses nothing that was written
    for number in numbers:
        folder = home / f"killed at {number}"
        folder.mkdir()
        os.environ["LAB_HOME"] = str(folder)
        for deadly in (True, False):
            child = os.fork()
            if child == 0:
                if deadly:
                    die_at(number, str(folder))
                else:
                    look_around()
                do(seed=3)
                catalogue.delete(catalogue.orphans())
                os._exit(0)
            print(number, "first" if deadly else "again", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def look_around() -> None:
    """Read all that a killed run left, as `lab list` and a notebook would."""
    for run in catalogue.all_runs():
        if run.status not in ("interrupted", "finished"):
            os._exit(1)
        repr(run), run._repr_html_(), run.results, run.metrics, run.scores(), run.figures, run.splits, run.log
        [run.space(name) for name in run.embedding_names]


def full_disk(disk: Path) -> None:
    """Do a run on a small disk filled up to `spare` bytes, for many `spare`; what is left must be of use."""
    os.environ["LAB_HOME"] = str(disk)
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    for spare in range(0, 200_000, 3 * 4096):
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * (free - spare))
        outcome, left = "finished", []
        try:
            do(seed=3, ballast=5000)
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        for path in disk.rglob("*"):
            if ".tmp." in path.name:
                left.append(path.name)
        ballast.unlink()
        run = do(seed=3, ballast=5000)
        print(json.dumps({"spare": spare, "outcome": outcome, "left": left, "value": run.results["value"].iloc[-1]}))
        for path in sorted(disk.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()


if __name__ == "__main__":
    if sys.argv[1] == "plain":
        do(how={"on_event": lambda event: print(event["event"], flush=True)}, **json.loads(sys.argv[2]))
    elif sys.argv[1] == "fork":
        fork([int(number) for number in sys.argv[2].split(",")], Path(sys.argv[3]))
    else:
        full_disk(Path(sys.argv[2]))
