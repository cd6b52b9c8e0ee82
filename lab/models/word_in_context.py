"""One marked word through the layers of a text encoder: how two readings of it part, and what lies near each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.embeddings.neighbors import top_k
from lab.models.text_backbone import (
    MarkedText,
    TextBackbone,
    static_vectors,
    whole_words,
    word_in_context,
    words_alone,
)


@dataclass(frozen=True)
class WordByLayer:
    """What `follow_words` finds, for `n` marked words and `L` layers (layer 0 is before the first block).

    `vectors`: (L, n, d) float32; `between`: (L, n, n) cosines; `static`: (n, d) float32 rows of the static token table,
    NaN where a word is several tokens; `neighbors`: per layer and word, `(word, cosine)` nearest first;
    `static_neighbors`: the same in the static table.
    """

    vectors: np.ndarray
    between: np.ndarray
    static: np.ndarray
    neighbors: list[list[list[tuple[str, float]]]]
    static_neighbors: list[list[tuple[str, float]]]


def follow_words(
    backbone: TextBackbone, marked: Sequence[MarkedText], candidates: int = 5000, count: int = 8
) -> WordByLayer:
    """Follow marked words through the layers.

    Neighbours come from the vocabulary's first `candidates` whole words, each read alone; the marked word itself is
    left out.
    """
    vectors = word_in_context(backbone, marked)
    words = whole_words(backbone, candidates)
    bank = words_alone(backbone, words)
    table = static_vectors(backbone, words)
    single = np.flatnonzero(~np.isnan(table).any(axis=1))  # byte-level tokenizers may cut a word that starts a text
    static = static_vectors(backbone, [word.word for word in marked])
    own = [word.word.lower() for word in marked]
    unit = unit_rows(vectors)
    return WordByLayer(
        vectors=vectors,
        between=np.einsum("lnd,lmd->lnm", unit, unit),
        static=static,
        neighbors=[_nearest(layer, pool, words, own, count) for layer, pool in zip(vectors, bank, strict=True)],
        static_neighbors=_nearest(static, table[single], [words[i] for i in single], own, count),
    )


def unit_rows(vectors: np.ndarray) -> np.ndarray:
    """Divide by the length along the last axis; NaN stays NaN."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _nearest(
    queries: np.ndarray, pool: np.ndarray, words: Sequence[str], own: Sequence[str], count: int
) -> list[list[tuple[str, float]]]:
    found: list[list[tuple[str, float]]] = []
    for query, me in zip(queries, own, strict=True):
        if np.isnan(query).any():
            found.append([])
            continue
        indices, scores = top_k(query[None], pool, count + 1)
        named = [(words[i], float(score)) for i, score in zip(indices[0], scores[0], strict=True)]
        found.append([pair for pair in named if pair[0] != me][:count])
    return found
