"""Layers of a config: what lies over what, and where each value says that it came from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.config import load
from lab.config.places import Origin, Tree, merge
from lab.config.resolve import find_config, parse_override
from lab.errors import ConfigError

HEAD = "experiment: word2vec\n"


def origin(plan, key):
    return str(plan.origins[key])


def test_a_chain_of_three_and_the_command_line(write):
    write("base/a.yaml", HEAD + "model: {window: 1, negative: 1, vector_size: 1}\ntrain: {epochs: 1}\n")
    write("base/b.yaml", "extends: a.yaml\nmodel:\n  window: 2\n  negative: 2\n")
    write("c.yaml", "extends: base/b.yaml\n\nmodel:\n  window: 3\n")
    plan = load("c.yaml", ["train.epochs=4"])
    config = plan.cells[0].config
    assert (config.model.window, config.model.negative, config.model.vector_size) == (3, 2, 1)
    assert config.train.epochs == 4
    assert origin(plan, "model.window") == "c.yaml:4"
    assert origin(plan, "model.negative") == "base/b.yaml:4"
    assert origin(plan, "model.vector_size") == "base/a.yaml:2"
    assert origin(plan, "train.epochs") == "command line"
    assert origin(plan, "train.threads") == "default"
    assert set(plan.origins) == set(_leaves(plan.cells[0].values))


def test_lists_are_replaced_and_sections_merged(write):
    write("a.yaml", HEAD + "report: {words: [a, b], title: A}\ntokenizer: {phrases: {passes: 2}}\n")
    write("b.yaml", "extends: a.yaml\nreport: {words: [c]}\ntokenizer: {phrases: {min_count: 9}}\n")
    config = load("b.yaml").cells[0].config
    assert config.report.words == ["c"]
    assert config.report.title == "A"
    assert (config.tokenizer.phrases.passes, config.tokenizer.phrases.min_count) == (2, 9)


def test_null_takes_an_optional_section_away_and_a_mapping_brings_it_back(write):
    write("a.yaml", HEAD + "tokenizer: {phrases: {passes: 2}}\n")
    write("b.yaml", "extends: a.yaml\ntokenizer: {phrases: null}\n")
    write("c.yaml", "extends: b.yaml\ntokenizer: {phrases: {min_count: 3}}\n")
    assert load("b.yaml").cells[0].config.tokenizer.phrases is None
    assert load("c.yaml").cells[0].config.tokenizer.phrases.passes == 1
    assert load("b.yaml", ["tokenizer.phrases.passes=3"]).cells[0].config.tokenizer.phrases.passes == 3


def test_a_name_is_not_inherited_and_a_sweep_is_replaced_whole(write):
    write("a.yaml", HEAD + "name: mine\nsweep: {seed: [0, 1], model.window: [1, 2]}\n")
    write("b.yaml", "extends: a.yaml\n")
    write("c.yaml", "extends: a.yaml\nsweep: {seed: [5]}\n")
    write("d.yaml", "extends: a.yaml\nsweep: {}\n")
    assert load("a.yaml").name == "mine"
    assert load("b.yaml").name == "b"
    assert len(load("b.yaml").cells) == 4
    assert [cell.config.seed for cell in load("c.yaml").cells] == [5]
    assert not load("d.yaml").is_study


def test_a_file_wins_over_a_shipped_config_of_its_name(write):
    assert load("word2vec/skipgram").cells[0].config.model.architecture == "skipgram"
    assert load("word2vec/skipgram.yaml").name == "skipgram"
    write("word2vec/skipgram", HEAD + "model: {architecture: cbow}\n")
    assert load("word2vec/skipgram").cells[0].config.model.architecture == "cbow"


def test_a_folder_of_the_same_name_hides_no_shipped_config(write):
    write("word2vec/skipgram/note.txt", "")
    assert load("word2vec/skipgram").name == "skipgram"


def test_a_config_extends_a_shipped_one_from_anywhere(write):
    write("deep/down/mine.yaml", "extends: word2vec/cbow\ntrain: {epochs: 2}\n")
    plan = load("deep/down/mine.yaml")
    assert plan.cells[0].config.model.architecture == "cbow"
    assert plan.cells[0].config.train.epochs == 2
    assert origin(plan, "model.architecture").endswith("configs/word2vec/cbow.yaml:6")


@pytest.mark.parametrize("name", ["quickstart", "studies/quickstart", "studies/quickstart.yaml"])
def test_the_last_part_of_a_name_means_the_study(name, home):
    assert find_config(name, home).as_posix().endswith("configs/studies/quickstart.yaml")


def test_the_last_part_is_enough_where_it_is_unique(home):
    assert find_config("cbow", home).as_posix().endswith("configs/word2vec/cbow.yaml")


def test_a_mapping_is_a_config_too(write):
    write("base.yaml", HEAD + "train: {epochs: 7}\n")
    plan = load({"extends": "base.yaml", "model": {"window": 2}, "report": {"words": ("a", "b")}}, ["seed=3"])
    config = plan.cells[0].config
    assert (config.train.epochs, config.model.window, config.seed) == (7, 2, 3)
    assert config.report.words == ["a", "b"]
    assert plan.name == "word2vec"
    assert plan.file is None
    assert origin(plan, "model.window") == "the given config"
    assert origin(plan, "train.epochs") == "base.yaml:2"


def test_a_mapping_says_what_it_cannot_take():
    with pytest.raises(ConfigError, match=r"^the given config: model.window is a set; expected text, a number"):
        load({"experiment": "word2vec", "model": {"window": {1, 2}}})
    with pytest.raises(ConfigError, match=r"^the given config: unknown key train.epoch; did you mean train.epochs\?"):
        load({"experiment": "word2vec", "train": {"epoch": 1}})


def test_numpy_numbers_in_a_mapping():
    import numpy as np

    plan = load({"experiment": "word2vec", "sweep": {"model.window": list(np.arange(2, 4))}})
    assert [cell.config.model.window for cell in plan.cells] == [2, 3]


def test_a_resolved_config_loads_as_itself():
    first = load("word2vec/cbow", ["seed=4"]).cells[0]
    assert load(first.values).cells[0].values == first.values


def parsed(text):
    """The override, or the error that refuses it."""
    try:
        return parse_override(text)
    except ConfigError as error:
        return error


@given(st.text(), st.lists(st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True), min_size=1, max_size=4))
def test_any_value_is_read_or_refused_in_one_line(value, keys):
    text = f"{'.'.join(keys)}={value}"
    found = parsed(text)
    if isinstance(found, ConfigError):
        assert str(found).startswith("command line: ")
        assert str(found).isprintable()
        assert value.lstrip().startswith(("[", "{", '"', "'")) or keys[0] in ("extends", "study", "config")
    else:
        assert ([found.target] if found.target else []) + list(found.path) == keys


@given(st.text())
def test_any_argument_is_an_override_or_refused_in_one_line(text):
    found = parsed(text)
    if isinstance(found, ConfigError):
        assert str(found).isprintable()
    else:
        assert text.split("=")[0].strip().endswith(found.key)


leaf = st.integers(0, 3) | st.lists(st.integers(0, 1), max_size=2)
mappings = st.dictionaries(
    st.sampled_from("abc"), st.recursive(leaf, lambda x: st.dictionaries(st.sampled_from("abc"), x))
)


def tree_of(values, file):
    def places(values, path):
        for key, value in values.items():
            yield (*path, key)
            if isinstance(value, dict):
                yield from places(value, (*path, key))

    return Tree(values, {path: Origin(file, 1, "file") for path in places(values, ())})


@given(mappings, mappings)
def test_merging_takes_the_upper_value_and_its_origin(base, top):
    merged = merge(tree_of(base, "base"), tree_of(top, "top"))
    for path in tree_of(merged.values, "").origins:
        in_top = path in tree_of(top, "").origins
        assert merged.origin(path).file == ("top" if in_top else "base")
    assert set(merged.origins) == set(tree_of(merged.values, "").origins)
    assert merge(tree_of(base, "base"), tree_of({}, "top")).values == base
    assert merge(tree_of(top, "base"), tree_of(top, "top")).values == top


def _leaves(values, above=""):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"
