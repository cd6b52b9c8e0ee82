"""Which interactions are trained on, which choose, which judge; vectorised over tens of millions of them.

Where chance decides, a hash of the ids and the split's seed does, so that the order of the rows does not matter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.interactions.config import InteractionSplitConfig
    from lab.data.interactions.interactions import Interactions

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Scorable:
    """How many users and items of a part the training part knows.

    `warm_users`, `cold_users`: those of the known and of the unknown users who have at least one known item in the
    part, so that a model of known items alone can find something for them. `interactions_known`: both are known.
    """

    users_known: int
    users_unknown: int
    items_known: int
    items_unknown: int
    warm_users: int
    cold_users: int
    interactions: int
    interactions_known: int


@dataclass(frozen=True)
class InteractionSplit:
    """Positions of interactions (`int64`, ascending), none in two parts; together they are all of them.

    `how` says in words how they were parted; `scorable`: by part, whom and what a model of ids alone can score;
    `notes`: what a reader should know, such as ties in time.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    how: str
    scorable: dict[str, Scorable]
    notes: list[str] = field(default_factory=list)

    def parts(self) -> dict[str, np.ndarray]:
        """Train, validation and test by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split_interactions(interactions: Interactions, config: InteractionSplitConfig) -> InteractionSplit:
    """Part the interactions as the config says; its own seed decides, never the run's.

    Raises `UserError` for a split by time without times or with too few moments, and for shares that leave a part
    without a user, an item or an interaction.
    """
    parted = {
        "random": _random,
        "leave_last_out": _leave_last_out,
        "time": _by_time,
        "cold_users": _cold_users,
        "cold_items": _cold_items,
    }[config.kind]
    part, how, notes = parted(interactions, config)
    train, validation, test = (np.flatnonzero(part == at) for at in range(len(PARTS)))
    for name, index in (("train", train), ("validation", validation), ("test", test)):
        if not len(index) and (config.kind == "leave_last_out" or getattr(config, name)):
            raise UserError(
                f"data.split.kind: {config.kind}: no interaction for {name} in {interactions.description}; where users "
                "have one or two each, set cold_users or cold_items, else other shares"
            )
    scorable = {
        name: _scorable(interactions, train, index) for name, index in (("validation", validation), ("test", test))
    }
    return InteractionSplit(train, validation, test, how, scorable, notes)


def _random(interactions: Interactions, config: InteractionSplitConfig) -> tuple[np.ndarray, str, list[str]]:
    """Shares of each user's interactions, rounded down for what is held out; a part that is left without one gets one
    (test first) as long as two are left to train on.

    As RecBole's ratio split grouped by user does (Zhao et al. 2021, arXiv:2011.01731), so that figures compare.
    """
    place = _places(interactions.user, _pair_hashes(interactions, config.seed))
    counts = np.bincount(interactions.user, minlength=len(interactions.users))
    held = {}
    left = counts.copy()
    for name in ("validation", "test"):
        share = getattr(config, name)
        size = np.floor(share * counts + 1e-9).astype(np.int64)  # .1 of 10 is 1, whatever floats say
        held[name] = np.clip(size, 0, np.maximum(left - 1, 0))
        left -= held[name]
    for name in ("test", "validation"):  # a user of two is tested, one of three is validated too
        given = (held[name] == 0) & (left > 1) & (getattr(config, name) > 0)
        held[name] += given
        left -= given
    test, validation = held["test"][interactions.user], held["validation"][interactions.user]
    tested, validated = place < test, place < test + validation
    part = np.where(tested, 2, np.where(validated, 1, 0))
    notes = _alone(counts)
    shares = " / ".join(f"{getattr(config, name):.3g}" for name in PARTS)
    return part, f"random for each user, {shares}", notes


def _leave_last_out(interactions: Interactions, config: InteractionSplitConfig) -> tuple[np.ndarray, str, list[str]]:
    time = _times(interactions, config)
    hashes = _pair_hashes(interactions, config.seed)
    user = interactions.user
    counts = np.bincount(user, minlength=len(interactions.users))
    part = np.zeros(len(user), dtype=np.int64)
    test, tied = _last_of_each(np.flatnonzero((counts > 1)[user]), user, time, hashes)
    part[test] = 2
    validation, _ = _last_of_each(np.flatnonzero((counts > 2)[user] & (part == 0)), user, time, hashes)
    part[validation] = 1
    notes = _alone(counts)
    if tied:
        notes.append(f"{tied:,} users' last interaction is tied in time with another: a seeded hash decides")
    return part, "each user's latest interaction is test, the one before it validation", notes


def _last_of_each(rows: np.ndarray, group: np.ndarray, time: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, int]:
    """Of the given rows the latest of each group, by hash where moments are alike; and in how many groups they are."""
    size = int(group.max()) + 1
    latest = np.full(size, -np.inf)
    np.maximum.at(latest, group[rows], time[rows])
    rows = rows[time[rows] == latest[group[rows]]]
    highest = np.zeros(size, dtype=np.uint64)
    np.maximum.at(highest, group[rows], hashes[rows])
    tied = int((np.bincount(group[rows], minlength=1) > 1).sum())
    return rows[hashes[rows] == highest[group[rows]]], tied


def _by_time(interactions: Interactions, config: InteractionSplitConfig) -> tuple[np.ndarray, str, list[str]]:
    """Everything before one moment trains, everything from a second one on tests; no moment is cut in two."""
    time = _times(interactions, config)
    moments, counts = np.unique(time, return_counts=True)
    ends = np.cumsum(counts)
    sizes = [getattr(config, name) for name in PARTS]
    bounds = _time_bounds(ends, sizes, interactions)
    part = np.searchsorted(np.array([moments[bound] for bound in bounds]), time, side="right")
    # Bounds are those of the parts that there are: [validation,] [test].
    present = np.array([at for at, size in enumerate(sizes) if size])
    told = ", ".join(
        f"{PARTS[at]} from {moment(moments[bound])}" for at, bound in zip(present[1:], bounds, strict=True)
    )
    return present[part], f"by time for everybody: {told}", []


def _time_bounds(ends: np.ndarray, sizes: list[float], interactions: Interactions) -> list[int]:
    """For every part but the first, which moment it begins with: the cut nearest to its share, none empty."""
    present = [size for size in sizes if size]
    if len(ends) < len(present):
        raise UserError(
            f"data.split.kind: time: {interactions.description}: all times are alike or nearly so ({len(ends):,} "
            f"different), too few for {len(present)} parts; set another kind"
        )
    bounds: list[int] = []
    for at, share in enumerate(np.cumsum(present)[:-1]):
        first = bounds[-1] if bounds else 0
        latest = len(ends) - (len(present) - 1 - at)  # a moment each is left for the parts that follow
        cuts = ends[first:latest]
        bounds.append(first + int(np.argmin(np.abs(cuts - share * ends[-1]))) + 1)
    return bounds


def moment(time: float) -> str:
    """A time in words: the date of what looks like seconds since 1970 (after 1980, before 2100), else the number."""
    from datetime import UTC, datetime

    if 315_532_800 <= time < 4_102_444_800:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{time:,.10g}"


def _cold_users(interactions: Interactions, config: InteractionSplitConfig) -> tuple[np.ndarray, str, list[str]]:
    return _cold(interactions.users, interactions.user, "users", config)


def _cold_items(interactions: Interactions, config: InteractionSplitConfig) -> tuple[np.ndarray, str, list[str]]:
    return _cold(interactions.items, interactions.item, "items", config)


def _cold(
    ids: list[str], codes: np.ndarray, side: str, config: InteractionSplitConfig
) -> tuple[np.ndarray, str, list[str]]:
    """Whole users (or items) to each part, by a hash of their id; those without interactions have no say."""
    there = np.flatnonzero(np.bincount(codes, minlength=len(ids)))
    hashes = id_hashes([ids[at] for at in there], config.seed, f"cold {side}")
    order = there[np.argsort(hashes, kind="stable")]
    test, validation = (_at_least_one(getattr(config, name), len(order)) for name in ("test", "validation"))
    if test + validation >= len(order):
        raise UserError(f"data.split.kind: cold_{side}: {len(order):,} {side} are too few for these shares")
    part = np.zeros(len(ids), dtype=np.int64)
    part[order[:test]] = 2
    part[order[test : test + validation]] = 1
    how = f"{validation:,} {side} are in validation and {test:,} in test with all their interactions"
    return part[codes], how, []


def _at_least_one(share: float, n: int) -> int:
    return max(1, int(np.floor(share * n + 0.5))) if share else 0


def _alone(counts: np.ndarray) -> list[str]:
    alone = int((counts == 1).sum())
    users = "user has" if alone == 1 else "users have"
    return [f"{alone:,} {users} one interaction, which trains: never tested"] if alone else []


def _times(interactions: Interactions, config: InteractionSplitConfig) -> np.ndarray:
    if interactions.timestamp is None:
        raise UserError(
            f"data.split.kind: {config.kind} needs times, and there are none in {interactions.description}; name "
            "their column (data.timestamp) or set another kind"
        )
    return interactions.timestamp


def _places(groups: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """Each row's place in its group, `(n,) int64`, in the order of the hashes."""
    counts = np.bincount(groups)
    # One sort of one number: the group in the leading bits, of the hash what fits behind it.
    bits = np.uint64(len(counts).bit_length())
    order = np.argsort(groups.astype(np.uint64) << (np.uint64(64) - bits) | hashes >> bits)
    starts = np.cumsum(counts) - counts
    place = np.empty(len(groups), dtype=np.int64)
    place[order] = np.arange(len(groups)) - starts[groups[order]]
    return place


def id_hashes(ids: Sequence[str], seed: int, purpose: str) -> np.ndarray:
    """A hash of each id, `(n,) uint64`: the same wherever the id stands, another for every seed and purpose."""
    prefix = hashlib.blake2b(f"{purpose}\0{seed}\0".encode(), digest_size=8)
    digests = bytearray()
    for name in ids:
        hasher = prefix.copy()
        hasher.update(name.encode("utf-8", "surrogatepass"))
        digests += hasher.digest()
    return np.frombuffer(bytes(digests), dtype="<u8").astype(np.uint64)


def _pair_hashes(interactions: Interactions, seed: int) -> np.ndarray:
    """A hash of every pair of ids, `(n,) uint64`, mixed as SplitMix64 does (Steele, Lea and Flood 2014)."""
    mixed = id_hashes(interactions.users, seed, "user")[interactions.user]
    mixed = mixed * np.uint64(0x9E3779B97F4A7C15) + id_hashes(interactions.items, seed, "item")[interactions.item]
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def _scorable(interactions: Interactions, train: np.ndarray, index: np.ndarray) -> Scorable:
    users, items = interactions.user[index], interactions.item[index]
    known_users = np.bincount(interactions.user[train], minlength=len(interactions.users)) > 0
    known_items = np.bincount(interactions.item[train], minlength=len(interactions.items)) > 0
    user_known, item_known = known_users[users], known_items[items]
    return Scorable(
        users_known=_distinct(users[user_known]),
        users_unknown=_distinct(users[~user_known]),
        items_known=_distinct(items[item_known]),
        items_unknown=_distinct(items[~item_known]),
        warm_users=_distinct(users[user_known & item_known]),
        cold_users=_distinct(users[~user_known & item_known]),
        interactions=len(index),
        interactions_known=int((user_known & item_known).sum()),
    )


def _distinct(codes: np.ndarray) -> int:
    return int((np.bincount(codes, minlength=1) > 0).sum())
