"""The data check: everything that is broken or odd, class counts, copies, and how small a difference can be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.config.base import Section
from lab.data.labelled.config import LabelledConfig, Labels
from lab.data.labelled.items import Broken, open_items, too_few_classes
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.items import Items

# Two good classifiers disagree on about a tenth of the items. (1.96 + .84): level .05 two-sided, power .8.
_DISAGREEMENT, _STANDARD_ERRORS = 0.10, 2.80
# Below so many labels one validation part is too small to choose by, and folds use the labels better.
FEW_LABELS = 2000
FOLDS = "data.split.folds=5 data.split.repeats=2 'sweep.data.split.fold=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]'"
_SHOWN = 200


@dataclass(frozen=True)
class DataCheck:
    """What there is to know of a source before anything is trained.

    `classes`: labelled items of each class. `duplicates`: pairs of ids that are copies, exact or near; `clusters`: all
    copies of one item together. `smallest_difference`: the difference in accuracy between two classifiers that disagree
    on a tenth of the items that the test part shows with probability .8 at level .05; None without a test part.
    `problem`: why the items cannot be split as the config says, "" where they can. `advice`: what the data are good
    for, and what their size suggests. `pictures`: what they look like, in words.
    """

    description: str
    kind: str
    items: int
    unlabelled: int
    classes: dict[str, int]
    broken: list[Broken]
    odd: list[Broken]
    duplicates: list[tuple[str, str]]
    clusters: list[list[str]]
    smallest_difference: float | None
    parts: dict[str, int] = field(default_factory=dict)
    how: str = ""
    problem: str = ""
    notes: list[str] = field(default_factory=list)
    advice: str = ""
    pictures: str = ""

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return asdict(self)


def check_items(items: Items, config: LabelledConfig, labels: Labels = "required") -> DataCheck:
    """Look at items; broken ones among them are listed, never raised."""
    from lab.data.labelled.duplicates import find_duplicates
    from lab.data.labelled.split import split_items

    counts = np.bincount(items.labels[items.labels >= 0], minlength=len(items.classes))
    labelled = int(counts.sum())
    parts: dict[str, int] = {}
    how = problem = ""
    notes: list[str] = []
    try:
        split = split_items(items, config, 0, labels)
    except UserError as error:
        problem = str(error)
    else:
        parts = {name: len(index) for name, index in split.parts().items()}
        how, notes = split.how, split.notes
    copies = find_duplicates(items)
    return DataCheck(
        description=items.description,
        kind=items.kind,
        items=len(items),
        unlabelled=len(items) - labelled,
        classes={name: int(count) for name, count in zip(items.classes, counts, strict=True)},
        broken=items.broken,
        odd=items.odd,
        duplicates=[(items.ids[a], items.ids[b]) for a, b in copies.pairs],
        clusters=[[items.ids[i] for i in cluster] for cluster in copies.clusters()],
        smallest_difference=smallest_difference(parts.get("test", 0)) if len(items.classes) > 1 else None,
        parts=parts,
        how=how,
        problem=problem,
        notes=notes,
        advice=_advice(items, config),
        pictures=_pictures(items),
    )


def smallest_difference(n: int, disagreement: float = _DISAGREEMENT) -> float | None:
    """The smallest true difference in accuracy that n paired items show with probability .8 at level .05.

    Paired differences of correctness are 0, 1 or -1 and differ from 0 for `disagreement` of the items (McNemar's
    setting); None for n = 0.
    """
    if not n:
        return None
    # The variance of the differences is disagreement - difference², solved for the difference.
    z = _STANDARD_ERRORS
    return float(np.sqrt(z * z * disagreement / (n + z * z)))


def check_source(config: LabelledConfig) -> DataCheck:
    """The data check of a source that need not be fit for training: one of fewer than two classes is taken as one
    without labels. Raises `UserError` for a source that cannot be read.
    """
    items = open_items(config, "optional")
    if len(items.classes) < 2:
        return check_items(items, config, "optional")
    return check_items(open_items(config), config)


def _pictures(items: Items) -> str:
    if items.images is None or not len(items):
        return ""
    from lab.data.labelled.pixels import picture_shape

    sides = items.images.sides
    span = f"{sides.min()}" if sides.min() == sides.max() else f"{sides.min()} to {sides.max()}"
    colours = "in colour" if items.images.coloured.any() else "all grey"
    _, size, _ = picture_shape(items)
    return f"{colours}, shorter sides of {span} pixels; an autoencoder reads them at {size}×{size} by default"


def _advice(items: Items, config: LabelledConfig) -> str:
    if len(items.classes) < 2:
        return f"fit for an embedding (autoencoder, features), not for a classifier: {too_few_classes(items.classes)}"
    labelled = int((items.labels >= 0).sum())
    if labelled >= FEW_LABELS or config.split.folds:
        return ""
    return (
        f"{labelled:,} labels are few for one validation part, which is what a config gets unless it says otherwise; "
        f"in a study of folds all of them judge (lab advise makes one): {FOLDS}"
    )


def shown_source(source: str, overrides: Sequence[str] = ()) -> str:
    """The data check of a source as text, for `lab show SOURCE`; overrides such as `data.label=kind`.

    Raises `UserError` for a source that cannot be read and for keys that no data config has.
    """
    return describe_check(check_source(config_of(source, overrides)))


def config_of(source: str, overrides: Sequence[str] = ()) -> LabelledConfig:
    """The config of a source with overrides such as `data.label=kind`. Raises `UserError` for a key that is none."""
    from lab.data.show import data_config

    return data_config(source, overrides, _DataConfig).data


class _DataConfig(Section):
    data: LabelledConfig


def describe_check(check: DataCheck) -> str:
    """A data check as lines of text."""
    lines = [check.description, *([check.pictures] if check.pictures else []), ""]
    lines += _table(check.classes)
    if check.unlabelled and check.classes:
        lines.append(f"  {check.unlabelled:,} without a label")
    lines += _listed("broken", check.broken, "left out with data.skip_broken=true, an error without")
    lines += _listed("odd", check.odd, "used all the same")
    lines += _copies(check.clusters)
    lines += ["", *_split_lines(check)]
    return "\n".join(lines)


def _copies(clusters: Sequence[Sequence[str]]) -> list[str]:
    if not clusters:
        return []
    one = "1 item has copies" if len(clusters) == 1 else f"{len(clusters):,} items have copies"
    lines = ["", f"{one}, the same or nearly the same:"]
    for copies in clusters[:_SHOWN]:
        more = f" and {len(copies) - 6:,} more" if len(copies) > 6 else ""
        lines.append(f"  {' = '.join(copies[:6])}{more}")
    return [*lines, *([f"  and {len(clusters) - _SHOWN:,} more items"] if len(clusters) > _SHOWN else [])]


def _split_lines(check: DataCheck) -> list[str]:
    if check.problem:
        return [f"cannot be split so: {check.problem}"]
    sizes = ", ".join(f"{count:,} {name}" for name, count in check.parts.items())
    lines = [f"split: {sizes} ({check.how})", *check.notes]
    if check.smallest_difference is not None:
        lines.append(
            f"smallest difference in accuracy that {check.parts['test']:,} test items show: "
            f"{100 * check.smallest_difference:.1f} points (two classifiers that disagree on a tenth of the items)"
        )
    return [*lines, *([check.advice] if check.advice else [])]


def _table(classes: Mapping[str, int]) -> list[str]:
    if not classes:
        return ["  no labels"]
    total = sum(classes.values())
    width = min(60, max(len(name) for name in classes))
    lines = [f"  {name[:60]:<{width}}  {count:>7,}  {100 * count / total:5.1f} %" for name, count in classes.items()]
    return [*lines[:_SHOWN], *([f"  and {len(lines) - _SHOWN} more classes"] if len(lines) > _SHOWN else [])]


def _listed(what: str, found: Sequence[Broken], means: str) -> list[str]:
    """Every one of them, unless there are very many."""
    if not found:
        return []
    lines = ["", f"{len(found):,} {what} ({means}):", *(f"  {item.id}: {item.problem}" for item in found[: 5 * _SHOWN])]
    return [*lines, *([f"  and {len(found) - 5 * _SHOWN:,} more"] if len(found) > 5 * _SHOWN else [])]
