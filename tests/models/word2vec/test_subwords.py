"""Words made of n-grams: which n-grams there are, and the kernel against plain numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_text import made_up_text
from plain_word2vec import NO_COPIES, RATES, WIDTH, WORDS, aligned, numbered_text, sigmoid, windows_in

from lab.embeddings.space import EmbeddingSpace
from lab.models.word2vec.encoder import MeanOfWords
from lab.models.word2vec.engine import Options
from lab.models.word2vec.held_out_loss import hold_out, pair_losses
from lab.models.word2vec.kernels import Windows
from lab.models.word2vec.lab_engine import LabEngine
from lab.models.word2vec.subword_kernel import train_subwords
from lab.models.word2vec.subwords import ngrams, subwords

SMALL = Options(vector_size=12, window=3, min_count=2, epochs=3, subwords=(2, 4))


def test_ngrams_are_those_of_the_paper():
    assert ngrams("where", (3, 3)) == ["<wh", "whe", "her", "ere", "re>"]
    assert ngrams("as", (3, 6)) == ["<as", "as>"]  # "<as>" is the word itself
    assert ngrams("aaaa", (2, 2)) == ["<a", "aa", "a>"]


@given(st.lists(st.text("abc", min_size=1, max_size=6), min_size=1, unique=True), st.integers(1, 4), st.integers(0, 3))
def test_a_word_is_itself_and_its_ngrams(words, shortest, more):
    span = (shortest, shortest + more)
    made = subwords(tuple(words), span)
    names = words + list(made.index)
    assert len(made.starts) == len(words) + 1
    for row, word in enumerate(words):
        parts = made.parts[made.starts[row] : made.starts[row + 1]].tolist()
        assert parts[0] == row
        assert [names[part] for part in parts[1:]] == ngrams(word, span)
    vectors = np.random.default_rng(0).normal(size=(len(names), 5)).astype(np.float32)
    slow = [vectors[made.parts[a:b]].mean(axis=0) for a, b in zip(made.starts[:-1], made.starts[1:], strict=True)]
    assert np.allclose(made.word_vectors(vectors), slow, atol=1e-6)


@pytest.mark.parametrize("skipgram", [True, False], ids=["skipgram", "cbow"])
@pytest.mark.parametrize("mean", [True, False], ids=["mean", "sum"])
def test_training_does_what_plain_numpy_does(skipgram, mean):
    text, generator = numbered_text(), np.random.default_rng(7)
    made = subwords(tuple(f"{'ab'[n % 2]}{'xyz'[n % 3]}{n}" for n in range(WORDS)), (2, 3))
    inputs = aligned(generator.normal(size=(WORDS + len(made.index), WIDTH), scale=0.3))
    outputs = aligned(generator.normal(size=(WORDS, WIDTH), scale=0.5))
    noise = generator.integers(0, 12, 4096).astype(np.int32)
    windows, negative, state = Windows(3, True, skipgram, mean), 5, 2**62 + 5

    slow_in, slow_out, place = inputs.astype(float), outputs.astype(float), 9
    for rate, word, context in windows_in(text, 0, len(text.starts) - 1, windows, state):
        given, predicted = ([word], context) if skipgram else (context, [word])
        parts = [made.parts[made.starts[row] : made.starts[row + 1]] for row in given]
        share = 1 / len(given)
        begun = sum(slow_in[rows].mean(axis=0) for rows in parts) * (share if mean else 1)
        hidden, drawn = begun.copy(), noise[place : place + negative]
        place += negative
        for target in predicted:
            rows, labels = np.append(target, drawn), np.eye(1, negative + 1)[0]
            counted = np.append(True, drawn != target)
            gradient = rate * counted * (labels - sigmoid(slow_out[rows] @ hidden))
            move = gradient @ slow_out[rows]
            np.add.at(slow_out, rows, np.outer(gradient, hidden))
            hidden += move
        for rows in parts:
            slow_in[rows] += (hidden - begun) * (1 if mean else share)

    reached = train_subwords(
        inputs, outputs, aligned(np.zeros((1, WIDTH))), aligned(np.zeros((1, WIDTH))), made.parts, made.starts,
        NO_COPIES, text, 0, len(text.starts) - 1, noise, 9, np.uint64(state), windows, RATES, (1.0,) + (0.0,) * 5,
    )  # fmt: skip
    assert reached == place
    assert np.abs(inputs - slow_in).max() < 1e-5
    assert np.abs(outputs - slow_out).max() < 1e-5


@pytest.mark.parametrize("architecture", ["skipgram", "cbow"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_loss_falls_and_one_thread_repeats_itself(architecture, threads):
    sentences, engine = made_up_text(), LabEngine()
    options = dataclasses.replace(SMALL, architecture=architecture, threads=threads, learning_rate=0.1)
    vocabulary = engine.build(sentences, options)
    pairs = hold_out(made_up_text(seed=1), vocabulary, options, tokens=4000)
    states = [engine.start(vocabulary, options, seed=3)] * 2
    first = pair_losses(pairs, states[0].word_vectors, states[0].output_vectors).mean()
    for _ in range(options.epochs):
        states = [engine.train_epoch(state, sentences) for state in states]
    assert pair_losses(pairs, states[0].word_vectors, states[0].output_vectors).mean() < 0.9 * first
    assert states[0].word_vectors.shape == (len(vocabulary), 12)
    assert len(states[0].input_vectors) > len(vocabulary)
    if threads == 1:
        assert np.array_equal(states[0].input_vectors, states[1].input_vectors)


def test_a_word_never_seen_has_the_mean_of_its_ngrams():
    made = subwords(("walking", "walked", "talking"), (3, 4))
    vectors = np.random.default_rng(0).normal(size=(3 + len(made.index), 4)).astype(np.float32)
    known = [made.index[ngram] for ngram in ngrams("talked", (3, 4)) if ngram in made.index]
    assert known
    assert np.allclose(made.vector("talked", vectors), vectors[known].mean(axis=0))
    assert made.vector("zzz", vectors) is None

    space = EmbeddingSpace(["walking"], made.word_vectors(vectors)[:1])
    both = MeanOfWords(space, str.split, lambda word: made.vector(word, vectors)).encode(["walking talked", "zzz"])
    assert np.allclose(both[0], (space.vectors[0] + made.vector("talked", vectors)) / 2, atol=1e-6)
    assert np.isnan(both[1]).all()
