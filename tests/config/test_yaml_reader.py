"""Scalars mean what a person expects, every key knows its line, and what is written reads back the same."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.config import from_yaml, load, to_yaml
from lab.config.yaml_reader import read_text, read_value, scalar

NUMBERS = [
    ("0", 0), ("-7", -7), ("+7", 7), ("007", 7), ("10_000", 10_000), ("0x1F", 31), ("0o17", 15), ("1e5", 100_000),
    ("1E+2", 100), ("1e-3", 0.001), ("1.5e3", 1500.0), ("1E-3", 0.001), (".5", 0.5), ("5.", 5.0), ("-0.25", -0.25),
    (".inf", math.inf), ("-.inf", -math.inf),
]  # fmt: skip
TEXTS = [
    *("on", "off", "yes", "no", "y", "n", "On", "TrUe", "nUll", "none", "None", "nil", "1:30", "2024-01-01", "2024_01"),
    *("1_0", "1e", "e5", "1.2.3", "0x", "0b101", "1,000", "inf", "nan", "Infinity", "NaN", "--1", "+", "-", ".", "1 2"),
]
WORDS = [("true", True), ("False", False), ("null", None), ("~", None), ("", None)]


@pytest.mark.parametrize(("text", "value"), NUMBERS + WORDS)
def test_numbers_booleans_and_null(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)
    assert read_text(f"key: {text}", "a.yaml").values == {"key": value}


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "-"])
def test_everything_else_is_text(text):
    assert scalar(text) == text
    assert read_text(f"key: {text}", "a.yaml").values == {"key": text}


def test_not_a_number_is_a_number():
    assert math.isnan(scalar(".nan"))


@pytest.mark.parametrize("text", ["12", "true", "null", "1e-3", "~"])
@pytest.mark.parametrize("form", ["'{}'", '"{}"', "!!str {}", "|-\n  {}", ">-\n  {}"])
def test_quotes_make_text(text, form):
    assert read_text("key: " + form.format(text), "a.yaml").values == {"key": text}


def test_keys_are_the_text_that_is_written():
    assert read_text("on: 1\n1: 2\nnull: 3\n", "a.yaml").values == {"on": 1, "1": 2, "null": 3}


def test_every_key_and_item_knows_its_line():
    tree = read_text("# one\na:\n  b: {c: 1,\n      d: 2}\n  e:\n    - 3\n\n    - f: 4\n", "a.yaml")
    lines = {path: origin.line for path, origin in tree.origins.items() if path}
    assert lines == {
        ("a",): 2, ("a", "b"): 3, ("a", "b", "c"): 3, ("a", "b", "d"): 4, ("a", "e"): 5, ("a", "e", 0): 6,
        ("a", "e", 1): 8, ("a", "e", 1, "f"): 8,
    }  # fmt: skip
    assert str(tree.origin(("a", "b", "d"))) == "a.yaml:4"


def test_anchors_windows_line_ends_and_a_byte_order_mark(tmp_path):
    from lab.config.yaml_reader import read_file

    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: &x [1, caf\xc3\xa9]\r\nb: *x\r\n")
    assert read_file(path).values == {"a": [1, "café"], "b": [1, "café"]}


@given(st.text())
def test_any_text_is_some_scalar(text):
    value = scalar(text)
    assert value is None or isinstance(value, str | int | float)
    if isinstance(value, str):
        assert value == text


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_read_back_from_json_and_python(number):
    assert scalar(json.dumps(number)) == number
    assert scalar(repr(number)) == number


@given(st.integers(min_value=0, max_value=10**12))
def test_thousands_may_be_grouped(number):
    assert scalar(f"{number:_}") == number


leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20).filter(lambda text: "$" not in text)
)  # fmt: skip
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(lambda key: key != "<<" and "$" not in key)
values = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))


@given(st.dictionaries(keys, values, min_size=1, max_size=4))
def test_what_is_written_reads_back(mapping):
    read = read_text(to_yaml(mapping), "a.yaml").values
    assert json.dumps(read) == json.dumps(mapping)


@given(st.lists(st.text(st.sampled_from("\\\\${}ab'\""), max_size=8)))
def test_dollars_and_backslashes_are_no_references_when_they_come_back(words):
    values = {"experiment": "word2vec", "report": {"words": words}}
    assert from_yaml(to_yaml(values)) == values
    assert load(read_text(to_yaml(values), "a.yaml").values).cells[0].config.report.words == words


@given(st.text(st.characters(exclude_characters="[{\"'")))
def test_a_value_of_the_command_line_is_a_scalar_unless_it_opens_with_a_bracket_or_quote(text):
    assert read_value(text) == scalar(text.strip()) or text.strip() in (".nan", ".NaN", ".NAN")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[king, 1e-3, off]", ["king", 0.001, "off"]),
        ("{a: 1}", {"a": 1}),
        ("'12'", "12"),
        ("What is: this # ?", "What is: this # ?"),
        ("*.txt", "*.txt"),
        ("@home", "@home"),
        ("", None),
        ("a=b", "a=b"),
    ],
)
def test_values_of_the_command_line(text, value):
    assert read_value(text) == value
