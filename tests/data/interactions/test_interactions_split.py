"""Splits of interactions: no interaction in two parts, no leak through time, cold users and items truly cold."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pairs_made import made
from pydantic import ValidationError

from lab.data.interactions.config import InteractionSplitConfig
from lab.data.interactions.split import split_interactions
from lab.errors import UserError

# More than two for each of seven users, so that one has three and can be validated and tested.
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 30)), min_size=15, max_size=100, unique=True)
SHARES = st.tuples(*[st.integers(0, 10)] * 3).filter(lambda s: s[0] and sum(s)).map(lambda s: np.array(s) / sum(s))
KINDS = ["random", "leave_last_out", "time", "cold_users", "cold_items"]


def config(kind="random", shares=None, seed=0):
    if shares is None or kind == "leave_last_out":
        return InteractionSplitConfig(kind=kind, seed=seed)
    train, validation, test = map(float, shares)
    return InteractionSplitConfig(kind=kind, train=train, validation=validation, test=test, seed=seed)


def split(interactions, *args, **keys):
    """The split, or nothing where there is too little to part."""
    try:
        return split_interactions(interactions, config(*args, **keys))
    except UserError:
        assume(False)


def by_user(interactions, index):
    rows = defaultdict(list)
    for at in index:
        rows[int(interactions.user[at])].append(int(at))
    return rows


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(PAIRS, SHARES, st.sampled_from(KINDS), st.data())
def test_no_interaction_in_two_parts_and_none_in_no_part(pairs, shares, kind, data):
    time = data.draw(st.lists(st.integers(0, 20), min_size=len(pairs), max_size=len(pairs)))
    parts = split(made(pairs, timestamp=time), kind, shares).parts()
    assert np.sort(np.concatenate(list(parts.values()))).tolist() == list(range(len(pairs)))
    assert all((np.diff(index) > 0).all() for index in parts.values())
    assert len(parts["train"])


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(PAIRS, SHARES)
def test_random_shares_hold_for_each_user(pairs, shares):
    found = made(pairs)
    parts = split(found, "random", shares)
    train, validation, test = (by_user(found, index) for index in parts.parts().values())
    for user in range(len(found.users)):
        n = int((found.user == user).sum())
        sizes = [len(part[user]) for part in (train, validation, test)]
        assert sizes[0] >= 1
        for share, size in zip(shares[1:], sizes[1:], strict=True):
            assert np.floor(share * n - 1e-6) <= size <= np.floor(share * n + 1e-6) + (0 < share * n < 1)
            assert size or not share or sizes[0] == 1, "none goes without while two are left to train on"


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(PAIRS, st.data())
def test_leave_last_out_takes_the_latest(pairs, data):
    time = data.draw(st.lists(st.integers(0, 5), min_size=len(pairs), max_size=len(pairs)))
    found = made(pairs, timestamp=time)
    parts = split(found, "leave_last_out")
    train, validation, test = (by_user(found, index) for index in parts.parts().values())
    tied = 0
    for user in range(len(found.users)):
        n = int((found.user == user).sum())
        assert (len(train[user]), len(validation[user]), len(test[user])) == (max(1, n - 2), int(n > 2), int(n > 1))
        moments = [[found.timestamp[at] for at in part[user]] for part in (train, validation, test)]
        ordered = [moment for part in moments for moment in (min(part, default=None), max(part, default=None)) if part]
        assert max(moments[0]) <= min(moments[1] + moments[2], default=np.inf)
        assert max(moments[0] + moments[1]) <= min(moments[2], default=np.inf)
        tied += bool(moments[2]) and moments[2][0] in moments[0] + moments[1]
        assert ordered == sorted(ordered)
    assert any(f"{tied:,} users' last interaction is tied" in note for note in parts.notes) == bool(tied)


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(PAIRS, SHARES, st.data())
def test_time_split_has_no_leak_and_cuts_no_moment(pairs, shares, data):
    time = data.draw(st.lists(st.integers(0, 30), min_size=len(pairs), max_size=len(pairs)))
    found = made(pairs, timestamp=time)
    parts = split(found, "time", shares).parts()
    moments = [found.timestamp[index] for index in parts.values() if len(index)]
    assert len(moments) == sum(share > 0 for share in shares)
    for earlier, later in pairwise(moments):
        assert earlier.max() < later.min()


def test_time_split_has_the_shares_where_no_times_are_alike():
    pairs = [(at % 7, at) for at in range(1000)]
    time = np.random.default_rng(0).permutation(1000)
    found = split_interactions(made(pairs, timestamp=time), config("time"))
    assert [len(index) for index in found.parts().values()] == [800, 100, 100]
    assert found.how == "by time for everybody: validation from 800, test from 900"
    seconds = made(pairs, timestamp=time + 1_000_000_000)
    assert "2001-09-09" in split_interactions(seconds, config("time")).how


@pytest.mark.parametrize("side", ["users", "items"])
@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(pairs=PAIRS, shares=SHARES, seed=st.integers(0, 5))
def test_cold_entities_are_truly_cold(side, pairs, shares, seed):
    found = made(pairs)
    parts = split(found, f"cold_{side}", shares, seed=seed)
    codes = getattr(found, side[:-1])
    sides = [set(codes[index].tolist()) for index in parts.parts().values()]
    assert not sides[0] & sides[1]
    assert not sides[0] & sides[2]
    assert not sides[1] & sides[2]
    n = len(getattr(found, side))
    for share, there in zip(shares, sides, strict=True):
        assert abs(len(there) - share * n) <= 2
    for counts in parts.scorable.values():
        assert getattr(counts, f"{side}_known") == 0


@settings(max_examples=50, suppress_health_check=[HealthCheck.filter_too_much])
@given(PAIRS, SHARES, st.sampled_from(KINDS), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(pairs, shares, kind, random):
    time = {pair: random.randrange(10) for pair in pairs}
    shuffled = list(pairs)
    random.shuffle(shuffled)

    def parts(rows):
        found = made(rows, timestamp=[time[pair] for pair in rows])
        parted = split(found, kind, shares)
        return {
            name: {(found.users[found.user[at]], found.items[found.item[at]]) for at in index}
            for name, index in parted.parts().items()
        }

    assert parts(pairs) == parts(shuffled)


@pytest.mark.parametrize("kind", ["random", "cold_users", "cold_items"])
def test_another_seed_is_another_split(kind):
    found = made([(user, item) for user in range(30) for item in range(10)])
    tests = [split_interactions(found, config(kind, seed=seed)).test.tolist() for seed in (0, 0, 1)]
    assert tests[0] == tests[1] != tests[2]


def test_random_test_items_are_drawn_evenly():
    found = made([(user, item) for user in range(2000) for item in range(10)])
    parts = split_interactions(found, config())
    drawn = np.bincount(found.item[parts.test], minlength=10)
    assert drawn.sum() == 2000
    assert abs(drawn - 200).max() < 5 * np.sqrt(2000 * 0.1 * 0.9)
    # What is test for one user says nothing about the next one.
    chosen = found.item[parts.test]
    assert abs((chosen[1:] == chosen[:-1]).mean() - 0.1) < 0.04


def test_what_can_be_scored_is_counted():
    pairs = [("a", "x"), ("b", "y"), ("a", "y"), ("c", "x"), ("a", "z")]
    found = made(pairs, timestamp=[0, 0, 1, 1, 2])
    parts = split_interactions(found, config("time", (0.4, 0.4, 0.2)))
    counts = parts.scorable["validation"]
    assert (counts.users_known, counts.users_unknown, counts.items_known, counts.items_unknown) == (1, 1, 2, 0)
    assert (counts.interactions, counts.interactions_known) == (2, 1)
    assert (counts.warm_users, counts.cold_users) == (1, 1)
    counts = parts.scorable["test"]
    assert (counts.users_known, counts.items_unknown, counts.interactions_known) == (1, 1, 0)
    assert (counts.warm_users, counts.cold_users) == (0, 0)


def test_users_of_one_interaction_are_told_of():
    found = split_interactions(made([("a", "x"), ("b", "x"), ("b", "y"), ("b", "z")]), config())
    assert found.notes == ["1 user has one interaction, which trains: never tested"]


def test_what_cannot_be_parted_is_said_in_one_line():
    found = made([("a", "x"), ("b", "y"), ("c", "x")])
    for kind in ("leave_last_out", "time"):
        with pytest.raises(UserError, match=f"kind: {kind} needs times.*data.timestamp"):
            split_interactions(found, config(kind))
    with pytest.raises(UserError, match=r"no interaction for validation.*cold_users or cold_items"):
        split_interactions(found, config())
    with pytest.raises(UserError, match="2 items are too few"):
        split_interactions(found, config("cold_items"))
    alike = made([("a", "x"), ("b", "y"), ("c", "x")], timestamp=[1, 1, 1])
    with pytest.raises(UserError, match="all times are alike"):
        split_interactions(alike, config("time"))


def test_shares_are_checked():
    with pytest.raises(ValidationError, match="add up to 1"):
        InteractionSplitConfig(train=0.5)
    with pytest.raises(ValidationError, match="share above 0"):
        InteractionSplitConfig(train=0, validation=0.5, test=0.5)
    with pytest.raises(ValidationError, match="takes no shares"):
        InteractionSplitConfig(kind="leave_last_out", train=0.9, validation=0)
    assert InteractionSplitConfig(train=0.9, validation=0).test == 0.1
