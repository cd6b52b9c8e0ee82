from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from lab.advise.effort import Cost, Effort, Sizes, candidate_depths, fit_budget, total_seconds
from lab.advise.study_file import study_config

BLOCKS = 9
DEPTHS = candidate_depths(BLOCKS)
COSTS = {depth: Cost(0.01 + 0.01 * (BLOCKS - depth), 0.002 * (BLOCKS - depth), 0.012) for depth in DEPTHS}
SIZES = Sizes(500, 320, 80)


def test_depths_from_the_head_alone_to_the_whole_network():
    assert DEPTHS == [9, 8, 7, 6, 4, 0]
    assert candidate_depths(2) == [2, 1, 0]


@given(st.floats(1, 50_000), st.floats(1, 20), st.booleans())
def test_more_minutes_never_bring_less(seconds, more, folds):
    one, takes = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=folds, seconds=seconds)
    other, _ = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=folds, seconds=seconds * more)
    assert takes == total_seconds(one, BLOCKS, COSTS, SIZES)
    assert takes <= seconds or len(one.depths) == 2
    assert len(other.depths) >= len(one.depths)
    assert sorted([*one.depths, *one.left_out]) == sorted(DEPTHS)
    assert one.depths[0] == BLOCKS, "the cheapest is never left out"
    assert one.replicates >= (5 if folds else 3), "fewer name no winner"


def test_time_goes_first_to_all_depths_then_to_repeats():
    whole, _ = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=True, seconds=1e9)
    assert whole == Effort(tuple(DEPTHS), 5, 2, 10, 4, lp_ft=True)
    least = total_seconds(Effort(tuple(DEPTHS), 5, 1, 3, 2), BLOCKS, COSTS, SIZES)
    small, _ = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=True, seconds=least)
    assert (small.depths, small.repeats, small.epochs) == (tuple(DEPTHS), 1, 3)
    smaller, _ = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=True, seconds=least - 1)
    assert smaller.left_out == (0,), "the most expensive depth goes"


def test_what_a_run_costs_grows_with_what_it_does():
    small = Effort(tuple(DEPTHS), 5, 1, 3, 2)
    for other in (
        Effort(tuple(DEPTHS), 5, 2, 3, 2),
        Effort(tuple(DEPTHS), 5, 1, 6, 2),
        Effort(tuple(DEPTHS), 5, 1, 3, 3),
    ):
        assert total_seconds(other, BLOCKS, COSTS, SIZES) > total_seconds(small, BLOCKS, COSTS, SIZES)


@given(st.floats(1, 50_000), st.booleans())
def test_lp_ft_is_tried_where_every_depth_is_and_time_is_left(seconds, folds):
    effort, takes = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=folds, seconds=seconds)
    with_it = replace(effort, lp_ft=True)
    longer = total_seconds(with_it, BLOCKS, COSTS, SIZES)
    assert longer > total_seconds(replace(effort, lp_ft=False), BLOCKS, COSTS, SIZES)
    assert effort.lp_ft == (not effort.left_out and longer <= seconds)
    assert not effort.lp_ft or takes <= seconds, "the plan is no longer than the minutes there are"


def test_lp_ft_is_a_row_of_the_study():
    asked = SimpleNamespace(kind="image", settings={}, folds=False, labelled=500, controls=True, data=lambda *_: {})
    effort, _ = fit_budget(DEPTHS, BLOCKS, COSTS, SIZES, folds=False, seconds=1e9)
    entry = study_config(asked, effort, BLOCKS, "advise-photos")["study"][-1]
    assert entry["config"]["strategy"] == {"kind": "lp_ft", "frozen_depth": "none"}
    assert entry["sweep"] == {"seed": [0, 1, 2, 3, 4]}
    without = study_config(asked, replace(effort, lp_ft=False), BLOCKS, "advise-photos")["study"]
    assert all("kind" not in entry["config"].get("strategy", {}) for entry in without)
