from __future__ import annotations

import json

import numpy as np
import pytest
from gensim.models import Word2Vec
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UserError
from lab.models.word2vec.engine import Options, State, Vocabulary, count_words

WORDS = st.sampled_from([*"abcdefgh", "é", "日本", "Ab"])
TEXT = st.lists(st.lists(WORDS, min_size=1, max_size=8), min_size=1, max_size=20)


def test_words_come_by_count_then_by_code_point():
    vocabulary = count_words([["b", "a", "c"], ["c", "b", "a"], ["Z", "c"]], min_count=1)
    assert vocabulary.words == ("c", "a", "b", "Z")
    assert vocabulary.counts.tolist() == [3, 2, 2, 1]
    assert vocabulary.index == {"c": 0, "a": 1, "b": 2, "Z": 3}
    assert (vocabulary.tokens, vocabulary.types, vocabulary.sentences) == (8, 4, 3)


@given(TEXT, st.randoms())
def test_the_order_of_the_text_does_not_matter(text, random):
    shuffled = random.sample(text, len(text))
    assert count_words(text, min_count=1).words == count_words(shuffled, min_count=1).words


@given(TEXT, st.integers(1, 4), st.none() | st.integers(1, 8))
def test_keeps_the_words_that_gensim_keeps(text, min_count, max_vocab):
    model = Word2Vec(min_count=min_count, max_final_vocab=max_vocab, vector_size=2)
    model.build_vocab(text)
    expected = {word: model.wv.get_vecattr(word, "count") for word in model.wv.index_to_key}
    if not expected:
        with pytest.raises(UserError, match="word"):
            count_words(text, min_count, max_vocab)
        return
    vocabulary = count_words(text, min_count, max_vocab)
    assert dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("text", "arguments", "cure"),
    [
        ([], {}, "check the source and the tokenizer's pattern"),
        ([["a", "b", "a"]], {"min_count": 3}, r"the most frequent, 'a', 2 times.*lower vocabulary.min_count"),
        ([["a", "b"]], {"min_count": 1, "max_vocab": 1}, "raise vocabulary.max_vocab"),
    ],
)
def test_says_what_to_do_where_no_word_is_left(text, arguments, cure):
    with pytest.raises(UserError, match=cure):
        count_words(text, **arguments)


def test_the_learning_rate_falls_in_a_line_from_first_to_last_epoch():
    options = Options(epochs=4, learning_rate=0.5, min_learning_rate=0.1)
    rates = [options.learning_rates(epoch) for epoch in range(4)]
    assert np.allclose(rates, [(0.5, 0.4), (0.4, 0.3), (0.3, 0.2), (0.2, 0.1)])


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.3), ("constant", 0.5)])
def test_the_learning_rate_may_fall_otherwise(schedule, middle):
    options = Options(epochs=4, learning_rate=0.5, min_learning_rate=0.1, schedule=schedule)
    rates = [options.learning_rates(epoch) for epoch in range(4)]
    assert [start for start, _ in rates[1:]] == [end for _, end in rates[:-1]]
    assert rates[0][0] == 0.5
    assert rates[1][1] == pytest.approx(middle)
    assert rates[3][1] == pytest.approx(0.1 if schedule == "cosine" else 0.5)


def test_a_state_comes_back_from_its_tensors_and_json():
    vocabulary = Vocabulary(("a", "b"), np.array([2, 1]), 3, 2, 1)
    vectors = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = State(vocabulary, Options(), vectors, -vectors, 3, {"mt19937": {"keys": [2**32 - 1], "gauss": 0.1}})
    progress = json.loads(json.dumps(state.progress()))
    again = State.restore(vocabulary, Options(), state.tensors(), progress)
    assert (again.input_vectors == vectors).all()
    assert (again.output_vectors == -vectors).all()
    assert (again.epoch, again.generators) == (3, state.generators)
    assert again.is_finite()
    vectors[1, 1] = np.nan
    assert not state.is_finite()
