"""The part of a page that is about fine-tuning: everything that template `finetune.html` shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.report import finetune_sizes as sizes
from lab.report.dots import Measured, dot_picture
from lab.report.figures import PageFigure
from lab.report.finetune_answer import Answer, Choice, answers, certainty, choose
from lab.report.finetune_blocks import cache_table, frozen_tables, probe_figure
from lab.report.finetune_checks import DataCheck, data_checks
from lab.report.finetune_errors import Errors, errors_of
from lab.report.finetune_figures import cost_figure, depth_figure
from lab.report.finetune_rates import RateGrid, rate_grid
from lab.report.finetune_rows import Entry, Group, groups_of
from lab.report.style import COLORS
from lab.report.text import typeset
from lab.runs.run import Run

if TYPE_CHECKING:
    from lab.runs.study import Row


@dataclass
class Part:
    """What is shown of one group of rows, under its title where there are several."""

    title: str
    cost: PageFigure | None
    rates: RateGrid | None
    probes: PageFigure | None
    frozen: dict[str, Any] | None
    frozen_more: list[dict[str, Any]]
    cache: dict[str, Any] | None
    errors: Errors | None


@dataclass
class FinetunePage:
    """Everything about fine-tuning. `main`: a depth figure for each task at its most labels; `more`: the others."""

    answers: list[Answer]
    certainty: list[str]
    main: list[PageFigure]
    more: list[PageFigure]
    curves: list[sizes.Sizes]
    similarity: sizes.Similarity | None
    splits: dict[str, Any] | None
    parts: list[Part]
    checks: list[DataCheck]
    groups: list[Group] = field(default_factory=list)
    choices: list[Choice | None] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def figures(self) -> list[PageFigure]:
        """All figures, for the folder beside the page."""
        found: list[PageFigure | None] = [*self.main, *self.more]
        for curve in self.curves:
            found += [curve.overview, *curve.curves]
        for part in self.parts:
            found += [part.cost, part.rates.figure if part.rates else None, part.probes]
            found += part.errors.figures if part.errors else []
        return [figure for figure in found if figure]

    @property
    def folded(self) -> list[Row]:
        """Rows of groups that are not shown at full length: a task's smaller numbers of labels."""
        largest = [_largest(self.groups, group.task) for group in self.groups]
        return [entry.row for group in self.groups if group not in largest for entry in group.entries]

    def has(self, name: str) -> bool:
        """Whether any part has this."""
        return any(getattr(part, name) for part in self.parts)


def finetune_page(rows: Sequence[Row]) -> FinetunePage | None:
    """The page about these rows of labelled tasks; None where none of them is finished."""
    groups = groups_of(rows)
    if not groups:
        return None
    choices = [choose(group) for group in groups]
    largest = [_largest(groups, task) for task in dict.fromkeys(group.task for group in groups)]
    figures = {
        id(group): depth_figure(group, choice.entry if choice else None, f"answer {group.title}".strip())
        for group, choice in zip(groups, choices, strict=True)
    }
    main = [figures[id(group)] for group in largest]
    more = [figures[id(group)] for group in groups if group not in largest]
    shown = [(group, choice) for group, choice in zip(groups, choices, strict=True) if group in largest]
    return FinetunePage(
        answers=answers(groups, choices),
        certainty=[typeset(text) for group, choice in shown for text in certainty(group, choice)],
        main=[figure for figure in main if figure],
        more=[figure for figure in more if figure],
        curves=sizes.learning_curves(groups),
        similarity=sizes.similarity_table(groups),
        splits=_splits(groups),
        parts=[_part(group, choice) for group, choice in shown],
        checks=data_checks(groups),
        groups=groups,
        choices=choices,
        rows=list(rows),
    )


def _largest(groups: Sequence[Group], task: str) -> Group:
    return max((group for group in groups if group.task == task), key=lambda group: group.size)


def _part(group: Group, choice: Choice | None) -> Part:
    chosen = choice.entry if choice else None
    name = group.title
    frozen, more = frozen_tables(group, chosen)
    of = chosen if chosen and chosen.facts.get("confusion") else next(iter(group.of("depth", "strategy")), None)
    return Part(
        title=name,
        cost=cost_figure(group, chosen, f"cost {name}".strip()),
        rates=rate_grid(group, f"learning rates {name}".strip()),
        probes=probe_figure(group, f"probes {name}".strip()),
        frozen=frozen,
        frozen_more=more,
        cache=cache_table(group),
        errors=errors_of(of, name) if of else None,
    )


def _splits(groups: Sequence[Group]) -> dict[str, Any] | None:
    """One picture of all rows where a task was split in several ways, as random, grouped and leaky.

    Below each row that chose among several tries stands what choosing on the test items would have claimed.
    """
    twice = [group for group in groups if group.several_splits]
    if not twice:
        return None
    rows = []
    for place, group in enumerate(twice):
        for entry in group.entries:
            line, color = group.line(entry), place % len(COLORS)
            name = entry.split if len(group.entries) == 1 else f"{entry.title}, {entry.split}"
            values = dict(line.values)
            rows.append(Measured(name, color, line.value or 0.0, line.low, line.high, values, note=entry.label))
            if (claimed := chosen_on_test(entry, group.table.metric)) is not None:
                note = f"best of {len(entry.row.candidates)} tries on the test items of the first run"
                rows.append(Measured("… chosen on test", color, claimed, values={entry.run.seed: claimed}, note=note))
    caption = "Each split has test items of its own, so no verdict compares these rows; all of them are the same model."
    return dot_picture("What the split does to the accuracy", rows, caption)


def chosen_on_test(entry: Entry, metric: str) -> float | None:
    """The best test value among the tries of which the entry chose one on validation data; None for fewer than two."""
    values = []
    for candidate in entry.row.candidates:
        try:
            table = Run(entry.run.path.parent / str(candidate.get("run_id"))).results
        except LabError:  # it failed, or was deleted
            continue
        found = table[(table["metric"] == metric) & (table["split"] == "test")]
        values += found["value"].tolist()[:1]
    return max(values) if len(values) > 1 else None
