"""What a page about embeddings of pictures reads of each row: what made the vectors, how many numbers they have.

Rows are autoencoders and what they are held against: PCA, raw pixels, an untrained encoder, a pretrained network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import LabError
from lab.report.comparison import compare
from lab.report.finetune_rows import question_of, task_name
from lab.report.measured_rows import results_of

if TYPE_CHECKING:
    from lab.report.comparison_tables import Table, TableRow
    from lab.runs.run import Run
    from lab.runs.study import Row

EXPERIMENTS = ("autoencoder", "features")
OBJECTIVES = {"denoising": "denoising", "sparse": "sparse", "variational": "variational", "vq": "VQ"}
METHODS = {"pca": "PCA", "pixels": "raw pixels"}
BACKBONES = {"efficientnet-lite0": "EfficientNet-Lite0", "minilm-l6": "MiniLM-L6"}
SMALLEST_SHARE = 0.05  # of the best reconstruction error: a smaller difference is none that matters

Kind = Literal["autoencoder", "untrained", "pca", "pixels", "backbone"]


@dataclass(frozen=True)
class Purpose:
    """What an embedding can be good for, and the test that says how good."""

    evaluation: str
    metric: str
    use: str

    @property
    def key(self) -> str:
        """As `compare` takes it."""
        return f"{self.evaluation}/{self.metric}"


LINEAR = Purpose("linear probe", "accuracy", "a linear probe")
NEIGHBORS = Purpose("nearest neighbours", "accuracy", "nearest neighbours")
RECONSTRUCTION = Purpose("reconstruction", "mse", "reconstruction")
PURPOSES = (LINEAR, NEIGHBORS, RECONSTRUCTION)


def few_labels(labels: int) -> Purpose:
    """The linear probe on so many labels a class."""
    return Purpose(f"{LINEAR.evaluation}, {labels} labels a class", "accuracy", f"{labels} labels a class")


@dataclass(frozen=True)
class Entry:
    """A row: `name` without its size (`denoising`, `PCA`), `size` in dimensions, `facts`: its first run's embedding."""

    row: Row
    kind: Kind
    name: str
    size: int
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The row's label, by which tables know it."""
        return self.row.label

    @property
    def run(self) -> Run:
        """Its first finished run."""
        return self.row.runs[0]

    @property
    def sized(self) -> bool:
        """Whether its size is a choice: a pretrained network's and the pixels' are what they are."""
        return self.kind not in ("pixels", "backbone")

    @property
    def title(self) -> str:
        """Without its size: `denoising autoencoder`, `PCA`, `raw pixels`."""
        return f"{self.name} autoencoder" if self.kind == "autoencoder" else self.name

    @property
    def whole(self) -> str:
        """With its size: `denoising autoencoder, 32 dimensions`."""
        return f"{self.title}, {self.size:,} dimensions"

    @cached_property
    def all_facts(self) -> list[Mapping[str, Any]]:
        """What every run kept as its embedding's facts, in the order of `row.runs`."""
        return [_facts(run) for run in self.row.runs]

    @property
    def below_pca(self) -> int:
        """How many of its runs flagged themselves: below PCA of the same size, outside the interval."""
        return sum(bool((facts.get("pca") or {}).get("below")) for facts in self.all_facts)

    def probed(self, labels: int | None, probe: str) -> float | None:
        """The mean over runs of a probe (`linear`, `neighbors`) on so many labels a class (None: all there are)."""
        found = [one for facts in self.all_facts for one in facts.get("probes") or [] if one.get("labels") == labels]
        values = [float(one[probe]["mean"]) for one in found if one.get(probe)]
        return sum(values) / len(values) if values else None


@dataclass
class Group:
    """The rows of one task. `tables`: by size and purpose, rows of that size and those whose size is no choice."""

    task: str
    entries: list[Entry]
    several_tasks: bool = False
    _tables: dict[tuple[int, str], Table | None] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """What sets the group apart; "" where it is the only one."""
        return self.task if self.several_tasks else ""

    @cached_property
    def sizes(self) -> list[int]:
        """Sizes of the autoencoders, ascending; of the other rows where there are none."""
        own = [entry.size for entry in self.entries if entry.kind == "autoencoder"]
        return sorted(set(own or [entry.size for entry in self.entries if entry.sized] or [0]))

    def at(self, size: int) -> list[Entry]:
        """The rows of this size, then those whose size is no choice."""
        return [e for e in self.entries if e.sized and e.size == size] + [e for e in self.entries if not e.sized]

    def table(self, size: int, purpose: Purpose) -> Table | None:
        """The rows at a size compared for a purpose by the one rule; None where fewer than one was measured."""
        key = (size, purpose.key)
        if key not in self._tables:
            self._tables[key] = _table(self.at(size), purpose)
        return self._tables[key]

    def entry(self, label: str) -> Entry:
        """The entry of a row of a table."""
        return next(entry for entry in self.entries if entry.label == label)

    def line(self, entry: Entry, purpose: Purpose, size: int | None = None) -> TableRow | None:
        """The row of an entry in the table of its size (of `size`, for one whose size is no choice)."""
        table = self.table(entry.size if entry.sized else (size or self.sizes[-1]), purpose)
        found = (row for row in (table.ranked if table else []) if row.label == entry.label)
        return next(found, None)

    @cached_property
    def purposes(self) -> list[Purpose]:
        """What was measured of any row, probes first."""
        return [purpose for purpose in PURPOSES if any(self.table(size, purpose) for size in self.sizes)]

    @cached_property
    def label_counts(self) -> list[int]:
        """At how many labels a class the rows were probed beside all there are, ascending."""
        found = {probe.get("labels") for entry in self.entries for probe in entry.facts.get("probes") or []}
        return sorted(count for count in found if count)

    @cached_property
    def focus(self) -> int:
        """The size that the answer speaks of: of the autoencoder that is best on validation items, else the largest."""
        best = self.best(self.sizes)
        return best.size if best else self.sizes[-1]

    def best(self, sizes: Sequence[int], purpose: Purpose | None = None) -> Entry | None:
        """Of the autoencoders of these sizes the best on validation items, for the first purpose; None without any."""
        rivals = [entry for entry in self.entries if entry.kind == "autoencoder" and entry.size in sizes]
        purpose = purpose or (self.purposes or [LINEAR])[0]
        means = [(entry, mean) for entry in rivals if (mean := _validated(entry, purpose)) is not None]
        if not means:  # no run of them has a validation part
            lines = [(entry, self.line(entry, purpose)) for entry in rivals]
            means = [(entry, line.value) for entry, line in lines if line and line.value is not None]
        pick = min if purpose is RECONSTRUCTION else max
        return pick(means, key=lambda pair: pair[1])[0] if means else next(iter(rivals), None)


def embedding_rows(rows: Sequence[Row]) -> list[Row]:
    """The rows of this page's recipes; none where there is no autoencoder and no embedding among them."""
    return [row for row in rows if row.experiment in EXPERIMENTS]


def groups_of(rows: Sequence[Row]) -> list[Group]:
    """The rows with finished runs by task, in the order of the study."""
    parts: dict[tuple[str, ...], list[Entry]] = {}
    for row in embedding_rows(rows):
        if row.runs:
            parts.setdefault(question_of(row), []).append(entry_of(row))
    groups = [Group(task_name(key[0]), _told_apart(entries)) for key, entries in parts.items()]
    for group in groups:
        group.several_tasks = len(groups) > 1
    return groups


def entry_of(row: Row) -> Entry:
    """The row with what made its vectors, from the config of its first finished run."""
    run = row.runs[0]
    config, facts = run.config, _facts(run)
    if row.experiment == "features":
        method = config.get("method") or {}
        kind: Kind = method.get("name", "pixels")
        name = METHODS.get(kind) or backbone_title((method.get("backbone") or {}).get("name", "pretrained network"))
        size = int(method.get("dimensions") or 0) if kind == "pca" else run.space().dim
        return Entry(row, kind, name, size, facts)
    model, objective = config.get("model") or {}, str((config.get("objective") or {}).get("kind", "plain"))
    architecture = str(model.get("architecture", "convolutional"))
    size = int(model.get("latent_size") or 0)
    if (config.get("train") or {}).get("epochs") == 0:
        return Entry(row, "untrained", "untrained encoder", size, facts)
    if architecture == "backbone":
        architecture = backbone_title((model.get("backbone") or {}).get("name", "backbone"))
    return Entry(row, "autoencoder", OBJECTIVES.get(objective) or architecture, size, facts)


def backbone_title(name: str) -> str:
    """A pretrained network's name as its authors write it, where it is packaged."""
    return BACKBONES.get(name, name)


def title_of(row: Row) -> str:
    """The row as people say it, for one whose label is no more than its experiment's name."""
    return entry_of(row).whole if row.runs and row.experiment in EXPERIMENTS else row.label


def _told_apart(entries: Sequence[Entry]) -> list[Entry]:
    """Names that differ at each size: by the architecture, then by the swept settings, then by the label."""
    found = list(entries)
    for further in (_architecture, _swept, lambda entry: entry.label):
        keys = [(entry.name, entry.size) for entry in found]
        twice = {key[0] for key in keys if keys.count(key) > 1}
        found = [replace(e, name=further(e) or e.name) if e.name in twice else e for e in found]
    return found


def _architecture(entry: Entry) -> str:
    architecture = str((entry.run.config.get("model") or {}).get("architecture") or "")
    if entry.kind == "untrained":
        return f"untrained {architecture} encoder"
    return f"{architecture} {entry.name}" if architecture and architecture not in entry.name else ""


def _swept(entry: Entry) -> str:
    from lab.runs.labels import describe_values

    own = {key: value for key, value in entry.row.row.items() if not key.endswith(("latent_size", "dimensions"))}
    own = {key: value for key, value in own.items() if key not in ("objective.kind", "model.architecture", "row")}
    return f"{entry.name}, {describe_values(own)}" if own else ""


def _facts(run: Run) -> dict[str, Any]:
    try:
        return run.json("embedding")
    except LabError:
        return {}


def _validated(entry: Entry, purpose: Purpose) -> float | None:
    """The mean over its runs of a purpose's validation result."""
    wanted = (purpose.evaluation, purpose.metric, "validation")
    found = results_of([entry.row]).values()
    values = [r["value"] for own in found for r in own if (r["evaluation"], r["metric"], r["split"]) == wanted]
    return sum(values) / len(values) if values else None


def _table(entries: Sequence[Entry], purpose: Purpose) -> Table | None:
    """The comparison with the most rows; a difference in error matters from a share of the smallest error on."""
    rows = [entry.row for entry in entries]
    known = {(r["evaluation"], r["metric"], r["split"]) for own in results_of(rows).values() for r in own}
    if (purpose.evaluation, purpose.metric, "test") not in known:
        return None
    margin = 0.01
    if purpose is RECONSTRUCTION:
        first = compare(rows, metric=purpose.key).tables
        least = min((row.value or 0.0 for table in first for row in table.ranked), default=0.0)
        margin = float(f"{SMALLEST_SHARE * least:.1g}") or margin
    tables = compare(rows, metric=purpose.key, margin=margin).tables
    return max(tables, key=lambda table: len(table.ranked), default=None)
