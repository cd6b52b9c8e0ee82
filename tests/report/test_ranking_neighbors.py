"""Neighbours and maps of a space of both sides, from made-up vectors."""

from __future__ import annotations

import numpy as np
import pandas as pd
from test_maps import source_of

from lab.embeddings.space import EmbeddingSpace
from lab.report.maps import ordered_ids
from lab.report.ranking_neighbors import pair_neighbors

NAMES = ["user 1", "user 2", "Alien", "Aliens", "Bambi"]
BOTH = EmbeddingSpace(
    NAMES,
    np.array([[1, 0.1], [0, 1], [1, 0], [1, 0.2], [0, 1]]),
    pd.DataFrame({"side": ["user", "user", "item", "item", "item"], "interactions": [3, 9, 4, 8, 2]}),
)


def test_popular_items_and_the_items_near_them():
    tables = pair_neighbors([source_of(BOTH, "towers")], ["king"])
    assert [table["name"] for table in tables] == ["Aliens", "Alien", "Bambi"]
    assert [cell["name"] for cell in tables[0]["columns"][0]["cells"]] == ["Alien", "Bambi"]  # and no user
    asked = pair_neighbors([source_of(BOTH, "towers")], ["king", "Bambi"])
    assert [table["name"] for table in asked] == ["Bambi"]
    assert pair_neighbors([], ["king"]) == []


def test_a_map_shows_the_most_active_of_both_sides():
    assert ordered_ids(BOTH) == ["user 2", "Aliens", "user 1", "Alien", "Bambi"]
