"""The compiled kernels against plain numpy, one pair after another: every choice drawn, every row moved."""

from __future__ import annotations

import numpy as np
import pytest
from plain_word2vec import COUNTS, NO_COPIES, RATES, WIDTH, WORDS, aligned, numbered_text, sigmoid, windows_in

from lab.models.word2vec.hierarchical_softmax import train_hierarchical_softmax
from lab.models.word2vec.huffman import huffman_tree
from lab.models.word2vec.kernels import Copies, Text, Windows, merge_copies, train_negative_sampling


def reference(inputs, outputs, text, windows, state, targets_of, shared):
    """Skip-gram or CBOW in float64. `targets_of` gives the output rows of a word, what they should say and which count.

    `shared`: scores and moves of a window are of the output vectors as the window found them (noise words shared by
    the window); otherwise each pair moves them (hierarchical softmax).
    """
    inputs, outputs = inputs.astype(np.float64), outputs.astype(np.float64)
    for rate, word, context in windows_in(text, 0, len(text.starts) - 1, windows, state):
        rows, labels, counted = targets_of(word)
        if not windows.skipgram:
            mean = inputs[context].sum(axis=0) / (len(context) if windows.mean else 1)
            slopes = rate * counted * (labels - sigmoid(outputs[rows] @ mean))
            move = slopes @ outputs[rows] / (1 if windows.mean else len(context))
            np.add.at(outputs, rows, np.outer(slopes, mean))
            np.add.at(inputs, context, move)
            continue
        scores = inputs[context] @ outputs[rows].T
        before, moves = outputs[rows].copy(), np.zeros((len(rows), outputs.shape[1]))
        for place, neighbor in enumerate(context):
            if not shared:
                scores[place], before = outputs[rows] @ inputs[neighbor], outputs[rows].copy()
            slopes = rate * counted * (labels - sigmoid(scores[place]))
            change = np.outer(slopes, inputs[neighbor])
            inputs[neighbor] += slopes @ before
            if shared:
                moves += change
            else:
                outputs[rows] += change
        np.add.at(outputs, rows, moves)
    return inputs, outputs


@pytest.fixture
def text():
    return numbered_text()


@pytest.fixture
def vectors():
    generator = np.random.default_rng(4)
    return [aligned(generator.normal(size=(WORDS, WIDTH), scale=0.5)) for _ in range(2)]


@pytest.mark.parametrize("skipgram", [True, False], ids=["skipgram", "cbow"])
@pytest.mark.parametrize("negative", [5, 1, 17], ids="{} noise words".format)
@pytest.mark.parametrize(
    ("size", "shrink", "mean"), [(3, True, True), (2, False, True), (4, True, False)], ids=["mean", "fixed", "sum"]
)
@pytest.mark.parametrize("classes", [0, 3], ids=["rows", "copies"])
def test_negative_sampling_does_what_plain_numpy_does(classes, skipgram, negative, size, shrink, mean, text, vectors):
    windows = Windows(size, shrink, skipgram, mean)
    noise = np.random.default_rng(5).integers(0, 12, 4096).astype(np.int32)  # few words: doubles, and the word itself
    place, state = 7, 2**63 + 11

    def targets_of(word):
        nonlocal place
        rows = np.append(word, noise[place : place + negative])
        place += negative
        counted = np.append(True, rows[1:] != word)
        return rows, np.eye(1, negative + 1)[0], counted

    inputs, outputs = reference(*vectors, text, windows, state, targets_of, shared=True)
    start = [matrix.copy() for matrix in vectors]
    hidden, labels = aligned(np.zeros((1, WIDTH))), (1.0,) + (0.0,) * negative
    sentences = len(text.starts) - 1
    rows = 2**classes - 1  # of frequent words, trained on copies behind the others
    grown = [aligned(np.concatenate([matrix, matrix[:rows]])) for matrix in vectors]
    copies = Copies(classes, 5, WORDS, *(matrix[:rows].copy() for matrix in vectors))
    reached = train_negative_sampling(
        *grown, hidden, copies, text, 0, sentences, noise, 7, np.uint64(state), windows, RATES, labels
    )
    merge_copies(*grown, copies, 0, 5 * 2 ** max(0, classes - 1))
    vectors = [matrix[:WORDS] for matrix in grown]
    assert reached == place
    assert np.abs(vectors[0] - start[0]).max() > 0.05
    assert np.abs(vectors[1] - start[1]).max() > 0.05
    assert np.abs(vectors[0] - inputs).max() < 1e-5
    assert np.abs(vectors[1] - outputs).max() < 1e-5


@pytest.mark.parametrize("skipgram", [True, False], ids=["skipgram", "cbow"])
@pytest.mark.parametrize("mean", [True, False], ids=["mean", "sum"])
def test_hierarchical_softmax_does_what_plain_numpy_does(skipgram, mean, text, vectors):
    windows, tree, state = Windows(3, True, skipgram, mean), huffman_tree(COUNTS), 99

    def targets_of(word):
        points, signs = (array[0] for array in tree.paths(np.array([word])))
        return points[signs != 0], (signs[signs != 0] + 1) / 2, 1.0

    inputs, outputs = reference(*vectors, text, windows, state, targets_of, shared=False)
    start = [matrix.copy() for matrix in vectors]
    train_hierarchical_softmax(
        *vectors, NO_COPIES, text, 0, len(text.starts) - 1, tree.parents, tree.codes, np.uint64(state), windows, RATES
    )
    assert all(np.abs(now - before).max() > 0.05 for now, before in zip(vectors, start, strict=True))
    assert np.abs(vectors[0] - inputs).max() < 1e-5
    assert np.abs(vectors[1] - outputs).max() < 1e-5


def test_the_sigmoid_is_exact_to_a_millionth():
    """One window of two words at a learning rate of 1: the move of the output vector is 1 - sigmoid(score)."""
    text = Text(
        np.array([0, 1], np.int32), np.array([0, 2]), np.arange(2, dtype=np.int32), np.full(2, -1).astype(np.uint32)
    )
    noise, hidden = np.full(64, 0, np.int32), aligned(np.zeros((1, 16)))
    for score in np.linspace(-40, 40, 161):
        inputs, outputs = aligned(np.zeros((2, 16))), aligned(np.zeros((2, 16)))
        inputs[1, 0], outputs[0, 0] = 1, score
        windows = Windows(1, False, True, True)
        train_negative_sampling(
            inputs, outputs, hidden, NO_COPIES, text, 0, 1, noise, 0, np.uint64(1), windows, (1.0, 1.0), (1.0, 0.0)
        )
        assert outputs[0, 0] - score == pytest.approx(1 - sigmoid(np.clip(score, -30, 30)), abs=4e-6)


def test_what_two_threads_change_in_their_copies_adds_up():
    generator = np.random.default_rng(6)
    begun = generator.normal(size=(7, 16)).astype(np.float32)
    changes = generator.normal(size=(2, 3, 16)).astype(np.float32)
    inputs, outputs = (np.concatenate([begun, begun[:3] + changes[0], begun[:3] + changes[1]]) for _ in range(2))
    threads = [Copies(2, 10, shift, begun[:3].copy(), begun[:3].copy()) for shift in (7, 10)]
    for copies in (*threads, threads[0]):
        merge_copies(inputs, outputs, copies, 40, 60)  # two turns: all rows of both classes
    for matrix in (inputs, outputs):
        assert np.allclose(matrix[:3], begun[:3] + changes.sum(axis=0), atol=1e-5)
        assert np.array_equal(matrix[3:7], begun[3:])
        assert np.array_equal(matrix[7:10], matrix[:3])  # the first thread has seen both changes
        assert np.allclose(matrix[10:], matrix[:3], atol=1e-5)
