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
from lab.models.word2vec.kernels import Text, Windows, train_negative_sampling
from lab.models.word2vec.vector_code import LANES

MAX_SENTENCE = 10_000
MOST_NEGATIVE = 31
"""Noise words that the compiled code, which names each of them, is made for."""

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

    def build(self, corpus: Iterable[Sequence[str]], options: Options) -> Vocabulary:
        """See `Engine.build`."""
        text = self._numbered(corpus)
        counts = dict(zip(text.types, text.counts.tolist(), strict=True))
        return choose_words(counts, len(text.starts) - 1, options.min_count, options.max_vocab)

    def start(self, vocabulary: Vocabulary, options: Options, seed: int) -> State:
        """See `Engine.start`: inputs uniform in [-1/d, 1/d), outputs zero, as gensim has them."""
        if options.objective == "negative-sampling" and options.negative > MOST_NEGATIVE:
            raise UserError(f"model.negative: the lab engine draws at most {MOST_NEGATIVE}; use train.engine=gensim")
        inputs = first_vectors(vocabulary, options, seed)
        return State(vocabulary, options, inputs, np.zeros_like(inputs), epoch=0, generators={"seed": seed})

    def train_epoch(self, state: State, corpus: Iterable[Sequence[str]], tick: Tick | None = None) -> State:
        """See `Engine.train_epoch`. An error in the corpus or in `tick` ends the epoch and is raised here."""
        options, vocabulary = state.options, state.vocabulary
        text = self._text_of(self._numbered(corpus), vocabulary, options.subsample)
        inputs, outputs = _aligned(state.input_vectors), _aligned(state.output_vectors)
        generator = np.random.default_rng((state.generators["seed"], state.epoch))
        train = _kernel(inputs, outputs, text, vocabulary, options, generator)
        _train_parts(train, text.starts, options.learning_rates(state.epoch), options.threads, generator, tick)
        return replace(
            state,
            input_vectors=np.ascontiguousarray(inputs[:, : options.vector_size]),
            output_vectors=np.ascontiguousarray(outputs[:, : options.vector_size]),
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


def _kernel(
    inputs: np.ndarray,
    outputs: np.ndarray,
    text: Text,
    vocabulary: Vocabulary,
    options: Options,
    generator: np.random.Generator,
) -> _Train:
    """Put together what the kernel of the objective works on."""
    windows = Windows(options.window, options.shrink_windows, options.architecture == "skipgram", options.cbow_mean)
    if options.objective == "hierarchical-softmax":
        tree = huffman_tree(vocabulary.counts)

        def climb(thread: int, first: int, last: int, state: np.uint64, rates: tuple[float, float]) -> None:
            train_hierarchical_softmax(
                inputs, outputs, text, first, last, tree.parents, tree.codes, state, windows, rates
            )

        return climb

    noise = generator.permutation(noise_words(vocabulary.counts, options.ns_exponent, generator.random()))
    places = [len(noise) * thread // options.threads for thread in range(options.threads)]
    hidden = [_aligned(np.zeros((1, inputs.shape[1]), np.float32)) for _ in range(options.threads)]
    labels = (1.0,) + (0.0,) * options.negative

    def tell_apart(thread: int, first: int, last: int, state: np.uint64, rates: tuple[float, float]) -> None:
        places[thread] = train_negative_sampling(
            inputs, outputs, hidden[thread], text, first, last, noise, places[thread], state, windows, rates, labels
        )

    return tell_apart


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


def _aligned(matrix: np.ndarray) -> np.ndarray:
    """A copy whose rows are longer by zeros up to a multiple of 16 floats and begin at multiples of 64 bytes."""
    width = -(-matrix.shape[1] // LANES) * LANES
    room = np.zeros(len(matrix) * width + LANES, dtype=np.float32)
    offset = (-room.ctypes.data % 64) // 4
    copy = room[offset : offset + len(matrix) * width].reshape(len(matrix), width)
    copy[:, : matrix.shape[1]] = matrix
    return copy
