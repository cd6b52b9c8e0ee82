"""A tracker as another package would add it: writes down what it is told, and can be told to misbehave."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path


class ToyTracker:
    def begin(self, facts, params) -> None:
        self._id = facts.id
        parent = facts.parent._id if facts.parent else None
        about = {"kind": facts.kind, "name": facts.name, "tags": dict(facts.tags), "parent": parent}
        self._note("begin", **about, goes_on=facts.goes_on, params=dict(params))

    def metrics(self, step, values) -> None:
        self._note("metrics", step=step, values=dict(values))

    def results(self, values) -> None:
        self._note("results", values=dict(values))

    def artifact(self, path) -> None:
        assert path.is_file()
        self._note("artifact", name=path.name)

    def end(self, status) -> None:
        self._note("end", status=status)

    def _note(self, call: str, **words) -> None:
        folder = Path(__file__).parent
        misbehaviour = folder / f"{call}.does"  # made and taken away by the test
        if misbehaviour.exists():
            what = misbehaviour.read_text()
            if what == "raise":
                raise OSError("the disk of\nthe tracker is full")
            while not (folder / what).exists():  # hangs until the test makes a file of that name
                time.sleep(0.01)
        with open(folder / "told.jsonl", "a") as file:
            file.write(json.dumps({"id": self._id, "call": call, **words, "pid": os.getpid()}) + "\n")
