from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from gensim.models import Word2Vec
from made_up_text import made_up_text

from lab.models.word2vec.engine import Options, count_words
from lab.models.word2vec.gensim_engine import GensimEngine
from lab.models.word2vec.held_out_loss import hold_out, keep_probability, pair_losses, sentence_losses

PLAIN = Options(vector_size=10, window=2, min_count=2, shrink_windows=False, subsample=0)
FOUR = [
    dataclasses.replace(PLAIN, architecture=architecture, objective=objective)
    for architecture in ("cbow", "skipgram")
    for objective in ("negative-sampling", "hierarchical-softmax")
]
NAMES = [f"{options.architecture}, {options.objective}" for options in FOUR]


@pytest.fixture(scope="module")
def vocabulary():
    return count_words(made_up_text(), PLAIN.min_count)


@pytest.fixture(scope="module")
def held_out():
    return [["unheard"], *made_up_text(40, seed=1), ["the", "unheard", "of"], ["the"]]


def drawn(held_out, vocabulary, options, **arguments):
    return hold_out(held_out, vocabulary, options, tokens=sum(map(len, held_out)), **arguments)


def contexts_of(pairs) -> list[list[int]]:
    return [
        pairs.contexts[start:stop].tolist() for start, stop in zip(pairs.starts[:-1], pairs.starts[1:], strict=True)
    ]


def windows_by_loops(sentences, vocabulary, window: int):
    """(sentence, context rows, word row) for every word that has a neighbour, by the book."""
    for number, sentence in enumerate(sentences):
        rows = [vocabulary.index[word] for word in sentence if word in vocabulary.index]
        for place, row in enumerate(rows):
            context = rows[max(0, place - window) : place] + rows[place + 1 : place + 1 + window]
            if context:
                yield number, context, row


def test_cbow_predicts_every_word_from_its_whole_window(held_out, vocabulary):
    pairs = drawn(held_out, vocabulary, PLAIN)
    expected = list(windows_by_loops(held_out, vocabulary, 2))
    found = zip(pairs.sentences.tolist(), contexts_of(pairs), pairs.nodes[:, 0].tolist(), strict=True)
    assert list(found) == expected


def test_skipgram_predicts_every_word_from_each_neighbour(held_out, vocabulary):
    pairs = drawn(held_out, vocabulary, dataclasses.replace(PLAIN, architecture="skipgram"))
    windows = windows_by_loops(held_out, vocabulary, 2)
    expected = [(number, [other], row) for number, context, row in windows for other in context]
    found = zip(pairs.sentences.tolist(), contexts_of(pairs), pairs.nodes[:, 0].tolist(), strict=True)
    assert list(found) == expected


@pytest.mark.parametrize("options", [*FOUR, dataclasses.replace(PLAIN, cbow_mean=False)], ids=[*NAMES, "cbow, sum"])
def test_loss_is_that_of_a_slow_loop(options, held_out, vocabulary):
    pairs = drawn(held_out, vocabulary, options)
    generator = np.random.default_rng(7)
    inputs, outputs = generator.normal(size=(2, len(vocabulary), 10)).astype(np.float32)
    losses = pair_losses(pairs, inputs, outputs)
    tree = gensim_tree(vocabulary)
    assert len(losses) == len(pairs) > 100
    windows = list(windows_by_loops(held_out, vocabulary, 2))
    if options.architecture == "skipgram":
        windows = [(number, [other], row) for number, context, row in windows for other in context]
    for place, (_, context, row) in enumerate(windows):
        hidden = [sum(float(inputs[c, k]) for c in context) for k in range(10)]
        if options.cbow_mean:
            hidden = [value / len(context) for value in hidden]
        if options.objective == "negative-sampling":
            noise = pairs.nodes[place, 1:].tolist()
            targets = [(row, 1), *((word, -1) for word in noise if word != row)]
        else:
            targets = [(int(point), 1 - 2 * int(code)) for point, code in zip(*tree[row], strict=True)]
        expected = 0.0
        for node, sign in targets:
            dot = sum(hidden[k] * float(outputs[node, k]) for k in range(10))
            expected -= math.log(1 / (1 + math.exp(-sign * dot)))
        assert losses[place] == pytest.approx(expected, rel=1e-4)


def gensim_tree(vocabulary):
    model = Word2Vec(hs=1, negative=0, min_count=1, sorted_vocab=0, vector_size=2)
    model.build_vocab_from_freq(dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)))
    return [(model.wv.get_vecattr(row, "point"), model.wv.get_vecattr(row, "code")) for row in range(len(vocabulary))]


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
def test_loss_falls_in_training_from_that_of_an_untrained_model(options, held_out):
    options = dataclasses.replace(options, learning_rate=0.05, epochs=6, batch_words=500)
    engine, text = GensimEngine(), made_up_text(1000, seed=4)
    vocabulary = engine.build(text, options)
    pairs = drawn(held_out, vocabulary, options)
    state = engine.start(vocabulary, options, seed=1)
    losses = [pair_losses(pairs, state.input_vectors, state.output_vectors)]
    # With outputs of zero each sigmoid is a half.
    assert losses[0] == pytest.approx(np.count_nonzero(pairs.signs, axis=1) * math.log(2))
    for _ in range(6):
        state = engine.train_epoch(state, text)
        losses.append(pair_losses(pairs, state.input_vectors, state.output_vectors))
    means = [loss.mean() for loss in losses]
    assert means[-1] < means[1] < 0.92 * means[0]
    assert np.diff(means).max() < 0.05


@pytest.mark.parametrize("scale", [0.1, 3.0, 40.0])
def test_the_loss_is_the_formula_however_large_the_scores(scale, held_out, vocabulary):
    for options in FOUR:
        pairs = drawn(held_out, vocabulary, dataclasses.replace(options, negative=31))
        inputs, outputs = np.random.default_rng(0).normal(size=(2, len(vocabulary), 10), scale=scale)
        hidden = np.array([inputs[pairs.contexts[a:b]].mean(axis=0) for a, b in pairwise(pairs.starts)])
        scores = np.einsum("pkd,pd->pk", outputs[pairs.nodes], hidden)
        expected = (np.logaddexp(0, -pairs.signs * scores) * (pairs.signs != 0)).sum(axis=1)
        found = pair_losses(pairs, inputs.astype(np.float32), outputs.astype(np.float32))
        assert np.allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_windows_shrink_evenly_and_stay_the_same(held_out, vocabulary):
    options = dataclasses.replace(PLAIN, window=3, shrink_windows=True)
    text = [["the", "of"] * 4000]
    pairs, again = (drawn(text, vocabulary, options) for _ in range(2))
    sizes = np.diff(pairs.starts)[3:-3] // 2
    assert np.bincount(sizes, minlength=4)[1:] / len(sizes) == pytest.approx([1 / 3] * 3, abs=0.03)
    assert pairs.fingerprint(vocabulary) == again.fingerprint(vocabulary)
    assert (pairs.nodes == again.nodes).all()
    other = drawn(text, vocabulary, options, seed=1)
    assert other.fingerprint(vocabulary) != pairs.fingerprint(vocabulary)


def test_noise_words_come_by_their_count_to_the_exponent(vocabulary):
    options = dataclasses.replace(PLAIN, negative=20, ns_exponent=0.5)
    pairs = drawn([["the", "of"] * 3000], vocabulary, options)
    expected = vocabulary.counts**0.5 / (vocabulary.counts**0.5).sum()
    found = np.bincount(pairs.nodes[:, 1:].ravel(), minlength=len(vocabulary)) / pairs.nodes[:, 1:].size
    assert found == pytest.approx(expected, abs=0.003)
    hits = pairs.nodes[:, 1:] == pairs.nodes[:, :1]
    assert hits.any()
    assert (pairs.signs[:, 1:] == np.where(hits, 0, -1)).all()


@pytest.mark.parametrize("subsample", [0, 1e-3, 0.05])
def test_frequent_words_are_kept_as_often_as_in_gensim(subsample, vocabulary):
    model = Word2Vec(min_count=1, sample=subsample, sorted_vocab=0, vector_size=2)
    model.build_vocab_from_freq(dict(zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)))
    kept = keep_probability(vocabulary.counts, subsample)
    expected = [model.wv.get_vecattr(word, "sample_int") / (2**32 - 1) for word in vocabulary.words]
    assert kept == pytest.approx(expected, abs=1e-6)
    options = dataclasses.replace(PLAIN, subsample=subsample)
    most_frequent, rare = vocabulary.words[0], vocabulary.words[-1]
    pairs = drawn([[most_frequent, rare] * 5000], vocabulary, options)
    share = (pairs.nodes[:, 0] == 0).sum() / 5000
    assert share == pytest.approx(kept[0], abs=0.02)


def test_no_more_predictions_than_asked_for_and_from_all_over(vocabulary):
    text = made_up_text(300, seed=2)
    for options in FOUR:
        pairs = drawn(text, vocabulary, options, max_pairs=500)
        assert 250 < len(pairs) <= 500
        assert pairs.sentences.max() > 200
        assert len(pair_losses(pairs, np.ones((99, 4), np.float32), np.ones((99, 4), np.float32))) == len(pairs)


def test_sentences_average_to_the_loss(held_out, vocabulary):
    pairs = drawn(held_out, vocabulary, PLAIN)
    losses = np.random.default_rng(3).random(len(pairs))
    numbers, values, sizes = sentence_losses(pairs, losses)
    assert values.mean() == pytest.approx(losses.mean(), rel=1e-12)
    assert sizes.sum() == len(pairs)
    assert 0 not in numbers  # no known word in it
    assert len(numbers) == len(set(numbers)) == len(values)
    # A sentence that is worse than the rest by one in each prediction stands out by its weight.
    worse = losses.mean() + (pairs.sentences == numbers[0])
    _, values, _ = sentence_losses(pairs, worse)
    assert values.argmax() == 0


@pytest.mark.parametrize("options", FOUR, ids=NAMES)
@pytest.mark.parametrize("sentences", [[], [["unheard"]], [["the"], ["of"]]])
def test_there_may_be_nothing_to_predict(options, sentences, vocabulary):
    pairs = drawn(sentences, vocabulary, options)
    assert len(pairs) == 0
    assert pair_losses(pairs, np.ones((99, 4), np.float32), np.ones((99, 4), np.float32)).shape == (0,)
