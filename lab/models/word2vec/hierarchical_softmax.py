"""The inner loops of word2vec with hierarchical softmax (Morin and Bengio 2005), compiled by numba.

Plain loops, pair after pair, as word2vec.c has them: a word is predicted by the turns of the path to it in the
Huffman tree, some log2(V) binary choices.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lab.models.word2vec.kernels import buffers, context_words, learning_rate, scales, surviving_words


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def climb(hidden, move, outputs, word, parents, codes, rate):  # type: ignore[no-untyped-def]
    """Train the path from a word up to the root on `hidden` (d,); leave in `move` (d,) what `hidden` is to gain."""
    move[:] = 0.0
    node, words = word, len(outputs)
    while parents[node] >= 0:
        output = outputs[parents[node] - words]
        score = np.float32(0.0)
        for j in range(len(hidden)):
            score += hidden[j] * output[j]
        probability = np.float32(1.0) / (np.float32(1.0) + np.exp(-score))
        gradient = rate * (np.float32(1 - codes[node]) - probability)
        for j in range(len(hidden)):
            move[j] += gradient * output[j]
            output[j] += gradient * hidden[j]
        node = parents[node]


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def train_hierarchical_softmax(  # type: ignore[no-untyped-def]
    inputs, outputs, copies, text, first, last, parents, codes, state, windows, rates
):
    """Train on the sentences `first` to `last` (exclusive), in place.

    Arguments as of `train_negative_sampling`; `parents` and `codes` are those of a `HuffmanTree`, whose inner nodes
    are the rows of `outputs` in the order in which they were made.
    """
    words, contexts = buffers(text, first, last, windows)
    hidden, move = np.empty(inputs.shape[1], dtype=np.float32), np.empty(inputs.shape[1], dtype=np.float32)
    for sentence in range(first, last):
        rate = learning_rate(text, first, last, sentence, rates)
        size, state = surviving_words(text, sentence, words, state, copies)
        for center in range(size):
            near, state = context_words(words, size, center, windows, contexts, state)
            if near == 0:
                continue
            if windows.skipgram:
                for context in contexts[:near]:
                    climb(inputs[context], move, outputs, words[center], parents, codes, rate)
                    inputs[context] += move
                continue
            before, after = scales(windows, near)
            hidden[:] = 0.0
            for context in contexts[:near]:
                hidden += before * inputs[context]
            climb(hidden, move, outputs, words[center], parents, codes, rate)
            for context in contexts[:near]:
                inputs[context] += after * move
