"""What a page about fine-tuning reads of each row: what was trained, how long, on how much, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import LabError
from lab.report.comparison import compare
from lab.report.numbers import as_given
from lab.report.text import count, listing

if TYPE_CHECKING:
    from lab.report.comparison_tables import Table, TableRow
    from lab.runs.run import Run
    from lab.runs.study import Row

EXPERIMENTS = ("finetune", "baseline")
METHODS = {
    "majority": "majority class",
    "pixels": "raw pixels",
    "tfidf": "TF-IDF",
    "word_vectors": "mean word vectors",
    "embedding": "embedding from scratch",
}
STRATEGIES = {
    "lp_ft": "LP-FT",
    "gradual": "gradual unfreezing",
    "surgical": "surgical",
    "norm_only": "norms only",
    "bitfit": "BitFit",
    "lora": "LoRA",
    "scalar_mix": "scalar mix",
}

SOLVERS = {"lbfgs": "L-BFGS head", "closed_form": "ridge head"}

Kind = Literal["depth", "strategy", "scratch", "untrained", "baseline"]


@dataclass(frozen=True)
class Entry:
    """A row with what its runs kept in finetune.json or baseline.json.

    `facts`: that file of the first finished run; `all_facts`: of every one, in the order of `row.runs`.
    `kind`: a depth of the pretrained network, another strategy, the two controls without pretraining, or a baseline.
    """

    row: Row
    facts: Mapping[str, Any]
    all_facts: Sequence[Mapping[str, Any]]
    kind: Kind

    @property
    def label(self) -> str:
        """The row's label, by which tables know it."""
        return self.row.label

    @property
    def run(self) -> Run:
        """Its first finished run."""
        return self.row.runs[0]

    @property
    def shows_how_little(self) -> bool:
        """Whether it only shows how little is needed: the majority class, or a network that was never trained."""
        return self.kind == "untrained" or self.facts.get("method") == "majority"

    @property
    def blocks(self) -> int:
        """How many blocks the backbone has; 0 for a baseline."""
        return int((self.facts.get("depth") or {}).get("blocks") or len(self.facts.get("blocks") or []))

    @property
    def trained(self) -> int:
        """How many of the last blocks are trained."""
        frozen = (self.facts.get("depth") or {}).get("frozen")
        return self.blocks - int(frozen) if frozen is not None else 0

    @property
    def first_trained(self) -> str:
        """The name of the first block that is trained; "" where none is."""
        names = [block.get("name", "") for block in self.facts.get("blocks") or []]
        return names[self.blocks - self.trained] if 0 < self.trained <= len(names) else ""

    def seconds(self, part: str) -> float:
        """Mean seconds over runs of one part: `train`, `prefix`, `evaluate` or `total`."""
        values = [float((facts.get("seconds") or {}).get(part) or 0) for facts in self.all_facts]
        return sum(values) / len(values) if values else 0.0

    @property
    def cost(self) -> float:
        """Mean seconds that a run took to train, the frozen prefix included."""
        return self.seconds("train") + self.seconds("prefix")

    @property
    def title(self) -> str:
        """Short, for figures and tables: `last 3 of 9 blocks`, `LoRA`, `raw pixels`."""
        if self.kind == "baseline":
            method = str(self.facts.get("method"))
            return METHODS.get(method, method.replace("_", " "))
        if self.kind == "untrained":
            return "untrained backbone"
        if self.kind == "scratch":
            return "from scratch"
        if self.kind == "strategy":
            return self._strategy
        if not self.trained:
            return "all frozen"
        return "everything trained" if self.trained == self.blocks else _last(self.trained, self.blocks)

    @property
    def _strategy(self) -> str:
        settings = self.run.config.get("strategy") or {}
        kind, solver = str((self.facts.get("strategy") or {}).get("kind")), settings.get("solver")
        if kind == "surgical" and settings.get("blocks"):
            return f"surgical, {listing([str(block) for block in settings['blocks']])}"
        if kind == "plain" and settings.get("layer_decay"):
            return f"layer decay {as_given(settings['layer_decay'])}"
        if kind == "plain" and not self.trained and solver in SOLVERS:
            return SOLVERS[solver]
        name = STRATEGIES.get(kind, self.label)
        return f"{name}, last {self.trained}" if kind in STRATEGIES and 0 < self.trained < self.blocks else name

    @property
    def split(self) -> str:
        """How its data were split, in words."""
        split = self.facts.get("split") or {}
        how = re.sub(r"`([^`]*)`", r"“\1”", str(split.get("how") or "a split"))
        leaked, test = split.get("leaked"), split.get("test")
        return f"{how}, {leaked:,} of {test:,} test items leaked" if leaked and isinstance(test, int) else how

    @property
    def gerund(self) -> str:
        """At the beginning of a sentence: `Training the last 3 of 9 blocks`."""
        if self.kind == "depth":
            if not self.trained:
                return "Freezing everything"
            what = "everything" if self.trained == self.blocks else f"the {_last(self.trained, self.blocks)}"
            return f"Training {what}"
        return self.title[:1].upper() + self.title[1:]

    @property
    def imperative(self) -> str:
        """As advice: `Train the last 3 of 9 blocks`."""
        if self.kind == "depth":
            first, _, rest = self.gerund.partition(" ")
            return f"{'Freeze' if first == 'Freezing' else 'Train'} {rest}"
        return self.gerund

    @property
    def infinitive(self) -> str:
        """In the middle of a sentence: `to train the last 3 of 9 blocks`, or its title."""
        return f"to {self.imperative[:1].lower()}{self.imperative[1:]}" if self.kind == "depth" else self.title


@dataclass
class Group:
    """Rows that answer one question together: the same task, as many labels, the same test items.

    `entries` stand in the order of the study; `table` compares them on test items, by the one rule.
    """

    task: str
    entries: list[Entry]
    table: Table
    several_tasks: bool = False
    several_sizes: bool = False
    several_splits: bool = False
    lines: dict[str, TableRow] = field(default_factory=dict)

    @cached_property
    def size(self) -> int:
        """How many labelled items were trained on."""
        sizes = [int(entry.facts.get("train_size") or 0) for entry in self.entries]
        return max([size for size in sizes if size] or [_split_size(entry) for entry in self.entries])

    @property
    def title(self) -> str:
        """What sets the group apart: `flowers5, 100 labels`; "" where it is the only one."""
        parts = [self.task] if self.several_tasks else []
        parts += [count(self.size, "label")] if self.several_sizes else []
        return ", ".join([*parts, *([self.entries[0].split] if self.several_splits else [])])

    def of(self, *kinds: Kind) -> list[Entry]:
        """The entries of these kinds; depths ascending by blocks trained."""
        found = [entry for entry in self.entries if entry.kind in kinds]
        return sorted(found, key=lambda entry: entry.trained) if kinds == ("depth",) else found

    def line(self, entry: Entry) -> TableRow:
        """The entry's row of the table."""
        return self.lines[entry.label]

    def mean(self, entry: Entry) -> float:
        """The entry's mean over seeds and test items."""
        return self.lines[entry.label].value or 0.0

    def bounds(self, entry: Entry) -> tuple[float, float]:
        """Its 95 % interval; the mean two times where it has none."""
        line, mean = self.lines[entry.label], self.mean(entry)
        return (mean if line.low is None else line.low), (mean if line.high is None else line.high)


def split_rows(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows of labelled tasks (fine-tuning and its baselines), and all others."""
    ours = [row for row in rows if row.experiment in EXPERIMENTS]
    if not any(row.experiment == "finetune" for row in ours):
        return [], list(rows)
    return ours, [row for row in rows if row not in ours]


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """The rows with finished runs, grouped by task, amount of labels and test items, in the order of the study."""
    parts: dict[tuple[str, ...], list[Entry]] = {}
    for entry in filter(None, map(entry_of, rows)):
        parts.setdefault(question_of(entry.row), []).append(entry)
    groups = []
    for (source, *_), entries in parts.items():
        entries = _one_depth_each(entries)
        for table in compare([entry.row for entry in entries]).tables:
            lines = {line.label: line for line in table.rows if line.value is not None}
            here = [entry for entry in entries if entry.label in lines]
            if here:
                groups.append(Group(task_name(source), here, table, lines=lines))
    for group in groups:
        group.several_tasks = len({other.task for other in groups}) > 1
        group.several_sizes = len({other.size for other in groups}) > 1
        alike = [other for other in groups if (other.task, other.size) == (group.task, group.size)]
        group.several_splits = len(alike) > 1
    return groups


def entry_of(row: Row) -> Entry | None:
    """The row with the facts its runs kept; None where none is finished or they kept none."""
    all_facts = []
    for run in row.runs:
        try:
            all_facts.append(run.json(row.experiment))
        except LabError:
            return None
    return Entry(row, all_facts[0], all_facts, _kind(row, all_facts[0])) if all_facts else None


def _kind(row: Row, facts: Mapping[str, Any]) -> Kind:
    if row.experiment == "baseline":
        return "baseline"
    strategy = row.runs[0].config.get("strategy") or {}
    frozen, blocks = ((facts.get("depth") or {}).get(key) for key in ("frozen", "blocks"))
    if not facts.get("pretrained", True):
        return "untrained" if frozen == blocks else "scratch"
    kind = (facts.get("strategy") or {}).get("kind", "plain")
    return "depth" if kind == "plain" and not strategy.get("layer_decay") else "strategy"


def _one_depth_each(entries: Sequence[Entry]) -> list[Entry]:
    """Of several rows at one depth the first stands for it; the others are strategies of their own."""
    seen: set[int] = set()
    kept = []
    for entry in entries:
        repeated = entry.kind == "depth" and entry.trained in seen
        seen |= {entry.trained} if entry.kind == "depth" else set()
        kept.append(replace(entry, kind="strategy") if repeated else entry)
    return kept


def question_of(row: Row) -> tuple[str, ...]:
    """What rows must have in common to answer one question: source, amount of labels, and how the data are split."""
    data = row.runs[0].config.get("data") or {}
    split = {key: value for key, value in (data.get("split") or {}).items() if key not in ("seed", "fold")}
    return (str(data.get("source")), str(data.get("train_size")), str(data.get("per_class")), str(split))


def task_name(source: str) -> str:
    """The last part of a path, as people call a data set."""
    return source.rstrip("/").rsplit("/", 1)[-1].removeprefix("hf:") or source


def _split_size(entry: Entry) -> int:
    return int((entry.facts.get("split") or {}).get("train") or len(entry.run.splits.get("train", [])))


def _last(trained: int, blocks: int) -> str:
    return f"last block of {blocks}" if trained == 1 else f"last {trained} of {count(blocks, 'block')}"
