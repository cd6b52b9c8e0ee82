"""Rows that rank, by the split that judges them: other users have to find other items, so they share no table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.runs.study import Row

EXPERIMENTS = ("two_tower", "recommender", "funnel")


@dataclass(frozen=True)
class Ranked:
    """A row whose runs ranked, and what each of them told: `{"at", "users", "beyond", "slices", …}`."""

    row: Row
    color: int
    told: list[dict[str, Any]]

    @property
    def metric(self) -> str:
        """The metric that decides."""
        return f"ndcg@{self.told[0]['at']}"

    @property
    def how(self) -> str:
        """How the pairs were split, in words."""
        return str((self.told[0].get("split") or {}).get("how", ""))

    @property
    def split_kind(self) -> str:
        """The kind of the split, as the config has it."""
        return str(((self.row.runs[0].config.get("data") or {}).get("split") or {}).get("kind", "random"))

    def beyond(self, name: str) -> float | None:
        """The mean over runs of a number of the lists as a whole."""
        return mean([told["beyond"].get(name) for told in self.told])

    def value(self, metric: str) -> float | None:
        """The mean over runs of a metric on the part that is judged."""
        values = [
            result["value"]
            for run in self.row.runs
            for result in run.results.to_dict("records")
            if (result["evaluation"], result["metric"]) == ("ranking", metric)
            and result["split"] == self.told[0]["judged"]
        ]
        return mean(values)

    @property
    def accuracy(self) -> float | None:
        """The mean over runs of the metric that decides."""
        return self.value(self.metric)

    def slices(self, metric: str) -> dict[tuple[str, str], tuple[int, float]]:
        """Slice → users and mean of a metric, over runs; users are those of the first run."""
        found: dict[tuple[str, str], list[tuple[int, float]]] = {}
        for told in self.told:
            for part in told["slices"]:
                if metric in part:
                    found.setdefault((part["by"], part["slice"]), []).append((part["users"], part[metric]))
        return {key: (own[0][0], sum(value for _, value in own) / len(own)) for key, own in found.items()}


@dataclass(frozen=True)
class SplitGroup:
    """Rows judged by one split; `title` is what their labels say of it, "" where there is but one split.

    `rows`: all of them, called without the words of the title; `ranked`: those that have finished; `labels`: what the
    study calls them.
    """

    title: str
    rows: list[Row]
    ranked: list[Ranked]
    labels: list[str]


def split_groups(rows: Sequence[Row]) -> list[SplitGroup]:
    """The rows that rank, a group a split, in the order of the study; a row's place in it gives its colour."""
    told = {row.label: facts for row in rows if (facts := _all_facts(row))}
    by_split: dict[str, list[Row]] = {}
    for row in rows:
        if row.label in told:
            by_split.setdefault(Ranked(row, 0, told[row.label]).how, []).append(row)
    groups = []
    for how, own in by_split.items():
        title = _ending([row.label for row in own]) if len(by_split) > 1 else ""
        called = [row.label.removesuffix(f", {title}") if title else row.label for row in own]
        ranked = [
            Ranked(replace(row, label=name), place, told[row.label])
            for place, (row, name) in enumerate(zip(own, called, strict=True))
        ]
        waiting = [row for row in rows if not row.runs and title and row.label.endswith(f", {title}")]
        unfinished = [replace(row, label=row.label.removesuffix(f", {title}")) for row in waiting]
        heading = (title or how) if len(by_split) > 1 else ""
        labels = [row.label for row in (*own, *waiting)]
        groups.append(SplitGroup(heading, [*(one.row for one in ranked), *unfinished], ranked, labels))
    return groups


def _ending(labels: Sequence[str]) -> str:
    """The words behind a comma with which all labels end: `EASE, new users` and `iALS, new users` → `new users`."""
    parts = [label.split(", ") for label in labels]
    shared: list[str] = []
    for ends in zip(*(reversed(own[1:]) for own in parts), strict=False):
        if len(set(ends)) > 1:
            break
        shared.insert(0, ends[0])
    # Words that all rows have in common say what they share only where there are several rows.
    return ", ".join(shared) if len(labels) > 1 else ""


def _all_facts(row: Row) -> list[dict[str, Any]]:
    return [facts for run in row.runs if (facts := _facts(run))]


def _facts(run: Run) -> dict[str, Any] | None:
    if run.experiment not in EXPERIMENTS:
        return None
    try:
        told = run.json(run.experiment)
    except LabError:
        return None
    return told if "beyond" in told else None


def mean(values: Sequence[float | None]) -> float | None:
    """The mean of the numbers that there are; None where there is none."""
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
