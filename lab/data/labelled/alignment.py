"""How alike two small pictures are once one is shifted, turned and scaled onto the other.

A picture is a row of `side²` grey levels; likeness is the correlation of the middles, so brightness and contrast do not
count.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# An affine map of coordinates from the picture's centre, row by row: x' = a·x + b·y + c, y' = d·x + e·y + f.
Transform = tuple[float, float, float, float, float, float]


def similarity_transforms(scales: Sequence[float], angles: Sequence[float], shifts: Sequence[float]) -> list[Transform]:
    """All combinations of scales, angles in degrees and shifts in parts of the side, the farthest corners left out."""
    found: list[Transform] = []
    for scale in scales:
        for angle in np.deg2rad(angles):
            cos, sin = float(np.cos(angle)) * scale, float(np.sin(angle)) * scale
            found += [
                (cos, -sin, x, sin, cos, y)
                for x in shifts
                for y in shifts
                if not (len(shifts) > 3 and abs(x) == abs(y) == max(shifts))
            ]
    return found


def grid(side: int, margin: int, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (x, y) of the middle of a picture from its centre, in parts of the side, `(m,) float32` each."""
    line = (np.arange(margin, side - margin, step, dtype=np.float32) - (side - 1) / 2) / side
    y, x = np.meshgrid(line, line, indexing="ij")
    return x.ravel(), y.ravel()


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows less their mean, of length one."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)


def best_on_grid(
    moved: np.ndarray, still: np.ndarray, pairs: np.ndarray, transforms: Sequence[Transform], margin: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each pair `(i, j)` the best correlation of a transform of `moved[i]` with `still[j]`, and which it is.

    `moved`, `still`: `(n, side, side) float32`. Returns `(p,) float32` and `(p,) int64`.
    """
    side = moved.shape[1]
    x, y = grid(side, margin)
    middle = slice(margin, side - margin)
    target = unit(still[:, middle, middle].reshape(len(still), -1))[pairs[:, 1]]
    flat = moved.reshape(len(moved), -1)
    used, at = np.unique(pairs[:, 0], return_inverse=True)
    best = np.full(len(pairs), -2.0, dtype=np.float32)
    which = np.zeros(len(pairs), dtype=np.int64)
    for number, transform in enumerate(transforms):
        warped = unit((_matrix(transform, x, y, side) @ flat[used].T).T)
        likeness = np.einsum("pd,pd->p", warped[at], target)
        better = likeness > best
        best[better], which[better] = likeness[better], number
    return best, which


def _matrix(transform: Transform, x: np.ndarray, y: np.ndarray, side: int) -> object:
    """A transform with bilinear interpolation as a sparse matrix, `(m, side²) float32`."""
    from scipy.sparse import coo_matrix

    a, b, c, d, e, f = transform
    column = _pixels(a * x + b * y + c, side)
    row = _pixels(d * x + e * y + f, side)
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, down = column - left, row - top
    weights = [(1 - right) * (1 - down), right * (1 - down), (1 - right) * down, right * down]
    corner = top * side + left
    sources = [corner, corner + 1, corner + side, corner + side + 1]
    lines = np.tile(np.arange(len(x)), 4)
    matrix = coo_matrix((np.concatenate(weights), (lines, np.concatenate(sources))), shape=(len(x), side * side))
    return matrix.tocsr().astype(np.float32)


def _pixels(parts: np.ndarray, side: int) -> np.ndarray:
    return np.clip(parts * side + (side - 1) / 2, 0, side - 1.001)


def refine(
    moved: np.ndarray, still: np.ndarray, start: np.ndarray, margin: int, enough: float, steps: int = 8
) -> np.ndarray:
    """The correlation of each `moved[k]`, moved onto `still[k]` by the best affine map near `start[k]`, with it.

    Gauss–Newton on the six numbers of the map (Lucas and Kanade 1981), over every second pixel. `moved`, `still`:
    `(p, side, side) float32`, `start`: `(p, 6)`. Returns the best of all steps, `(p,) float32`; a pair that has
    reached `enough` is not brought nearer.
    """
    side = moved.shape[1]
    x, y = grid(side, margin, step=2)
    basis = np.stack([x, y, np.ones_like(x)], axis=-1)
    middle = slice(margin, side - margin, 2)
    target = unit(still[:, middle, middle].reshape(len(still), -1))
    slope_y, slope_x = np.gradient(moved, axis=(1, 2))
    layers = np.stack([moved, slope_x * side, slope_y * side], axis=-1).reshape(len(moved), -1, 3).astype(np.float32)
    maps = start.astype(np.float32).copy()
    best = np.full(len(moved), -1.0, dtype=np.float32)
    active = np.arange(len(moved))
    for _ in range(steps):
        sampled = _sample(layers[active], maps[active], x, y, side)
        level = sampled[..., 0] - sampled[..., 0].mean(axis=1, keepdims=True)
        length = np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-6)
        missing = target[active] - level / length
        best[active] = np.maximum(best[active], 1 - (missing**2).sum(axis=1) / 2)
        going = best[active] < enough
        active = active[going]
        if not len(active):
            break
        maps[active] += _step(sampled[going, :, 1:] / length[going, None], missing[going], basis)
    return best


def _step(slopes: np.ndarray, missing: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """The change of the map that best makes up for what is missing, `(p, 6) float32`, at most a tenth of the side."""
    jacobian = (slopes[..., :, None] * basis[None, :, None, :]).reshape(*missing.shape, 6)
    jacobian -= jacobian.mean(axis=1, keepdims=True)
    turned = jacobian.transpose(0, 2, 1)
    hessian = turned @ jacobian + 1e-4 * np.eye(6, dtype=np.float32)
    change = np.linalg.solve(hessian, turned @ missing[..., None])[..., 0]
    return np.clip(change, -0.1, 0.1)


def _sample(layers: np.ndarray, maps: np.ndarray, x: np.ndarray, y: np.ndarray, side: int) -> np.ndarray:
    """Layers `(p, side², 3)` at the mapped coordinates, bilinear: `(p, m, 3) float32`."""
    column = _pixels(maps[:, :1] * x + maps[:, 1:2] * y + maps[:, 2:3], side)
    row = _pixels(maps[:, 3:4] * x + maps[:, 4:5] * y + maps[:, 5:6], side)
    left, top = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    right, down = (column - left)[..., None], (row - top)[..., None]
    corner = top * side + left
    which = np.arange(len(layers))[:, None]
    upper = layers[which, corner] * (1 - right) + layers[which, corner + 1] * right
    lower = layers[which, corner + side] * (1 - right) + layers[which, corner + side + 1] * right
    return upper * (1 - down) + lower * down
