"""Who is trained on, who chooses and who judges: one split function for labelled items.

Which item goes where is decided by a hash of its id and the split's seed, so that neither the order of the rows nor
the run's seed matters. The run's seed only draws which training items a limited training set (`train_size`,
`per_class`) is made of.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from lab.data.labelled.allocation import by_groups, by_time, limit, seeded_order, stratified
from lab.data.labelled.items import PARTS
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig, Labels, SplitConfig
    from lab.data.labelled.items import Items


@dataclass(frozen=True)
class Split:
    """Positions of items (`int64`, ascending). `how` says in words how they were parted.

    `leaked`: how many test items are trained on too, on purpose. `removed`: ids taken out of training because they
    (or near-duplicates of them) stand on another side. `accepted`: pairs of near-duplicates on two sides that
    the config accepts. `notes`: what a reader should know, such as a class that the test part lacks.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    unlabelled: np.ndarray
    how: str
    leaked: int = 0
    removed: list[str] = field(default_factory=list)
    accepted: int = 0
    notes: list[str] = field(default_factory=list)

    def parts(self) -> dict[str, np.ndarray]:
        """Train, validation and test by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_items(items: Items, config: LabelledConfig, seed: int, labels: Labels = "required") -> Split:
    """Part the items as `config.split` says; the run's `seed` draws a limited training set and nothing else.

    Where `labels` are `optional`, items of one class or of none are parted too. Where only some have a label, those are
    parted as for a classifier, so that both judge the same items, and the others train.
    Raises `UserError` for sizes that do not fit, a column that is missing, a class that training would not see (where
    labels are required), and, listing them, near-duplicates and groups on two sides (see `check_split`).
    """
    from lab.data.labelled.leaks import check_split

    parted = np.flatnonzero(items.labels >= 0)
    if labels == "optional" and len(items.classes) < 2:
        parted = np.arange(len(items), dtype=np.int64)
    if not len(parted):
        raise UserError(f"{items.description}: no labels to split by")
    part, how = _assign(items, parted, config.split)
    train, validation, test = (parted[part == at] for at in range(len(PARTS)))
    rest = np.setdiff1d(np.arange(len(items), dtype=np.int64), parted)
    split = Split(train, validation, test, rest, how)
    if labels == "optional":
        split = _train_on_unlabelled(items, split)
    split = check_split(items, split, config)
    split = _limited(items, split, config, seed)
    if labels == "required":
        _check_classes(items, split)
    split = _leaky(items, split, config.split)
    return replace(split, notes=_notes(items, split))


def withhold(items: Items, split: Split, name: str, key: str = "anomaly") -> Split:
    """The split without the items of class `name` in training and validation; the test part keeps them.

    Raises `UserError`, of the config key `key`, for a class that there is not (with the nearest), that no test item is
    of, or that alone is trained on.
    """
    from lab.errors import nearest

    if name not in items.classes:
        near = nearest(name, items.classes, n=1)
        there = (
            f"did you mean {near[0]!r}?" if near else f"there is {', '.join(items.classes[:10]) or 'no label at all'}"
        )
        raise UserError(f"{key}: no class {name!r} in {items.description}; {there}")
    number = items.classes.index(name)
    train, validation = (index[items.labels[index] != number] for index in (split.train, split.validation))
    found = int((items.labels[split.test] == number).sum())
    if not found or found == len(split.test):
        raise UserError(
            f"{key}: {'no' if not found else 'every'} test item is of class {name!r}; the test part needs both "
            "what is to be found and what is not"
        )
    if not len(train):
        raise UserError(f"{key}: all training items are of class {name!r}; name a class that leaves some to train on")
    how = f"{split.how}; class {name!r} kept out of training and validation"
    return replace(split, train=train, validation=validation, how=how)


def _train_on_unlabelled(items: Items, split: Split) -> Split:
    """The split with what has no label in training, unless it is given as validation or test items."""
    free = split.unlabelled
    if items.predefined is not None:
        free = free[~np.isin(items.predefined[free].astype(str), PARTS[1:])]
    if not len(free):
        return split
    how = f"{split.how}; {len(free):,} items without a label train too"
    rest = np.setdiff1d(split.unlabelled, free)
    return replace(split, train=np.union1d(split.train, free), unlabelled=rest, how=how)


def _assign(items: Items, labelled: np.ndarray, config: SplitConfig) -> tuple[np.ndarray, str]:
    """Part 0, 1, 2 (train, validation, test) or -1 (left out) of each labelled item, and how it came about."""
    draw = _Draw(items, config)
    if config.train == 1 and not config.validation and not config.test:
        return np.zeros(len(labelled), dtype=np.int64), "everything trains"
    part = np.full(len(labelled), -1, dtype=np.int64)
    pool = np.arange(len(labelled))
    given = _predefined(items, labelled, config)
    if given is not None:
        part, pool = _keep_predefined(given, draw, labelled, config)
    present = {int(p) for p in part if p >= 0}
    counts = _sizes(config, len(labelled), len(pool), present)
    where = " of the given training part" if given is not None and len(pool) < len(labelled) else ""
    if config.folds:
        if 2 not in present:
            drawn = draw.parts(labelled[pool], {2: counts[2], 0: len(pool) - counts[2]}, config.seed)
            part[pool] = drawn
            pool = pool[drawn == 0]
        repeat, fold = divmod(config.fold, config.folds)
        folds = draw.folds(labelled[pool], config.folds, repeat)
        part[pool] = np.where(folds == fold, 1, 0)
        test = "the given test part" if 2 in present else "a fixed test part"
        how = (
            f"fold {fold + 1} of {config.folds} validates, repeat {repeat + 1} of {config.repeats}, {test}; {draw.how}"
        )
        return part, how
    if given is not None and not {0, 1, 2} - present - {0} and len(pool):
        part[pool] = draw.parts(labelled[pool], {0: counts[0]}, config.seed)
        return part, "the given parts"
    if len(pool):
        part[pool] = draw.parts(labelled[pool], {p: n for p, n in counts.items() if p not in present}, config.seed)
    how = draw.how if given is None else f"given parts; the rest drawn{where}: {draw.how}"
    return part, how


def _predefined(items: Items, labelled: np.ndarray, config: SplitConfig) -> np.ndarray | None:
    if items.predefined is None or config.predefined == "ignore":
        return None
    given = items.predefined[labelled]
    return given if any(name in PARTS for name in given) else None


def _keep_predefined(
    given: np.ndarray, draw: _Draw, labelled: np.ndarray, config: SplitConfig
) -> tuple[np.ndarray, np.ndarray]:
    """The given validation and test parts (cut to a number of items where the config gives one), and the pool left.

    What is given for training, and what is given for nothing where there is no training part, is the pool.
    """
    part = np.full(len(given), -1, dtype=np.int64)
    for at, size in ((1, config.validation), (2, config.test)):
        members = np.flatnonzero(given == PARTS[at])
        if size > 1 and size < len(members):
            members = members[draw.parts(labelled[members], {at: int(size)}, config.seed) == at]
        part[members] = at
    trained = np.flatnonzero(given == "train")
    if not len(trained):
        trained = np.flatnonzero(~np.isin(given, PARTS))
    return part, trained


def _sizes(config: SplitConfig, n: int, pool: int, present: set[int]) -> dict[int, int]:
    """How many items of the pool each part gets. `present`: parts that are given already."""
    wanted = {0: config.train, 1: 0.0 if config.folds else config.validation, 2: config.test}
    counts = {part: _count(size, pool if present else n) for part, size in wanted.items() if part not in present}
    shares = sum(size for part, size in wanted.items() if size <= 1 and part not in present)
    everything = abs(sum(size for size in wanted.values()) - 1) < 1e-9 or config.folds
    rest = pool - sum(counts.get(part, 0) for part in (1, 2))
    if (everything or present) and config.train <= 1:
        counts[0] = rest
    elif shares and counts[0] > rest:
        counts[0] = rest if counts[0] - rest <= 2 else counts[0]
    if sum(counts.values()) > pool:
        told = ", ".join(f"{PARTS[part]} {count:,}" for part, count in sorted(counts.items()))
        raise UserError(f"data.split: {told} are more than the {pool:,} labelled items there are; ask for fewer")
    for part, count in counts.items():
        if not count and wanted[part]:
            raise UserError(f"data.split.{PARTS[part]}: {wanted[part]} of {pool:,} items is none; ask for more")
    return counts


def _count(size: float, n: int) -> int:
    return n if size == 1 else int(size) if size > 1 else int(np.floor(size * n + 0.5))


def group_column(items: Items, config: SplitConfig) -> str | None:
    """The column that no split cuts: the config's, else the data's own; `none` turns the data's own off."""
    if config.group is not None:
        return None if config.group.lower() == "none" else config.group
    return None if config.time else items.group


class _Draw:
    """The way in which a config draws parts: stratified, grouped or by time."""

    def __init__(self, items: Items, config: SplitConfig) -> None:
        self.items, self.config = items, config
        by = [config.by] if isinstance(config.by, str) else config.by or []
        by = [name for name in by if name != "label" or len(items.classes) > 1]
        self.strata = [items.column(name, "data.split.by") for name in by]
        group = group_column(items, config)
        self.group = items.column(group, "data.split.group") if group else None
        self.time = items.column(config.time, "data.split.time") if config.time else None
        kept = " and ".join(f"`{name}`" for name in by)
        shares = f", shares of {kept} kept" if kept else ""
        if group:
            self.how = f"random, no `{group}` on two sides{shares.replace('kept', 'kept as far as that allows')}"
        elif config.time:
            self.how = f"by `{config.time}`, earlier items train, the latest test"
        else:
            self.how = f"random{shares}"

    def parts(self, index: np.ndarray, sizes: dict[int, int], seed: int) -> np.ndarray:
        """A part for each of the items at `index`, `sizes` items each, -1 for the rest."""
        order = seeded_order([self.items.ids[i] for i in index], "split", seed)
        names, counts = list(sizes), [*sizes.values()]
        targets = [*counts, len(index) - sum(counts)]
        if self.time is not None:
            drawn = by_time(self.time[index], {PARTS[p]: n for p, n in sizes.items()}, order)
        elif self.group is not None:
            drawn = by_groups(self.group[index], self._strata(index), targets, order)
        else:
            drawn = stratified(self._strata(index), targets, order)
        return np.array([*names, -1])[drawn]

    def folds(self, index: np.ndarray, folds: int, repeat: int) -> np.ndarray:
        """The fold, 0 to `folds` - 1, of each of the items at `index`."""
        order = seeded_order([self.items.ids[i] for i in index], f"folds of repeat {repeat}", self.config.seed)
        targets = [len(index) // folds + (k < len(index) % folds) for k in range(folds)]
        if len(index) < folds:
            raise UserError(f"data.split.folds: {folds} folds of {len(index):,} items; ask for fewer")
        if self.group is not None:
            return by_groups(self.group[index], self._strata(index), targets, order)
        return stratified(self._strata(index), targets, order)

    def _strata(self, index: np.ndarray) -> list[np.ndarray]:
        return [column[index] for column in self.strata]


def _limited(items: Items, split: Split, config: LabelledConfig, seed: int) -> Split:
    """The training part cut to `train_size` or `per_class`; smaller sets lie within larger ones of the same seed."""
    if not (config.train_size or config.per_class):
        return split
    train = split.train if config.train_size else split.train[items.labels[split.train] >= 0]
    if not len(train):
        raise UserError("data.per_class: no training item has a label; data.train_size limits those without")
    # Items without a label count as a class of their own.
    labels = np.where(items.labels[train] < 0, len(items.classes), items.labels[train])
    classes = [*items.classes, "no label"] if (items.labels[train] < 0).any() else items.classes
    order = seeded_order([items.ids[i] for i in train], "train size", seed)
    kept = limit(labels, classes, order, config.train_size, config.per_class)
    return replace(split, train=train[kept])


def _leaky(items: Items, split: Split, config: SplitConfig) -> Split:
    count = _count(config.leak, len(split.test)) if config.leak < 1 else len(split.test)
    if not count:
        return split
    order = seeded_order([items.ids[i] for i in split.test], "leak", config.seed)
    leaked = split.test[order[:count]]
    return replace(split, train=np.union1d(split.train, leaked), leaked=count)


def _check_classes(items: Items, split: Split) -> None:
    missing = _missing(items, split.train)
    if missing:
        few = "class" if len(missing) == 1 else "classes"
        raise UserError(
            f"data.split: no training item of {few} {_named(missing)}; train on more, or leave the {few} out"
        )


def _notes(items: Items, split: Split) -> list[str]:
    notes = list(split.notes)
    for name, index in split.parts().items():
        missing = _missing(items, index) if len(index) else []
        if missing:
            notes.append(f"no {name.replace('train', 'training')} item of {_named(missing)}")
    return notes


def _missing(items: Items, index: np.ndarray) -> list[str]:
    """The classes that none of the items at `index` is of."""
    present = set(items.labels[index].tolist())
    return [name for number, name in enumerate(items.classes) if number not in present]


def _named(classes: list[str]) -> str:
    return ", ".join(map(repr, classes[:10])) + (f" and {len(classes) - 10} more" if len(classes) > 10 else "")
