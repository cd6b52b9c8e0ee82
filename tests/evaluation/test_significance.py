from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.evaluation.intervals import difference_estimate
from lab.evaluation.significance import ScoreRow, best_rows, compare_rows, effect_size, holm, side_tests


def scores(mean, seeds=5, items=400, seed_size=0.01, noise=0.1, key=0):
    rng = np.random.default_rng([key, seeds, items])
    return mean + seed_size * rng.standard_normal((seeds, 1)) + noise * rng.standard_normal((seeds, items))


def row(mean, seeds=5, **options):
    return ScoreRow(scores(mean, seeds, **options), range(seeds))


def fixed(mean, key=0, items=400):
    return ScoreRow(scores(mean, 1, items=items, key=key), [0], deterministic=True)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values):
    from statsmodels.stats.multitest import multipletests

    expected = multipletests(p_values, method="holm")[1]
    np.testing.assert_allclose(np.minimum(holm(p_values), 1), expected, rtol=1e-12)


class TestVerdicts:
    def test_better_and_worse_follow_the_direction(self):
        rows = [row(0.6, key=1), row(0.4, key=2)]
        (up,), (down,) = compare_rows(rows), compare_rows(rows, higher_is_better=False)
        assert (up.verdict, down.verdict) == ("better", "worse")
        assert up.value == down.value == pytest.approx(0.2, abs=0.02)
        assert up.low > 0
        assert not up.within_margin

    def test_equivalent_is_the_whole_interval_within_the_margin(self):
        shared = scores(0.5)
        rows = [ScoreRow(shared, range(5)), ScoreRow(shared + scores(0, seed_size=0, noise=0.001, key=9), range(5))]
        (pair,) = compare_rows(rows, margin=0.01)
        assert pair.verdict == "equivalent"
        assert max(-pair.low, pair.high) < 0.01
        (strict,) = compare_rows(rows, margin=max(-pair.low, pair.high) / 2)
        assert strict.verdict == "cannot tell"

    def test_a_real_difference_below_the_margin_says_both(self):
        shared = scores(0.5)
        noise = scores(0.004, seed_size=0, noise=0.001, key=9)
        (pair,) = compare_rows([ScoreRow(shared + noise, range(5)), ScoreRow(shared, range(5))], margin=0.01)
        assert pair.verdict == "better"
        assert pair.within_margin

    def test_cannot_tell(self):
        (pair,) = compare_rows([row(0.5, key=1, seed_size=0.1), row(0.5, key=2, seed_size=0.1)])
        assert pair.verdict == "cannot tell"
        assert pair.low < 0 < pair.high

    @pytest.mark.parametrize("seeds", [1, 2])
    def test_fewer_than_three_seeds_name_no_winner(self, seeds):
        (pair,) = compare_rows([row(0.9, seeds, key=1), row(0.1, seeds, key=2)])
        assert pair.verdict == "cannot tell"
        assert not pair.enough_seeds
        (identical,) = compare_rows([row(0.9, seeds), row(0.9, seeds)])
        assert identical.verdict == "cannot tell"

    def test_one_row_with_too_few_seeds_spoils_only_its_own_pairs(self):
        rows = [row(0.9, 3, key=1), row(0.5, 1, key=2), row(0.1, 3, key=3)]
        verdicts = {(pair.first, pair.second): pair.verdict for pair in compare_rows(rows)}
        assert verdicts == {(0, 1): "cannot tell", (0, 2): "better", (1, 2): "cannot tell"}

    def test_deterministic_rows_need_no_seeds(self):
        (pair,) = compare_rows([fixed(0.9, 1), fixed(0.1, 2)])
        assert pair.verdict == "better"
        assert pair.seed_test is None
        assert pair.permutation is None

    def test_identical_seeds_are_deterministic(self):
        same = ScoreRow(np.repeat(scores(0.9, 1), 2, axis=0), [0, 1])
        assert same.deterministic
        (pair,) = compare_rows([same, row(0.1, 3, key=2)])
        assert pair.verdict == "better"


class TestHolmLevels:
    @pytest.fixture
    def rows(self):
        means = [0.5, 0.505, 0.52, 0.53, 0.53, 0.6]
        return [row(mean, 4, key=key, seed_size=0.002) for key, mean in enumerate(means)]

    def test_an_interval_leaves_out_zero_exactly_when_holm_rejects(self, rows):
        pairs = compare_rows(rows)
        outside = [pair.low > 0 or pair.high < 0 for pair in pairs]
        assert outside == [pair.p_holm < 0.05 for pair in pairs]
        assert 0 < sum(outside) < len(pairs)

    def test_levels_lie_between_bonferroni_and_none(self, rows):
        pairs = compare_rows(rows)
        assert all(0.05 / 15 - 1e-12 <= pair.alpha <= 0.05 for pair in pairs)
        assert min(pair.alpha for pair in pairs) == pytest.approx(0.05 / 15)

    def test_one_pair_needs_no_adjustment(self, rows):
        (pair,) = compare_rows(rows[:2])
        assert pair.alpha == 0.05
        assert pair.p_holm == pair.p_value

    def test_false_alarms_of_a_whole_table_stay_below_alpha(self):
        rng = np.random.default_rng(0)
        alarms = 0
        for _ in range(300):
            table = rng.standard_normal((5, 3, 1)) + 10 * rng.standard_normal((5, 3, 120))
            pairs = combinations(table, 2)
            p_values = [difference_estimate(one, two, paired=True).p_value() for one, two in pairs]
            alarms += holm(p_values).min() < 0.05
        assert alarms / 300 < 0.1


class TestSeeds:
    def test_matching_seeds_are_paired(self):
        shared = np.random.default_rng(0).standard_normal((5, 1))
        first, second = shared + scores(0.6, key=1), shared + scores(0.5, key=2)
        (paired,) = compare_rows([ScoreRow(first, range(5)), ScoreRow(second, range(5))])
        (unpaired,) = compare_rows([ScoreRow(first, range(5)), ScoreRow(second, range(5, 10))])
        assert (paired.paired, unpaired.paired) == (True, False)
        assert (paired.verdict, unpaired.verdict) == ("better", "cannot tell")
        assert paired.value == unpaired.value

    def test_different_numbers_of_seeds(self):
        (pair,) = compare_rows([row(0.6, 5, key=1), row(0.4, 3, key=2)])
        assert pair.verdict == "better"
        assert not pair.paired

    def test_every_seed_is_there_once(self):
        with pytest.raises(ValueError, match="distinct seeds"):
            ScoreRow(scores(0.5, 3), [0, 1, 1])
        with pytest.raises(ValueError, match="distinct seeds"):
            ScoreRow(scores(0.5, 3), [0, 1])


class TestSideTests:
    def test_students_t_over_seeds_and_over_items(self):
        from scipy.stats import ttest_ind, ttest_rel

        first, second = scores(0.5, key=1), scores(0.51, key=2)
        seeds, items, _ = side_tests(first, second, paired=True)
        assert seeds.p_value == pytest.approx(ttest_rel(first.mean(axis=1), second.mean(axis=1)).pvalue)
        assert items.p_value == pytest.approx(ttest_rel(first.mean(axis=0), second.mean(axis=0)).pvalue)
        welch, _, _ = side_tests(first, second[:3], paired=False)
        expected = ttest_ind(first.mean(axis=1), second[:3].mean(axis=1), equal_var=False).pvalue
        assert welch.p_value == pytest.approx(expected)

    @pytest.mark.parametrize(("seeds", "smallest"), [(3, 0.25), (5, 0.0625), (10, 2 / 1024)])
    def test_the_permutation_says_how_small_it_could_have_been(self, seeds, smallest):
        first, second = scores(0.9, seeds, key=1), scores(0.1, seeds, key=2)
        _, _, permutation = side_tests(first, second, paired=True)
        assert permutation.p_value == permutation.smallest == pytest.approx(smallest)

    def test_the_permutation_is_exact(self):
        first, second = scores(0.5, 6, key=1), scores(0.503, 6, key=2)
        gaps = first.mean(axis=1) - second.mean(axis=1)
        signs = np.array(np.meshgrid(*[[1, -1]] * 6)).reshape(6, -1).T
        expected = np.mean(np.abs(signs @ gaps) >= abs(gaps.sum()) - 1e-12)
        assert side_tests(first, second, paired=True)[2].p_value == pytest.approx(expected)

    def test_unpaired_seeds_are_dealt_anew(self):
        _, _, permutation = side_tests(scores(0.9, 3, key=1), scores(0.1, 3, key=2), paired=False)
        assert permutation.p_value == permutation.smallest == pytest.approx(0.1)

    def test_many_seeds_are_sampled_the_same_each_time(self):
        first, second = scores(0.5, 20, items=20, key=1), scores(0.51, 20, items=20, key=2)
        results = [side_tests(first, second, paired=True)[2] for _ in range(2)]
        assert results[0] == results[1]
        assert results[0].smallest == 2 / 10_000


def test_effect_size_is_the_difference_in_standard_deviations_of_one_score():
    first, second = scores(0.5, 40, items=500, noise=0.2, key=1), scores(0.4, 40, items=500, noise=0.2, key=2)
    expected = 0.1 / np.sqrt(2 * 0.2**2 + 2 * 0.01**2)
    assert effect_size(first, second, paired=True) == pytest.approx(expected, rel=0.03)
    assert effect_size(first, second, paired=False) == pytest.approx(expected, rel=0.03)
    assert effect_size(first, first, paired=True) == 0
    assert effect_size(first + 1, first + 2, paired=True) < -1e6


class TestBestRows:
    def test_the_best_and_all_that_cannot_be_told_from_it(self):
        rows = [row(0.60, key=1), row(0.595, key=2, seed_size=0.02), row(0.4, key=3)]
        assert best_rows(rows, compare_rows(rows)) == {0, 1}

    def test_lower_is_better(self):
        rows = [row(0.9, key=1), row(0.4, key=2), row(0.9, key=3)]
        pairs = compare_rows(rows, higher_is_better=False)
        assert best_rows(rows, pairs, higher_is_better=False) == {1}

    def test_with_too_few_seeds_all_are(self):
        rows = [row(0.9, 1, key=1), row(0.1, 1, key=2)]
        assert best_rows(rows, compare_rows(rows)) == {0, 1}


def test_the_same_numbers_every_time():
    rows = [row(0.5 + 0.01 * key, key=key) for key in range(4)]
    assert compare_rows(rows) == compare_rows(rows)


@pytest.mark.parametrize("options", [{"margin": 0}, {"margin": -1}, {"alpha": 0}, {"alpha": 1}])
def test_senseless_settings(options):
    with pytest.raises(ValueError, match="margin must be positive"):
        compare_rows([row(0.5), row(0.6)], **options)
