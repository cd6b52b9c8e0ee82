"""The sentences of a comparison: titles, the answer, the rule, what would settle it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.evaluation.significance import FEWEST_SEEDS
from lab.report.numbers import as_given, judge_noun, plain, sentence, spoken, spoken_label, with_interval
from lab.report.text import count, listing

if TYPE_CHECKING:
    from lab.evaluation.power import Needed
    from lab.report.comparison_tables import Pair, Table, TableRow
    from lab.report.measured_groups import Test

_MOST_SENTENCES = 4
_OPPOSITE = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Gap:
    """A difference as one of its two rows sees it: its own value minus the other's, and the verdict on itself."""

    value: float
    low: float
    high: float
    verdict: str

    @property
    def numbers(self) -> tuple[float, float, float]:
        """Value, low and high."""
        return self.value, self.low, self.high

    def size(self) -> tuple[float, float, float]:
        """The same with the value above zero."""
        return self.numbers if self.value >= 0 else (-self.value, -self.high, -self.low)


def seen_from(row: TableRow, pair: Pair) -> Gap:
    """The pair's difference from the view of one of its rows."""
    d = pair.difference
    if pair.first == row.label:
        return Gap(d.value, d.low, d.high, d.verdict)
    return Gap(-d.value, -d.high, -d.low, _OPPOSITE.get(d.verdict, d.verdict))


def titles(tests: Sequence[Test]) -> list[str]:
    """A heading for each table of one metric; where there are several, each is headed by what differs."""
    pieces = [_pieces(test) for test in tests]
    shared = set(pieces[0]).intersection(*pieces) if pieces else set()
    apart = [[piece for piece in own if piece not in shared] for own in pieces]
    test_sets = [f"test set {test.fingerprint[:8]}" if test.fingerprint else "unnamed test set" for test in tests]
    for digests in (test_sets, [f"items {test.items[:4]}" for test in tests]):
        texts = ["; ".join(own) for own in apart]
        for own, text, digest in zip(apart, texts, digests, strict=True):
            alike = {other for other, its_text in zip(digests, texts, strict=True) if its_text == text}
            own += [digest] if len(alike) > 1 else []
    headings = []
    for test, own in zip(tests, apart, strict=True):
        title = f"{sentence(spoken(test.evaluation))} {spoken(test.metric)}"
        title += "" if test.split in ("test", "none") else f" on {test.split} data"
        headings.append(f"{title} ({'; '.join(own)})" if own else title)
    return [f"{t} #{n}" if headings.count(t) > 1 else t for n, t in enumerate(headings, start=1)]


def _pieces(test: Test) -> list[str]:
    """What can be said of how and on what a metric was measured."""
    scores = "" if test.items else "no scores per item"
    direction = "higher is better" if test.higher_is_better else "lower is better"
    items = count(test.n, judge_noun(test.evaluation)) + (" a split" if test.resampled else "")
    pieces = [test.context, items, scores, direction, *re.split("[,;] ", test.protocol)]
    return [piece for piece in pieces if piece]


def protocol(table: Table) -> str:
    """The rule behind the verdicts in one line: method, seeds, items, correction, margin."""
    rows = table.ranked
    if not rows:
        return ""
    numbers = sorted({row.seeds for row in rows if not row.deterministic}) or [1]
    seeds = count(numbers[0], table.over) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]} {table.over}s"
    if table.resampled:
        return _over_splits(table)
    if any(row.low is None for row in rows) or (len(rows) > 1 and not table.pairs):
        return f"No scores per item were kept: 95 % intervals over {seeds} alone (Student's t), no verdicts."
    if all(row.deterministic or row.seeds == 1 for row in rows):
        nothing = all(row.deterministic for row in rows)
        beside = "nothing else varied" if nothing else "one seed a row says nothing of other seeds"
        line = f"95 % intervals over {table.n:,} {judge_noun(table.evaluation)}s (Student's t); {beside}"
    else:
        items = f"{table.n:,} {judge_noun(table.evaluation)}s"
        line = (
            f"95 % intervals over {table.splits or seeds} and {items}, both random (two-way random effects, Howe 1974"
        )
        line += "; widened, as training sets overlap, Nadeau and Bengio 2003)" if table.splits else ")"
    if not table.pairs:
        return f"{line}."
    varied = [pair.difference for pair in table.pairs if pair.difference.seed_test]
    matched = [difference for difference in varied if difference.paired]
    unit = table.splits.split(" ")[-1].removesuffix("s") or "seed"
    by = f"by item and {unit}" if matched and len(matched) == len(varied) else "by item"
    by += f", and by {unit} where {unit}s match" if 0 < len(matched) < len(varied) else ""
    return f"{line}; differences paired {by}, {_rule(table)}"


def _over_splits(table: Table) -> str:
    """The rule where every split or fold has test items of its own."""
    how = "Student's t, widened as training sets overlap, Nadeau and Bengio 2003"
    line = f"95 % intervals over {table.splits} of {count(table.n, judge_noun(table.evaluation))} each ({how})"
    unit = table.splits.split(" ")[-1].removesuffix("s")
    return f"{line}; differences paired by {unit}, {_rule(table)}" if table.pairs else f"{line}."


def _rule(table: Table) -> str:
    labels = {row.label for row in table.rows if row.control}
    beside = sum(bool({pair.first, pair.second} & labels) for pair in table.pairs)
    apart = 0 < beside < len(table.pairs) and not any({p.first, p.second} <= labels for p in table.pairs)
    pairs = count(len(table.pairs) - beside * apart, "pair")
    pairs += f" (and apart over {beside} with controls)" if apart else ""
    return (
        f"Holm-adjusted over {pairs} at {as_given(table.alpha)}; the smallest "
        f"difference that matters is {as_given(table.margin)}; "
        "bold: the best and every row that cannot be told from it."
    )


def value_text(row: TableRow) -> str:
    """`.36 [.27, .45]`; an en dash where there is no value."""
    return "–" if row.value is None else with_interval(row.value, row.low, row.high)


def gap_text(row: TableRow) -> str:
    """`-.14 [-.23, -.05], worse` against the best mean; "" for that row itself."""
    if row.against_best is None:
        return ""
    gap = seen_from(row, row.against_best)
    verdict = gap.verdict if row.against_best.difference.enough_seeds else f"fewer than 3 {row.over}s"
    return f"{with_interval(*gap.numbers)}, {verdict}"


def answer(table: Table) -> str:
    """What a table comes to: the best row first, the others with what sets them apart from it."""
    rows = table.ranked
    if not rows:
        return f"{table.title}: no run has finished."
    direction = "" if table.higher_is_better else " (lower is better)"
    parts = [f"{_name(rows[0])}: {table.title}{direction} {value_text(rows[0])}."]
    if len(rows) > _MOST_SENTENCES:
        parts += _summary(table)
    else:
        parts += [f"{_name(row)}: {value_text(row)}{_apart(row, table)}." for row in rows[1:]]
    short_of_seeds = [row for row in rows[1:] if row.against_best and not row.against_best.difference.enough_seeds]
    if short_of_seeds:
        parts.append(f"With fewer than three {table.over}s a row no winner is named.")
    elif len(rows) > 1 and not table.pairs:
        parts.append("No scores per item were kept, so no verdict is given.")
    return " ".join(parts)


def settle(table: Table) -> str | None:
    """What would decide between the best row and the next that cannot be told from it; None where nothing is open."""
    pairs = [(row, row.against_best) for row in table.ranked if row.against_best]
    pairs = [(row, pair) for row, pair in pairs if pair.difference.verdict == "cannot tell"]
    if not pairs:
        return None
    if not all(pair.difference.enough_seeds for _, pair in pairs):
        few = [row for row in table.ranked if not row.deterministic and row.seeds < FEWEST_SEEDS]
        have = listing([f"{spoken_label(row.label)} has {count(row.seeds, row.over)}" for row in few])
        return f"A winner is named from three {table.over}s a row on: {have}."
    rival, pair = pairs[0]
    need = pair.difference.needed
    would = _would_take(table, need)
    names = f"{spoken_label(table.ranked[0].label)} and {spoken_label(rival.label)}"
    chance = "less than 1 %" if need.power < 0.01 else f"{min(need.power, 0.99) * 100:.0f} %"
    return (
        f"If {names} truly differed by {as_given(need.margin)}, these runs would show it with a probability of "
        f"{chance}; for {need.wanted * 100:.0f} % {would}."
    )


def _would_take(table: Table, need: Needed) -> str:
    if table.resampled:
        ways = [count(need.seeds, table.over)] if need.seeds else []
        ways += [f"{need.labels:.2g} times as many labels"] if need.labels else []
        return f"it would take {' or '.join(ways)}" if ways else "it would take many times as many labels"
    ways = []
    if need.seeds and not table.splits:
        ways = [f"{count(need.seeds, 'seed')} a row on these {count(table.n, judge_noun(table.evaluation))}"]
    ways += [f"{count(need.items, judge_noun(table.evaluation))} with these {table.over}s"] if need.items else []
    both = f"both more {table.over}s and more {judge_noun(table.evaluation)}s"
    return f"it would take {' or '.join(ways) or both}"


def _name(row: TableRow) -> str:
    return sentence(f"{spoken_label(row.label)}:").removesuffix(":")


def _apart(row: TableRow, table: Table) -> str:
    """What sets a row apart from the best: `, worse by .14 [.05, .23]`."""
    if row.against_best is None:
        return ""
    gap, difference = seen_from(row, row.against_best), row.against_best.difference
    small = f", less than the {as_given(table.margin)} that matters" if difference.within_margin else ""
    if gap.verdict in _OPPOSITE:
        return f", {gap.verdict} by {with_interval(*gap.size())}{small}"
    seen = f"(difference {with_interval(*gap.numbers)})"
    if gap.verdict == "equivalent":
        return f", equivalent within {as_given(table.margin)} {seen}"
    if not difference.enough_seeds:
        return f" {seen}"
    return f", cannot be told from it {seen}"


def _summary(table: Table) -> list[str]:
    """The other rows of a long table in two sentences."""
    others = [row for row in table.ranked[1:] if row.against_best]
    worse = [row for row in others if row.against_best and seen_from(row, row.against_best).verdict == "worse"]
    level = [row for row in others if row not in worse]
    parts = []
    if level:
        names = listing([spoken_label(row.label) for row in level])
        parts.append(f"It cannot be told from {names}.")
    if worse:
        nearest = worse[0]
        rest = "The other" if level else "All other"
        parts.append(
            f"{rest} {count(len(worse), 'row')} {'is' if len(worse) == 1 else 'are'} worse, the nearest of them "
            f"({spoken_label(nearest.label)}, {value_text(nearest)}){_apart(nearest, table).removeprefix(', worse')}."
        )
    return parts


def p_text(p: float) -> str:
    """A p-value: `.013`, `< .001`."""
    return "< .001" if p < 0.001 else plain(p, 3)
