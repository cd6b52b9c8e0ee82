"""CKA, Procrustes and RSA against slow formulas and scipy; what a rotation and unrelated spaces score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial import procrustes as scipy_procrustes
from scipy.spatial.distance import pdist
from scipy.stats import ortho_group, spearmanr

from lab.evaluation import space_comparison as whole
from lab.evaluation.intervals import Estimate

Measure = Callable[[np.ndarray, np.ndarray], Estimate]
MEASURES: dict[str, Measure] = {
    "cka": lambda x, y: whole.linear_cka(whole.centred(x), whole.centred(y)),
    "debiased": lambda x, y: whole.linear_cka(whole.centred(x), whole.centred(y), debiased=True),
    "procrustes": lambda x, y: whole.procrustes(whole.centred(x), whole.centred(y)),
    "rsa": lambda x, y: whole.representational_similarity(
        whole.pair_ranks(whole.centred(x)), whole.pair_ranks(whole.centred(y))
    ),
}


def two_spaces(n: int = 50, width: int = 8, other: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    cause = rng.normal(size=(n, 5))
    first = cause @ rng.normal(size=(5, width)) + 0.3 * rng.normal(size=(n, width))
    return first + 3, cause @ rng.normal(size=(5, other)) + 0.5 * rng.normal(size=(n, other))


def u_centred(kernel: np.ndarray) -> np.ndarray:
    """Székely and Rizzo 2014, eq. 2.7, entry by entry."""
    n, found = len(kernel), np.zeros_like(kernel)
    off = kernel - np.diag(np.diag(kernel))
    for i in range(n):
        for j in range(n):
            if i != j:
                rest = off[i].sum() + off[j].sum()
                found[i, j] = off[i, j] - rest / (n - 2) + off.sum() / ((n - 1) * (n - 2))
    return found


def slow_cka(x: np.ndarray, y: np.ndarray) -> float:
    middle = np.eye(len(x)) - 1 / len(x)
    a, b = middle @ x @ x.T @ middle, middle @ y @ y.T @ middle
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def slow_debiased(x: np.ndarray, y: np.ndarray) -> float:
    a, b = u_centred(x @ x.T), u_centred(y @ y.T)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def slow_procrustes(x: np.ndarray, y: np.ndarray) -> float:
    wide = max(x.shape[1], y.shape[1])
    padded = [np.pad(one, ((0, 0), (0, wide - one.shape[1]))) for one in (x, y)]
    return float(np.sqrt(1 - scipy_procrustes(*padded)[2]))


def slow_rsa(x: np.ndarray, y: np.ndarray) -> float:
    return float(spearmanr(*(pdist(one - one.mean(axis=0), "cosine") for one in (x, y)))[0])


SLOW = {"cka": slow_cka, "debiased": slow_debiased, "procrustes": slow_procrustes, "rsa": slow_rsa}


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("widths", [(8, 6), (3, 90), (90, 70)], ids=["narrow", "one wide", "both wide"])
def test_values_are_those_of_a_second_implementation(name, widths):
    x, y = two_spaces(40, *widths)
    assert MEASURES[name](x, y).value == pytest.approx(SLOW[name](x, y), abs=1e-6)


@pytest.mark.parametrize("name", MEASURES)
def test_the_standard_error_is_near_that_of_leaving_each_item_out(name):
    x, y = two_spaces(50)
    values = np.array([SLOW[name](np.delete(x, i, 0), np.delete(y, i, 0)) for i in range(50)])
    jackknife = np.sqrt(49 / 50 * ((values - values.mean()) ** 2).sum())
    assert MEASURES[name](x, y).standard_error == pytest.approx(jackknife, rel=0.12)


@pytest.mark.parametrize("name", MEASURES)
def test_a_rotation_with_scale_and_translation_scores_one(name):
    x, _ = two_spaces(60)
    turned = 7 * x @ ortho_group.rvs(8, random_state=1) + np.arange(8)
    found = MEASURES[name](x, turned)
    assert found.value == pytest.approx(1, abs=1e-4)
    low, high = found.interval()
    assert high - low < 1e-3


@pytest.mark.parametrize("name", ["debiased", "rsa"])
def test_unrelated_spaces_are_at_zero_however_few_the_items(name):
    rng = np.random.default_rng(0)
    found = [MEASURES[name](rng.normal(size=(40, 30)), rng.normal(size=(40, 30))).value for _ in range(60)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / np.sqrt(60))


def test_plain_cka_and_procrustes_of_unrelated_spaces_are_at_their_floor_which_is_high_for_few_items():
    rng = np.random.default_rng(0)
    pairs = [(whole.centred(rng.normal(size=(40, 30))), whole.centred(rng.normal(size=(40, 30)))) for _ in range(30)]
    cka = np.mean([whole.linear_cka(*pair).value for pair in pairs])
    assert cka == pytest.approx(np.mean([whole.cka_by_chance(*pair) for pair in pairs]), rel=0.03)
    assert cka > 0.3
    turned = np.mean([whole.procrustes(*pair).value for pair in pairs])
    assert turned == pytest.approx(np.mean([whole.procrustes_by_chance(*pair, rng) for pair in pairs]), rel=0.03)


def test_chance_of_plain_cka_is_the_mean_over_all_pairings():
    rng = np.random.default_rng(0)
    x, y = (whole.centred(one) for one in two_spaces(12))
    found = [whole.linear_cka(x, y[rng.permutation(12)]).value for _ in range(2000)]
    assert whole.cka_by_chance(x, y) == pytest.approx(np.mean(found), abs=4 * np.std(found) / np.sqrt(2000))


def test_the_rotation_brings_one_space_onto_the_other():
    x, _ = two_spaces(60)
    turn = ortho_group.rvs(8, random_state=1)
    np.testing.assert_allclose(whole.rotation(x, x @ turn), turn, atol=1e-8)


def test_a_space_without_spread_has_no_value():
    x, _ = two_spaces(30)
    for measure in MEASURES.values():
        assert np.isnan(measure(x, np.ones((30, 4))).value)
