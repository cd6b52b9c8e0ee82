"""Pictures that are nearly the same: copies in another encoding, size, brightness, cut, turned a little or mirrored.

In three steps, each on what the one before left over. (1) Of every picture the few whose blurred 8×8 copies are most
alike, as they are and mirrored. (2) How alike the 24×24 copies are once shifted, turned and scaled onto each other;
what counts is how much nearer the pair is than pictures of these data are to each other anyway (the ratio of its
distance to that of a far neighbour), so handwritten ones do not count as copies, though they look alike. (3) Pictures
of 48 pixels and more are then compared at 64×64, where chance likeness ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lab.data.labelled.alignment import Transform, best_on_grid, refine, similarity_transforms, unit
from lab.data.labelled.images import SMALL, ImageSource

_NEAREST = 2  # pairs looked at for each picture, as it is and as many mirrored
_FAR = 40  # the neighbour whose distance is the measure for small pictures
_LARGE, _TINY = 48, 16  # shorter sides: from here there is more to see than in the small copy; below, hardly that
_SIDE = 64
_COARSE = 0.6  # least correlation of blurred copies
_FLAT = 4.0  # standard deviation of grey levels below which there is nothing to recognise
# Measured least ratio of different pictures: digits .15, mnist-5k .30; of JPEG copies of mnist-5k most are under .13.
RATIO, RATIO_OF_TINY = 0.17, 0.1
SIEVE = 0.85  # correlation of aligned small copies from which large pictures are looked at
CORRELATION = 0.94  # measured: different pictures of eurosat at most .914, of flowers5 .887; copies .96 to 1
_BLOCK, _BATCH = 2048, 512


_Transforms = list[Transform]


@dataclass(frozen=True)
class _Found:
    pairs: np.ndarray
    mirrored: np.ndarray
    far: np.ndarray


def similar_pictures(images: ImageSource) -> np.ndarray:
    """Pairs of positions of near-duplicates, `(p, 2) int64`; of many copies of one picture, pairs that link them."""
    n = len(images)
    small = images.grey(np.arange(n), SMALL).astype(np.float32)
    rich = np.flatnonzero(small.std(axis=(1, 2)) >= _FLAT)
    if len(rich) < 2:
        return np.empty((0, 2), dtype=np.int64)
    small = small[rich]
    large = images.sides[rich] >= _LARGE
    found = _candidates(small)
    transforms = _transforms(images.sides[rich])
    likeness, which = _aligned(small, found.pairs, found.mirrored, transforms)
    both_large = large[found.pairs].all(axis=1)
    sure = np.zeros(len(found.pairs), dtype=bool)
    little = np.flatnonzero(~both_large)
    if len(little):
        far = _far_likeness(small, found, transforms)[found.pairs[little, 0]]
        bound = np.where(images.sides[rich][found.pairs[little, 0]] >= _TINY, RATIO, RATIO_OF_TINY)
        sure[little] = 1 - likeness[little] < bound**2 * (1 - far + 1e-6)
    maybe = np.flatnonzero((likeness >= SIEVE) & both_large)
    start = np.array(transforms)[which]
    maybe = maybe[np.argsort(-likeness[maybe], kind="stable")]
    for begin in range(0, len(maybe), _BATCH):
        # Of many copies of one picture, pairs that link them are enough.
        batch = _unlinked(len(rich), found.pairs, sure, maybe[begin : begin + _BATCH])
        if len(batch):
            seen = _verified(images, rich, found.pairs[batch], found.mirrored[batch], start[batch])
            sure[batch] = seen >= CORRELATION
    return np.unique(np.sort(rich[found.pairs[sure]], axis=1), axis=0)


def _unlinked(n: int, pairs: np.ndarray, sure: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Those pairs of a batch that the sure ones do not link already, each way round only once."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    known = pairs[sure]
    links = coo_matrix((np.ones(len(known)), (known[:, 0], known[:, 1])), shape=(n, n))
    cluster = connected_components(links, directed=False)[1]
    batch = batch[cluster[pairs[batch, 0]] != cluster[pairs[batch, 1]]]
    _, first = np.unique(np.sort(pairs[batch], axis=1), axis=0, return_index=True)
    return batch[np.sort(first)]


def _transforms(sides: np.ndarray) -> _Transforms:
    """Large pictures are turned, scaled and shifted, small ones shifted by a pixel, tiny ones left as they are."""
    step = 1 / SMALL
    if (sides >= _LARGE).mean() > 0.5:
        return similarity_transforms((0.9, 1.0, 1.1), (-6, 0, 6), (-1.5 * step, 0, 1.5 * step))
    return similarity_transforms((1.0,), (0,), (-step, 0, step) if np.median(sides) >= _TINY else (0,))


def _candidates(small: np.ndarray) -> _Found:
    """For each picture its nearest by blurred copies, as they are and mirrored, and its far neighbour (both ways)."""
    coarse, mirrored = _coarse(small), _coarse(small[:, :, ::-1])
    n = len(small)
    pairs, flips, far = [], [], []
    rank = min(_FAR, max(5, n // 50), n - 2)
    for start in range(0, n, _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, n))
        measures = []
        for flip, other in ((False, coarse), (True, mirrored)):
            likeness = coarse[rows] @ other.T
            likeness[np.arange(len(rows)), rows] = -2
            order = np.argpartition(-likeness, sorted({min(_NEAREST, n - 1) - 1, rank}), axis=1)
            near = order[:, : min(_NEAREST, n - 1)]
            keep = np.take_along_axis(likeness, near, axis=1) >= _COARSE
            pairs.append(np.stack([np.repeat(rows, keep.sum(axis=1)), near[keep]], axis=1))
            flips.append(np.full(int(keep.sum()), flip))
            measures.append(order[:, rank])
        far.append(np.stack(measures, axis=1))
    return _Found(np.concatenate(pairs), np.concatenate(flips), np.concatenate(far))


def _coarse(small: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return unit(gaussian_filter(small, (0, 1.5, 1.5))[:, 1::3, 1::3].reshape(len(small), -1))


def _aligned(
    small: np.ndarray, pairs: np.ndarray, mirrored: np.ndarray, transforms: _Transforms
) -> tuple[np.ndarray, np.ndarray]:
    likeness = np.full(len(pairs), -1.0, dtype=np.float32)
    which = np.zeros(len(pairs), dtype=np.int64)
    for flip in (False, True):
        chosen = np.flatnonzero(mirrored == flip)
        if len(chosen):
            still = small[:, :, ::-1] if flip else small
            likeness[chosen], which[chosen] = best_on_grid(small, still, pairs[chosen], transforms, margin=3)
    return likeness, which


def _far_likeness(small: np.ndarray, found: _Found, transforms: _Transforms) -> np.ndarray:
    """The likeness of each picture to its far neighbour, the better of the two ways, never below 0."""
    rows = np.unique(found.pairs[:, 0])
    far = np.zeros(len(small), dtype=np.float32)
    for flip in (0, 1):
        pairs = np.stack([rows, found.far[rows, flip]], axis=1)
        likeness, _ = _aligned(small, pairs, np.full(len(pairs), bool(flip)), transforms)
        far[rows] = np.maximum(far[rows], likeness)
    return far


def _verified(
    images: ImageSource, rich: np.ndarray, pairs: np.ndarray, mirrored: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """The likeness of pairs at 64×64 once aligned, `(p,) float32`."""
    from scipy.ndimage import gaussian_filter

    used, at = np.unique(pairs, return_inverse=True)
    at = at.reshape(pairs.shape)
    grey = images.grey(rich[used], _SIDE).astype(np.float32)
    # Details only: a slope of light or one long edge is alike in pictures of different things.
    grey = gaussian_filter(grey, (0, 0.8, 0.8)) - gaussian_filter(grey, (0, 5, 5))
    still = np.where(mirrored[:, None, None], grey[at[:, 1], :, ::-1], grey[at[:, 1]])
    return refine(grey[at[:, 0]], still, start, margin=8, enough=CORRELATION)
