"""Words made of pieces: the n-grams of fastText (Bojanowski et al. 2017, arXiv:1607.04606)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

Span = tuple[int, int]
"""The shortest and the longest n-grams, in characters."""


@dataclass(frozen=True, eq=False)
class Subwords:
    """Which rows of the input matrix make up the vector of each of V words: its own and those of its n-grams.

    The rows of word v are `parts[starts[v]:starts[v + 1]]`, int64: v itself, then n-grams, whose rows come behind
    those of the words. `index`: the row of each n-gram. `span`: their shortest and longest length.
    """

    span: Span
    index: dict[str, int]
    parts: np.ndarray
    starts: np.ndarray

    def word_vectors(self, input_vectors: np.ndarray) -> np.ndarray:
        """The mean of the rows of each word: `input_vectors` (V + n-grams, d) to (V, d) float32."""
        from scipy.sparse import csr_matrix

        sizes = np.diff(self.starts)
        shares = np.repeat(1 / sizes, sizes).astype(np.float32)
        shape = (len(sizes), len(input_vectors))
        return np.asarray(csr_matrix((shares, self.parts, self.starts), shape=shape) @ input_vectors)

    def vector(self, word: str, input_vectors: np.ndarray) -> np.ndarray | None:
        """The vector (d,) float32 of a word that is none of the vocabulary; None where no n-gram of it is known."""
        rows = [self.index[ngram] for ngram in ngrams(word, self.span) if ngram in self.index]
        return input_vectors[rows].mean(axis=0) if rows else None


def ngrams(word: str, span: Span) -> list[str]:
    """The n-grams of a word with `<` and `>` around it, each once; the whole of it, which is the word, is none.

    >>> ngrams("where", (3, 3))
    ['<wh', 'whe', 'her', 'ere', 're>']
    """
    bounded = f"<{word}>"
    lengths = range(span[0], min(span[1], len(bounded) - 1) + 1)
    return list(dict.fromkeys(bounded[at : at + n] for n in lengths for at in range(len(bounded) - n + 1)))


@lru_cache(maxsize=2)
def subwords(words: tuple[str, ...], span: Span) -> Subwords:
    """Find the n-grams of a vocabulary.

    Where fastText hashes n-grams into buckets, which strangers then share, each has a row of its own here, and an
    n-gram that no word of the vocabulary has is not made up.
    """
    found = [ngrams(word, span) for word in words]
    index = {ngram: len(words) + row for row, ngram in enumerate(dict.fromkeys(chain.from_iterable(found)))}
    parts = [[row, *(index[ngram] for ngram in of)] for row, of in enumerate(found)]
    starts = np.cumsum([0, *map(len, parts)], dtype=np.int64)
    return Subwords(span, index, np.fromiter(chain.from_iterable(parts), np.int64, starts[-1]), starts)
