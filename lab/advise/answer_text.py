"""The answer of `lab advise` in words: short, the recommendation first, what was not used for it last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.report.numbers import as_given, plain, with_interval
from lab.report.text import count
from lab.runs.progress import duration

if TYPE_CHECKING:
    from lab.advise.answer import Advice, Strategy
    from lab.evaluation.non_inferiority import More

_CLOSE, _FEWEST = 0.01, 3


def sentences(advice: Advice) -> list[str]:
    """The answer, line by line: what to do, why, the table, the controls, and the test score."""
    return [answer(advice), *_reasons(advice), "", *_table(advice), "", *_controls(advice), *_test(advice)]


def answer(advice: Advice) -> str:
    """`Recommended: trains the last 2 of 9 blocks: accuracy .931 [.91, .95] over 10 folds.`"""
    pick = advice.pick
    where = f"out of fold, {advice.over}" if advice.folds else f"on validation items, {advice.over}"
    shown = f"{advice.metric} {with_interval(pick.value, pick.low, pick.high)} {where}"
    if not advice.recommendation.settled:
        return f"Not settled. Best so far: {spoken(pick)} ({shown})."
    return f"Recommended: {spoken(pick)} ({shown})."


def spoken(strategy: Strategy) -> str:
    """The strategy with what it chose: `trains the last 2 of 9 blocks, learning rate 0.003`."""
    chosen = [f"{key.rsplit('.', 1)[-1].replace('_', ' ')} {value:g}" for key, value in strategy.chosen.items()]
    return ", ".join([strategy.label, *chosen])


def _reasons(advice: Advice) -> list[str]:
    """Why, in whole sentences."""
    said = advice.recommendation
    margin = as_given(said.margin)
    if said.settled:
        pick = next(standing for standing in said.standings if standing.label == said.recommended)
        lines = [f"The cheapest that is shown to lose less than {margin} against every other (one-sided 95 %)."]
        cheaper = said.standings[: said.standings.index(pick)]
        lines += [f"Cheaper, but may lose {plain(other.upper, 3)}: {other.label}." for other in cheaper]
        return lines if len(said.standings) > 1 else []
    lines = [f"None is shown to lose less than {margin} against all others (one-sided 95 %)."]
    few = [strategy for strategy in advice.strategies if len(strategy.runs) < _FEWEST]
    if few:
        lines.append(f"A winner is named from three seeds a strategy on; {few[0].label} has {len(few[0].runs)}.")
    if said.needed is not None and (ways := _ways(said.needed)):
        favour = "" if said.needed.label == said.best else f", in favour of: {said.needed.label}"
        lines.append(f"{' or '.join(ways)} would probably settle it{favour}.")
    elif not few:
        both = "Neither more seeds nor more validation items would settle it alone: it takes both."
        lines.append("It would take many times as many labels to settle it." if advice.folds else both)
    return lines


def _ways(more: More) -> list[str]:
    """What would settle it, each alone."""
    ways = [count(number, f"more {kind}") for number, kind in ((more.seeds, "seed"), (more.folds, "fold")) if number]
    ways += [f"{more.items:,} more validation items"] if more.items else []
    return ways + ([f"{more.labels:.2g} times as many labels"] if more.labels and more.labels > 1 else [])


def _table(advice: Advice) -> list[str]:
    from lab.terminal import columns

    standings = {standing.label: standing for standing in advice.recommendation.standings}
    rows = []
    for strategy in advice.strategies:
        standing = standings[strategy.label]
        mark = "→" if strategy.label == advice.pick.label else " "
        loses = plain(standing.upper, 3) if standing.upper > 0 else "nothing"
        value = with_interval(strategy.value, strategy.low, strategy.high)
        rows.append((f"{mark} {spoken(strategy)}", value, loses, duration(strategy.seconds)))
    return columns(rows, ("  strategy", f"{advice.metric} (95 %)", "loses at most", "one training")).splitlines()


def _controls(advice: Advice) -> list[str]:
    """What simple methods reach; said loudly where they reach as much."""
    if not advice.controls:
        return []
    listed = ", ".join(f"{label} {plain(value, 2)}" for label, value in advice.controls.items())
    lines = [f"For comparison, on the same data: {listed}."]
    label, value = max(advice.controls.items(), key=lambda item: item[1])
    if value >= advice.pick.value - _CLOSE:
        lines.append(f"{label} does as well: such data need no fine-tuned network.")
    if advice.similarity is not None:
        lines.append(
            f"Similarity of the task to the pretraining: {plain(advice.similarity, 2)} (0: frozen features do no "
            "better than an untrained network's, 1: as well as the best strategy)."
        )
    return lines


def _test(advice: Advice) -> list[str]:
    row = advice.test
    if row is None or row.value is None:
        return []
    shown = with_interval(row.value, row.low, row.high)
    return [f"On {advice.test_n:,} test items, which were not used for the choice: {advice.metric} {shown}."]
