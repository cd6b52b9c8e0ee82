"""Recipes are found by entry point, and only the one that is used is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from lab.config import json_schema, load, load_recipe, recipes
from lab.config.experiments import GROUP
from lab.errors import ConfigError, LabError, UserError


@pytest.fixture
def installed(monkeypatch):
    """Sets which entry points there are."""

    def install(**points: str):
        found = [EntryPoint(name.split("__")[0], value, GROUP) for name, value in points.items()]
        monkeypatch.setattr("lab.config.experiments.entry_points", lambda group: found)
        recipes.cache_clear()

    yield install
    monkeypatch.undo()
    recipes.cache_clear()


@pytest.mark.parametrize("name", ["word2vec", "pretrained", "contextual"])
def test_ours_are_installed(name):
    assert load_recipe(name).name == name
    assert load({"experiment": name}).cells[0].experiment == name or name == "contextual"


def test_an_unknown_one_is_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"^experiment is 'word2vek'; expected .*; did you mean 'word2vec'\?$"):
        load_recipe("word2vek")


def test_one_that_cannot_be_imported_spoils_nothing_else(installed):
    installed(broken="no_such_module:recipe", word2vec="experiments.word2vec:recipe")
    with pytest.raises(
        UserError, match=r"^experiment 'broken' \(no_such_module:recipe.*ModuleNotFoundError: No module"
    ):
        load({"experiment": "broken"})
    assert load({"experiment": "word2vec"}).cells
    assert "no_such_module" in json_schema()["$comment"]


@pytest.mark.parametrize("value", ["lab.errors:nearest", "experiments.word2vec:recipe"])
def test_something_else_is_no_recipe(installed, value):
    installed(mine=value)
    with pytest.raises(LabError, match=r"is not a lab.experiment.Recipe of that name"):
        load_recipe("mine")


def test_two_packages_cannot_share_a_name(installed):
    installed(mine="a:recipe", mine__2="b:recipe")
    with pytest.raises(UserError, match=r"^experiment 'mine' is claimed by .*a:recipe.*b:recipe.*uninstall"):
        recipes()


def test_the_same_entry_point_seen_twice_is_one(installed):
    installed(mine="a:recipe", mine__2="a:recipe")
    assert list(recipes()) == ["mine"]


HEAVY = ("torch", "pandas", "gensim", "numpy", "scipy", "sklearn", "pyarrow", "matplotlib", "transformers", "datasets")


def run_python(code: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["word2vec/cbow", "quickstart"])
def test_loading_and_showing_a_config_imports_nothing_heavy(name, home):
    code = (
        "import sys; from lab.config import load, show_config\n"
        f"assert 'experiment' in show_config(load({name!r}, ['seed=3']))\n"
        f"print([name for name in (*{HEAVY}, 'omegaconf') if name in sys.modules])"
    )
    assert run_python(code, home).strip() == "[]"


def test_a_reference_imports_omegaconf_and_still_nothing_heavy(home):
    code = (
        "import sys; from lab.config import load\n"
        "assert load('word2vec/cbow', ['name=${model.architecture}']).name == 'cbow'\n"
        f"print([name for name in (*{HEAVY}, 'omegaconf') if name in sys.modules])"
    )
    assert run_python(code, home).strip() == "['omegaconf']"


def test_only_the_recipe_that_is_used_is_imported(home):
    code = (
        "import sys; from lab.config import load\n"
        "load('word2vec/cbow')\n"
        "print(sorted(name for name in sys.modules if name.startswith('experiments.')))"
    )
    assert run_python(code, home).strip() == "['experiments.word2vec']"
