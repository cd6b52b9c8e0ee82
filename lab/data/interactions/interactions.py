"""Pairs that belong together, in memory: who, what, when and how much, and what is known of either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

# How many rows of each kind a cleaning step or an error names.
NAMED_ROWS = 20


@dataclass(frozen=True)
class Ids:
    """A column of ids: `names` (unique, in no order) and `codes`, `(n,) int32` into them, -1 where there is none."""

    names: list[str]
    codes: np.ndarray


@dataclass
class RawInteractions:
    """What a source yields before it is checked.

    `rows`: `(n,) int64`, the row in the source, from 0 after the header; `malformed`: rows that could not be read at
    all. `value`, `timestamp`, `weight`: `(n,) float64`, NaN where there is none or it is no number. The side tables
    are indexed by id. `columns`: which column of the source was taken for each of them.
    """

    user: Ids
    item: Ids
    rows: np.ndarray
    where: str
    noun: str = "interactions"
    value: np.ndarray | None = None
    timestamp: np.ndarray | None = None
    weight: np.ndarray | None = None
    user_table: pd.DataFrame | None = None
    item_table: pd.DataFrame | None = None
    malformed: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    columns: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class CleaningStep:
    """What one step of cleaning found: `count` interactions (of `rows` in the source, the first 20), in words `what`.

    `removed`: whether these interactions are left out; a step may also only tell (items of which nothing is known).
    """

    name: str
    count: int
    rows: list[int]
    what: str
    removed: bool = True


@dataclass(frozen=True)
class Interactions:
    """Clean pairs, no pair twice, sorted as the source is.

    `users`, `items`: ids, sorted. `user`, `item`: `(n,) int32`, positions in these. `value`, `timestamp`, `weight`:
    `(n,) float64` or None. `rows`: `(n,) int64`, the row in the source, from 0 after the header. `user_table`,
    `item_table`: one row per id in the order of the ids, empty cells where nothing is known of one; a column `text`
    is what a text tower reads. `fingerprint`: a digest of all of it but the rows.
    """

    users: list[str]
    items: list[str]
    user: np.ndarray
    item: np.ndarray
    value: np.ndarray | None
    timestamp: np.ndarray | None
    weight: np.ndarray | None
    rows: np.ndarray
    user_table: pd.DataFrame | None
    item_table: pd.DataFrame | None
    cleaning: list[CleaningStep]
    fingerprint: str
    description: str

    def __len__(self) -> int:
        return len(self.rows)

    def matrix(self, index: np.ndarray | None = None) -> csr_matrix:
        """The interactions at `index` (all by default) as a sparse `(users, items) float32` of ones."""
        from scipy.sparse import csr_matrix

        chosen = slice(None) if index is None else index
        user, item = self.user[chosen], self.item[chosen]
        shape = (len(self.users), len(self.items))
        return csr_matrix((np.ones(len(user), dtype=np.float32), (user, item)), shape=shape)


def row_words(rows: np.ndarray | Sequence[int], count: int | None = None) -> str:
    """`row 3`, `rows 3, 17 and 25`, or the first 20 `and 4,211 more`; `count`: how many there are in all."""
    shown = [str(int(row)) for row in rows[:NAMED_ROWS]]
    more = (len(rows) if count is None else count) - len(shown)
    if more > 0:
        return f"rows {', '.join(shown)} and {more:,} more"
    if len(shown) == 1:
        return f"row {shown[0]}"
    return f"rows {', '.join(shown[:-1])} and {shown[-1]}"
