"""The answer of a page about fine-tuning: which strategy to train, chosen on validation data, judged on test data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lab.evaluation.significance import FEWEST_SEEDS
from lab.report.comparison_text import seen_from
from lab.report.measured_groups import training_share
from lab.report.measured_rows import measure, results_of
from lab.report.numbers import as_given, digits_for, plain, spoken, with_interval
from lab.report.text import count, listing, typeset

if TYPE_CHECKING:
    from lab.evaluation.resampled import FoldScores
    from lab.evaluation.significance import ScoreRow
    from lab.report.finetune_rows import Entry, Group
    from lab.report.measured_groups import MeasuredRow, Test

MARGIN = 0.01
_VERDICTS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "just as good",
    "cannot tell": "cannot be told apart",
}
_SAME_TIME = 1.25  # a ratio of times below this is "about the same"


@dataclass(frozen=True)
class Choice:
    """The entry to train. `settled`: it is surely not worse than the best by more than the margin.

    `reasons`: in words how it was chosen, and what would settle what is open.
    """

    entry: Entry
    settled: bool
    reasons: list[str] = field(default_factory=list)


def choose(group: Group) -> Choice | None:
    """The cheapest entry that is non-inferior to the best on validation data, else the best so far.

    Test scores are never looked at. None where no entry has a validation score.
    """
    scored, left_out = _validation(group)
    if not scored:
        return _best_mean(group)
    from lab.evaluation.non_inferiority import Candidate, recommend

    titles = [entry.title for entry, _ in scored]
    names = [
        title if titles.count(title) == 1 else entry.label for (entry, _), title in zip(scored, titles, strict=True)
    ]
    by_name = dict(zip(names, (entry for entry, _ in scored), strict=True))
    candidates = [Candidate(name, scores, entry.cost) for name, (entry, scores) in zip(names, scored, strict=True)]
    found = recommend(candidates, margin=MARGIN, higher_is_better=group.table.higher_is_better)
    reasons = [f"{_upper(text)}." for text in found.reasons if not text.startswith("not settled")]
    if left_out:
        few = listing([entry.title for entry in left_out])
        reasons.append(f"Left out of the choice for having fewer than {FEWEST_SEEDS} seeds: {few}.")
    return Choice(by_name[found.recommended or found.best], found.settled, reasons)


def _candidates(group: Group) -> list[Entry]:
    """What may be recommended: everything but controls."""
    return [entry for entry in group.entries if not entry.row.control and not entry.shows_how_little]


def _validation(group: Group) -> tuple[list[tuple[Entry, ScoreRow | FoldScores]], list[Entry]]:
    """Entries with their validation scores, by seed and item or by fold, and those that have too few seeds to compete.

    Nothing where the entries were not validated on the same items or folds.
    """
    rows = [entry.row for entry in _candidates(group)]
    key = (group.table.evaluation, group.table.metric, "validation")
    groups = [(test, parts) for test, parts in measure(rows, results_of(rows), key).items() if test.items]
    entries = {entry.label: entry for entry in group.entries}
    if len(groups) != 1:
        return [], []
    test, parts = groups[0]
    if test.resampled:
        return [(entries[part.label], scores) for part, scores in _by_fold(test, parts)], []
    order = parts[0].measurements[0].ids or ()
    scored = [(entries[part.label], part.scores(order)) for part in parts]
    few = [entry for entry, scores in scored if not scores.enough_seeds]
    if len(few) == len(scored) or any(entry.kind == "depth" for entry in few):
        return list(scored), []  # the verdict then says that there are too few
    return [(entry, scores) for entry, scores in scored if scores.enough_seeds], few


def _by_fold(test: Test, parts: Sequence[MeasuredRow]) -> list[tuple[MeasuredRow, FoldScores]]:
    """Out-of-fold scores of the rows, over the folds that all of them have."""
    import numpy as np

    from lab.evaluation.resampled import FoldScores

    common = [fold for fold in parts[0].split_values if all(fold in part.split_values for part in parts)]
    if len(common) < 2:
        return []
    trained, held_out = training_share(parts, test)
    return [(p, FoldScores(np.array([p.split_values[f] for f in common]), trained, held_out)) for p in parts]


def _best_mean(group: Group) -> Choice | None:
    """The entry with the best mean of its validation results, where scores by item do not match."""
    means = {}
    for entry in _candidates(group):
        values = [v for run in entry.row.runs if (v := validation_value(run, group)) is not None]
        if values:
            means[entry.label] = sum(values) / len(values)
    if not means:
        return None
    label = max(means, key=lambda name: means[name])
    entry = next(entry for entry in group.entries if entry.label == label)
    return Choice(entry, False, ["It has the best mean on validation data; their items differ between runs."])


def validation_value(run, group: Group) -> float | None:  # type: ignore[no-untyped-def]
    """The run's own validation result of the table's metric."""
    table = run.results
    chosen = table[(table["metric"] == group.table.metric) & (table["split"] == "validation")]
    return float(chosen["value"].iloc[0]) if len(chosen) else None


@dataclass(frozen=True)
class Answer:
    """A task's answer: `place` names task and labels where there are several, `less` is on fewer labels."""

    place: str
    text: str
    less: str = ""

    def __str__(self) -> str:
        """All of it in one line."""
        return " ".join(part for part in (f"{self.place}:" if self.place else "", self.text, self.less) if part)


def answer(group: Group, choice: Choice | None) -> str:
    """`Train the last 3 of 9 blocks: accuracy .954 [.94, .97]. Freezing everything: .850, worse. …`"""
    if choice is None:
        return f"No strategy has a validation score, so none can be chosen for {group.task}."
    line = group.line(choice.entry)
    number = with_interval(line.value or 0.0, line.low, line.high)
    alone = len(_candidates(group)) == 1
    first = f"{choice.entry.gerund if alone else choice.entry.imperative}: {spoken(group.table.metric)} {number}."
    if not choice.settled and not alone:
        first = f"Not settled. Best so far is {choice.entry.infinitive}: {spoken(group.table.metric)} {number}."
    others = [sentence_about(other, choice.entry, group) for other in anchors(group, choice.entry)]
    return " ".join([first, *others])


def anchors(group: Group, chosen: Entry) -> list[Entry]:
    """What the choice is held against: freezing and training everything, and any control that is not worse.

    Where one of the first two is missing or is itself the choice, the row with the best mean of the rest joins in.
    """
    rest = [entry for entry in group.of("depth", "strategy") if entry is not chosen]
    found = [entry for entry in group.of("depth") if entry in rest and entry.trained in (0, entry.blocks)]
    sign = 1 if group.table.higher_is_better else -1
    rest = sorted((e for e in rest if e not in found), key=lambda e: -sign * group.mean(e))
    found += rest[: max(0, 2 - len(found))]
    best = sign * group.mean(chosen)
    controls = [entry for entry in group.of("baseline", "scratch", "untrained") if entry is not chosen]
    equal = [e for e in controls if group.table.verdict(e.label, chosen.label) == "equivalent"]
    reach = [e for e in controls if sign * group.mean(e) >= best or e in equal]
    return found + reach


def sentence_about(entry: Entry, chosen: Entry, group: Group) -> str:
    """`Training everything: .955, cannot be told apart, twice the time.`"""
    line, best = group.line(entry), group.line(chosen)
    value = plain(line.value or 0.0, digits_for(best.low, best.high))
    pair = group.table.pair(line.label, best.label)
    if pair is None:
        return f"{entry.gerund}: {value}."
    if not pair.difference.enough_seeds:
        return f"{entry.gerund}: {value}, no verdict below 3 seeds{_time(entry, chosen)}."
    verdict = seen_from(line, pair).verdict
    time = "" if verdict == "worse" else _time(entry, chosen)
    return f"{entry.gerund}: {value}, {_VERDICTS[verdict]}{time}."


def level_with(chosen: Entry | None, group: Group) -> list[Entry]:
    """The choice and every entry that cannot be told from it on test data; without a choice, from the best."""
    if chosen is None:
        return [entry for entry in group.entries if group.line(entry).best]
    level = ("equivalent", "cannot tell")
    return [e for e in group.entries if e is chosen or group.table.verdict(e.label, chosen.label) in level]


def _time(entry: Entry, chosen: Entry) -> str:
    if entry.cost < 0.01 or chosen.cost < 0.01:
        return ""
    return f", {times(entry.cost / chosen.cost)}"


def times(ratio: float) -> str:
    """A ratio of times in words: `twice the time`."""
    if 1 / _SAME_TIME <= ratio <= _SAME_TIME:
        return "about the same time"
    named = {2.0: "twice the time", 0.5: "half the time", 3.0: "three times the time", 1 / 3: "a third of the time"}
    for value, name in named.items():
        if abs(ratio / value - 1) < 0.12:
            return name
    if ratio > 1:
        return f"{ratio:.0f} times the time" if ratio >= 9.5 else f"{ratio:.1f} times the time"
    return "less than 1 % of the time" if ratio < 0.01 else f"{100 * ratio:.0f} % of the time"


def certainty(group: Group, choice: Choice | None) -> list[str]:
    """How the choice was made, and that the test numbers had no part in it."""
    if choice is None or len(_candidates(group)) == 1:
        return []
    place = f"{group.title}: chosen" if group.title else "Chosen"
    how = (
        f"{place} on validation data alone: the cheapest strategy whose loss against the best is surely under "
        f"{as_given(MARGIN)} (one-sided 95 % bound), among {count(len(_candidates(group)), 'row')}."
        if choice.settled
        else f"{place} on validation data alone, and not settled: none is surely within {as_given(MARGIN)} of the best."
    )
    own = " The test numbers are shown once and were not used for the choice."
    why = re.sub(r"(?<![\d.])0\.(?=\d)", ".", " ".join(choice.reasons))
    why = re.sub(r"(?<![\d.,])\d{5,}(?![\d.])", lambda found: f"{int(found[0]):,}", why)
    return [text for text in (f"{how}{own}", why, group.table.settle) if text]


def over_splits(groups: Sequence[tuple[Group, Choice | None]]) -> str:
    """What one model reaches under several splits of the same data; each has its own test items, hence no verdict."""
    said = []
    for group, choice in groups:
        line = group.line(choice.entry if choice else group.entries[0])
        said.append(f"{group.entries[0].split}: {with_interval(line.value or 0.0, line.low, line.high)}")
    metric = spoken(groups[0][0].table.metric)
    return f"What the split does to the {metric} of the same model: {'; '.join(said)}."


def answers(groups: Sequence[Group], choices: Sequence[Choice | None]) -> list[Answer]:
    """One a task: the answer for its largest number of labels, then the choice for each smaller one."""
    tasks = list(dict.fromkeys(group.task for group in groups))
    found = []
    for task in tasks:
        here = sorted(
            ((group, choice) for group, choice in zip(groups, choices, strict=True) if group.task == task),
            key=lambda pair: -pair[0].size,
        )
        same = [pair for pair in here if pair[0].several_splits and pair[0].size == here[0][0].size]
        if same:
            found.append(Answer(task if len(tasks) > 1 else "", typeset(over_splits(same))))
            continue
        text = typeset(answer(*here[0]))
        fewer = [
            f"with {count(group.size, 'label')}, {choice.entry.infinitive.removeprefix('to ')} "
            f"({plain(group.mean(choice.entry), 3)}{'' if choice.settled else ', not settled'})"
            for group, choice in here[1:]
            if choice is not None
        ]
        found.append(Answer(here[0][0].title, text, f"{_upper('; '.join(fewer))}." if fewer else ""))
    return found


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
