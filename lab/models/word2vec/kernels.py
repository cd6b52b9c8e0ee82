"""The inner loops of word2vec with negative sampling, compiled by numba: one pass over a stretch of numbered text.

What makes them fast:

- The noise words are drawn once for a window and shared by its pairs (Ji et al. 2016, "Parallelizing word2vec in
  shared and distributed memory"). All pairs of a window have its centre as the word to tell from noise, so with C
  context words and K outputs (the centre and its noise words) a window is three small matrix products: the scores,
  C x K, and the moves of the C input vectors and of the K output vectors. The rows stay in the nearest cache, and
  every one is loaded once for many multiplications (`vector_code.py`).
- Noise words come from a shuffled table that is read in sequence, so the next ones are known and fetched ahead.
- Text is one array of numbers; nothing here needs Python, so threads work on parts of it without locks (Hogwild, Niu
  et al. 2011, arXiv:1106.5730). One thread alone is deterministic.
- What slows threads down is not the sharing but the frequent words: their rows are changed by all threads all the
  time, and each change takes the row out of the other cores' caches. So every thread works on copies of these rows
  and brings together what it and the others have changed, the more often the more frequent the word (Vuurens et al.
  2016, arXiv:1606.07822, do so for the top of the tree of hierarchical softmax).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lab.models.word2vec.vector_code import LANES, gradients, move_mean, move_window, prefetch, sum_rows


class Text(NamedTuple):
    """Numbered text: `ids` (n,) int32, types of words; sentence s is `ids[starts[s]:starts[s + 1]]`, int64.

    `rows` (T,) int32: the row of each type in the matrices, -1 for one that was dropped. `keep` (V,) uint32: an
    occurrence of the word in row v stays where 32 random bits are at most `keep[v]`.
    """

    ids: np.ndarray
    starts: np.ndarray
    rows: np.ndarray
    keep: np.ndarray


class Windows(NamedTuple):
    """`size` words on each side, or 1 to `size` of them (`shrink`); skip-gram or CBOW, which takes the mean or sum."""

    size: int
    shrink: bool
    skipgram: bool
    mean: bool


class Copies(NamedTuple):
    """A thread's copies of the rows of the `2 ** classes - 1` most frequent words, none where `classes` is 0.

    The copy of row r is row `shift + r` of the same matrix. Every `words` words one row of each class is merged; class
    k is rows 2 ** k - 1 to 2 ** (k + 1) - 2. `inputs`, `outputs` (2 ** classes - 1, d) float32: the rows as they were
    when the thread last merged its copy.
    """

    classes: int
    words: int
    shift: int
    inputs: np.ndarray
    outputs: np.ndarray


_MULTIPLIER, _INCREMENT, _HALF = np.uint64(6364136223846793005), np.uint64(1442695040888963407), np.uint64(32)


@njit(nogil=True, cache=True)
def advance(state):  # type: ignore[no-untyped-def]
    """The next state of a linear congruential generator (Knuth), whose upper 32 bits are the random ones."""
    return state * _MULTIPLIER + _INCREMENT


@njit(nogil=True, cache=True)
def own_row(row, copies):  # type: ignore[no-untyped-def]
    """The row that a thread works on: its copy, of a frequent word."""
    return row + copies.shift if row < (1 << copies.classes) - 1 else row


@njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nsz"})
def merge_row(matrix, before, shift, row):  # type: ignore[no-untyped-def]
    """Add what a thread has changed in its copy to the row itself, and what others have changed to the copy."""
    shared, copy, old = matrix[row], matrix[shift + row], before[row]
    for j in range(len(shared)):
        together = shared[j] + (copy[j] - old[j])
        shared[j] = copy[j] = old[j] = together


@njit(nogil=True, cache=True)
def merge_copies(inputs, outputs, copies, start, stop):  # type: ignore[no-untyped-def]
    """Merge the copies whose turn comes between two places of the text.

    A class has twice the words of the class before, each about half as frequent, and each has its turn half as often:
    so any copy is used about as often, some tens of times, between two turns.
    """
    for turn in range(start // copies.words, stop // copies.words):
        for k in range(copies.classes):
            row = (1 << k) - 1 + turn % (1 << k)
            merge_row(inputs, copies.inputs, copies.shift, row)
            merge_row(outputs, copies.outputs, copies.shift, row)


@njit(nogil=True, cache=True)
def surviving_words(text, sentence, words, state, copies):  # type: ignore[no-untyped-def]
    """Put the rows of a sentence's words into `words`, dropped ones left out; return their number and the state."""
    size = 0
    for at in range(text.starts[sentence], text.starts[sentence + 1]):
        row = text.rows[text.ids[at]]
        if row >= 0:
            state = advance(state)
            if (state >> _HALF) <= text.keep[row]:
                words[size] = own_row(row, copies)
                size += 1
    return size, state


@njit(nogil=True, cache=True)
def context_words(words, size, center, windows, contexts, state):  # type: ignore[no-untyped-def]
    """Put the words around `words[center]` into `contexts`; return their number and the state."""
    reach = windows.size
    if windows.shrink:
        state = advance(state)
        reach = 1 + np.int64(((state >> _HALF) * np.uint64(windows.size)) >> _HALF)
    near = 0
    for at in range(max(0, center - reach), min(size, center + reach + 1)):
        contexts[near] = words[at]
        near += at != center  # the word itself is written over
    return near, state


@njit(nogil=True, cache=True)
def buffers(text, first, last, windows):  # type: ignore[no-untyped-def]
    """Room for the words of any sentence from `first` to `last` (exclusive), and for those of a window."""
    words = np.empty(np.max(np.diff(text.starts[first : last + 1])), dtype=np.int64)
    return words, np.empty(2 * windows.size, dtype=np.int64)


@njit(nogil=True, cache=True)
def learning_rate(text, first, last, sentence, rates):  # type: ignore[no-untyped-def]
    """The rate at a sentence: in a line from that at the first word of the stretch to that at its last."""
    begin, length = text.starts[first], text.starts[last] - text.starts[first]
    return np.float32(rates[0] + (rates[1] - rates[0]) * (text.starts[sentence] - begin) / length)


@njit(nogil=True, cache=True)
def scales(windows, count):  # type: ignore[no-untyped-def]
    """What `count` vectors are multiplied by before they are added up, and what moves the result before it moves each.

    As in gensim: the mean's gradient goes to each vector whole, the sum's is shared out.
    """
    one, share = np.float32(1.0), np.float32(1.0 / count)
    return (share, one) if windows.mean else (one, share)


@njit(nogil=True, cache=True)
def train_negative_sampling(  # type: ignore[no-untyped-def]
    inputs, outputs, hidden, copies, text, first, last, noise, place, state, windows, rates, labels
):
    """Train on the sentences `first` to `last` (exclusive), in place.

    `inputs`, `outputs` (V, d), or more rows with copies, and `hidden` (1, d, scratch) float32, d a multiple of 16, rows
    aligned to 64 bytes. `noise` (N,) int32: noise words in random order, read from `place` on. `state`: 64 random
    bits. `rates`: the learning rate at the first word and at the last. `labels`: (1, 0, 0, ...), of the word and its
    noise words. The objective is equation 4 of Mikolov et al. 2013, arXiv:1310.4546; a noise word that is the word
    itself does not count.
    """
    count = len(labels)
    words, contexts = buffers(text, first, last, windows)
    targets, upcoming = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    only = np.zeros(1, dtype=np.int64)
    weights = np.zeros(count + LANES, dtype=np.float32)
    gradient = np.empty(2 * windows.size * count + LANES, dtype=np.float32)
    for sentence in range(first, last):
        rate = learning_rate(text, first, last, sentence, rates)
        if copies.classes:
            merge_copies(inputs, outputs, copies, text.starts[sentence], text.starts[sentence + 1])
        size, state = surviving_words(text, sentence, words, state, copies)
        for center in range(size):
            near, state = context_words(words, size, center, windows, contexts, state)
            if near == 0:
                continue
            if place + 2 * count > len(noise):
                place = 0
            targets[0], weights[0] = words[center], rate
            for k in range(1, count):
                targets[k] = own_row(noise[place + k - 1], copies)
                weights[k] = 0.0 if targets[k] == targets[0] else rate
            place += count - 1
            upcoming[0] = words[min(center + 1, size - 1)]  # what the next window is going to need
            for k in range(1, count):
                upcoming[k] = own_row(noise[place + k - 1], copies)
            if center + 1 + windows.size < size:
                prefetch(inputs, words[center + 1 + windows.size])
            if windows.skipgram:
                gradients(inputs, contexts, near, outputs, targets, labels, weights, gradient)
                move_window(inputs, contexts, near, outputs, targets, labels, gradient, upcoming)
            else:
                before, after = scales(windows, near)
                sum_rows(inputs, contexts, near, before, hidden)
                gradients(hidden, only, 1, outputs, targets, labels, weights, gradient)
                move_mean(inputs, contexts, near, after, hidden, outputs, targets, labels, gradient, upcoming)
    return place
