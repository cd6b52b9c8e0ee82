"""Nearest neighbours of chosen words across runs, with what is needed to know how far to trust them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import UserError
from lab.report.numbers import plain
from lab.report.text import count, minus

if TYPE_CHECKING:
    from lab.embeddings.space import EmbeddingSpace
    from lab.report.map_data import MapSource

RARE = 20  # a word seen less often has a vector that is mostly noise (no sharp border; said so in the page)
DEPTH = 8
PROBES = 300  # frequent words whose neighbours are compared between seeds
AMONG = 10  # nearest neighbours that are compared


@dataclass
class NeighborSection:
    """What the template shows: one table for each word, one column for each row of the study."""

    introduction: list[str]
    words: list[dict[str, Any]]
    notes: list[str]


def neighbor_tables(
    sources: Sequence[MapSource], words: Sequence[str], analogies: Sequence[str]
) -> NeighborSection | None:
    """Tables for `words` and `analogies` ("king - man + woman"); None where nothing was asked or no run has a space."""
    if not sources or not (words or analogies):
        return None
    tables = [
        _table(sources, name, expression) for names, expression in ((words, False), (analogies, True)) for name in names
    ]
    counted = any("count" in source.space.metadata.columns for source in sources)
    one_seed = any(source.row.planned > 1 for source in sources)
    introduction = "The nearest items by cosine similarity, the first number. "
    if counted:
        introduction += (
            f"The second is how often the word was seen in training; † marks those seen fewer than {RARE} times, whose "
            "place is mostly chance."
        )
    notes = ["An analogy adds and subtracts unit vectors; its own words cannot be answers."] if analogies else []
    if one_seed:
        notes.insert(0, "Columns show the first seed of each row; other seeds give other neighbours.")
    return NeighborSection([introduction.strip()], tables, notes)


def _table(sources: Sequence[MapSource], name: str, expression: bool) -> dict[str, Any]:
    columns = [_column(source.space, source.row.label, name, expression) for source in sources]
    return {
        "name": name,
        "expression": expression,
        "columns": columns,
        "depth": max(1, *(len(column["cells"]) for column in columns)),
    }


def _column(space: EmbeddingSpace, label: str, name: str, expression: bool) -> dict[str, Any]:
    from lab.embeddings.expression import nearest_to

    column: dict[str, Any] = {"label": label, "note": "", "missing": "", "cells": []}
    counts = counts_of(space)
    if counts is not None and not expression and name in space:
        column["note"] = f"seen {count(int(counts[space.index([name])[0]]), 'time')}"
    try:
        found = nearest_to(space, name, DEPTH)
    except UserError:
        column["missing"] = "has a word that is not in this vocabulary" if expression else "not in this vocabulary"
        return column
    for item, score, index in zip(found.ids[0], found.scores[0], found.indices[0], strict=True):
        if item is not None:
            seen = None if counts is None else int(counts[index])
            column["cells"].append(
                {
                    "name": item,
                    "similarity": minus(plain(float(score), 2)),
                    "count": None if seen is None else f"{seen:,}",
                    "rare": seen is not None and seen < RARE,
                }
            )
    return column


def counts_of(space: EmbeddingSpace) -> np.ndarray | None:
    """How often each item was seen in training, (n,) float64, 0 where unknown; None where the space does not say."""
    if "count" not in space.metadata.columns or space.metadata["count"].dtype.kind not in "fiu":
        return None
    return space.metadata["count"].fillna(0).to_numpy(dtype=np.float64)


def kept_between_seeds(spaces: Sequence[EmbeddingSpace]) -> float | None:
    """The share of a frequent word's ten nearest neighbours that two seeds have in common, averaged over pairs.

    The words are the `PROBES` most frequent of the first space, neighbours those among the words of all spaces
    (Antoniak and Mimno 2018, aclanthology.org/Q18-1008). None for fewer than two spaces or too few common words.
    """
    from lab.report.maps import ordered_ids

    if len(spaces) < 2:
        return None
    common = set(spaces[0].ids).intersection(*(space.ids for space in spaces[1:]))
    shared = [item for item in ordered_ids(spaces[0]) if item in common]
    if len(shared) <= 2 * AMONG:
        return None
    found = []
    for space in spaces:
        answers = space.subset(shared).neighbors(shared[:PROBES], AMONG).indices
        found.append([set(row.tolist()) for row in answers])
    pairs = [(a, b) for i, a in enumerate(found) for b in found[i + 1 :]]
    return float(np.mean([len(x & y) / AMONG for a, b in pairs for x, y in zip(a, b, strict=True)]))


def rank_of(space: EmbeddingSpace, expression: str, answer: str) -> int | None:
    """The place of `answer` among all items nearest to an expression, 1 for the first; None where a word is missing."""
    from lab.embeddings.expression import parse_expression, query_vector
    from lab.embeddings.neighbors import row_norms

    own = [item for _, item in parse_expression(expression)]
    if answer not in space or any(item not in space for item in own):
        return None
    lengths = row_norms(space.vectors)
    scores = np.divide(
        space.vectors @ query_vector(space, expression), lengths, out=np.zeros(len(space)), where=lengths > 0
    )
    scores[space.index(own)] = -np.inf
    return int((scores > scores[space.index([answer])[0]]).sum()) + 1
