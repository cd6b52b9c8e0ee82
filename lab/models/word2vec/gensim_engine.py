"""The engine on gensim (Řehůřek and Sojka 2010): the reference implementation, fast on one core."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from lab.models.word2vec.engine import Options, State, Tick, Vocabulary, count_words, first_vectors

MAX_JOB_WORDS = 10_000
"""gensim drops what a job holds beyond this many words, without a word."""

_TICK_WORDS = 20_000


class GensimEngine:
    """Trains through `gensim.models.Word2Vec`, one epoch at a time, whatever the number of epochs.

    With one thread an epoch is a function of the state and the corpus. gensim's model is only a workbench here: its
    tables come from the counts (the text is not read again) and are kept for the next epoch, its matrices and its
    generator are put in place from the state before each epoch and taken out after it.
    """

    def __init__(self) -> None:
        self._bench: tuple[Vocabulary, Options, Any] | None = None

    def build(self, corpus: Iterable[Sequence[str]], options: Options) -> Vocabulary:
        """See `Engine.build`; the order of the words does not depend on the order of the text."""
        return count_words(corpus, options.min_count, options.max_vocab)

    def start(self, vocabulary: Vocabulary, options: Options, seed: int) -> State:
        """See `Engine.start`: inputs uniform in [-1/d, 1/d), outputs zero, as gensim has them."""
        model = self._workbench(vocabulary, options)
        inputs = first_vectors(len(vocabulary), options, seed)
        model.random = np.random.RandomState(seed)
        return State(
            vocabulary=vocabulary,
            options=options,
            input_vectors=inputs,
            output_vectors=np.zeros_like(inputs),
            epoch=0,
            generators=_generators(model),
        )

    def train_epoch(self, state: State, corpus: Iterable[Sequence[str]], tick: Tick | None = None) -> State:
        """See `Engine.train_epoch`. An error in the corpus or in `tick` ends the epoch and is raised here."""
        model = self._workbench(state.vocabulary, state.options)
        model.wv.vectors = state.input_vectors.copy()
        outputs = "syn1" if model.hs else "syn1neg"
        setattr(model, outputs, state.output_vectors.copy())
        _set_generators(model, state.generators)
        start, end = state.options.learning_rates(state.epoch)
        model.min_alpha_yet_reached = start  # or gensim warns of a rate that rises
        stream = _Watched(corpus, state.vocabulary.tokens, tick)
        try:
            with _without_warnings():
                model.train(stream, total_words=state.vocabulary.tokens, epochs=1, start_alpha=start, end_alpha=end)
        finally:
            stream.stopped = True  # Ctrl-C in this thread leaves gensim's own behind: give them no more work
        if stream.error is not None:
            raise stream.error
        return replace(
            state,
            input_vectors=model.wv.vectors,
            output_vectors=getattr(model, outputs),
            epoch=state.epoch + 1,
            generators=_generators(model),
        )

    def _workbench(self, vocabulary: Vocabulary, options: Options) -> Any:
        if self._bench is None or self._bench[0] is not vocabulary or self._bench[1] != options:
            self._bench = (vocabulary, options, _gensim_model(vocabulary, options))
        return self._bench[2]


class _Watched:
    """A corpus that reports progress and keeps its error.

    gensim reads the corpus in a thread of its own and would wait for ever after an exception there.
    """

    def __init__(self, corpus: Iterable[Sequence[str]], tokens: int, tick: Tick | None) -> None:
        self.corpus, self.tokens, self.tick = corpus, tokens, tick
        self.error: BaseException | None = None
        self.stopped = False

    def __iter__(self) -> Iterator[Sequence[str]]:
        words, due = 0, 0
        try:
            for sentence in self.corpus:
                if self.stopped:
                    return
                if self.tick is not None and words >= due:
                    self.tick(min(1.0, words / self.tokens))
                    due = words + _TICK_WORDS
                for piece in range(0, len(sentence), MAX_JOB_WORDS):
                    yield sentence[piece : piece + MAX_JOB_WORDS]
                words += len(sentence)
        except BaseException as error:
            self.error = error


def _gensim_model(vocabulary: Vocabulary, options: Options) -> Any:
    """Make a gensim model with this vocabulary in this order, its matrices still to be put in place."""
    from gensim.models import Word2Vec

    hierarchical = options.objective == "hierarchical-softmax"
    model = Word2Vec(
        vector_size=options.vector_size,
        window=options.window,
        shrink_windows=options.shrink_windows,
        sg=int(options.architecture == "skipgram"),
        hs=int(hierarchical),
        negative=0 if hierarchical else options.negative,
        ns_exponent=options.ns_exponent,
        cbow_mean=int(options.cbow_mean),
        sample=options.subsample,
        alpha=options.learning_rate,
        min_alpha=options.min_learning_rate,
        workers=options.threads,
        batch_words=min(options.batch_words, MAX_JOB_WORDS),
        min_count=1,  # `build` has dropped the rare words
        sorted_vocab=0,  # and put the rest in order
    )
    counts = {word: int(count) for word, count in zip(vocabulary.words, vocabulary.counts, strict=True)}
    with _without_warnings():
        model.build_vocab_from_freq(counts, corpus_count=vocabulary.sentences)
    return model


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep gensim's warnings to itself: they are of short texts and of epochs that were stopped."""
    logger = logging.getLogger("gensim.models.word2vec")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _generators(model: Any) -> dict[str, Any]:
    """Return the state of gensim's generator (MT19937: windows, subsampling, noise words) as JSON values."""
    name, keys, position, has_gauss, gauss = model.random.get_state()
    return {
        "mt19937": {
            "name": str(name),
            "keys": [int(key) for key in keys],
            "position": int(position),
            "has_gauss": int(has_gauss),
            "gauss": float(gauss),
        }
    }


def _set_generators(model: Any, generators: dict[str, Any]) -> None:
    state = generators["mt19937"]
    keys = np.array(state["keys"], dtype=np.uint32)
    model.random.set_state((state["name"], keys, state["position"], state["has_gauss"], state["gauss"]))
