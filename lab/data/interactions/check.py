"""The data check of pairs: what they are, what cleaning does, and whom each kind of split could judge at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from lab.config.base import Section
from lab.data.interactions.config import InteractionsConfig, InteractionSplitConfig
from lab.data.interactions.interactions import CleaningStep, Interactions
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.interactions.split import InteractionSplit

KINDS: tuple[str, ...] = get_args(InteractionSplitConfig.model_fields["kind"].annotation)
# The k of a k-core in most papers on recommenders; and the most popular fifth of the items, as reports slice them.
USUAL_CORE, HEAD_SHARE = 5, 0.2


@dataclass(frozen=True)
class Activity:
    """How many pairs one side's entities have."""

    median: float
    least: int
    most: int
    single: int


@dataclass(frozen=True)
class Possible:
    """What one kind of split gives: pairs by part, and the users and items of test that training knows and does not.

    `problem`: why the pairs cannot be split so, "" where they can.
    """

    kind: str
    problem: str = ""
    sizes: dict[str, int] = field(default_factory=dict)
    users: tuple[int, int] = (0, 0)
    items: tuple[int, int] = (0, 0)
    both_known: int = 0


@dataclass(frozen=True)
class PairsCheck:
    """What there is to know of pairs before anything is trained.

    `columns`: which column was taken for what; `known`: by side, the columns of its table. `density`: the share of all
    possible pairs that there are. `head`: the share of the pairs that lie on the most popular fifth of the items, and
    `half`: the share of the items on which half of the pairs lie. `span`: the first and last moment in words. `values`:
    least, mean and most. `cleaning`: each step; `errors`: the names of those that are errors unless the config allows
    them.
    `core`: pairs, users and items that a 5-core would leave. `splits`: what each kind of split could judge.
    """

    description: str
    columns: dict[str, str]
    known: dict[str, list[str]]
    users: Activity
    items: Activity
    density: float
    head: float
    half: float
    span: tuple[str, str] | None
    values: tuple[float, float, float] | None
    cleaning: list[CleaningStep]
    errors: list[str]
    core: tuple[int, int, int]
    splits: list[Possible]

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON-like data."""
        return asdict(self)


def check_pairs(config: InteractionsConfig) -> PairsCheck:
    """Read and clean the pairs of a source, without those that would be errors, and try every kind of split.

    Raises `UserError` for a source that cannot be read, for columns that cannot be told, and where nothing is left.
    """
    from lab.data.interactions.load import cleaned, finished
    from lab.data.interactions.sources import add_side_tables, read_pairs, source_file

    file = source_file(config)
    raw = read_pairs(config, file)
    lenient = {"skip_broken": True, "duplicates": "last" if config.duplicates == "last" else "first"}
    kept, steps = cleaned(raw, config.model_copy(update=lenient))
    add_side_tables(kept, config, file)
    pairs = finished(kept, steps, config)
    return PairsCheck(
        description=pairs.description,
        columns={role: name.partition(":")[0] for role, name in raw.columns.items()},  # RecBole's end in a type
        known=_known(pairs),
        users=_activity(pairs.user, len(pairs.users)),
        items=_activity(pairs.item, len(pairs.items)),
        density=len(pairs) / (len(pairs.users) * len(pairs.items)),
        **_long_tail(pairs),
        span=_span(pairs),
        values=_values(pairs),
        cleaning=pairs.cleaning,
        errors=[step.name for step in pairs.cleaning if step.count and _forbidden(step, config)],
        core=_core(pairs),
        splits=[_possible(pairs, config.split, kind) for kind in KINDS],
    )


def _forbidden(step: CleaningStep, config: InteractionsConfig) -> bool:
    broken = step.name == "malformed" or step.name.startswith(("missing", "impossible"))
    return (broken and not config.skip_broken) or (step.name == "duplicates" and config.duplicates == "error")


def _known(pairs: Interactions) -> dict[str, list[str]]:
    tables = {"users": pairs.user_table, "items": pairs.item_table}
    return {side: [str(name) for name in table.columns] for side, table in tables.items() if table is not None}


def _activity(codes: np.ndarray, count: int) -> Activity:
    each = np.bincount(codes, minlength=count)
    return Activity(float(np.median(each)), int(each.min()), int(each.max()), int((each == 1).sum()))


def _long_tail(pairs: Interactions) -> dict[str, float]:
    popular = np.sort(np.bincount(pairs.item, minlength=len(pairs.items)))[::-1]
    reached = np.cumsum(popular)
    head = reached[max(1, round(HEAD_SHARE * len(popular))) - 1] / len(pairs)
    return {"head": float(head), "half": float(np.searchsorted(reached, len(pairs) / 2) + 1) / len(popular)}


def _span(pairs: Interactions) -> tuple[str, str] | None:
    from lab.data.interactions.split import moment

    return None if pairs.timestamp is None else (moment(pairs.timestamp.min()), moment(pairs.timestamp.max()))


def _values(pairs: Interactions) -> tuple[float, float, float] | None:
    value = pairs.value
    return None if value is None else (float(value.min()), float(value.mean()), float(value.max()))


def _core(pairs: Interactions) -> tuple[int, int, int]:
    from lab.data.interactions.cleaning import k_core

    left = k_core(pairs.user, pairs.item, USUAL_CORE)
    return len(left), len(np.unique(pairs.user[left])), len(np.unique(pairs.item[left]))


def _possible(pairs: Interactions, config: InteractionSplitConfig, kind: str) -> Possible:
    """One kind of split with the shares and the seed that the config gives."""
    from lab.data.interactions.split import split_interactions

    shares = {} if kind == "leave_last_out" else config.model_dump(include={"train", "validation", "test"})
    try:
        split = split_interactions(pairs, InteractionSplitConfig(kind=kind, seed=config.seed, **shares))
    except UserError as error:
        return Possible(kind, _reason(str(error), kind, pairs.description))
    return _judged(split, kind)


def _reason(error: str, kind: str, description: str) -> str:
    """What hinders a split, without what stands above it anyway."""
    for known in (f" in {description}", f"{description}: ", "data.split.kind: ", f"{kind}: ", f"{kind} "):
        error = error.replace(known, "", 1)
    return error


def _judged(split: InteractionSplit, kind: str) -> Possible:
    test = split.scorable["test" if len(split.test) else "validation"]
    return Possible(
        kind,
        sizes={name: len(index) for name, index in split.parts().items()},
        users=(test.users_known, test.users_unknown),
        items=(test.items_known, test.items_unknown),
        both_known=test.interactions_known,
    )


class _DataConfig(Section):
    data: InteractionsConfig


def shown_source(source: str, overrides: Sequence[str] = ()) -> str:
    """The data check of a source as text, for `lab show SOURCE`; overrides such as `data.user=reader`.

    Raises `UserError` for a source that cannot be read and for keys that the config of pairs does not have.
    """
    from lab.data.interactions.check_text import describe_check
    from lab.data.show import data_config

    return describe_check(check_pairs(data_config(source, overrides, _DataConfig).data))
