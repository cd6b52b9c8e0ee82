"""Whose neighbourhood differs most between two spaces, with both neighbour lists; and how groups of items fare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lab.report.words import RARE, counts_of

if TYPE_CHECKING:
    import pandas as pd

    from lab.embeddings.space import EmbeddingSpace
    from lab.evaluation.space_neighbors import Overlap

SHOWN = 10  # items on each side
LISTED = 8  # neighbours of an item
MOST_GROUPS = 40
FEWEST_IN_A_GROUP = 5
GROUP_COLUMNS = ("label", "kind", "side")
_LONGEST = 60


@dataclass(frozen=True)
class ChangedItem:
    """An item: how much of its neighbourhood both spaces have (0 to 1), and its nearest in each, as people read them.

    `in_both`: which entries of each list stand among all the neighbours compared in the other space.
    `seeds`: how much another seed keeps of it, the smaller of the two spaces' where both are known.
    """

    id: str
    name: str
    group: str
    kept: float
    seeds: float | None
    first: list[str]
    second: list[str]
    in_both: tuple[list[bool], list[bool]]


@dataclass(frozen=True)
class GroupKept:
    """How much of their neighbourhoods the items of a group keep in the mean; `n` of them."""

    name: str
    n: int
    kept: float


@dataclass(frozen=True)
class Changed:
    """Items with the most and the least changed neighbourhoods, out of `considered`; `left_out`: too rare to say.

    `beyond_seeds`: whether the most changed are those that change most beyond what another seed changes.
    `column`: what the groups are, "" without any.
    """

    most: list[ChangedItem]
    least: list[ChangedItem]
    considered: int
    left_out: int
    beyond_seeds: bool
    column: str
    groups: list[GroupKept]


def changes(
    first: EmbeddingSpace, second: EmbeddingSpace, overlap: Overlap, seeds: Sequence[Overlap | None]
) -> Changed:
    """Order the judged items by how much of their neighbourhood is kept, the mean of their Jaccard overlaps.

    `first`, `second`: the same items in the same order. `seeds`: of each space what it shares with another seed of
    itself. Words seen fewer than 20 times in a space's training are left out: their neighbours are chance. Of items
    alike in this the first, the most frequent of words, come first.
    """
    judged = overlap.first.judged
    kept = _kept(overlap)
    known = [_kept(other) for other in seeds if other is not None]
    stable = np.min(known, axis=0) if known else None
    counts = [found[judged] for space in (first, second) if (found := counts_of(space)) is not None]
    enough = np.all([count >= RARE for count in counts], axis=0) if counts else np.ones(len(judged), dtype=bool)
    if enough.sum() < SHOWN:
        enough[:] = True
    order = np.lexsort((-(counts[0] if counts else np.zeros(len(judged))), kept if stable is None else kept - stable))
    most = [place for place in order if enough[place]][:SHOWN]
    calm = np.lexsort((-(counts[0] if counts else np.zeros(len(judged))), -kept))
    least = [place for place in calm if enough[place] and place not in most][:SHOWN]
    column, values = _groups(first, second)
    groups = [] if values is None else _by_group(values[judged], kept)
    names = readable(first, second)
    count = int(enough.sum())

    def shown(places: Sequence[int]) -> list[ChangedItem]:
        return [_item(place, overlap, names, values, kept, stable, first.ids) for place in places]

    return Changed(shown(most), shown(least), count, len(judged) - count, stable is not None, column, groups)


def readable(*spaces: EmbeddingSpace) -> list[str]:
    """What items of the spaces are called: their text where one has it, else the end of their id, with a label."""
    ids = [str(item) for item in spaces[0].ids]
    texts = _column(spaces, "text")
    if texts is not None:
        return [
            _short(str(text)) if text == text and text else _short(item) for text, item in zip(texts, ids, strict=True)
        ]
    labels = _column(spaces, "label")
    names = [_short(item.rsplit("/", 1)[-1] if "/" in item[1:-1] else item) for item in ids]
    if labels is None:
        return names
    return [
        f"{name} ({label})" if label == label and label else name for name, label in zip(names, labels, strict=True)
    ]


def _kept(overlap: Overlap) -> np.ndarray:
    ks = [k for k in (10, 50, 100) if k <= overlap.depth]
    return np.mean([overlap.jaccard_of_items(k) for k in ks], axis=0)


def _item(
    place: int,
    overlap: Overlap,
    names: Sequence[str],
    values: np.ndarray | None,
    kept: np.ndarray,
    stable: np.ndarray | None,
    ids: np.ndarray,
) -> ChangedItem:
    row = overlap.first.judged[place]
    lists = [lists.neighbors[place] for lists in (overlap.first, overlap.second)]
    both = [np.isin(one[:LISTED], other).tolist() for one, other in (lists, lists[::-1])]
    return ChangedItem(
        id=str(ids[row]),
        name=names[row],
        group="" if values is None else str(values[row]),
        kept=float(kept[place]),
        seeds=None if stable is None else float(stable[place]),
        first=[names[i] for i in lists[0][:LISTED]],
        second=[names[i] for i in lists[1][:LISTED]],
        in_both=(both[0], both[1]),
    )


def _groups(*spaces: EmbeddingSpace) -> tuple[str, np.ndarray | None]:
    """The first metadata column that puts the items in few groups, and its values as text, "" where missing."""
    for name in GROUP_COLUMNS:
        column = _column(spaces, name)
        if column is None:
            continue
        values = np.array(["" if value is None or value != value else str(value) for value in column], dtype=object)
        if 1 < len(set(values) - {""}) <= MOST_GROUPS:
            return name, values
    return "", None


def _by_group(values: np.ndarray, kept: np.ndarray) -> list[GroupKept]:
    found = [
        GroupKept(str(name), int((values == name).sum()), float(kept[values == name].mean()))
        for name in sorted(set(values) - {""})
        if (values == name).sum() >= FEWEST_IN_A_GROUP
    ]
    return sorted(found, key=lambda group: (group.kept, group.name)) if len(found) > 1 else []


def _column(spaces: Sequence[EmbeddingSpace], name: str) -> pd.Series | None:
    found = (space.metadata[name] for space in spaces if name in space.metadata.columns)
    return next((column for column in found if column.notna().any()), None)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
