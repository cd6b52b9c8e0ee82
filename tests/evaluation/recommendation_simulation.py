"""How often a strategy is recommended that is worse than the best by the margin, by `lab` and by two simpler rules.

    python tests/evaluation/recommendation_simulation.py        # prints the table of docs/statistics.md, some minutes

In every scene some candidates are worse than the best by exactly the margin, where a false recommendation is likeliest;
the cheap ones are the bad ones. The two rules that lost live here and nowhere else:

- "against the best seen": the one-sided 95 % bound against whoever has the best mean, who always passes itself;
- "against all": the bound against every other, with no adjustment for the number of candidates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from null_simulation import MIXES, effects

from lab.evaluation.intervals import Estimate, difference_estimate
from lab.evaluation.non_inferiority import Candidate, recommend
from lab.evaluation.resampled import FoldScores, resampled_difference
from lab.evaluation.significance import ScoreRow

SEEDS, ITEMS = (3, 5, 10), (200, 1000)
METHODS = ("lab", "against the best seen", "against all")
Scene = Callable[[np.random.Generator, int, int], tuple[list[Candidate], float, set[int]]]


def normal(mix: str, worse: int, as_good: int = 0) -> Scene:
    """One best, `as_good` equals, `worse` cheaper ones a margin of two standard errors below it; normal scores."""

    def draw(rng: np.random.Generator, seeds: int, items: int) -> tuple[list[Candidate], float, set[int]]:
        margin = 4.0
        difficulty = 30 * rng.standard_normal(items)
        candidates = []
        for place in range(worse + as_good + 1):
            scores = difficulty + effects(rng, seeds, items, MIXES[mix]) * np.sqrt(2) - margin * (place < worse)
            candidates.append(Candidate(str(place), ScoreRow(scores, range(seeds)), float(place)))
        return candidates, margin, set(range(worse))

    return draw


def right_or_wrong(accuracy: float, worse: int, margin: float, seed: float, item: float, both: float) -> Scene:
    """0/1 scores: a normal quantity beside a difficulty of standard deviation 1 below a threshold."""
    from scipy.stats import norm

    spread = np.sqrt(1 + seed**2 + item**2 + both**2)

    def draw(rng: np.random.Generator, seeds: int, items: int) -> tuple[list[Candidate], float, set[int]]:
        difficulty = rng.standard_normal(items)
        candidates = []
        for place in range(worse + 1):
            latent = difficulty + seed * rng.standard_normal((seeds, 1)) + item * rng.standard_normal((1, items))
            latent = latent + both * rng.standard_normal((seeds, items))
            threshold = norm.ppf(accuracy - margin * (place < worse)) * spread
            candidates.append(Candidate(str(place), ScoreRow((latent < threshold).astype(float), range(seeds)), place))
        return candidates, margin, set(range(worse))

    return draw


def folds(worse: int) -> Scene:
    """Scores by fold (five, as often as there are seeds) whose correlation is the one that the correction assumes."""

    def draw(rng: np.random.Generator, seeds: int, items: int) -> tuple[list[Candidate], float, set[int]]:
        count, correlation, margin = 5 * seeds, 0.2, 0.02
        shared = 0.05 * rng.standard_normal(count)
        candidates = []
        for place in range(worse + 1):
            own = np.sqrt(correlation) * rng.standard_normal() + np.sqrt(1 - correlation) * rng.standard_normal(count)
            values = 0.9 + shared + 0.014 * own - margin * (place < worse)
            candidates.append(Candidate(str(place), FoldScores(values, 0.8 * items, 0.2 * items), float(place)))
        return candidates, margin, set(range(worse))

    return draw


SCENES: dict[str, Scene] = {
    **{f"normal: {mix}; 4 worse": normal(mix, 4) for mix in ("items", "seeds and items", "seeds", "all three")},
    "normal: all three; 1 worse": normal("all three", 1),
    "normal: all three; 4 worse, 3 as good": normal("all three", 4, 3),
    "normal: all three; 9 worse": normal("all three", 9),
    "0/1, 80 % right; 4 worse by .03": right_or_wrong(0.8, 4, 0.03, seed=0.02, item=0.15, both=0.15),
    "0/1, 95 % right; 4 worse by .02": right_or_wrong(0.95, 4, 0.02, seed=0.05, item=0.2, both=0.2),
    "folds; 4 worse": folds(4),
}


def loss(candidate: Candidate, rival: Candidate) -> Estimate:
    own, other = candidate.scores, rival.scores
    if isinstance(own, FoldScores) and isinstance(other, FoldScores):
        return resampled_difference(other.values - own.values, own.train_n, own.test_n)
    return difference_estimate(other.scores, own.scores, paired=len(own.scores) > 1)


def chosen(candidates: list[Candidate], margin: float, method: str) -> int | None:
    """The place of the recommended candidate; they come cheapest first."""
    if method == "lab":
        label = recommend(candidates, margin=margin).recommended
        return None if label is None else int(label)
    rivals = range(len(candidates))
    if method == "against the best seen":
        rivals = [int(np.argmax([candidate.mean for candidate in candidates]))]
    for place, candidate in enumerate(candidates):
        losses = [loss(candidate, candidates[rival]) for rival in rivals if rival != place]
        if all(e.center + e.half_width(0.1) < margin for e in losses):
            return place
    return None


def false_recommendations(
    scene: Scene, seeds: int, items: int, trials: int, methods: tuple[str, ...] = ("lab",)
) -> dict[str, float]:
    """The share of `trials` in which each method recommends a candidate that is worse by the margin."""
    rng = np.random.default_rng([seeds, items, trials])
    wrong = dict.fromkeys(methods, 0)
    for _ in range(trials):
        candidates, margin, worse = scene(rng, seeds, items)
        for method in methods:
            wrong[method] += chosen(candidates, margin, method) in worse
    return {method: count / trials for method, count in wrong.items()}


def main(trials: int = 500) -> None:
    """Print the rates, in per cent, at every number of seeds and items."""
    print(f"| scores | {' | '.join(f'{s} × {i:,}' for s in SEEDS for i in ITEMS)} |")
    print(f"| --- |{' --- |' * len(SEEDS) * len(ITEMS)}")
    for name, scene in SCENES.items():
        cells = [
            " / ".join(f"{100 * rate:.1f}" for rate in false_recommendations(scene, s, i, trials, METHODS).values())
            for s in SEEDS
            for i in ITEMS
        ]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
