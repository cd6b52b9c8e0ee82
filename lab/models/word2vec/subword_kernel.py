"""The inner loop of word2vec whose words are made of n-grams, compiled by numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.models.word2vec.kernels import buffers, context_words, learning_rate, scales, surviving_words
from lab.models.word2vec.vector_code import LANES, gradients, move_window, prefetch, sum_rows


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def add_to_rows(matrix, rows, move, scale):  # type: ignore[no-untyped-def]
    """matrix[r] += scale * move, for every r of `rows`."""
    for row in rows:
        vector = matrix[row]
        for j in range(len(move)):
            vector[j] += scale * move[j]


@njit(nogil=True, cache=True)  # fastmath would take the sigmoid's rounding for nothing and leave it out
def train_subwords(  # type: ignore[no-untyped-def]
    inputs, outputs, hidden, word, parts, starts, copies, text, first, last, noise, place, state, windows, rates, labels
):
    """Train on the sentences `first` to `last` (exclusive), in place.

    Arguments as of `train_negative_sampling`; `hidden`, `word` (1, d): scratch. The vector of word v is the mean of
    the rows `parts[starts[v]:starts[v + 1]]` of `inputs`. What moves it moves each of these rows whole, as fastText
    does, so it moves by just that. In skip-gram it is the word of a window that predicts its neighbours, since its
    vector is put together once for all of them; the noise words are shared within a window.
    """
    count = len(labels)
    words, contexts = buffers(text, first, last, windows)
    targets, upcoming = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    only = np.zeros(1, dtype=np.int64)
    weights = np.zeros(count + LANES, dtype=np.float32)
    gradient = np.empty(count + LANES, dtype=np.float32)
    begun = np.empty(inputs.shape[1], dtype=np.float32)
    for sentence in range(first, last):
        rate = learning_rate(text, first, last, sentence, rates)
        size, state = surviving_words(text, sentence, words, state, copies)
        for center in range(size):
            near, state = context_words(words, size, center, windows, contexts, state)
            if near == 0:
                continue
            if place + 2 * count > len(noise):
                place = 0
            given, predicted = contexts[:near], words[center : center + 1]
            if windows.skipgram:
                given, predicted = predicted, given
            before, after = scales(windows, len(given))
            hidden[0, :] = 0.0
            for row in given:
                rows = parts[starts[row] : starts[row + 1]]
                sum_rows(inputs, rows, len(rows), np.float32(before / len(rows)), word)
                for j in range(len(begun)):
                    hidden[0, j] += word[0, j]
            begun[:] = hidden[0]
            for k in range(1, count):
                targets[k] = noise[place + k - 1]
                upcoming[k] = noise[place + count + k - 2]
            place += count - 1
            ahead = words[min(center + 1 + (0 if windows.skipgram else windows.size), size - 1)]
            for row in parts[starts[ahead] : starts[ahead + 1]]:
                prefetch(inputs, row)
            for row in predicted:
                targets[0], weights[0] = row, rate
                for k in range(1, count):
                    weights[k] = 0.0 if targets[k] == row else rate
                upcoming[0] = row
                gradients(hidden, only, 1, outputs, targets, labels, weights, gradient)
                move_window(hidden, only, 1, outputs, targets, labels, gradient, upcoming)
            for j in range(len(begun)):
                begun[j] = hidden[0, j] - begun[j]
            for row in given:
                add_to_rows(inputs, parts[starts[row] : starts[row + 1]], begun, after)
    return place
