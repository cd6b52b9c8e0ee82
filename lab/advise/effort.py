"""How much is tried in the minutes there are: depths, learning rates, epochs, and folds or seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

RATES = {
    "image": [3e-3, 1e-3, 1e-2, 3e-4],
    "text": [3e-4, 1e-3, 1e-4, 3e-5],
}
"""Learning rates of AdamW to choose from, the most likely ones first."""
PENALTIES = [0.01, 0.1, 1.0, 10.0, 100.0]
SECONDS_A_RUN = 3.0
"""Reading the data, loading the network, judging and saving."""


@dataclass(frozen=True)
class Cost:
    """Seconds an item: `step` of training and `evaluate` from the cut, of one depth; `forward` of the whole network."""

    step: float
    evaluate: float
    forward: float


@dataclass(frozen=True)
class Effort:
    """What a study tries. `depths`: frozen blocks; the one that freezes all trains its head by L-BFGS.

    `folds` 0: one split and `repeats` seeds, else `repeats` times so many folds. `rates`: how many learning rates each
    depth chooses from. `left_out`: depths that did not fit. `lp_ft`: the head is solved first and then everything is
    trained, too (LP-FT; Kumar et al., 2022).
    """

    depths: tuple[int, ...]
    folds: int
    repeats: int
    epochs: int
    rates: int
    left_out: tuple[int, ...] = ()
    lp_ft: bool = False

    @property
    def replicates(self) -> int:
        """Runs a depth, those that only try a learning rate apart."""
        return (self.folds or 1) * self.repeats


@dataclass(frozen=True)
class Sizes:
    """Items of the data: all that are used, and those of the training and validation part of one run."""

    used: int
    train: int
    validation: int


def fit_budget(
    depths: Sequence[int], blocks: int, costs: Mapping[int, Cost], sizes: Sizes, *, folds: bool, seconds: float
) -> tuple[Effort, float]:
    """The largest effort that fits into `seconds`, and what it takes; the smallest where none does.

    `depths`: frozen blocks, of `blocks`. Rather less of everything than a depth less: only if no effort is small
    enough is the most expensive depth left out, then the next. LP-FT is tried where every depth is, and it fits too.
    """
    ordered = sorted(depths, key=lambda depth: -depth)
    for count in range(len(ordered), 1, -1):
        kept, left_out = tuple(ordered[:count]), tuple(ordered[count:])
        for effort in _efforts(kept, folds):
            estimate = total_seconds(effort, blocks, costs, sizes)
            if estimate <= seconds or (count == 2 and effort == list(_efforts(kept, folds))[-1]):
                return _with_lp_ft(replace(effort, left_out=left_out), estimate, blocks, costs, sizes, seconds)
    raise AssertionError("two depths always give an effort")


def _with_lp_ft(
    effort: Effort, estimate: float, blocks: int, costs: Mapping[int, Cost], sizes: Sizes, seconds: float
) -> tuple[Effort, float]:
    """The effort with LP-FT too where there is time for it, and what it takes."""
    more = replace(effort, lp_ft=True)
    if effort.left_out or 0 not in effort.depths or (longer := total_seconds(more, blocks, costs, sizes)) > seconds:
        return effort, estimate
    return more, longer


def total_seconds(effort: Effort, blocks: int, costs: Mapping[int, Cost], sizes: Sizes) -> float:
    """What a study takes with one run at a time: the frozen part once, every run, and the controls."""
    once = sizes.used * max(cost.forward for cost in costs.values())
    total = 2 * once  # the untrained network's features are a control
    for depth in [*effort.depths, *([0] if effort.lp_ft else [])]:  # LP-FT: as training everything, after the head
        runs = effort.replicates + (len(PENALTIES) if depth == blocks else effort.rates) - 1
        cost = costs[depth]
        epochs = 1 if depth == blocks else effort.epochs
        each = epochs * (sizes.train * cost.step + sizes.validation * cost.evaluate) + sizes.used * cost.evaluate
        total += runs * (SECONDS_A_RUN + each)
    return total + 4 * effort.replicates * SECONDS_A_RUN / 2


def candidate_depths(blocks: int) -> list[int]:
    """Frozen blocks worth trying: all, all but one, two and three, half, none."""
    wanted = [blocks, blocks - 1, blocks - 2, blocks - 3, blocks // 2, 0]
    return sorted({max(depth, 0) for depth in wanted}, reverse=True)


def _efforts(depths: tuple[int, ...], folds: bool) -> Iterator[Effort]:
    """Efforts for these depths, the largest first."""
    repeated = [(5, 2), (5, 1)] if folds else [(0, 5), (0, 3)]
    ladder = [(0, 4, 10), (0, 3, 10), (0, 3, 6), (1, 3, 6), (1, 2, 6), (1, 2, 4), (1, 2, 3)]
    for level, rates, epochs in ladder:
        count, repeats = repeated[min(level, len(repeated) - 1)]
        yield Effort(depths, count, repeats, epochs, rates)
