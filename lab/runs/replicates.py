"""Replicates: the runs of one row, which differ in the seed, in how the data were split, or in the fold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

from lab.config.places import value_at

NOUNS = {"seed": "seed", "data.split.seed": "split", "data.split.fold": "fold"}
SPLITS = ("data.split.seed", "data.split.fold")
"""Keys that change who is trained on: what `lab.evaluation.resampled` calls a resampling."""

Replicate = Mapping[str, Any]


def replicate_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a resolved config that tell it from others of its row: `{"seed": 0, "data.split.fold": 2}`."""
    found = {key: value_at(config, key.split(".")) for key in NOUNS}
    return {key: value for key, value in found.items() if value is not None}


def resampling(replicate: Replicate) -> tuple[Any, ...]:
    """Which of the splits and folds a replicate stands for; equal for those that differ in the seed alone."""
    return tuple(replicate.get(key) for key in SPLITS)


def noun(replicates: Sequence[Replicate]) -> str:
    """What the replicates are: `seed`, `split` or `fold`; `run` where several of these vary."""
    varying = _varying(replicates)
    return NOUNS[varying[0]] if len(varying) == 1 else "run" if varying else "seed"


def counted(replicates: Sequence[Replicate]) -> str:
    """How many of what: `3 seeds`, `10 folds`, `3 seeds × 5 splits`."""
    numbers = {key: len({repr(r.get(key)) for r in replicates}) for key in _varying(replicates)}
    if len(numbers) < 2 or prod(numbers.values()) != len(replicates):
        return count(len(replicates), noun(replicates))
    return " × ".join(count(number, NOUNS[key]) for key, number in numbers.items())


def described(replicate: Replicate) -> str:
    """`seed 0`, `fold 3`, `seed 0, split 2`."""
    return ", ".join(f"{NOUNS[key]} {replicate[key]}" for key in NOUNS if replicate.get(key) is not None)


def count(number: int, thing: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _varying(replicates: Iterable[Replicate]) -> list[str]:
    listed = list(replicates)
    return [key for key in NOUNS if len({repr(replicate.get(key)) for replicate in listed}) > 1]
