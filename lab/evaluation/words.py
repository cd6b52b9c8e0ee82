"""Every word test a space of words takes, as results and scores per item: for recipes and for `lab evaluate`."""
# ruff: noqa: D102  (the fields of the protocols are told in the docstrings of their classes)

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lab.evaluation.analogies import Answers, Method, answer_analogies
from lab.evaluation.word_similarity import Kind, correlate, pair_cosines

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace

FEWEST_FOR_AN_INTERVAL = 10  # pairs; resamples of fewer are too much alike to say anything

_CORRELATIONS: tuple[tuple[str, str, Kind], ...] = (
    ("spearman", "Spearman", "spearman"),
    ("pearson", "Pearson", "pearson"),
)
_METHODS: tuple[tuple[str, str, Method], ...] = (
    ("accuracy", "3CosAdd", "3cosadd"),
    ("accuracy_3cosmul", "3CosMul", "3cosmul"),
)
_PAIRS = {"": "a pair with a missing word counts as similarity 0", "_skipped": "pairs with a missing word left out"}
_QUESTIONS = {
    "": "a question with a missing word counts as wrong",
    "_skipped": "questions with a missing word left out",
}


class SimilaritySet(Protocol):
    """Word pairs `first`, `second` with their `human` scores (n,) float64; `ids` name the pairs, each once."""

    @property
    def name(self) -> str: ...
    @property
    def first(self) -> Sequence[str]: ...
    @property
    def second(self) -> Sequence[str]: ...
    @property
    def human(self) -> np.ndarray: ...
    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def fingerprint(self) -> str: ...


class AnalogySet(Protocol):
    """Questions of four words by section; `ids` name the questions in that order, each once."""

    @property
    def name(self) -> str: ...
    @property
    def sections(self) -> Mapping[str, Sequence[tuple[str, str, str, str]]]: ...
    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def fingerprint(self) -> str: ...


class Recorder(Protocol):
    """Where results, scores and warnings go: a `RunWriter`."""

    @property
    def result(self) -> Callable[..., None]: ...
    @property
    def scores(self) -> Callable[..., None]: ...
    @property
    def warn(self) -> Callable[[str], None]: ...


@dataclass(frozen=True)
class WordResult:
    """One number and the items it is the mean of.

    `value` is NaN where too few words are known for the metric. `details`: low and high (95 %), coverage (the share
    of items whose words are all known), test_fingerprint, protocol, and for one section of an analogy set its `label`.
    `ids`, `values`, `columns`: one of each per item; empty for a section, whose items are in the whole.
    """

    evaluation: str
    metric: str
    value: float
    n: int
    details: dict[str, Any]
    primary: bool = False
    ids: list[str] = field(default_factory=list)
    values: np.ndarray = field(default_factory=lambda: np.empty(0))
    columns: dict[str, Any] = field(default_factory=dict)


def evaluate_words(
    space: EmbeddingSpace,
    similarity: Sequence[SimilaritySet],
    analogies: Sequence[AnalogySet],
    *,
    restrict_vocabulary: int = 300_000,
) -> list[WordResult]:
    """Put a space of words (ids are the words, the most frequent first) to word tests.

    Each metric comes under both conventions for words without a vector. Plain (`spearman`, `pearson`, `accuracy`,
    `accuracy_3cosmul`): all items count, a pair with a missing word as similarity 0, a question as wrong. With the
    ending `_skipped`: such items are left out. Primary is `wordsim353`, or else the first test, in its first metric
    with missing words left out: where a third of the pairs count as 0, that third hides what the vectors know.
    """
    words, vectors = space.ids.tolist(), space.vectors
    results = [result for test in similarity for result in _similarity(words, vectors, test)]
    results += [result for test in analogies for result in _analogies(words, vectors, test, restrict_vocabulary)]
    skipped = [place for place, result in enumerate(results) if result.metric.endswith("_skipped")]
    usual = [place for place in skipped if results[place].evaluation == "wordsim353"]
    first = next(iter(usual + skipped), None)
    return [replace(result, primary=place == first) for place, result in enumerate(results)]


def record(results: Sequence[WordResult], run: Recorder) -> None:
    """Leave results and scores in a run; a metric that is not defined becomes a warning."""
    undefined: dict[str, list[str]] = {}
    for result in results:
        if np.isnan(result.value):
            if "label" not in result.details:
                undefined.setdefault(result.evaluation, []).append(result.metric)
            continue
        run.result(result.evaluation, result.metric, result.value, n=result.n, primary=result.primary, **result.details)
        if result.ids:
            run.scores(result.evaluation, result.metric, result.ids, result.values, **result.columns)
    for evaluation, metrics in undefined.items():
        run.warn(f"{evaluation}: too few of its words are in the vocabulary for {', '.join(metrics)}")


def _conventions(missing: np.ndarray) -> dict[str, np.ndarray]:
    """Return which items (n,) bool count, for each ending of a metric's name."""
    return {"": np.ones(len(missing), dtype=bool), "_skipped": ~missing}


def _chosen(values: Sequence[str], kept: np.ndarray) -> list[str]:
    return [value for value, keep in zip(values, kept, strict=True) if keep]


def _similarity(words: Sequence[str], vectors: np.ndarray, test: SimilaritySet) -> Iterator[WordResult]:
    cosines, missing = pair_cosines(words, vectors, test.first, test.second)
    columns = {"human": test.human, "similarity": cosines, "missing": missing}
    for metric, name, kind in _CORRELATIONS:
        for ending, kept in _conventions(missing).items():
            found = correlate(test.human[kept], cosines[kept], kind)
            details = {
                "low": found.low if kept.sum() >= FEWEST_FOR_AN_INTERVAL else None,
                "high": found.high if kept.sum() >= FEWEST_FOR_AN_INTERVAL else None,
                "coverage": float(1 - missing.mean()),
                "test_fingerprint": test.fingerprint,
                "protocol": f"{name} correlation of cosines with human scores; {_PAIRS[ending]}; case ignored",
            }
            result = WordResult(test.name, metric + ending, found.value, int(kept.sum()), details)
            if len(found.pseudo_values):
                own = {name: column[kept] for name, column in columns.items()}
                result = replace(result, ids=_chosen(test.ids, kept), values=found.pseudo_values, columns=own)
            yield result


def _analogies(
    words: Sequence[str], vectors: np.ndarray, test: AnalogySet, restrict_vocabulary: int
) -> Iterator[WordResult]:
    questions = [question for section in test.sections.values() for question in section]
    sections = np.repeat(list(test.sections), [len(section) for section in test.sections.values()])
    for metric, name, method in _METHODS:
        answers = answer_analogies(words, vectors, questions, method, restrict_vocabulary=restrict_vocabulary)
        words_given = np.array([words[row] if row >= 0 else None for row in answers.rows], dtype=object)
        columns = {"section": sections, "answer": words_given, "missing": ~answers.known}
        among = f"among the first {restrict_vocabulary:,} words but the question's own"
        for ending, kept in _conventions(~answers.known).items():
            about = {
                "test_fingerprint": test.fingerprint,
                "protocol": f"{name} {among}; {_QUESTIONS[ending]}; case ignored",
            }
            yield replace(
                _accuracy(test.name, metric + ending, answers, kept, about),
                ids=_chosen(test.ids, kept),
                values=answers.correct[kept].astype(np.float64),
                columns={name: column[kept] for name, column in columns.items()},
            )
            for section in test.sections:
                own = Answers(
                    *(column[sections == section] for column in (answers.known, answers.rows, answers.correct))
                )
                about_section = {**about, "label": section}
                yield _accuracy(test.name, metric + ending, own, kept[sections == section], about_section)


def _accuracy(evaluation: str, metric: str, answers: Answers, kept: np.ndarray, about: dict[str, Any]) -> WordResult:
    """Return the share of correct answers among the questions `kept` (q,) bool.

    The interval is Wilson's (1927): a bootstrap of nothing but wrong answers would say that 0 is certain. Questions of
    a section share words, so that it is, if anything, too narrow.
    """
    from statsmodels.stats.proportion import proportion_confint

    n, correct = int(kept.sum()), int(answers.correct[kept].sum())
    value = correct / n if n else np.nan
    low, high = (float(bound) for bound in proportion_confint(correct, n, method="wilson")) if n else (None, None)
    details = {"low": low, "high": high, "coverage": float(answers.known.mean()), **about}
    return WordResult(evaluation, metric, value, n, details)
