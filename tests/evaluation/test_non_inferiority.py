from __future__ import annotations

import json

import numpy as np
import pytest

from lab.evaluation.intervals import difference_estimate
from lab.evaluation.non_inferiority import PRACTICAL_SEEDS, Candidate, one_sided_p, recommend, shaffer
from lab.evaluation.resampled import FoldScores
from lab.evaluation.significance import ScoreRow


def row(accuracy, seeds=5, items=2000, seed=0, noise=0.02):
    """Scores of one row: items share their difficulty with all rows, a few answers are the seed's own."""
    difficulty = np.random.default_rng(99).random(items)
    own = np.random.default_rng([seed, 7]).normal(0, noise, (seeds, items))
    return ScoreRow((difficulty + own < accuracy).astype(float), range(seeds))


def test_the_cheapest_that_loses_less_than_the_margin():
    candidates = [
        Candidate("all", row(0.95, seed=1), 90.0),
        Candidate("three", row(0.95, seed=2), 40.0),
        Candidate("none", row(0.85, seed=3), 1.0),
    ]
    found = recommend(candidates, margin=0.02)
    assert found.recommended == "three"
    assert found.settled
    assert [standing.label for standing in found.standings] == ["none", "three", "all"]
    by_label = {standing.label: standing for standing in found.standings}
    assert by_label["three"].upper < 0.02 < by_label["none"].upper
    assert by_label["none"].loss == pytest.approx(0.1, abs=0.02)
    assert by_label["none"].p_value > 0.99
    assert found.reasons[0].startswith("three is the cheapest")
    assert "none is cheaper" in found.reasons[1]
    json.dumps(found.to_dict(), allow_nan=False)


def test_order_of_candidates_and_sign_of_metric_do_not_matter():
    candidates = [Candidate(str(i), row(0.9 + 0.01 * i, seed=i), 10.0 + i) for i in range(4)]
    there, back = recommend(candidates, margin=0.02), recommend(candidates[::-1], margin=0.02)
    assert there.to_dict() == back.to_dict()
    losses = [Candidate(c.label, ScoreRow(1 - c.scores.scores, c.scores.seeds), c.cost_seconds) for c in candidates]
    other = recommend(losses, margin=0.02, higher_is_better=False)
    assert (other.recommended, other.best) == (there.recommended, there.best)
    assert [s.upper for s in other.standings] == pytest.approx([s.upper for s in there.standings])


def test_not_settled_says_what_is_missing():
    candidates = [Candidate(name, row(0.9, items=100, seed=i, noise=0.2), 10.0 - i) for i, name in enumerate("abc")]
    found = recommend(candidates, margin=0.01)
    assert found.recommended is None
    assert not found.settled
    assert found.needed is not None
    assert found.needed.items is None  # seeds vary as well
    assert found.needed.both is not None
    assert found.needed.both[0] > PRACTICAL_SEEDS
    assert found.reasons[0].startswith("not settled")
    assert "hundreds of seeds" in found.reasons[-1]  # a number that nobody would run helps nobody
    calmer = [Candidate(name, row(0.9, items=100, seed=i, noise=0.02), 10.0 - i) for i, name in enumerate("abc")]
    found = recommend(calmer, margin=0.01)
    assert found.recommended is None
    assert "more validation items would probably show it" in found.reasons[-1]


def test_what_was_said_to_be_missing_does_settle_it():
    def candidates(items, first):
        rng = np.random.default_rng(first)
        difficulty = rng.random(items)
        return [
            Candidate(name, ScoreRow((difficulty + rng.normal(0, 0.05, (5, items)) < 0.9).astype(float), range(5)), 1.0)
            for name in "ab"
        ]

    small = recommend(candidates(150, 0), margin=0.02)
    assert small.needed is not None
    assert small.needed.items is not None
    enough = 150 + small.needed.items
    settled = [recommend(candidates(enough, trial), margin=0.02).settled for trial in range(1, 41)]
    assert np.mean(settled) > 0.6


def test_fewer_than_three_seeds_settle_nothing():
    candidates = [Candidate("a", row(0.95, seeds=2, seed=1), 1.0), Candidate("b", row(0.5, seeds=5, seed=2), 2.0)]
    found = recommend(candidates)
    assert found.recommended is None
    assert "seeds" in found.reasons[1]


def test_one_candidate_needs_no_comparison():
    found = recommend([Candidate("only", row(0.9, seeds=1), 3.0)])
    assert (found.recommended, found.best) == ("only", "only")


def test_folds_are_compared_with_their_correction():
    rng = np.random.default_rng(0)
    shared = rng.normal(0.9, 0.02, 10)
    same = FoldScores(shared + rng.normal(0, 0.001, 10), 800, 200)
    found = recommend(
        [
            Candidate("cheap", same, 1.0),
            Candidate("costly", FoldScores(shared, 800, 200), 9.0),
            Candidate("bad", FoldScores(shared - 0.1, 800, 200), 0.5),
        ]
    )
    assert found.recommended == "cheap"
    wide = recommend(
        [
            Candidate("cheap", FoldScores(shared + rng.normal(0, 0.02, 10), 800, 200), 1.0),
            Candidate("costly", FoldScores(shared, 800, 200), 9.0),
        ]
    )
    assert wide.recommended is None
    assert wide.needed is not None
    assert wide.needed.labels is not None
    assert wide.needed.labels > 1
    assert "times the labels" in wide.reasons[-1]


def test_the_bound_falls_below_the_margin_exactly_where_the_p_value_says_so():
    for trial in range(20):
        scores = [row(0.9, items=400, seed=10 * trial + i) for i in range(4)]
        found = recommend([Candidate(str(i), s, float(i)) for i, s in enumerate(scores)], margin=0.03)
        for standing in found.standings:
            assert (standing.upper < 0.03) == (standing.p_value < 0.05)


def test_one_sided_p_is_the_level_of_the_bound():
    estimate = difference_estimate(row(0.9).scores, row(0.89, seed=4).scores, paired=True)
    p = one_sided_p(estimate, margin=0.05)
    assert estimate.center + estimate.half_width(2 * p) == pytest.approx(0.05, abs=1e-6)
    assert one_sided_p(estimate, margin=1e-6) > 0.5


def test_shaffers_first_step():
    assert shaffer(np.array([0.01, 0.02])) == pytest.approx([0.01, 0.02])
    assert shaffer(np.array([0.03, 0.01, 0.02, 0.5])) == pytest.approx([0.06, 0.03, 0.06, 0.5])
    assert shaffer(np.array([0.4])) == pytest.approx([0.4])


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        [Candidate("a", row(0.9), 1.0), Candidate("a", row(0.9), 1.0)],
        [Candidate("a", row(0.9), 1.0), Candidate("b", row(0.9, items=50), 1.0)],
        [Candidate("a", row(0.9), 1.0), Candidate("b", FoldScores(np.array([0.1, 0.2]), 8, 2), 1.0)],
    ],
)
def test_what_cannot_be_compared_is_refused(wrong):
    with pytest.raises(ValueError, match="candidates"):
        recommend(wrong)


@pytest.mark.parametrize(("margin", "alpha"), [(0, 0.05), (0.01, 0), (0.01, 0.6)])
def test_margin_and_alpha_have_ranges(margin, alpha):
    with pytest.raises(ValueError, match="margin"):
        recommend([Candidate("a", row(0.9), 1.0)], margin=margin, alpha=alpha)
