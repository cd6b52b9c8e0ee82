from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lab.runs.writer import RunWriter


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder that all tests of a file share: what one has trained, the others use."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def shared_home(folder, monkeypatch) -> None:
    """Runs, studies and cache of the shared folder, current for this test."""
    monkeypatch.setenv("LAB_HOME", str(folder / "home"))
    monkeypatch.setenv("LAB_CACHE", str(folder / "cache"))
    monkeypatch.chdir(folder)


@pytest.fixture
def pairs(home):
    """Sixty users in three groups and what they had of their group's fifteen films; a table says the films' groups."""
    rng = np.random.default_rng(0)
    rows = [(u, f"f{i + 15 * (u % 3)}") for u in range(60) for i in rng.permutation(15)[:8]]
    pd.DataFrame(rows, columns=["user_id", "item_id"]).to_csv(home / "pairs.csv", index=False)
    films = pd.DataFrame({"item_id": [f"f{i}" for i in range(45)], "genre": [f"genre {i // 15}" for i in range(45)]})
    films.to_csv(home / "films.csv", index=False)
    return {"source": str(home / "pairs.csv"), "items": str(home / "films.csv")}


@pytest.fixture
def interrupted(monkeypatch):
    """Calls what trains, and presses Ctrl-C when the run listens for it the `times`th time."""

    def stop_after(times, train):
        heard, counted = RunWriter.check_interrupt, []

        def stop(self):
            counted.append(True)
            if len(counted) == times:
                raise KeyboardInterrupt
            heard(self)

        monkeypatch.setattr(RunWriter, "check_interrupt", stop)
        with pytest.raises(KeyboardInterrupt):
            train()

    return stop_after
