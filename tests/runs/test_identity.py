from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from experiments.word2vec import Word2VecConfig
from lab.config.base import ExperimentConfig, Section, presentation
from lab.experiment import DataFacts, Recipe
from lab.runs.identity import canonical_json, config_hash, differing, run_id, source_hash

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=4),
    max_leaves=12,
)


class Noise(Section):
    kind: Literal["noise"] = "noise"
    amount: float = 0.5
    label: str = presentation("noise")


class Blur(Section):
    kind: Literal["blur"] = "blur"
    amount: float = 0.5


class ModelConfig(Section):
    size: int = 8
    layers: list[int] = Field(default_factory=lambda: [8, 4])
    noise: Noise | None = None
    change: Noise | Blur = Field(default_factory=Noise)
    color: str = presentation("blue")


class Tuned(ModelConfig):
    size: int = 16


class ToyConfig(ExperimentConfig):
    experiment: Literal["toy"] = "toy"
    model: ModelConfig = Field(default_factory=lambda: ModelConfig(size=5))
    tuned: Tuned = Field(default_factory=Tuned)
    stages: list[Noise | Blur] = Field(default_factory=list)
    rate: float | None = 0.1
    limit: int | bool = 1


RECIPE = Recipe("toy", "", 1, ToyConfig, lambda config: DataFacts(""), lambda config, run: None)

noises = st.builds(Noise, amount=st.sampled_from([0.5, 0.25]), label=st.sampled_from(["noise", "other"]))
blurs = st.builds(Blur, amount=st.sampled_from([0.5, 0.25]))
models = st.builds(
    ModelConfig,
    size=st.sampled_from([5, 8]),
    layers=st.sampled_from([[8, 4], [8], []]),
    noise=st.none() | noises,
    change=noises | blurs,
    color=st.sampled_from(["blue", "red"]),
)
configs = st.builds(
    ToyConfig,
    seed=st.sampled_from([0, 1]),
    name=st.sampled_from([None, "a name"]),
    model=models,
    stages=st.lists(noises | blurs, max_size=2),
    rate=st.sampled_from([0.1, None, 0.0]),
    limit=st.sampled_from([1, True, 2]),
)


def shuffled(value: Any, random: Any) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(item, random)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@settings(deadline=None, max_examples=60)
@given(JSON, st.randoms(use_true_random=False))
def test_canonical_json_knows_no_order_of_keys_and_loses_nothing(value, random):
    text = canonical_json(value)
    assert canonical_json(shuffled(value, random)) == text
    assert json.loads(text) == value


@settings(deadline=None, max_examples=60)
@given(JSON, JSON)
def test_canonical_json_tells_different_values_apart(one, other):
    assert (canonical_json(one) == canonical_json(other)) == (repr(sorted_keys(one)) == repr(sorted_keys(other)))


def sorted_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


def test_canonical_json_refuses_what_is_not_plain():
    with pytest.raises(TypeError, match="not JSON serializable"):
        canonical_json({"a": object()})
    with pytest.raises(TypeError, match="text for keys"):
        canonical_json({1: "a", "1": "b"})


def what_counts(config: ToyConfig) -> str:
    """Everything but the presentation, written out by hand."""
    values = config.model_dump(exclude={"name": True, "report": True, "model": {"color"}, "tuned": {"color"}})
    sections = [values["model"]["noise"], values["model"]["change"], values["tuned"]["change"], *values["stages"]]
    for section in sections:
        if section:
            section.pop("label", None)
    return repr(values)


@settings(deadline=None, max_examples=60)
@given(configs, configs)
def test_two_runs_are_the_same_exactly_where_everything_that_counts_is(one, other):
    assert (run_id(RECIPE, one, "data") == run_id(RECIPE, other, "data")) == (what_counts(one) == what_counts(other))
    assert (config_hash(RECIPE, one) == config_hash(RECIPE, other)) == (what_counts(one) == what_counts(other))


@settings(deadline=None, max_examples=60)
@given(configs, st.randoms(use_true_random=False))
def test_the_order_in_which_keys_are_written_does_not_matter(config, random):
    written = shuffled(config.model_dump(), random)
    assert run_id(RECIPE, ToyConfig.model_validate(written), "") == run_id(RECIPE, config, "")


def test_defaults_and_presentation_are_left_out():
    assert differing(ToyConfig()) == {}
    written = {"seed": 0, "name": "a", "model": {"size": 5, "color": "red", "change": {"kind": "noise", "label": "x"}}}
    assert differing(ToyConfig.model_validate(written)) == {}
    # The default of a section is the one of its place, not the one of its class.
    assert differing(ToyConfig(model=ModelConfig())) == {"model": {"size": 8}}
    assert differing(ToyConfig(seed=4, tuned=Tuned(size=8))) == {"seed": 4, "tuned": {"size": 8}}


def test_a_key_added_later_with_a_default_keeps_the_id():
    class Later(ToyConfig):
        threshold: float = 0.5

    later = replace(RECIPE, config=Later)
    assert run_id(later, Later(seed=2), "data") == run_id(RECIPE, ToyConfig(seed=2), "data")
    assert run_id(later, Later(seed=2, threshold=0.6), "data") != run_id(RECIPE, ToyConfig(seed=2), "data")


def test_required_keys_always_count():
    class Needy(ExperimentConfig):
        experiment: Literal["toy"] = "toy"
        path: str
        low: int = 0

    assert differing(Needy(path="a")) == {"path": "a"}
    assert differing(Needy(path="a", low=1)) == {"path": "a", "low": 1}


def test_recipe_version_data_and_name_count():
    config = ToyConfig()
    ids = {
        run_id(RECIPE, config, "data"),
        run_id(replace(RECIPE, version=2), config, "data"),
        run_id(replace(RECIPE, name="other"), config, "data"),
        run_id(RECIPE, config, "newer data"),
    }
    assert len(ids) == 4
    assert all(len(one) == 12 and set(one) <= set("0123456789abcdef") for one in ids)


def other_value(field: Any, value: Any) -> Any:
    """Something else for a key; it need not be valid, as the id only asks whether it is the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return [*value, "x"] if isinstance(value, list) else f"{value}x"


def with_one_change(section: Section) -> Iterator[Section]:
    """A config for each of its keys, that one changed."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        changes = with_one_change(value) if isinstance(value, Section) else [other_value(field, value)]
        yield from (section.model_copy(update={name: change}) for change in changes)


def test_every_key_of_word2vec_that_changes_a_number_changes_the_id():
    recipe = replace(RECIPE, name="word2vec", config=Word2VecConfig)
    usual = Word2VecConfig()
    beside = ("report", "name", "tracker")
    changed = [one for one in with_one_change(usual) if all(getattr(one, k) == getattr(usual, k) for k in beside)]
    assert len(changed) > 30
    assert len({run_id(recipe, one, "data") for one in [usual, *changed]}) == len(changed) + 1
    renamed = Word2VecConfig(name="x", tracker="none", report={"title": "y", "map": {"seed": 4}})
    assert run_id(recipe, renamed, "data") == run_id(recipe, usual, "data")


def test_the_source_hash_follows_the_recipes_own_file(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    hashes = []
    for body in ("return 1", "return 2", "return 1"):
        source_hash.cache_clear()
        sys.modules.pop("recipe_of_mine", None)
        (tmp_path / "recipe_of_mine.py").write_text(f"def run(config, run):\n    {body}\n")
        importlib.invalidate_caches()
        module = importlib.import_module("recipe_of_mine")
        hashes.append(source_hash(replace(RECIPE, run=module.run)))
    assert hashes[0] == hashes[2]
    assert hashes[0] != hashes[1]


def test_what_recipes_build_on_is_part_of_the_source_hash():
    """Every module of `lab` that a shipped recipe imports, but for those that only carry, keep or read back."""
    import ast

    import lab
    from lab.runs.identity import _lab_source

    package = Path(lab.__file__).parent
    hashed = {line.split()[0] for line in _lab_source()}
    used = set()
    for recipe in sorted((package.parent / "experiments").glob("[a-z]*.py")):
        for node in ast.walk(ast.parse(recipe.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lab."):
                used.add(package.joinpath(*(node.module or "").split(".")[1:]).with_suffix(".py"))
    arithmetic = {path.name for path in used if path.parent.name != "runs"} - {"errors.py", "experiment.py"}
    arithmetic -= {"cache.py", "trained.py", "trained_towers.py"}
    assert {"spaces.py", "evaluate.py", "words.py"} <= arithmetic
    assert arithmetic <= hashed
