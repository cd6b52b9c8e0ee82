"""The intervals of a comparison of spaces hold their promise (`space_simulation` prints all figures)."""

from __future__ import annotations

import pytest
from space_simulation import MEASURES, WORLDS, coverage


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_intervals_over_items_cover(world):
    found = coverage(WORLDS[world], 100, 80)
    assert list(found) == list(MEASURES)
    for name, (held, wide) in found.items():
        assert held >= 0.87, name  # 0.95 less three standard errors of a share of 80
        assert wide < 2.6, name
