"""Labelled images and texts in memory: ids, labels, what the columns say, and where the pictures come from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from lab.data.fingerprint import digest
from lab.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from lab.data.labelled.config import LabelledConfig, Labels
    from lab.data.labelled.images import ImageSource

PARTS = ("train", "validation", "test")
# How many broken items an error names; the data check (`lab show SOURCE`) lists every one.
_NAMED = 100


@dataclass(frozen=True)
class Broken:
    """An item that cannot be used, or one that can but is unusual, and what is wrong with it."""

    id: str
    problem: str


@dataclass(frozen=True)
class Items:
    """All items of a source, in the order of their ids (files) or rows (tables).

    `labels`: `(n,) int64`, indices into `classes` (sorted names), -1 where there is none. `table`: one row per item,
    its `label` column the class name ("" where there is none). `fingerprints`: a digest of each item's content, the
    key under which its activations are cached. `predefined`: `(n,) object` of `train`, `validation`, `test` or None,
    where folders or a `split` column say so. `broken` items are left out of all the rest; `odd` ones are in it.
    `group`: the column whose values no split cuts unless the config names another.
    """

    kind: Literal["image", "text"]
    ids: list[str]
    labels: np.ndarray
    classes: list[str]
    table: pd.DataFrame
    fingerprints: list[str]
    texts: list[str] | None
    images: ImageSource | None
    predefined: np.ndarray | None
    broken: list[Broken]
    fingerprint: str
    description: str
    odd: list[Broken] = field(default_factory=list)
    group: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def subset(self, index: np.ndarray) -> Items:
        """The items at `index` (`(m,) int64`), classes and broken items as they are."""
        index = np.asarray(index, dtype=np.int64)
        return replace(
            self,
            ids=[self.ids[i] for i in index],
            labels=self.labels[index],
            table=self.table.iloc[index].reset_index(drop=True),
            fingerprints=[self.fingerprints[i] for i in index],
            texts=None if self.texts is None else [self.texts[i] for i in index],
            images=None if self.images is None else self.images.subset(index),
            predefined=None if self.predefined is None else self.predefined[index],
        )

    def column(self, name: str, key: str) -> np.ndarray:
        """The values of a column as `(n,) object`; `key` is the config key that asks for it.

        Raises `UserError` naming the nearest where there is no such column.
        """
        if name not in self.table.columns:
            from lab.errors import nearest

            columns = [str(column) for column in self.table.columns]
            near = nearest(name, columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise UserError(f"{key}: no column {name!r}; {hint}there is {', '.join(columns)}")
        return self.table[name].to_numpy(dtype=object)


@dataclass
class RawItems:
    """What a source yields before it is checked; label "" means that there is none."""

    kind: Literal["image", "text"]
    ids: list[str]
    names: list[str]
    where: str
    noun: str
    texts: list[str] | None = None
    images: ImageSource | None = None
    fingerprints: list[str] | None = None
    columns: dict[str, Sequence[object]] = field(default_factory=dict)
    predefined: list[str | None] | None = None
    problems: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)
    group: str | None = None
    strays: list[Broken] = field(default_factory=list)


def load_items(config: LabelledConfig, labels: Labels = "required") -> Items:
    """The items of `config.source`, every one looked at, as cheaply as that can be done.

    Files that have not changed since they were last looked at are not opened again. `labels`: `optional` also takes a
    source of one class or of none. Raises `UserError` for a source that is not there or is none of the known layouts,
    and, listing all of them, for broken items (unless `skip_broken`).
    """
    items = open_items(config, labels)
    if items.broken and not config.skip_broken:
        raise UserError(_broken_items(items.broken, config.source))
    if not len(items):
        raise UserError(f"data.source: {config.source}: no items that can be used")
    if labels == "required" and len(items.classes) < 2:
        raise UserError(f"data.source: {config.source}: {too_few_classes(items.classes)}")
    for column in config.slices:
        items.column(column, "data.slices")
    return items


def open_items(config: LabelledConfig, labels: Labels = "required") -> Items:
    """The items of a source, broken ones listed rather than raised. Raises `UserError` for one that cannot be read.

    A class of one item, which cannot stand on both sides of a split, makes that item broken where labels are required;
    where they are optional the item loses its label.
    """
    from lab.data.labelled.sources import PACKAGED, read_source

    if config.source in PACKAGED:
        return _packaged_items(config.source)
    raw = read_source(config, labels)
    if labels == "optional":
        _unlabel_classes_of_one(raw)
    return make_items(raw, single=labels == "required")


@lru_cache(maxsize=4)
def _packaged_items(name: str) -> Items:
    """A packaged set, read once a process: every cell of a study asks for it, and it does not change."""
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.sources import read_source

    return make_items(read_source(LabelledConfig(source=name)), single=True)


def too_few_classes(classes: list[str]) -> str:
    """Why items of no class or one cannot be classified."""
    found = f"only one class, {classes[0]!r}" if classes else "no labels"
    return f"{found}; a classifier needs two classes or more (a folder, text file or value of the label column each)"


def _broken_items(broken: list[Broken], source: str) -> str:
    listed = "; ".join(f"{item.id}: {item.problem}" for item in broken[:_NAMED])
    more = f"; and {len(broken) - _NAMED:,} more" if len(broken) > _NAMED else ""
    items = "1 broken item" if len(broken) == 1 else f"{len(broken):,} broken items"
    return f"{source}: {items}: {listed}{more}. Mend them or set data.skip_broken=true to go on without them"


def make_items(raw: RawItems, *, single: bool) -> Items:
    """Checked items. `single`: a class of one item counts as broken, since it cannot stand on both sides of a split."""
    import pandas as pd

    _check_ids(raw)
    labels = np.array([name.strip() for name in raw.names], dtype=object)
    problems = dict(raw.problems)
    if single:
        problems |= _classes_of_one(labels, problems)
    keep = np.array([i for i in range(len(raw.ids)) if i not in problems], dtype=np.int64)
    classes = sorted({labels[i] for i in keep if labels[i]}, key=_natural)
    number = {name: i for i, name in enumerate(classes)}
    columns = {name: np.array(list(values), dtype=object) for name, values in raw.columns.items()}
    table = pd.DataFrame({"label": labels, **{n: v for n, v in columns.items() if n != "label"}})
    fingerprints = raw.fingerprints or [digest(text) for text in raw.texts or []]
    odd = [Broken(raw.ids[i], note) for i, note in sorted(raw.notes.items()) if i not in problems]
    odd += raw.strays
    odd += [Broken(raw.ids[i], "no label") for i in keep if not labels[i]] if any(labels) else []
    items = Items(
        kind=raw.kind,
        ids=raw.ids,
        labels=np.array([number.get(name, -1) for name in labels], dtype=np.int64),
        classes=classes,
        table=table,
        fingerprints=fingerprints,
        texts=raw.texts,
        images=raw.images,
        predefined=None if raw.predefined is None else np.array(raw.predefined, dtype=object),
        broken=[Broken(raw.ids[i], problem) for i, problem in sorted(problems.items())],
        fingerprint="",
        description="",
        odd=odd,
        group=raw.group,
    )
    items = items.subset(keep) if len(keep) < len(raw.ids) else items
    return replace(items, fingerprint=_fingerprint(items), description=_describe(items, raw))


def _natural(name: str) -> tuple[int, float, str]:
    """Numbers in their order (2 before 10), then names."""
    try:
        return (0, float(name), name)
    except ValueError:
        return (1, 0.0, name)


def _check_ids(raw: RawItems) -> None:
    seen: dict[str, int] = {}
    for at, name in enumerate(raw.ids):
        if seen.setdefault(name, at) != at:
            raise UserError(f"{raw.where}: the id {name!r} stands twice (items {seen[name] + 1} and {at + 1})")


def _unlabel_classes_of_one(raw: RawItems) -> None:
    for at, problem in _classes_of_one([name.strip() for name in raw.names], raw.problems).items():
        raw.names[at] = ""
        raw.notes[at] = ", ".join(filter(None, [raw.notes.get(at), f"{problem}, so its label is not used"]))


def _classes_of_one(labels: Iterable[str], problems: dict[int, str]) -> dict[int, str]:
    members: dict[str, list[int]] = {}
    for at, name in enumerate(labels):
        if name and at not in problems:
            members.setdefault(name, []).append(at)
    if len(members) < 2:
        return {}
    return {at[0]: f"the only item of class {name!r}" for name, at in members.items() if len(at) == 1}


def _fingerprint(items: Items) -> str:
    columns = [f"{name}={list(items.table[name])}" for name in items.table.columns]
    predefined = [] if items.predefined is None else [str(list(items.predefined))]
    return digest(items.kind, *items.ids, *items.fingerprints, *columns, *predefined)


def _describe(items: Items, raw: RawItems) -> str:
    classes = f" in {len(items.classes)} class{'es' * (len(items.classes) > 1)}" if items.classes else ""
    noun = raw.noun.removesuffix("s") if len(items) == 1 else raw.noun
    unlabelled = int((items.labels < 0).sum())
    without = f", {unlabelled:,} of them without a label" if unlabelled and items.classes else ""
    skipped = f" ({len(items.broken):,} broken left out)" if items.broken else ""
    return f"{len(items):,} {noun} of {raw.where}{classes}{without}{skipped}"
