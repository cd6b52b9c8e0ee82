"""Texts that are nearly the same: shingles, MinHash and exact Jaccard similarity (Broder 1997)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

# Characters of a shingle. Five are a word and its neighbour's edge: one changed word of twenty changes a tenth.
_SHINGLE = 5
# Jaccard similarity of shingles from which two texts are near-duplicates, and the same for texts of few shingles, where
# one word is a large part. (Of 10,662 sentences of film reviews none that differ in meaning are over .67.)
THRESHOLD, THRESHOLD_OF_SHORT, _SHORT = 0.7, 0.8, 40
_BANDS, _ROWS = 20, 4  # a pair at the threshold is looked at with probability .996, at .8 with .99997
_LARGE_BUCKET = 50


def similar_texts(texts: Sequence[str]) -> np.ndarray:
    """Pairs of positions, `(p, 2) int64`, whose sets of 5-character shingles have a Jaccard similarity of .7 or more.

    Texts of under about 45 characters need .8. Case, punctuation and blanks do not count. Of many copies of one text,
    pairs that link them are enough.
    """
    shingles, starts = _shingles([_plain(text) for text in texts])
    signatures = _signatures(shingles, starts)
    sets = np.split(shingles, starts[1:])
    unique: dict[int, np.ndarray] = {}

    def shingles_of(at: int) -> np.ndarray:
        if at not in unique:
            unique[at] = np.unique(sets[at])
        return unique[at]

    found = []
    for first, second in _candidates(signatures):
        one, other = shingles_of(first), shingles_of(second)
        threshold = THRESHOLD if min(len(one), len(other)) >= _SHORT else THRESHOLD_OF_SHORT
        if min(len(one), len(other)) < threshold * max(len(one), len(other)):
            continue
        shared = len(np.intersect1d(one, other, assume_unique=True))
        if shared >= threshold * (len(one) + len(other) - shared):
            found.append((first, second))
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def _plain(text: str) -> str:
    plain = " ".join(re.sub(r"[\W_]+", " ", text.lower()).split())
    return plain or text


def _shingles(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Hashes (uint64) of the shingles of all texts one after another, and where each text's begin."""
    padded = [text.ljust(_SHINGLE, "\0") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded], dtype=np.int64)
    hashes = np.zeros(len(codes) - _SHINGLE + 1, dtype=np.uint64)
    for at in range(_SHINGLE):  # wraps around at 2⁶⁴, as it should
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + codes[at : len(codes) - _SHINGLE + 1 + at]
    ends = np.cumsum(lengths)
    inside = np.ones(len(hashes), dtype=bool)
    for at in range(1, _SHINGLE):  # shingles that run into the next text
        across = ends[:-1] - at
        inside[across] = False
    counts = lengths - _SHINGLE + 1
    return _mixed(hashes[inside]), np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)


def _mixed(values: np.ndarray) -> np.ndarray:
    """Bits well mixed (the finaliser of splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _signatures(shingles: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """MinHash signatures, `(texts, bands × rows) uint64`."""
    rng = np.random.default_rng(0)
    columns = []
    for _ in range(_BANDS * _ROWS):
        factor, offset = (np.uint64(value) for value in rng.integers(1, 2**63, size=2, dtype=np.uint64))
        hashed = shingles * (factor | np.uint64(1)) + offset
        hashed ^= hashed >> np.uint64(32)
        columns.append(np.minimum.reduceat(hashed * np.uint64(0xBF58476D1CE4E5B9), starts))
    return np.stack(columns, axis=1)


def _candidates(signatures: np.ndarray) -> list[tuple[int, int]]:
    """Pairs that agree in all rows of a band, each once; of a large bucket only neighbours in a chain."""
    pairs: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        rows = signatures[:, band * _ROWS : (band + 1) * _ROWS]
        keys = np.zeros(len(rows), dtype=np.uint64)
        for column in rows.T:
            keys = _mixed(keys * np.uint64(0x9E3779B97F4A7C15) + column)
        order = np.argsort(keys, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            if 1 < len(bucket) <= _LARGE_BUCKET:
                pairs.update((int(a), int(b)) for at, a in enumerate(bucket) for b in bucket[at + 1 :])
            elif len(bucket) > _LARGE_BUCKET:
                pairs.update((int(a), int(b)) for a, b in pairwise(bucket))
    return sorted(pairs)
