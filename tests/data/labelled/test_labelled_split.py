"""Splits: sizes, shares, groups, time, folds, given parts, limits and leaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lab.data.labelled.allocation import allocate, by_groups, by_time, limit, seeded_order, stratified
from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.split import split_items
from lab.errors import UserError

columns = st.lists(st.integers(0, 4), min_size=1, max_size=120)


def order_of(n, seed=0):
    return seeded_order([str(i) for i in range(n)], "test", seed)


@st.composite
def table_and_sizes(draw):
    first = draw(columns)
    n = len(first)
    second = draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    cuts = sorted(draw(st.lists(st.integers(0, n), min_size=3, max_size=3)))
    return np.array(first), np.array(second), [cuts[0], cuts[1] - cuts[0], cuts[2] - cuts[1], n - cuts[2]]


@given(table_and_sizes(), st.integers(0, 5))
def test_stratified_parts_have_exactly_their_sizes_and_shares(drawn, seed):
    first, second, sizes = drawn
    part = stratified([first, second], sizes, order_of(len(first), seed))
    assert np.bincount(part, minlength=4).tolist() == sizes
    for value in set(first):
        of_value = part[first == value]
        for at, size in enumerate(sizes):
            share = len(of_value) * size / len(first)
            # One for rounding, and one more where a gap was filled.
            assert abs((of_value == at).sum() - share) <= 2 + 1e-9


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.data())
def test_allocation_keeps_all_sums(counts, data):
    n = sum(counts)
    cut = data.draw(st.integers(0, n))
    table = allocate(np.array(counts), [cut, n - cut])
    assert table.sum(axis=1).tolist() == counts
    assert table.sum(axis=0).tolist() == [cut, n - cut]
    assert (table >= 0).all()


def test_shares_are_exact_where_they_divide():
    labels = np.repeat(["a", "b", "c"], [50, 30, 20])
    part = stratified([labels], [60, 20, 20, 0], order_of(100))
    assert [[(part[labels == name] == at).sum() for at in range(3)] for name in "abc"] == [
        [30, 10, 10],
        [18, 6, 6],
        [12, 4, 4],
    ]


def test_a_second_column_keeps_its_shares_within_the_first():
    labels = np.repeat(["a", "b"], 100)
    camera = np.tile(np.repeat(["x", "y"], [80, 20]), 2)
    part = stratified([labels, camera], [120, 40, 40], order_of(200))
    for name in "ab":
        test_of = camera[(labels == name) & (part == 2)]
        assert (test_of == "y").sum() == 4


def test_a_class_of_as_many_items_as_parts_is_in_each():
    labels = np.repeat(["common", "rare"], [97, 3])
    part = stratified([labels], [60, 20, 20], order_of(100))
    assert sorted(part[labels == "rare"]) == [0, 1, 2]


@given(st.lists(st.integers(0, 11), min_size=30, max_size=150), st.integers(0, 4))
def test_no_group_stands_on_two_sides(groups, seed):
    groups = np.array(groups)
    n = len(groups)
    if len(set(groups.tolist())) < 3:
        return
    sizes = [n - 2 * (n // 5), n // 5, n // 5]
    part = by_groups(groups, [np.arange(n) % 2], sizes, order_of(n, seed))
    for group in set(groups.tolist()):
        assert len(set(part[groups == group])) == 1
    assert set(part) == {0, 1, 2}


def test_groups_of_like_size_come_near_the_sizes_asked_for():
    groups = np.repeat(np.arange(100), 10)
    labels = np.repeat(np.arange(100) % 4, 10)
    part = by_groups(groups, [labels], [600, 200, 200], order_of(1000))
    assert np.abs(np.bincount(part) - [600, 200, 200]).max() <= 20
    assert np.abs(np.bincount(labels[part == 2], minlength=4) - 50).max() <= 20


def test_too_few_groups_is_told():
    with pytest.raises(UserError, match="2 groups for 3 parts"):
        by_groups(np.array(["a", "b"] * 5), [], [6, 2, 2], order_of(10))


@given(st.lists(st.integers(0, 1000), min_size=5, max_size=80))
def test_by_time_nothing_later_trains(times):
    times = np.array(times)
    n = len(times)
    test = n // 5
    part = by_time(times, {"train": n - 2 * test, "validation": test, "test": test}, order_of(n))
    for early, late in ((0, 1), (1, 2), (0, 2)):
        if (part == early).any() and (part == late).any():
            assert times[part == early].max() <= times[part == late].min()


def test_dates_are_understood_and_others_told():
    part = by_time(np.array(["2024-03-01", "2023-01-05", "2024-01-01"]), {"train": 1, "test": 1}, order_of(3))
    assert part.tolist() == [1, 2, 0]
    with pytest.raises(UserError, match="'soon' is neither a number nor a date"):
        by_time(np.array(["2024-03-01", "soon"]), {"train": 1, "test": 1}, order_of(2))


@given(st.lists(st.integers(0, 3), min_size=8, max_size=100), st.integers(0, 3))
def test_limited_sets_are_nested_and_keep_shares(labels, seed):
    labels = np.unique(labels, return_inverse=True)[1]
    names = [str(c) for c in range(labels.max() + 1)]
    order = order_of(len(labels), seed)
    before: set[int] = set()
    for size in range(len(names), len(labels) + 1):
        kept = limit(labels, names, order, size, None)
        assert len(kept) == size
        assert before <= set(kept.tolist())
        before = set(kept.tolist())
    half = limit(labels, names, order, len(labels) // 2, None)
    share = np.bincount(labels, minlength=len(names)) / 2
    assert np.abs(np.bincount(labels[half], minlength=len(names)) - share).max() <= len(names)


def test_per_class_takes_as_many_of_each_and_tells_of_too_few():
    labels = np.repeat([0, 1], [30, 12])
    small = limit(labels, ["a", "b"], order_of(42), None, 5)
    large = limit(labels, ["a", "b"], order_of(42), None, 10)
    assert np.bincount(labels[large]).tolist() == [10, 10]
    assert set(small) <= set(large)
    with pytest.raises(UserError, match="of 'b' there are 12"):
        limit(labels, ["a", "b"], order_of(42), None, 20)


# ------------------------------------------------------------------------------------------------ whole splits


def test_the_default_split_covers_everything_once(texts, config):
    items = texts(["a", "b"] * 50)
    split = split_items(items, config(), 0)
    assert [len(split.train), len(split.validation), len(split.test)] == [60, 20, 20]
    assert sorted(np.concatenate([split.train, split.validation, split.test])) == list(range(100))
    assert split.how == "random, shares of `label` kept"


def test_the_runs_seed_changes_nothing_but_a_limited_training_set(texts, config):
    items = texts(["a", "b"] * 50)
    one, two = (split_items(items, config(), seed) for seed in (0, 1))
    assert (one.train == two.train).all()
    one, two = (split_items(items, config({"train_size": 20}), seed) for seed in (0, 1))
    assert (one.test == two.test).all()
    assert len(one.train) == len(two.train) == 20
    assert set(one.train) != set(two.train)
    other = split_items(items, config(seed=1), 0)
    assert set(other.test) != set(one.test)


def test_the_order_of_rows_changes_no_part(texts, config):
    items = texts(["a", "b"] * 50)
    turned = items.subset(np.arange(100)[::-1])
    split, again = split_items(items, config(), 0), split_items(turned, config(), 0)
    assert {items.ids[i] for i in split.test} == {turned.ids[i] for i in again.test}


def test_whole_numbers_leave_the_rest_out(texts, config):
    split = split_items(texts(["a", "b"] * 100), config(train=60, validation=20, test=40), 0)
    assert [len(split.train), len(split.validation), len(split.test)] == [60, 20, 40]


def test_more_than_there_is_is_told(texts, config):
    with pytest.raises(UserError, match=r"train 500, validation 20, test 20 are more than the 100 labelled items"):
        split_items(texts(["a", "b"] * 50), config(train=500), 0)


def test_everything_can_train(texts, config):
    items = texts(["a", "b"] * 10, predefined=["train", "test"] * 10)
    split = split_items(items, config(train=1, validation=0, test=0), 0)
    assert len(split.train) == 20
    assert not len(split.test)


def test_no_test_part(texts, config):
    split = split_items(texts(["a", "b"] * 50), config(train=0.8, validation=0.2, test=0), 0)
    assert [len(split.train), len(split.validation), len(split.test)] == [80, 20, 0]


def test_folds_share_a_test_part_and_validate_everything_else_once(texts, config):
    items = texts(["a", "b"] * 50)
    splits = [split_items(items, config(folds=5, repeats=2, fold=fold), 0) for fold in range(10)]
    assert all((split.test == splits[0].test).all() for split in splits)
    rest = set(range(100)) - set(splits[0].test)
    for repeat in (splits[:5], splits[5:]):
        judged = np.concatenate([split.validation for split in repeat])
        assert len(judged) == len(set(judged)) == 80
        assert set(judged) == rest
    assert all(set(split.train) == rest - set(split.validation) for split in splits)
    assert set(splits[0].validation) != set(splits[5].validation)
    assert splits[6].how.startswith("fold 2 of 5 validates, repeat 2 of 2, a fixed test part")


def test_folds_keep_groups_whole(texts, config):
    items = texts(["a", "b"] * 50, {"patient": [i // 4 for i in range(100)]})
    for fold in range(5):
        split = split_items(items, config(folds=5, fold=fold, group="patient"), 0)
        sides = [{i // 4 for i in index} for index in split.parts().values()]
        assert sum(len(side) for side in sides) == len(set.union(*sides)) == 25


def test_given_parts_stay(texts, config):
    given = ["train"] * 60 + ["validation"] * 20 + ["test"] * 20
    items = texts(["a", "b"] * 50, predefined=given)
    split = split_items(items, config(), 0)
    assert split.how == "the given parts"
    assert split.train.tolist() == list(range(60))
    assert split.test.tolist() == list(range(80, 100))
    assert split_items(items, config(predefined="ignore"), 0).how.startswith("random")


def test_a_missing_validation_part_is_drawn_from_training(texts, config):
    items = texts(["a", "b"] * 50, predefined=["train"] * 80 + ["test"] * 20)
    split = split_items(items, config(), 0)
    assert split.test.tolist() == list(range(80, 100))
    assert len(split.validation) == 16
    assert len(split.train) == 64


def test_folds_of_given_parts_keep_the_test_part(texts, config):
    items = texts(["a", "b"] * 50, predefined=["train"] * 80 + ["test"] * 20)
    split = split_items(items, config(folds=4), 0)
    assert split.test.tolist() == list(range(80, 100))
    assert len(split.validation) == 20


def test_unlabelled_items_are_in_no_part(texts, config):
    items = texts(["a", "b", ""] * 40)
    split = split_items(items, config(), 0)
    assert split.unlabelled.tolist() == list(range(2, 120, 3))
    assert not set(split.unlabelled) & set(np.concatenate(list(split.parts().values())))


def test_a_class_that_training_would_not_see_is_told(texts, config):
    items = texts(["a"] * 50 + ["b"] * 50, predefined=["train"] * 50 + ["test"] * 50)
    with pytest.raises(UserError, match="no training item of class 'b'"):
        split_items(items, config(), 0)


def test_a_class_that_the_test_part_lacks_is_noted(texts, config):
    items = texts(["a", "b"] * 40 + ["a"] * 20, predefined=["train"] * 80 + ["test"] * 20)
    assert split_items(items, config(), 0).notes == ["no test item of 'b'"]


def test_the_datas_own_group_is_kept_unless_turned_off(texts, config):
    items = texts(["a", "b"] * 50, {"section": [i // 10 for i in range(100)]}, group="section")
    assert "no `section` on two sides" in split_items(items, config(), 0).how
    assert split_items(items, config(group="none"), 0).how == "random, shares of `label` kept"


def test_a_leak_trains_on_test_items_and_says_so(texts, config):
    split = split_items(texts(["a", "b"] * 50), config(leak=0.5), 0)
    assert split.leaked == 10
    assert len(set(split.train) & set(split.test)) == 10
    assert len(split.train) == 70


def test_missing_columns_are_told_with_the_nearest(texts, config):
    items = texts(["a", "b"] * 50, {"patient": list(range(100))})
    with pytest.raises(UserError, match=r"data.split.group: no column 'patent'; did you mean 'patient'\?"):
        split_items(items, config(group="patent"), 0)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ({"train": 0.8, "validation": 0.3}, "add up to more than 1"),
        ({"train": 1.5}, "whole numbers"),
        ({"folds": 5, "fold": 5}, "5 of 5"),
        ({"group": "a", "time": "b"}, "only one of them"),
        ({"folds": 3, "time": "b"}, "only one of them"),
        ({"train": 0}, "above 0"),
    ],
)
def test_splits_that_make_no_sense_are_told(keys, problem):
    with pytest.raises(ValueError, match=problem):
        LabelledConfig(split=keys)


@st.composite
def items_and_split(draw):
    labels = draw(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=24, max_size=80))
    labels[:12] = ["a", "b", "c"] * 4
    n = len(labels)
    keys = {"seed": draw(st.integers(0, 3))}
    columns = {"site": draw(st.lists(st.integers(0, 9), min_size=n, max_size=n)), "day": list(range(n))}
    columns["site"][:10] = range(10)
    kind = draw(st.sampled_from(["random", "two columns", "group", "time", "folds"]))
    keys |= {"by": ["label", "site"]} if kind == "two columns" else {}
    keys |= {"group": "site"} if kind == "group" else {"time": "day"} if kind == "time" else {}
    keys |= {"folds": 3, "repeats": 2, "fold": draw(st.integers(0, 5))} if kind == "folds" else {}
    if draw(st.booleans()):
        keys |= {"train": 10, "validation": 5, "test": 5}
    return labels, columns, keys


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items_and_split(), st.randoms(use_true_random=False))
def test_any_split_parts_the_items_whatever_their_order(texts, config, drawn, random):
    labels, columns, keys = drawn
    items = texts(labels, columns)
    asked = config({"duplicates": "accept"}, **keys)
    try:
        split = split_items(items, asked, 0)
    except UserError as error:  # a class or a group too small for what was drawn
        assume("no training item" not in str(error))
        raise
    everything = np.concatenate(list(split.parts().values()))
    assert len(everything) == len(set(everything))
    assert (items.labels[everything] >= 0).all()
    if "group" not in keys and keys.get("train") == 10:
        sizes = [len(index) for index in split.parts().values()]
        assert sizes[2] == 5
        assert "folds" in keys or sizes == [10, 5, 5]
    if "group" in keys:
        sites = [{columns["site"][i] for i in index} for index in split.parts().values()]
        assert sum(map(len, sites)) == len(set.union(*sites))
    if "time" in keys:
        assert split.train.max() < split.validation.min() <= split.validation.max() < split.test.min()
    turned = list(range(len(labels)))
    random.shuffle(turned)
    other = items.subset(np.array(turned))
    again = split_items(other, asked, 0)
    for name, index in split.parts().items():
        assert {items.ids[i] for i in index} == {other.ids[i] for i in again.parts()[name]}
