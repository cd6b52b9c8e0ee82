"""Whatever is written, `load` gives a plan or one line; never a traceback."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.config import configs_dir, load
from lab.errors import ConfigError

FILES = ["word2vec/skipgram.yaml", "word2vec/cbow.yaml", "studies/quickstart.yaml"]
TEXTS = [(configs_dir() / name).read_text(encoding="utf-8") for name in FILES]
PIECES = [
    *"{}[]:,-#&*!|>'\"%@`\t\n \\$\0é",
    ": ",
    "- ",
    "\n  ",
    "null",
    "true",
    "-1",
    "1e9",
    "[0, 1]",
    "${seed}",
    "${",
    "..",
    "word2vec",
]


@pytest.fixture(scope="module", autouse=True)
def beside_the_shipped(tmp_path_factory):
    """The current folder, once for all examples."""
    before = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("fuzz"))
    yield
    os.chdir(before)


def outcome(source, overrides=()):
    try:
        return load(source, overrides)
    except ConfigError as error:
        return error


def assert_plan_or_line(found):
    if isinstance(found, ConfigError):
        assert str(found).isprintable()
        assert len(str(found)) < 1000
    else:
        assert found.cells


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(TEXTS), st.data())
def test_a_file_with_slips_of_the_pen(text, data):
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.sampled_from([0, 0, 1, 5, 30])))
        text = text[:start] + data.draw(st.sampled_from(PIECES)) + text[end:]
    with open("config.yaml", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    assert_plan_or_line(outcome("config.yaml"))


@settings(max_examples=25)
@given(st.binary(max_size=60))
def test_a_file_of_any_bytes(data):
    with open("config.yaml", "wb") as file:
        file.write(data)
    assert isinstance(outcome("config.yaml"), ConfigError)


KEYS = [
    *("experiment", "seed", "name", "report", "extends", "sweep", "choose", "study", "config", "train", "train.epochs"),
    *("epochs", "model", "window", "tokenizer", "phrases", "tokenizer.phrases.passes", "words", "", "é\n"),
]
LEAVES = st.sampled_from([
    *(None, True, 0, -1, 3, 0.5, 1e300, float("nan"), float("inf"), 2**70, "", "word2vec", "cbow", "${seed}", "${"),
    *("a\nb", "word2vec/cbow", "quickstart", "."),
])  # fmt: skip
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(KEYS), v, max_size=3))


@settings(max_examples=80)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4), st.booleans())
def test_any_mapping(mapping, complete):
    assert_plan_or_line(outcome(mapping | ({"experiment": "word2vec"} if complete else {})))


OVERRIDES = st.tuples(
    st.sampled_from(["", "sweep.", "choose."]),
    st.sampled_from(KEYS),
    st.sampled_from(["=", "", "=="]),
    st.text(max_size=8) | st.sampled_from(PIECES),
).map("".join)


@settings(max_examples=40)
@given(st.lists(OVERRIDES, min_size=1, max_size=3), st.sampled_from(["word2vec/cbow", "quickstart"]))
def test_any_overrides(overrides, name):
    assert_plan_or_line(outcome(name, overrides))


@settings(max_examples=40)
@given(
    st.text(max_size=300)
    | st.sampled_from(["a" * 5000, "\0", "/", "~", "~nobody", "~0", "..", "*", "word2vec/", "studies"])
)
def test_any_name(name):
    found = outcome(name)
    assert isinstance(found, ConfigError) or found.file.is_file()
