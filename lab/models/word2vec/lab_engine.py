"""The engine of this project: text as one array of numbers, kernels that are compiled for the processor at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from lab.errors import UserError
from lab.models.word2vec.engine import Options, State, Tick, Vocabulary, choose_words, first_vectors
from lab.models.word2vec.held_out_loss import keep_probability
from lab.models.word2vec.hierarchical_softmax import train_hierarchical_softmax
from lab.models.word2vec.huffman import huffman_tree
from lab.models.word2vec.kernels import Copies, Text, Windows, train_negative_sampling
from lab.models.word2vec.subword_kernel import train_subwords
from lab.models.word2vec.subwords import Subwords, subwords
from lab.models.word2vec.vector_code import LANES

MAX_SENTENCE = 10_000
MOST_NEGATIVE = 31
"""Noise words that the compiled code, which names each of them, is made for."""

_COPIED_CLASSES = 9  # of words, the 511 most frequent: more copies fill the caches, fewer leave rows contended
_APART = {"skipgram": 3.2, "cbow": 8.0}  # words of all threads, times rate; skip-gram trains several pairs a word
_CHUNK = 50_000  # words a thread goes through before it looks whether to stop: a tenth of a second at most
_TICK_SECONDS = 0.1


class WordIds(NamedTuple):
    """A corpus as numbers: `ids` (n,) int32 into `types`, sentence s from `starts[s]` to `starts[s + 1]` (int64)."""

    types: Sequence[str]
    counts: np.ndarray
    ids: np.ndarray
    starts: np.ndarray


@runtime_checkable
class Numbered(Protocol):
    """A corpus that has itself as numbers, perhaps mapped from disk: it is not read word by word."""

    def word_ids(self) -> tuple[Sequence[str], np.ndarray, np.ndarray, np.ndarray]:
        """Return the fields of `WordIds`."""
        ...


class LabEngine:
    """word2vec several times as fast as gensim, by what `kernels` tells.

    The same objectives as in gensim; what differs: skip-gram's noise words are drawn once for each window instead of
    once for each of its pairs; the sigmoid is exact, where gensim's comes from a table and leaves out pairs beyond
    ±6; the learning rate falls with every sentence. Random choices come from the seed and the epoch alone. With one
    thread an epoch is a function of the state and the corpus, bit for bit; more threads share the matrices unlocked.
    """

    def __init__(self) -> None:
        self._corpus: tuple[Iterable[Sequence[str]], WordIds] | None = None
        self._text: tuple[WordIds, Vocabulary, float, Text] | None = None
        self._order: tuple[int, np.ndarray] | None = None

    def build(self, corpus: Iterable[Sequence[str]], options: Options) -> Vocabulary:
        """See `Engine.build`."""
        text = self._numbered(corpus)
        counts = dict(zip(text.types, text.counts.tolist(), strict=True))
        return choose_words(counts, len(text.starts) - 1, options.min_count, options.max_vocab)

    def start(self, vocabulary: Vocabulary, options: Options, seed: int) -> State:
        """See `Engine.start`: inputs uniform in [-1/d, 1/d), outputs zero, as gensim has them."""
        if options.objective == "negative-sampling" and options.negative > MOST_NEGATIVE:
            raise UserError(f"model.negative: the lab engine draws at most {MOST_NEGATIVE}; use train.engine=gensim")
        rows = len(vocabulary)
        if options.subwords is not None:
            rows += len(subwords(vocabulary.words, options.subwords).index)
        inputs = first_vectors(rows, options, seed)
        outputs = np.zeros((len(vocabulary), options.vector_size), dtype=np.float32)
        return State(vocabulary, options, inputs, outputs, epoch=0, generators={"seed": seed})

    def train_epoch(self, state: State, corpus: Iterable[Sequence[str]], tick: Tick | None = None) -> State:
        """See `Engine.train_epoch`. An error in the corpus or in `tick` ends the epoch and is raised here."""
        options, vocabulary = state.options, state.vocabulary
        text = self._text_of(self._numbered(corpus), vocabulary, options.subsample)
        rates = options.learning_rates(state.epoch)
        words = _words_between_merges(options, max(rates))
        classes = min(_COPIED_CLASSES, (len(vocabulary) + 1).bit_length() - 1) if words else 0
        rows = 2**classes - 1
        inputs = _aligned(state.input_vectors, rows, options.threads)
        outputs = _aligned(state.output_vectors, rows, options.threads)
        copies = [
            Copies(classes, words, len(vocabulary) + thread * rows, inputs[:rows].copy(), outputs[:rows].copy())
            for thread in range(options.threads)
        ]
        shared = _Shared(inputs, outputs, copies, text)
        generator = np.random.default_rng((state.generators["seed"], state.epoch))
        if options.objective == "negative-sampling":
            noise = self._noise(vocabulary, options, state.generators["seed"], generator)
            made = None if options.subwords is None else subwords(vocabulary.words, options.subwords)
            train = _tell_apart(shared, noise, made, options)
        else:
            train = _climb(shared, vocabulary, options)
        _train_parts(train, text.starts, rates, options.threads, generator, tick)
        for copy in copies:
            _merge(inputs, copy.inputs, copy.shift)
            _merge(outputs, copy.outputs, copy.shift)
        return replace(
            state,
            input_vectors=np.ascontiguousarray(inputs[: len(state.input_vectors), : options.vector_size]),
            output_vectors=np.ascontiguousarray(outputs[: len(state.output_vectors), : options.vector_size]),
            epoch=state.epoch + 1,
        )

    def _numbered(self, corpus: Iterable[Sequence[str]]) -> WordIds:
        if self._corpus is None or self._corpus[0] is not corpus:
            self._corpus = (corpus, WordIds(*corpus.word_ids()) if isinstance(corpus, Numbered) else word_ids(corpus))
        return self._corpus[1]

    def _text_of(self, numbered: WordIds, vocabulary: Vocabulary, subsample: float) -> Text:
        """The text as the kernels take it, kept for the next epoch."""
        known = self._text
        if known is None or known[0] is not numbered or known[1] is not vocabulary or known[2] != subsample:
            rows = np.array([vocabulary.index.get(word, -1) for word in numbered.types], dtype=np.int32)
            keep = (keep_probability(vocabulary.counts, subsample) * (2**32 - 1)).astype(np.uint32)
            known = self._text = (numbered, vocabulary, subsample, Text(numbered.ids, numbered.starts, rows, keep))
        return known[3]

    def _noise(self, vocabulary: Vocabulary, options: Options, seed: int, generator: np.random.Generator) -> np.ndarray:
        """The noise words of an epoch, (N,) int32: in an order that is drawn once, from another place on."""
        words = noise_words(vocabulary.counts, options.ns_exponent, generator.random())
        if self._order is None or self._order[0] != seed or len(self._order[1]) != len(words):
            self._order = seed, np.random.default_rng(seed).permutation(len(words)).astype(np.int32)
        return np.roll(words[self._order[1]], generator.integers(len(words)))


def warm_up() -> None:
    """Compile the kernels and keep them on disk (a few seconds, once an installation): no first run waits for them."""
    text, engine = [["a", "b", "c"]] * 10, LabEngine()
    for architecture in ("cbow", "skipgram"):
        options = Options(architecture=architecture, min_count=1, epochs=1)
        engine.train_epoch(engine.start(engine.build(text, options), options, 0), text)


def word_ids(corpus: Iterable[Sequence[str]]) -> WordIds:
    """Number the tokens of a corpus in the order of first appearance; sentences are cut at 10,000 tokens."""
    numbers: dict[str, int] = {}
    ids = [np.array([numbers.setdefault(word, len(numbers)) for word in sentence], np.int32) for sentence in corpus]
    pieces = [piece[at : at + MAX_SENTENCE] for piece in ids for at in range(0, len(piece), MAX_SENTENCE)]
    together = np.concatenate([*pieces, np.zeros(0, np.int32)])
    starts = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
    return WordIds(list(numbers), np.bincount(together, minlength=len(numbers)), together, starts)


def noise_words(counts: np.ndarray, exponent: float, offset: float = 0.5) -> np.ndarray:
    """Each word as often as its share of count ** exponent asks for, (N,) int32, still in order.

    N is 16 times the vocabulary or more. Shares are kept to within one place, and exactly over `offset`s drawn evenly
    from 0 to 1: a word with a share of a tenth of a place has one in one table of ten.
    """
    size = max(1 << 16, 1 << (16 * len(counts) - 1).bit_length())
    share = np.cumsum(counts.astype(np.float64) ** exponent)
    places = np.floor(share / share[-1] * size + offset).astype(np.int64)
    return np.repeat(np.arange(len(counts), dtype=np.int32), np.diff(places, prepend=0))


# Trains on the sentences from one number to another, at the learning rates of the first word and of the last. The
# number of the thread comes first: each reads on in the noise words where it was.
_Train = Callable[[int, int, int, np.uint64, tuple[float, float]], None]


def _windows(options: Options) -> Windows:
    return Windows(options.window, options.shrink_windows, options.architecture == "skipgram", options.cbow_mean)


class _Shared(NamedTuple):
    """What all threads work on, and the copies that each has."""

    inputs: np.ndarray
    outputs: np.ndarray
    copies: Sequence[Copies]
    text: Text


def _climb(shared: _Shared, vocabulary: Vocabulary, options: Options) -> _Train:
    """Put together what hierarchical softmax works on."""
    inputs, outputs, copies, text = shared
    windows, tree = _windows(options), huffman_tree(vocabulary.counts)

    def train(thread: int, first: int, last: int, state: np.uint64, rates: tuple[float, float]) -> None:
        train_hierarchical_softmax(
            inputs, outputs, copies[thread], text, first, last, tree.parents, tree.codes, state, windows, rates
        )

    return train


def _tell_apart(shared: _Shared, noise: np.ndarray, made: Subwords | None, options: Options) -> _Train:
    """Put together what negative sampling works on; `made`: what words are made of, where they are not whole."""
    inputs, outputs, copies, text = shared
    windows, threads, labels = _windows(options), options.threads, (1.0,) + (0.0,) * options.negative
    places = [len(noise) * thread // threads for thread in range(threads)]
    hidden = [_scratch(inputs) for _ in range(threads)]
    kernel = train_negative_sampling if made is None else train_subwords
    pieces = [() if made is None else (_scratch(inputs), made.parts, made.starts) for _ in range(threads)]

    def train(thread: int, first: int, last: int, state: np.uint64, rates: tuple[float, float]) -> None:
        own = hidden[thread], *pieces[thread], copies[thread]
        places[thread] = kernel(
            inputs, outputs, *own, text, first, last, noise, places[thread], state, windows, rates, labels
        )

    return train


def _scratch(matrix: np.ndarray) -> np.ndarray:
    return _aligned(np.zeros((1, matrix.shape[1]), np.float32))


def _train_parts(
    train: _Train,
    starts: np.ndarray,
    rates: tuple[float, float],
    threads: int,
    generator: np.random.Generator,
    tick: Tick | None,
) -> None:
    """Give each thread a part of the text, all of about as many words, and wait; Ctrl-C and `tick` are heard here."""
    done, stopped = [0] * threads, False

    def work(thread: int, first: int, last: int, seeds: np.ndarray) -> None:
        begin, words = starts[first], max(1, starts[last] - starts[first])
        cuts = np.searchsorted(starts, np.arange(begin, starts[last], _CHUNK))
        for (start, stop), seed in zip(pairwise([*np.unique([first, *cuts, last])]), seeds, strict=False):
            if stopped:
                return
            before, after = (
                rates[0] + (rates[1] - rates[0]) * float((starts[at] - begin) / words) for at in (start, stop)
            )
            train(thread, int(start), int(stop), seed, (before, after))
            done[thread] = int(starts[stop] - begin)

    total = int(starts[-1])
    parts = np.searchsorted(starts, [total * thread // threads for thread in range(threads + 1)])
    chunks = total // _CHUNK + 2
    if tick is not None:
        tick(0.0)
    with ThreadPoolExecutor(threads) as pool:
        futures = [
            pool.submit(work, thread, first, last, generator.integers(2**64, size=chunks, dtype=np.uint64))
            for thread, (first, last) in enumerate(pairwise(parts.tolist()))
            if first < last
        ]
        try:
            waiting = set(futures)
            while waiting := wait(waiting, _TICK_SECONDS, FIRST_EXCEPTION).not_done:
                if tick is not None:
                    tick(sum(done) / total)
        finally:
            stopped = True
        for future in futures:
            future.result()


def _words_between_merges(options: Options, rate: float) -> int:
    """How many words a thread goes through between two merges of a class of copies; 0: it has no copies.

    What threads change apart is added up, so it has to be small: the higher the rate and the more threads there are,
    the sooner they merge. Below 16 words merging takes longer than sharing rows would.
    """
    if options.threads == 1 or options.objective == "hierarchical-softmax" or options.subwords is not None:
        return 0
    words = int(_APART[options.architecture] / (rate * options.threads))
    return min(words, 512) if words >= 16 else 0


def _merge(matrix: np.ndarray, before: np.ndarray, shift: int) -> None:
    """Add what a thread has changed in its copies since it last merged them."""
    matrix[: len(before)] += matrix[shift : shift + len(before)] - before


def _aligned(matrix: np.ndarray, repeated: int = 0, times: int = 1) -> np.ndarray:
    """A copy whose rows are longer by zeros up to a multiple of 16 floats and begin at multiples of 64 bytes.

    Behind it stand its first `repeated` rows, so many `times`.
    """
    rows, width = len(matrix) + times * repeated, -(-matrix.shape[1] // LANES) * LANES
    room = np.zeros(rows * width + LANES, dtype=np.float32)
    offset = (-room.ctypes.data % 64) // 4
    copy = room[offset : offset + rows * width].reshape(rows, width)
    copy[: len(matrix), : matrix.shape[1]] = matrix
    copy[len(matrix) :, : matrix.shape[1]] = np.tile(matrix[:repeated], (times, 1))
    return copy
