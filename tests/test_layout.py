"""The layering of the design, held by reading the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "lab").rglob("*.py"), *(ROOT / "experiments").glob("*.py")])

# package: the parts of `lab` that it may import (`EVERYBODYS` apart)
MAY_IMPORT = {
    "evaluation": {"evaluation", "embeddings"},
    "embeddings": {"evaluation", "embeddings"},
    "models": {"models", "embeddings", "evaluation"},
    "training": {"training", "models", "evaluation", "config", "data"},  # of `data` only the type of items
    "data": {"data", "config", "experiment", "embeddings"},
    "runs": {"runs", "config", "data", "embeddings", "evaluation", "experiment", "trackers"},
    "trackers": {"trackers"},
    "report": {"report", "runs", "config", "data", "embeddings", "evaluation"},
    "config": {"config", "experiment", "data", "trackers"},
}
EVERYBODYS = {"errors", "atomic", "cache", "hub"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def test_the_sources_are_found():
    assert len(SOURCES) > 40


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_look_only_where_the_design_lets_them(path):
    parts = path.relative_to(ROOT).parts
    names = imported(path)
    if parts[0] == "lab":
        assert not {name for name in names if name.split(".")[0] == "experiments"}, "lab never imports experiments"
        if parts[1] in MAY_IMPORT:
            inside = {name.split(".")[1] for name in names if name.startswith("lab.")}
            assert inside <= MAY_IMPORT[parts[1]] | EVERYBODYS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_importing_lab_and_its_command_costs_nothing_heavy():
    code = (
        "import sys, lab, lab.cli, experiments.word2vec, experiments.pretrained, experiments.contextual;"
        "import experiments.finetune, experiments.baseline, experiments.features;"
        "print([m for m in ('torch', 'numpy', 'pandas', 'gensim', 'scipy', 'sklearn', 'transformers', 'timm', 'peft',"
        " 'torchvision', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_nothing_loads_a_pickle():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert "allow_pickle=True" not in text, path
        assert not {"pickle", "dill", "joblib", "cloudpickle"} & imported(path), path
        assert "torch.load(" not in text or "weights_only=True" in text, path
