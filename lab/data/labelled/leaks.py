"""What may not stand on two sides of a split: groups, and near-duplicates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lab.data.labelled.duplicates import Duplicates, find_duplicates
from lab.data.labelled.items import PARTS
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import Items
    from lab.data.labelled.split import Split

# How many clusters of copies an error lists; the data check lists all.
_LISTED = 20


def check_split(items: Items, split: Split, config: LabelledConfig) -> Split:
    """The split, as `config.duplicates` wants it where copies of an item, or a group, stand on two sides of it.

    `error`: raises `UserError` that lists them. `remove`: of each cluster of copies what is in training goes if another
    part holds a copy, and what is in validation if the test part does; `removed` lists the ids. `accept`: they stay,
    and `accepted` counts them. Groups (`data.split.group`) that given parts cut are treated alike. Test items that are
    trained on by intent (`leaked`) do not count.
    """
    part = part_of_items(len(items), split)
    clusters = crossing(find_duplicates(items).clusters(), part)
    groups = _cut_groups(items, part, config)
    if not clusters and not groups:
        return split
    if config.duplicates == "error":
        raise UserError(_listed(items, clusters, groups, part))
    if config.duplicates == "accept":
        return replace(split, accepted=split.accepted + sum(len(cluster) for cluster in [*clusters, *groups.values()]))
    gone = np.zeros(len(items), dtype=bool)
    for members in [*clusters, *groups.values()]:
        gone[members[part[members] < part[members].max()]] = True
    kept = {name: index[~gone[index]] for name, index in split.parts().items()}
    if not len(kept["train"]):
        raise UserError("data.duplicates: remove leaves no training item; look at the data with `lab show`")
    removed = [items.ids[i] for i in np.flatnonzero(gone)]
    return replace(split, **kept, removed=[*split.removed, *removed])


def part_of_items(n: int, split: Split) -> np.ndarray:
    """0, 1, 2 for train, validation, test and -1 for the rest, `(n,) int64`; of two parts the later."""
    part = np.full(n, -1, dtype=np.int64)
    for at, name in enumerate(PARTS):
        part[split.parts()[name]] = at
    return part


def crossing(clusters: list[np.ndarray], part: np.ndarray) -> list[np.ndarray]:
    """Those clusters, without what is in no part, that stand in two parts or more."""
    inside = [cluster[part[cluster] >= 0] for cluster in clusters]
    return [cluster for cluster in inside if len(cluster) > 1 and len(set(part[cluster])) > 1]


def _cut_groups(items: Items, part: np.ndarray, config: LabelledConfig) -> dict[str, np.ndarray]:
    """The groups that stand in two parts (given parts can cut them), with their items."""
    from lab.data.labelled.split import group_column

    group = group_column(items, config.split)
    if group is None:
        return {}
    values = items.column(group, "data.split.group").astype(str)
    inside = np.flatnonzero(part >= 0)
    names, codes = np.unique(values[inside], return_inverse=True)
    lowest, highest = np.full(len(names), len(PARTS)), np.full(len(names), -1)
    np.minimum.at(lowest, codes, part[inside])
    np.maximum.at(highest, codes, part[inside])
    return {f"{group} {str(names[at])!r}": inside[codes == at] for at in np.flatnonzero(lowest < highest)}


def _listed(items: Items, clusters: list[np.ndarray], groups: dict[str, np.ndarray], part: np.ndarray) -> str:
    """The error: what stands on two sides, and what to do."""
    said = []
    if clusters:
        shown = "; ".join(
            " = ".join(f"{items.ids[i]} ({PARTS[part[i]]})" for i in _few(cluster, part))
            for cluster in clusters[:_LISTED]
        )
        more = f"; and {len(clusters) - _LISTED:,} more" if len(clusters) > _LISTED else ""
        one = "1 item stands" if len(clusters) == 1 else f"{len(clusters):,} items stand"
        said.append(f"{one} in two parts of the split as the same or nearly the same: {shown}{more}")
    if groups:
        named = ", ".join(list(groups)[:_LISTED])
        more = f" and {len(groups) - _LISTED:,} more" if len(groups) > _LISTED else ""
        said.append(f"groups on two sides of the split: {named}{more}")
    cure = "data.duplicates=remove takes them out of training, data.duplicates=accept keeps them"
    return f"data: {'; '.join(said)}. {cure}"


def _few(cluster: np.ndarray, part: np.ndarray) -> list[int]:
    """Of a large cluster the first of each part."""
    if len(cluster) <= 4:
        return [int(i) for i in cluster]
    return [int(cluster[part[cluster] == at][0]) for at in sorted(set(part[cluster]))]


def overlap_counts(duplicates: Duplicates, part: np.ndarray) -> dict[str, int]:
    """How many clusters of copies each pair of parts shares, such as `{"train and test": 2}`; none: left out."""
    counts: dict[str, int] = {}
    for cluster in crossing(duplicates.clusters(), part):
        held = sorted(set(part[cluster]))
        for at, first in enumerate(held):
            for second in held[at + 1 :]:
                name = f"{PARTS[first]} and {PARTS[second]}"
                counts[name] = counts.get(name, 0) + 1
    return counts
