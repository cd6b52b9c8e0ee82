"""Texts as the mean of their words' vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace


class MeanOfWords:
    """Embeds a text as the mean vector of its words that have one.

    `space`: the word vectors. `tokens_of`: the function from a text to its words that the vectors were trained with.
    `vector_of`: the vector (d,) of a word that is not in the space, or None where it has none.
    """

    kind: Literal["image", "text"] = "text"

    def __init__(
        self,
        space: EmbeddingSpace,
        tokens_of: Callable[[str], list[str]],
        vector_of: Callable[[str], np.ndarray | None] = lambda word: None,
    ) -> None:
        self._rows = {str(word): row for row, word in enumerate(space.ids)}
        self._vectors = space.vectors
        self._tokens_of = tokens_of
        self._vector_of = vector_of

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Return (n, d) float32, NaN for a text without a known word.

        A text that is itself a word of the vocabulary, such as a phrase `new_york`, has that word's vector; so does
        one with a single known word, bit for bit. Repeated words count as often as they are there.
        """
        encoded = np.full((len(items), self._vectors.shape[1]), np.nan, dtype=np.float32)
        for place, item in enumerate(items):
            words = [item] if item in self._rows else self._tokens_of(item)
            vectors = self._vectors[np.array([self._rows[word] for word in words if word in self._rows], np.int64)]
            unknown = (self._vector_of(word) for word in words if word not in self._rows)
            if made := [vector for vector in unknown if vector is not None]:
                vectors = np.concatenate([vectors, made])
            if len(vectors):
                encoded[place] = vectors.mean(axis=0, dtype=np.float64)
        return encoded
