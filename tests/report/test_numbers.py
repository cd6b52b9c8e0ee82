from __future__ import annotations

import math

import pytest

from lab.report.numbers import as_given, digits_for, plain, sentence, spoken, spoken_label, with_interval


@pytest.mark.parametrize(
    ("low", "high", "decimals"),
    [
        *((0.27, 0.45, 2), (0.31, 0.39, 3), (0.3141, 0.3159, 4), (3.0, 5.5, 1), (100, 130, 0), (100, 5000, 0)),
        *((0.5, 0.5, 3), (None, None, 3), (0.1, None, 3), (0.0, math.inf, 3), (0.0, 2e-8, 6), (0.5, 0.5 + 1e-16, 3)),
    ],
)
def test_digits_follow_the_width_of_the_interval(low, high, decimals):
    assert digits_for(low, high) == decimals


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        *((0.364, 2, ".36"), (-0.021, 2, "-.02"), (-0.001, 2, ".00"), (4.2149, 2, "4.21"), (12480.4, 0, "12,480")),
        *((0.0, 0, "0"), (1.0, 3, "1.000"), (10.25, 1, "10.2"), (-0.4, 0, "0"), (math.nan, 2, "–"), (math.inf, 2, "–")),
    ],
)
def test_plain_numbers(value, decimals, text):
    assert plain(value, decimals) == text


def test_a_value_with_its_interval():
    assert with_interval(0.3612, 0.271, 0.449) == ".36 [.27, .45]"
    assert with_interval(0.3612, None, None) == ".361"
    assert with_interval(-0.14, -0.23, -0.05) == "-.14 [-.23, -.05]"


def test_names_as_people_write_them():
    assert spoken("wordsim353") == "WordSim-353"
    assert spoken("spearman_skipped") == "Spearman, missing words skipped"
    assert spoken("my_test") == "my test"
    assert spoken_label("word2vec architecture=skipgram, window=5") == "word2vec skip-gram, window=5"
    assert spoken_label("cbow") == "CBOW"
    assert spoken_label("trains the last 2 of 9 blocks") == "training the last 2 of 9 blocks"
    assert sentence("skip-gram: good") == "Skip-gram: good"
    assert sentence("minilm-l6: good") == "minilm-l6: good"
    assert (as_given(0.01), as_given(0.005), as_given(2.5)) == (".01", ".005", "2.5")
