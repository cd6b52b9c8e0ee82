"""Rows measured over splits and folds of the data."""

from __future__ import annotations

import numpy as np
import pytest

from lab.report.comparison import compare
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json
from lab.runs.run import Run


def run_of(workshop, level, split=0, fold=0, seed=0, *, fixed_test=False, key="a", split_name="test", recorded=True):
    """A run whose test items are those of its split, or always the same; 60 to train on, 20 to test on."""
    data = {"source": "s", "split": {"seed": split, "fold": fold}}
    config = {"model": {"row": key}, "data": data}
    run = workshop.run("word2vec", seed, config, level=None)
    items = np.random.default_rng(0 if fixed_test else [split, fold]).choice(100, 20, replace=False)
    noise = np.random.default_rng([split, fold, seed, *map(ord, key)])
    right = (np.random.default_rng(3).random(100)[items] + 0.05 * noise.standard_normal(20) < level).astype(float)
    artifacts = Artifacts(run.path)
    ids = [f"item{i}" for i in items]
    artifacts.scores("classification", "accuracy", ids, right, split=split_name)
    name = "same" if fixed_test else f"{split}-{fold}"
    about = {"split": split_name, "n": 20, "primary": True, "test_fingerprint": name}
    artifacts.result("classification", "accuracy", right.mean(), **about)
    if recorded:
        artifacts.split("train", [f"t{i}" for i in range(60)])
        artifacts.split("validation", [f"v{i}" for i in range(15)])
    write_json(run.path / "results.json", {"results": artifacts.results})
    return Run(run.path)


def rows_of(workshop, by="split", number=5, levels=(("a", 0.9), ("b", 0.3)), **more):
    made = [run_of(workshop, level, key=key, **{by: i}, **more) for key, level in levels for i in range(number)]
    return compare(*made)


@pytest.mark.parametrize("by", ["split", "fold"])
def test_rows_with_test_items_of_their_own_are_compared_split_by_split(workshop, by):
    (table,) = rows_of(workshop, by).tables
    assert [(row.label, row.status, row.over) for row in table.rows] == [
        ("row=a", f"5 {by}s", by),
        ("row=b", f"5 {by}s", by),
    ]
    assert table.splits == f"5 {by}s"
    assert table.n == 20
    assert [pair.difference.verdict for pair in table.pairs] == ["better"]
    assert table.rows[0].values.keys() == {0, 1, 2, 3, 4}
    assert table.protocol == (
        f"95 % intervals over 5 {by}s of 20 test items each (Student's t, widened as training sets overlap, Nadeau "
        f"and Bengio 2003); differences paired by {by}, Holm-adjusted over 1 pair at .05; the smallest difference "
        "that matters is .01; bold: the best and every row that cannot be told from it."
    )


def test_the_widening_is_that_of_the_recorded_sizes(workshop):
    (table,) = rows_of(workshop).tables
    row = table.rows[0]
    values = np.array(list(row.values.values()))
    half = 2.7764451 * np.sqrt((1 / 5 + 20 / 60) * values.var(ddof=1))
    assert (row.low, row.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_without_recorded_sizes_half_is_taken_for_training(workshop):
    (table,) = rows_of(workshop, recorded=False).tables
    row = table.rows[0]
    values = np.array(list(row.values.values()))
    half = 2.7764451 * np.sqrt((1 / 5 + 1) * values.var(ddof=1))
    assert row.high == pytest.approx(values.mean() + half)


def test_seeds_of_a_split_are_one_number(workshop):
    made = [
        run_of(workshop, level, split=split, seed=seed, key=key)
        for key, level in (("a", 0.9), ("b", 0.3))
        for split in range(3)
        for seed in range(2)
    ]
    (table,) = compare(*made).tables
    assert [(row.status, row.over, row.seeds) for row in table.rows] == [("2 seeds × 3 splits", "run", 6)] * 2
    assert table.splits == "3 splits"
    assert table.pairs[0].difference.paired
    assert "over 3 splits of 20 test items each" in table.protocol


def test_a_split_that_one_row_lacks_leaves_them_in_one_table(workshop):
    made = [run_of(workshop, 0.9, split=i, key="a") for i in range(5)]
    made += [run_of(workshop, 0.3, split=i, key="b") for i in range(4)]
    (table,) = compare(*made).tables
    assert [row.seeds for row in table.rows] == [5, 4]
    assert len(table.pairs) == 1


def test_splits_that_hold_out_other_items_are_other_tables(workshop):
    one = [run_of(workshop, 0.9, split=i, key="a") for i in range(3)]
    other = [run_of(workshop, 0.3, split=i, fold=1, key="b") for i in range(3)]
    assert len(compare(*one, *other).tables) == 2


def test_folds_on_one_test_part_are_no_independent_seeds(workshop):
    (table,) = rows_of(workshop, "fold", fixed_test=True).tables
    assert not table.resampled
    assert table.splits == "5 folds"
    assert "over 5 folds and 20 test items, both random (two-way random effects, Howe 1974; widened" in table.protocol
    assert "differences paired by item and fold" in table.protocol
    (as_seeds,) = rows_of(workshop, "seed", fixed_test=True).tables
    assert as_seeds.splits == ""


def test_too_few_splits_are_called_so(workshop):
    comparison = rows_of(workshop, number=2)
    assert "With fewer than three splits a row no winner is named." in comparison.answer
    assert "fewer than 3 splits" in repr(comparison)
    assert comparison.settle == [
        "A winner is named from three splits a row on: row=a has 2 splits and row=b has 2 splits."
    ]


def test_what_would_settle_it_is_splits_or_labels(workshop):
    comparison = rows_of(workshop, levels=(("a", 0.5), ("b", 0.5001)))
    assert comparison.settle
    assert "labels" in comparison.settle[0] or "splits" in comparison.settle[0]
    assert "seed" not in comparison.settle[0]


def test_the_columns_say_what_is_repeated(workshop):
    comparison = rows_of(workshop, "fold")
    assert comparison.to_frame()["over"].tolist() == ["fold", "fold"]
    assert "| row | folds |" in comparison.to_markdown()
    assert "one fold's difference;" in comparison._repr_html_().replace("</small>", ";")
