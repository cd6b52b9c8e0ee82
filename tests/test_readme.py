"""What the README shows must work as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab.config import load, write_new
from lab.errors import ConfigError

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_third_party_experiment_of_the_readme_runs(home, tmp_path):
    """The package as a reader would write it, found by its entry point in a process of its own."""
    (package := tmp_path / "site" / "my_package").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    code = next(block for block in blocks("python") if "RandomConfig" in block)
    (package / "random_vectors.py").write_text(code)
    (about := tmp_path / "site" / "my_package-1.0.dist-info").mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    entry = next(line for block in blocks("toml") for line in block.splitlines() if line.startswith("random-vectors"))
    name, value = (part.strip().strip('"') for part in entry.split("="))
    (about / "entry_points.txt").write_text(f"[lab.experiments]\n{name} = {value}\n")
    (tmp_path / "mine.yaml").write_text("experiment: random-vectors\nsweep: {seed: [0, 1]}\n")

    def lab(*words: str) -> str:
        import os

        environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "LAB_CACHE": str(tmp_path / "cache")}
        command = [sys.executable, "-m", "lab", *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "random-vectors" in lab("list", "experiments")
    lab("run", "mine.yaml", "dimensions=4", "--no-report")
    assert "2 of 2 runs finished" in lab("list", "studies")
    assert lab("neighbors", "mine:seed=1", "king").count("queen") == 1


@pytest.mark.parametrize("line", re.findall(r"^    (lab [a-z]+ .*)$", README, flags=re.MULTILINE))
def test_every_command_of_the_readme_is_one_that_lab_knows(line):
    """Options and verbs are real; the files that the lines name are the reader's."""
    words = line.split("#")[0].split()
    shown = subprocess.run([sys.executable, "-m", "lab", words[1], "--help"], capture_output=True, text=True)
    assert shown.returncode == 0
    for option in (word for word in words if re.fullmatch(r"--?[a-z][a-z-]*", word)):
        assert re.search(rf"(?<![\w-]){option}(?![\w-])", shown.stdout), option


def test_the_message_shown_is_the_one_that_comes(home):
    place, said = re.search(r"^    lab: (mine\.yaml:\d+: )(.*?, )…", README, flags=re.MULTILINE).groups()
    mine = write_new("word2vec/skipgram", "mine.yaml")
    mine.write_text(mine.read_text(encoding="utf-8").replace("  window:", "  widnow:"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load("mine.yaml")
    assert str(caught.value).startswith(place + said)
