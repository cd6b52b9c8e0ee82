from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.config import recipes


@dataclass
class Toy:
    """A package with a recipe of its own, installed where this process and those it starts find it."""

    folder: Path
    notes: Path

    def notes_of(self, word: str) -> list[list[str]]:
        """What the recipe wrote down after `word`, a list for each time."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [line.split()[1:] for line in lines if line.split()[0] == word]

    def write(self, name: str, **keys: object) -> Path:
        """Write a config of the toy experiment."""
        path = Path(name)
        path.write_text(yaml.safe_dump({"experiment": "toy", **keys}))
        return path

    def start(self, *command: str) -> subprocess.Popen:
        """Start Python in a process group of its own; `command`: a file or `-m` and a module, and arguments."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
        environment = os.environ | {"PYTHONPATH": str(self.folder)}
        return subprocess.Popen([sys.executable, "-P", *command], **pipes, env=environment)

    def launch(self, *arguments: str) -> subprocess.Popen:
        """Start what `lab run` does, without the table and report at its end."""
        return self.start(str(Path(__file__).with_name("launch.py")), *arguments)


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch) -> None:
    """A test cannot see whether files were flushed to the disk, only how long that takes."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def toy(home, tmp_path_factory, monkeypatch) -> Iterator[Toy]:
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(Path(__file__).with_name("toy_experiment.py"), folder)
    about = folder / "lab_toy-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-toy\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[lab.experiments]\ntoy = toy_experiment:recipe\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("TOY_NOTES", str(folder / "notes.txt"))
    recipes.cache_clear()
    yield Toy(folder, folder / "notes.txt")
    sys.modules.pop("toy_experiment", None)
    recipes.cache_clear()
