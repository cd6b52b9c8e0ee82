"""Analogies: a is to b as c is to which word? (Mikolov, Yih and Zweig 2013; Levy and Goldberg 2014)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lab.evaluation.word_similarity import rows_by_word

Method = Literal["3cosadd", "3cosmul"]

_WORDS_AT_ONCE = 8192
_QUESTIONS_AT_ONCE = 256
_SMALLEST_COSINE = 1e-6  # keeps 3CosMul from dividing by zero; gensim's value


@dataclass(frozen=True)
class Answers:
    """What was answered to q questions.

    `known` (q,) bool: all four words have a vector; only then is a question asked. `rows` (q,) int64: the row of the
    answer, -1 where there is none. `correct` (q,) bool: the answer is the fourth word, case aside.
    """

    known: np.ndarray
    rows: np.ndarray
    correct: np.ndarray


def answer_analogies(
    words: Sequence[str],
    vectors: np.ndarray,
    questions: Sequence[tuple[str, str, str, str]],
    method: Method = "3cosadd",
    *,
    restrict_vocabulary: int = 300_000,
) -> Answers:
    """Answer each question `a : b :: c : d` with the best word other than a, b and c.

    `words` (V,) name the rows of `vectors` (V, d) float32; only the first `restrict_vocabulary` of them take part, as
    in gensim. Words are matched without regard to case, and no case of a, b and c is an answer. "3cosadd" maximises
    cos(x, b) + cos(x, c) - cos(x, a) (arXiv:1301.3781), "3cosmul" cos(x, b) * cos(x, c) / cos(x, a) with cosines
    brought to [0, 1] (Levy and Goldberg 2014, equation 4); of equals the first wins. Both are sums of a table, of
    the cosines or of their logarithms, so that all questions are answered together.
    """
    words, vectors = list(words[:restrict_vocabulary]), vectors[:restrict_vocabulary]
    rows_of = rows_by_word(words)
    asked = np.array([[rows_of.get(w.casefold(), -1) for w in question] for question in questions], dtype=np.int64)
    asked = asked.reshape(-1, 4)
    known = np.asarray((asked >= 0).all(axis=1))
    rows = np.full(len(asked), -1, dtype=np.int64)
    rows[known] = _best(_unit(vectors), asked[known, :3], _taken(words, asked[known, :3]), method)
    folded = np.array([rows_of[word.casefold()] for word in words], dtype=np.int64)
    correct = known & (rows >= 0)
    correct[correct] = folded[rows[correct]] == asked[correct, 3]
    return Answers(known, rows, correct)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)


def _taken(words: Sequence[str], asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (question, row) of every word, in every case it comes in, that a question (q, 3) itself holds."""
    folded = [word.casefold() for word in words]
    held = {folded[row] for row in np.unique(asked)}
    variants: dict[str, list[int]] = {}
    for row, word in enumerate(folded):
        if word in held:
            variants.setdefault(word, []).append(row)
    pairs = [
        (question, row) for question, own in enumerate(asked.tolist()) for word in own for row in variants[folded[word]]
    ]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _best(unit: np.ndarray, asked: np.ndarray, taken: tuple[np.ndarray, np.ndarray], method: Method) -> np.ndarray:
    """Return the best row (q,) int64 for questions a, b, c (q, 3), -1 where every word is taken."""
    own, columns = np.unique(asked, return_inverse=True)
    a, b, c = columns.reshape(asked.shape).T
    scores = np.full(len(asked), -np.inf, dtype=np.float32)
    rows = np.full(len(asked), -1, dtype=np.int64)
    taken_questions, taken_rows = taken
    for first in range(0, len(unit), _WORDS_AT_ONCE):
        plus, minus = _tables(unit[own] @ unit[first : first + _WORDS_AT_ONCE].T, method)
        for start in range(0, len(asked), _QUESTIONS_AT_ONCE):
            chunk = slice(start, start + _QUESTIONS_AT_ONCE)
            total = plus[b[chunk]] + plus[c[chunk]]
            total -= minus[a[chunk]]
            here = (taken_questions >= start) & (taken_questions < start + len(total))
            here &= (taken_rows >= first) & (taken_rows < first + total.shape[1])
            total[taken_questions[here] - start, taken_rows[here] - first] = -np.inf
            best = total.argmax(axis=1)
            score = total[np.arange(len(total)), best]
            better = score > scores[chunk]
            scores[chunk] = np.where(better, score, scores[chunk])
            rows[chunk] = np.where(better, best + first, rows[chunk])
    return rows


def _tables(cosines: np.ndarray, method: Method) -> tuple[np.ndarray, np.ndarray]:
    """Return what a word adds to a score as b or c, and what it takes away as a."""
    if method == "3cosadd":
        return cosines, cosines
    shifted = np.maximum((1 + cosines) / 2, 0)
    with np.errstate(divide="ignore"):
        return np.log(shifted), np.log(shifted + np.float32(_SMALLEST_COSINE))
