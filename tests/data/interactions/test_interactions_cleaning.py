"""Cleaning against slow loops: every step counted, its rows named, nothing dropped in silence."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from pairs_made import made, raw_pairs

from lab.data.interactions.cleaning import clean, k_core
from lab.data.interactions.config import InteractionsConfig
from lab.data.interactions.load import cleaned, finished
from lab.errors import UserError

PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=60)


def config(**keys):
    return InteractionsConfig(source="made", **keys)


def step(steps, name):
    return next(step for step in steps if step.name == name)


def slow_core(pairs, k):
    left = set(range(len(pairs)))
    while True:
        for at in sorted(left):
            user = sum(pairs[other][0] == pairs[at][0] for other in left)
            item = sum(pairs[other][1] == pairs[at][1] for other in left)
            if user < k or item < k:
                left.remove(at)
                break
        else:
            return sorted(left)


@settings(max_examples=50)
@given(PAIRS, st.integers(1, 4))
def test_k_core_is_the_fixed_point_that_a_slow_loop_finds(pairs, k):
    user, item = np.array(pairs).T
    assert k_core(user, item, k).tolist() == slow_core(pairs, k)


@settings(max_examples=50)
@given(PAIRS, st.data())
def test_of_a_pair_that_comes_again_the_first_or_last_in_time_stays(pairs, data):
    time = data.draw(st.none() | st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs)))
    which = data.draw(st.sampled_from(["first", "last"]))
    kept, steps = clean(raw_pairs(pairs, timestamp=time), config(duplicates=which))
    rows: dict = {}
    for row, pair in enumerate(pairs):
        rows.setdefault(pair, []).append((time[row] if time else 0, row))
    chosen = sorted((min if which == "first" else max)(found)[1] for found in rows.values())
    assert kept.tolist() == chosen
    dropped = sorted(set(range(len(pairs))) - set(chosen))
    assert step(steps, "duplicates").count == len(dropped)
    assert step(steps, "duplicates").rows == dropped[:20]


def test_duplicates_can_be_forbidden():
    with pytest.raises(UserError, match=r"more than once: rows 0 and 2; set data\.duplicates"):
        made([("a", "x"), ("b", "x"), ("a", "x")], {"duplicates": "error"})


@settings(max_examples=50)
@given(PAIRS, st.data())
def test_steps_account_for_every_row(pairs, data):
    cells = st.sampled_from([*[1.0, 2.0, 3.0] * 8, 0.0, np.nan, np.inf, -np.inf, -1.0])
    column = st.none() | st.lists(cells, min_size=len(pairs), max_size=len(pairs))
    raw = raw_pairs(pairs, value=data.draw(column), timestamp=data.draw(column), weight=data.draw(column))
    # Rows as they are in a file whose rows 0 and 5 were malformed.
    raw.malformed = np.array([0, 5])
    raw.rows = np.delete(np.arange(len(pairs) + 6), [0, 5])[: len(pairs)]
    threshold = None if raw.value is None else 2.0
    try:
        kept, steps = clean(raw, config(skip_broken=True, positive_from=threshold, k_core=2, bots=0.9))
    except UserError as error:
        event(str(error)[:30])
        return
    assert all(len(found.rows) == min(20, found.count) for found in steps)
    broken = np.zeros(len(pairs), dtype=bool)
    for name in ("timestamp", "value", "weight"):
        values = getattr(raw, name)
        if values is not None:
            wrong = ~np.isfinite(values) if name == "value" else ~np.isfinite(values) | ~(values >= 0)
            broken |= wrong
            counts = sum(found.count for found in steps if found.name.endswith(name))
            assert counts == wrong.sum()
    later = sum(s.count for s in steps if s.name in ("duplicates", "implicit threshold", "bots", "k-core"))
    assert len(pairs) == len(kept) + broken.sum() + later
    if threshold:
        assert (raw.value[kept] >= threshold).all()


def test_broken_rows_are_an_error_that_lists_them():
    pairs = [("a", "x"), (None, "x"), ("b", ""), ("c", "y"), ("d", "y"), ("e", "y")]
    raw = raw_pairs(
        pairs, value=[1, 1, 1, np.nan, 1, np.inf], timestamp=[1, 1, 1, 1, -1, 1], weight=[0, 1, 1, 1, 1, -1]
    )
    with pytest.raises(UserError) as error:
        clean(raw, config())
    said = str(error.value)
    for part in ("no user in row 1", "no item in row 2", "below 0 in row 4", "no number in rows 3 and 5"):
        assert part in said
    assert "skip_broken" in said
    assert "\n" not in said
    kept, steps = clean(raw, config(skip_broken=True))
    assert kept.tolist() == [0]
    assert step(steps, "missing user").rows == [1]


def test_many_rows_are_named_by_the_first_twenty():
    pairs = [(None if at % 2 else f"u{at}", "x") for at in range(100)]
    with pytest.raises(UserError, match=r"rows 1, 3, .* 39 and 30 more"):
        clean(raw_pairs(pairs), config())


def test_bots_are_users_beyond_a_quantile_of_activity():
    pairs = [(f"u{user}", f"i{item}") for user in range(99) for item in range(3)]
    pairs += [("bot", f"i{item}") for item in range(500)]
    found = made(pairs, {"bots": 0.99})
    assert "bot" not in found.users
    assert len(found.users) == 99
    assert step(found.cleaning, "bots").count == 500
    assert step(found.cleaning, "bots").rows == list(range(297, 317))
    assert len(made(pairs).users) == 100


def test_a_threshold_needs_values_and_something_left():
    with pytest.raises(UserError, match="no column of values"):
        made([("a", "x")], {"positive_from": 3})
    with pytest.raises(UserError, match=r"no interactions left .*value below 3, no positive: 1"):
        made([("a", "x")], {"positive_from": 3}, value=[1])


@settings(max_examples=50)
@given(PAIRS)
def test_ids_rows_and_pairs_stay_together(pairs):
    found = made(pairs)
    assert found.users == sorted({str(user) for user, _ in pairs})
    for user, item, row in zip(found.user, found.item, found.rows, strict=True):
        assert (found.users[user], found.items[item]) == tuple(map(str, pairs[row]))
    assert found.matrix().sum() == len(set(pairs))
    assert found.matrix(np.array([0])).nnz == 1


def test_side_tables_are_aligned_and_their_gaps_told():
    raw = raw_pairs([("b", "x"), ("a", "y"), ("b", "z")])
    raw.user_table = pd.DataFrame({"age": [30, 20]}, index=["b", "a"])
    raw.item_table = pd.DataFrame({"text": ["nobody's", "the z", "the x"]}, index=["w", "z", "x"])
    found = finished(*cleaned(raw, config()), config())
    assert found.user_table.age.tolist() == [20, 30]
    assert found.item_table.text.fillna("?").tolist() == ["the x", "?", "the z"]
    lacking = step(found.cleaning, "items without features")
    assert (lacking.count, lacking.rows, lacking.removed) == (1, [1], False)
    assert "1 items of the table" in step(found.cleaning, "items without interactions").what
    everything = config(catalogue="all")
    found = finished(*cleaned(raw, everything), everything)
    assert found.items == ["w", "x", "y", "z"]
    assert [found.items[i] for i in found.item] == ["x", "y", "z"]
    assert found.item_table.text.fillna("?").tolist() == ["nobody's", "the x", "?", "the z"]


def test_fingerprint_is_of_the_content():
    one = made([("a", "x"), ("b", "y")], value=[1, 2]).fingerprint
    assert made([("a", "x"), ("b", "y")], value=[1, 2]).fingerprint == one
    others = [
        made([("a", "x"), ("b", "y")], value=[1, 3]),
        made([("a", "x"), ("b", "y")], timestamp=[1, 2]),
        made([("a", "x"), ("b", "z")], value=[1, 2]),
        made([("a", "y"), ("b", "x")], value=[1, 2]),
    ]
    assert len({one, *(other.fingerprint for other in others)}) == 5
