"""The wheel, as another machine would install it."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_a_wheel_installed_elsewhere_runs_a_shipped_config(tmp_path):
    """Built and installed into a folder of its own; what runs must come from there, not from this checkout."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, ROOT], check=True)
    (wheel,) = tmp_path.glob("embeddings_lab-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "lab/configs/studies/quickstart.yaml" in names
    assert "lab/report/vendor/regl-scatterplot.min.js" in names
    assert not [name for name in names if name.startswith("tests/")]

    installed, work = tmp_path / "installed", tmp_path / "work"
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target", installed, wheel], check=True)
    work.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed), "LAB_HOME": str(work), "LAB_CACHE": str(work / "cache")}

    def lab(*words: str) -> str:
        code = "import lab, lab.cli; assert lab.__file__.startswith({!r}), lab.__file__; lab.cli.main()"
        command = [sys.executable, "-c", code.format(str(installed)), *words]
        done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "word2vec/skipgram" in lab("list", "configs")
    lab("run", "word2vec/skipgram", "train.epochs=1", "model.vector_size=16", "evaluate.similarity=[wordsim353]")
    assert "finished" in lab("list", "runs")
    assert (work / "runs" / "word2vec").is_dir()
