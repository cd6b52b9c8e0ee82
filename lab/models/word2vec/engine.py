"""What every word2vec engine does, and the plain values that pass through it.

An engine counts the words (`build`), draws the first vectors (`start`) and goes once over the corpus (`train_epoch`).
A `State` is a value: the two matrices, the epochs done and the generators. Training makes a new one out of the old,
so a state that was saved and loaded in another process goes on exactly as the one in memory does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from lab.errors import UserError
from lab.models.word2vec.subwords import subwords

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "linear": lambda done: done,
    "cosine": lambda done: (1 - math.cos(math.pi * done)) / 2,
    "constant": lambda done: 0.0,
}
"""How much of the way from `learning_rate` to `min_learning_rate` is gone when a share of the epochs is done."""

Tick = Callable[[float], None]
"""Called now and then during an epoch with the share of it that is done; an exception ends the training."""


@dataclass(frozen=True)
class Options:
    """Every setting of word2vec that can change a number; names and defaults as in gensim where it has them.

    `architecture`: "cbow" or "skipgram". `objective`: "negative-sampling" or "hierarchical-softmax".
    `window`, `vector_size`, `negative`, `epochs`, `threads`, `batch_words`: counts. `min_count`, `max_vocab`: see
    `choose_words`. `subwords`: the shortest and longest n-grams that words are made of, see `subwords`; None: words
    are whole. `subsample`: 0 is none. `schedule`: how the learning rate goes from the first to the last epoch,
    "linear", "cosine" (half a wave) or "constant"; within an epoch it goes in a line, with the words seen.
    """

    architecture: str = "cbow"
    objective: str = "negative-sampling"
    vector_size: int = 100
    window: int = 5
    shrink_windows: bool = True
    negative: int = 5
    ns_exponent: float = 0.75
    cbow_mean: bool = True
    subwords: tuple[int, int] | None = None
    subsample: float = 1e-3
    min_count: int = 5
    max_vocab: int | None = None
    epochs: int = 5
    learning_rate: float = 0.025
    min_learning_rate: float = 0.0001
    schedule: str = "linear"
    threads: int = 1
    batch_words: int = 10_000

    def learning_rates(self, epoch: int) -> tuple[float, float]:
        """Return the learning rate at the start and at the end of an epoch (0 is the first)."""
        fall = self.learning_rate - self.min_learning_rate
        share = SCHEDULES[self.schedule]
        start, end = (self.learning_rate - fall * share(done / self.epochs) for done in (epoch, epoch + 1))
        return start, end


@dataclass(frozen=True)
class Vocabulary:
    """The words that have a vector, the most frequent first, ties in alphabetical (code point) order.

    `words` (V,) and `counts` (V,) int64 in the training text; `tokens`, `types` and `sentences` count all of that
    text, words that were dropped included.
    """

    words: tuple[str, ...]
    counts: np.ndarray
    tokens: int
    types: int
    sentences: int

    @cached_property
    def index(self) -> dict[str, int]:
        """The row of each word."""
        return {word: row for row, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, eq=False)
class State:
    """A trained or half-trained model, complete: an engine needs nothing else to go on.

    `input_vectors` (V, d) float32, the word vectors, or, with sub-words, (V + n-grams, d), what they are made of;
    `output_vectors` (V, d) float32, of the words as targets or, for hierarchical softmax, of the tree's inner nodes
    (the last row is unused); `epoch`: epochs done; `generators`: the state of every random generator as JSON values.
    """

    vocabulary: Vocabulary
    options: Options
    input_vectors: np.ndarray
    output_vectors: np.ndarray
    epoch: int
    generators: dict[str, Any]

    @cached_property
    def word_vectors(self) -> np.ndarray:
        """The vectors (V, d) float32 of the vocabulary's words."""
        if self.options.subwords is None:
            return self.input_vectors
        return subwords(self.vocabulary.words, self.options.subwords).word_vectors(self.input_vectors)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what goes into a safetensors file."""
        return {"input_vectors": self.input_vectors, "output_vectors": self.output_vectors}

    def progress(self) -> dict[str, Any]:
        """Return what goes into a JSON file."""
        return {"epoch": self.epoch, "generators": self.generators}

    def is_finite(self) -> bool:
        """Whether the vectors hold neither NaN nor infinity."""
        return bool(np.isfinite(self.input_vectors).all() and np.isfinite(self.output_vectors).all())

    @classmethod
    def restore(
        cls,
        vocabulary: Vocabulary,
        options: Options,
        tensors: Mapping[str, np.ndarray],
        progress: Mapping[str, Any],
    ) -> State:
        """Build the state back from what `tensors()` and `progress()` gave."""
        return cls(
            vocabulary=vocabulary,
            options=options,
            input_vectors=np.ascontiguousarray(tensors["input_vectors"], dtype=np.float32),
            output_vectors=np.ascontiguousarray(tensors["output_vectors"], dtype=np.float32),
            epoch=int(progress["epoch"]),
            generators=dict(progress["generators"]),
        )


class Engine(Protocol):
    """A way to train word2vec (Mikolov et al. 2013, arXiv:1301.3781 and arXiv:1310.4546)."""

    def build(self, corpus: Iterable[Sequence[str]], options: Options) -> Vocabulary:
        """Count the words of a corpus and keep those that get a vector; raises `UserError` where none is left."""
        ...

    def start(self, vocabulary: Vocabulary, options: Options, seed: int) -> State:
        """Draw the first vectors; `seed` (0 to 2**32 - 1) decides every random choice from here on."""
        ...

    def train_epoch(self, state: State, corpus: Iterable[Sequence[str]], tick: Tick | None = None) -> State:
        """Go once over the corpus; the state given stays as it was."""
        ...


def first_vectors(rows: int, options: Options, seed: int) -> np.ndarray:
    """Draw input vectors (rows, d) float32 uniformly in [-1/d, 1/d), as gensim has them."""
    drawn = np.random.default_rng(seed).random((rows, options.vector_size), dtype=np.float32)
    return (drawn * np.float32(2) - np.float32(1)) / np.float32(options.vector_size)


def warm_start(
    state: State, words: Sequence[str], input_vectors: np.ndarray, output_vectors: np.ndarray | None = None
) -> State:
    """Begin with vectors that were trained before, `input_vectors` (n, d) of `words`.

    A word of the vocabulary that is among `words` has its vector from there; a new one has the vector that was drawn,
    as any word has at the start. Words that are not in the vocabulary are passed over. `output_vectors` (n, d), of
    negative sampling, are taken over in the same way, those of new words being zero; without them all are as in
    `state`, for hierarchical softmax always, since a tree of other words has other nodes.
    Raises `UserError` where the dimensions differ or no word is known.
    """
    dimensions = state.input_vectors.shape[1]
    if input_vectors.shape[1] != dimensions:
        raise UserError(
            f"the vectors to start from have {input_vectors.shape[1]} dimensions, model.vector_size is {dimensions}"
        )
    index = state.vocabulary.index
    there = [(index[word], row) for row, word in enumerate(words) if word in index]
    if not there:
        raise UserError("none of the words to start from is in the vocabulary: are they tokenised in the same way?")
    rows, given = np.array(there).T
    inputs, outputs = state.input_vectors.copy(), state.output_vectors.copy()
    inputs[rows] = input_vectors[given]
    if output_vectors is not None and state.options.objective == "negative-sampling":
        outputs[rows] = output_vectors[given]
    return replace(state, input_vectors=inputs, output_vectors=outputs)


def count_words(corpus: Iterable[Sequence[str]], min_count: int = 5, max_vocab: int | None = None) -> Vocabulary:
    """Count the words of a corpus and choose those that get a vector, see `choose_words`."""
    counter: Counter[str] = Counter()
    sentences = 0
    for sentence in corpus:
        counter.update(sentence)
        sentences += 1
    return choose_words(counter, sentences, min_count, max_vocab)


def choose_words(
    counts: Mapping[str, int], sentences: int, min_count: int = 5, max_vocab: int | None = None
) -> Vocabulary:
    """Keep the frequent words of a text, in an order that depends on their counts alone.

    Kept are words seen at least `min_count` times. Where that leaves more than `max_vocab`, the least frequent go;
    words seen equally often go together, as in gensim (`max_final_vocab`), so fewer may be left.
    Raises `UserError` where no word is left.
    """
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    least = min_count
    if max_vocab is not None and max_vocab < len(ranked):
        least = max(least, ranked[max_vocab][1] + 1)
    kept = [(word, count) for word, count in ranked if count >= least]
    if not kept:
        raise UserError(_nothing_left(ranked, min_count, max_vocab))
    return Vocabulary(
        words=tuple(word for word, _ in kept),
        counts=np.array([count for _, count in kept], dtype=np.int64),
        tokens=sum(counts.values()),
        types=len(counts),
        sentences=sentences,
    )


def _nothing_left(ranked: Sequence[tuple[str, int]], min_count: int, max_vocab: int | None) -> str:
    if not ranked:
        return "the training text has no words: check the source and the tokenizer's pattern"
    word, count = ranked[0]
    if count < min_count:
        return (
            f"no word is seen min_count = {min_count} times (the most frequent, {word!r}, {count} times): "
            "lower vocabulary.min_count or bring more text"
        )
    return (
        f"max_vocab = {max_vocab} leaves no word, because words seen equally often are dropped together: "
        "raise vocabulary.max_vocab"
    )
