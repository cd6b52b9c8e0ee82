"""Ways of parting items: stratified, grouped, by time; and nested samples of a part. Pure functions of arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from lab.errors import UserError


def seeded_order(ids: Sequence[str], purpose: str, seed: int) -> np.ndarray:
    """Positions in the order of a hash of `(purpose, seed, id)`, `(n,) int64`: random, but the same for an id wherever
    it stands and whatever stands beside it."""
    prefix = hashlib.blake2b(f"{purpose}\0{seed}\0".encode(), digest_size=16)
    keys = []
    for name in ids:
        hasher = prefix.copy()
        hasher.update(name.encode("utf-8", "surrogatepass"))
        keys.append(hasher.digest())
    return np.array(sorted(range(len(ids)), key=keys.__getitem__), dtype=np.int64)


def stratified(strata: Sequence[np.ndarray], sizes: Sequence[int], order: np.ndarray) -> np.ndarray:
    """Part of each item, `(n,) int64`, parts of exactly `sizes` items (they add up to n).

    Shares of the first column are kept to within one item, and, within each of its values, those of the others to
    within two (Tijdeman 1980, The chairman assignment problem). Items of a stratum are interchangeable: `order`, a
    random order of all items, decides. A value of the first column with as many items as there are parts is in each.
    """
    n = len(order)
    assert sum(sizes) == n
    part = np.empty(n, dtype=np.int64)
    first = _codes(strata[0]) if strata else np.zeros(n, dtype=np.int64)
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    keys = [rank, *(_codes(column) for column in reversed(strata[1:])), first]
    placed = np.lexsort(keys)
    counts = np.bincount(first) if n else np.zeros(0, dtype=np.int64)
    table = allocate(counts, sizes)
    start = 0
    for row, count in zip(table, counts, strict=True):
        block = placed[start : start + count]
        part[block] = _interleave(row) if len(strata) > 1 else np.repeat(np.arange(len(row)), row)
        start += count
    return part


def _codes(column: np.ndarray) -> np.ndarray:
    return np.unique(np.array([str(value) for value in column], dtype=object), return_inverse=True)[1].astype(np.int64)


def allocate(counts: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """A table `(strata, parts) int64` with row sums `counts` and column sums `sizes`, each cell near its share.

    Largest remainders, the smallest part first; then each stratum with enough items for every part gets one in each.
    """
    left = np.asarray(counts, dtype=np.int64).copy()
    table = np.zeros((len(left), len(sizes)), dtype=np.int64)
    *first, last = np.argsort(sizes, kind="stable")
    for part in first:
        quota = sizes[part] * left / max(1, left.sum())
        table[:, part] = np.floor(quota + 1e-9)
        short = int(sizes[part] - table[:, part].sum())
        rest = quota - table[:, part]
        table[np.argsort(-np.round(rest, 9), kind="stable")[:short], part] += 1
        left -= table[:, part]
    table[:, last] = left
    _fill_gaps(table, sizes)
    return table


def _fill_gaps(table: np.ndarray, sizes: Sequence[int]) -> None:
    """Give every stratum with enough items one in each part that has room, by swaps that keep all sums."""
    wanted = [part for part, size in enumerate(sizes) if size]
    for row in range(len(table)):
        for part in wanted:
            if table[row, part] or table[row].sum() < len(wanted):
                continue
            source = int(np.argmax(table[row]))
            donors = np.where(np.arange(len(table)) != row, table[:, part], 0)
            donor = int(np.argmax(donors))
            if table[row, source] > 1 and donors[donor] > 1:
                table[row, part] += 1
                table[row, source] -= 1
                table[donor, part] -= 1
                table[donor, source] += 1


def _interleave(sizes: np.ndarray) -> np.ndarray:
    """A sequence of part numbers in which every beginning holds each part in proportion, to within one item."""
    n = int(sizes.sum())
    parts = np.flatnonzero(sizes)
    share = sizes[parts] / max(1, n)
    k = len(parts)
    taken = np.zeros(k)
    chosen = np.empty(n, dtype=np.int64)
    slack = 1 / (2 * k - 2) if k > 1 else 0.0
    for step in range(1, n + 1):
        due = share * step - taken
        deadline = np.where((due >= slack - 1e-9) & (taken < sizes[parts]), (1 - slack - due) / share, np.inf)
        at = int(np.argmin(deadline))
        chosen[step - 1] = parts[at]
        taken[at] += 1
    return chosen


def by_groups(group: np.ndarray, strata: Sequence[np.ndarray], sizes: Sequence[int], order: np.ndarray) -> np.ndarray:
    """Part of each item such that no group stands on two sides, sizes and shares as near as whole groups allow.

    Groups are dealt one at a time, large ones first, to the part that is then nearest to what it should hold. Raises
    `UserError` where there are fewer groups than parts.
    """
    codes = _codes(group)
    groups = int(codes.max()) + 1 if len(codes) else 0
    wanted = [part for part, size in enumerate(sizes) if size]
    if groups < len(wanted):
        raise UserError(f"data.split.group: {groups} groups for {len(wanted)} parts; each part needs one of its own")
    first = _codes(strata[0]) if strata else np.zeros(len(codes), dtype=np.int64)
    content = np.zeros((groups, int(first.max()) + 1))
    np.add.at(content, (codes, first), 1)
    target = np.outer(np.asarray(sizes, dtype=float) / max(1, len(codes)), content.sum(axis=0))
    arrival = np.empty(groups, dtype=np.int64)
    arrival[codes[order[::-1]]] = np.arange(len(order))[::-1]
    amounts = content.sum(axis=1)
    dealt = np.lexsort((arrival, -np.floor(np.log2(amounts))))
    scale = np.maximum(content.sum(axis=0), 1)
    held = np.zeros_like(target)
    of_group = np.empty(groups, dtype=np.int64)
    waiting = groups
    for one in dealt:
        empty = [part for part in wanted if not held[part].any()]
        among = empty if waiting <= len(empty) else wanted
        before = ((held[among] - target[among]) ** 2 / scale).sum(axis=1)
        after = ((held[among] + content[one] - target[among]) ** 2 / scale).sum(axis=1)
        # Relative to a part's size, so that small parts are filled as exactly as large ones.
        part = among[int(np.argmin((after - before) / np.maximum(target[among].sum(axis=1), 1)))]
        held[part] += content[one]
        of_group[one] = part
        waiting -= 1
    return of_group[codes]


def by_time(time: np.ndarray, sizes: Mapping[str, int], order: np.ndarray) -> np.ndarray:
    """Part of each item (its place in `sizes`; one past the end: left out): the earliest train, the latest test.

    Left out are the very first. Raises `UserError` for values that are neither numbers nor dates.
    """
    values = _moments(time)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    placed = np.lexsort((rank, values))
    part = np.full(len(values), len(sizes), dtype=np.int64)
    names = list(sizes)
    end = len(values)
    for name in ("test", "validation", "train"):
        if name in sizes:
            part[placed[end - sizes[name] : end]] = names.index(name)
            end -= sizes[name]
    return part


def _moments(time: np.ndarray) -> np.ndarray:
    import pandas as pd

    numbers = pd.to_numeric(pd.Series(time), errors="coerce")
    if not numbers.isna().any():
        return numbers.to_numpy(dtype=np.float64)
    moments = pd.to_datetime(pd.Series(time).astype(str), errors="coerce", format="mixed", utc=True)
    if moments.isna().any():
        wrong = str(time[int(np.argmax(moments.isna().to_numpy()))])
        raise UserError(f"data.split.time: {wrong!r} is neither a number nor a date; expected such as 2024-05-31")
    return moments.to_numpy(dtype="datetime64[ns]").astype(np.int64).astype(np.float64)


def limit(
    labels: np.ndarray, classes: Sequence[str], order: np.ndarray, size: int | None, per_class: int | None
) -> np.ndarray:
    """Ascending positions of `size` items, class shares kept, or of `per_class` items of each class.

    Samples are nested: those of a smaller number lie within those of a larger one of the same `order`. Raises
    `UserError` where there are fewer items than asked for.
    """
    counts = np.bincount(labels, minlength=len(classes))
    place = np.empty(len(labels), dtype=np.int64)
    for number in range(len(classes)):
        of_class = order[labels[order] == number]
        place[of_class] = np.arange(len(of_class))
    if per_class is not None:
        short = np.flatnonzero(counts < per_class)
        if len(short):
            least = int(short[np.argmin(counts[short])])
            raise UserError(
                f"data.per_class: {per_class} training items of each class, but of {classes[least]!r} there are "
                f"{counts[least]}; ask for at most that many, or give training a larger part of data.split"
            )
        return np.flatnonzero(place < per_class)
    assert size is not None
    if size > len(labels):
        raise UserError(f"data.train_size: {size:,}, but there are {len(labels):,} training items; ask for fewer")
    rank = np.empty(len(labels), dtype=np.int64)
    rank[order] = np.arange(len(order))
    # The first of each class come first, then in step with the class's share.
    turn = np.where(place == 0, -1.0, (place + 0.5) / counts[labels])
    return np.sort(np.lexsort((rank, turn))[:size])
