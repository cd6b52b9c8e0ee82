from __future__ import annotations

import unicodedata

import pytest
from gensim.models.phrases import Phrases
from hypothesis import given
from hypothesis import strategies as st

from lab.data.tokenizer import TokenizerConfig, join_phrases, tokenize


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The King's well-known 2nd law.", ["the", "king's", "well-known", "2", "nd", "law"]),
        ("don’t DON'T 'quoted' -dash- a--b", ["don’t", "don't", "quoted", "dash", "a", "b"]),
        ("1,000 3.14 snake_case", ["1", "000", "3", "14", "snake", "case"]),
        ("Straße ÉCOLE naïve", ["straße", "école", "naïve"]),
        ("हिन्दी में लिखा", ["हिन्दी", "में", "लिखा"]),
        ("العَرَبِيَّة هنا", ["العَرَبِيَّة", "هنا"]),
        ("мир, труд", ["мир", "труд"]),
        ("我来了。", ["我来了"]),
        ("<b>&amp;</b> 😀 …", ["b", "amp", "b"]),
        ("", []),
        (" \t\n", []),
    ],
)
def test_words(text, tokens):
    assert tokenize(text, TokenizerConfig()) == tokens


def test_one_spelling_however_an_accent_was_typed():
    composed = unicodedata.normalize("NFC", "café Ångström")
    decomposed = unicodedata.normalize("NFD", composed)
    assert composed != decomposed
    assert tokenize(decomposed, TokenizerConfig()) == tokenize(composed, TokenizerConfig()) == ["café", "ångström"]


@pytest.mark.parametrize(
    ("settings", "tokens"),
    [
        ({"lowercase": False}, ["In", "1984", "Big", "Brother", "won", "a", "2", "nd", "time"]),
        ({"numbers": "drop"}, ["in", "big", "brother", "won", "a", "nd", "time"]),
        ({"numbers": "zero"}, ["in", "0000", "big", "brother", "won", "a", "0", "nd", "time"]),
        ({"min_length": 3}, ["1984", "big", "brother", "won", "time"]),
        ({"pattern": "whitespace"}, ["in", "1984", "big", "brother", "won", "a", "2nd", "time."]),
        ({"pattern": "whitespace", "numbers": "drop"}, ["in", "big", "brother", "won", "a", "2nd", "time."]),
        ({"pattern": r"\w+"}, ["in", "1984", "big", "brother", "won", "a", "2nd", "time"]),
        ({"pattern": r"(big|a)\s+(\w+)|\w+"}, ["in", "1984", "big_brother", "won", "a_2nd", "time"]),
    ],
)
def test_options(settings, tokens):
    assert tokenize("In 1984 Big Brother won a 2nd time.", TokenizerConfig(**settings)) == tokens


@given(st.text())
def test_text_that_is_already_tokenised_is_kept_as_it_is(text):
    assert tokenize(text, TokenizerConfig(pattern="whitespace", lowercase=False)) == text.split()


@pytest.mark.parametrize("pattern", ["words", "whitespace", r"\S+", r"[^a]+"])
@given(text=st.text())
def test_no_token_is_empty_or_holds_white_space(pattern, text):
    assert all(token and len(token.split()) == 1 for token in tokenize(text, TokenizerConfig(pattern=pattern)))


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_plain_and_full_expressions_agree_on_plain_text(text):
    """An accented word at the end sends the same text through the other expression."""
    assert [*tokenize(text, TokenizerConfig()), "é"] == tokenize(f"{text} é", TokenizerConfig())


SENTENCES = [line.split() for line in ["new york is new", "i like new york city", "new york city", "york new york"] * 5]


@pytest.mark.parametrize("scoring", ["default", "npmi"])
def test_phrases_are_joined_as_gensim_joins_them(scoring):
    model = Phrases(SENTENCES, min_count=1, threshold=0.1, scoring=scoring)
    table = model.export_phrases()
    assert table
    for sentence in [*SENTENCES, ["new"], [], ["new", "new", "york", "york"], ["city", "new", "york", "city", "new"]]:
        assert join_phrases(sentence, [table]) == model[sentence]


def test_a_second_pass_joins_phrases_with_words():
    tables = [{"new_york": 1.0}, {"new_york_city": 1.0}]
    assert tokenize("New York City, in new York", TokenizerConfig(), tables) == ["new_york_city", "in", "new_york"]
