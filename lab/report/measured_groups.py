"""Which measurements share a table: rows over seeds by their test items, rows over splits and folds split by split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from statistics import mean
from typing import TYPE_CHECKING, Any

from lab.runs.replicates import noun, resampling

if TYPE_CHECKING:
    import numpy as np

    from lab.evaluation.significance import ScoreRow
    from lab.runs.run import Run
    from lab.runs.study import Row

Split = tuple[Any, ...]
"""Which split and fold of the data a run stands for (`lab.runs.replicates.resampling`)."""


@dataclass(frozen=True)
class Measurement:
    """One metric of one run. `ids` and `scores` (n,) are None where no score per item was kept."""

    run: Run
    value: float
    n: int
    ids: tuple[str, ...] | None
    scores: np.ndarray | None


@dataclass(frozen=True)
class Test:
    """What measurements must agree in to share a table; `items` stands for the ids of the test items.

    `context`: the settings that a comparison `by` other settings holds fixed. `resampled`: every split or fold has test
    items of its own, on which rows agree split by split; `n` is then their mean number.
    """

    evaluation: str
    metric: str
    split: str
    higher_is_better: bool
    fingerprint: str = ""
    protocol: str = ""
    n: int = 0
    items: str = ""
    context: str = ""
    resampled: bool = False

    @property
    def apart_from_items(self) -> Test:
        """The same without what its test items are."""
        return replace(self, fingerprint="", items="", n=0)


@dataclass
class MeasuredRow:
    """A row of one table: its runs' measurements, by split, then by seed."""

    row: Row
    label: str
    measurements: list[Measurement] = field(default_factory=list)

    @property
    def over(self) -> str:
        """What its runs are repeats of: `seed`, `split`, `fold`, or `run` where several of these vary."""
        return noun([m.run.replicate for m in self.measurements]) if self.row.over != "seed" else "seed"

    @property
    def values(self) -> dict[int, float]:
        """The metric by seed, split or fold; by a running number where several of these vary."""
        key = {"seed": "seed", "split": "data.split.seed", "fold": "data.split.fold"}.get(self.over)
        if key is None:
            return {number: m.value for number, m in enumerate(self.measurements)}
        return {m.run.seed if key == "seed" else m.run.replicate[key]: m.value for m in self.measurements}

    @property
    def nothing_random(self) -> bool:
        """Whether the recipe says that its seed changes nothing."""
        return deterministic(self.row.experiment)

    @property
    def by_split(self) -> dict[Split, list[Measurement]]:
        """The measurements of each split or fold."""
        found: dict[Split, list[Measurement]] = {}
        for m in self.measurements:
            found.setdefault(resampling(m.run.replicate), []).append(m)
        return found

    @property
    def split_values(self) -> dict[Split, float]:
        """The metric by split or fold, the mean over its seeds."""
        return {split: mean(m.value for m in found) for split, found in self.by_split.items()}

    def scores(self, order: Sequence[str]) -> ScoreRow:
        """The scores as `(seeds, items)`, the items in the order of the ids given; over splits a line is one split."""
        import numpy as np

        from lab.evaluation.significance import ScoreRow

        def line(m: Measurement) -> Any:
            places = {item: place for place, item in enumerate(m.ids or ())}
            return m.scores[[places[item] for item in order]] if m.scores is not None else []

        if self.row.over == "seed" or len(self.by_split) < 2:
            matrix = [line(m) for m in self.measurements]
            return ScoreRow(
                np.array(matrix), [m.run.seed for m in self.measurements], deterministic=self.nothing_random
            )
        matrix = [np.mean([line(m) for m in found], axis=0) for found in self.by_split.values()]
        return ScoreRow(np.array(matrix), list(self.by_split))


Part = tuple["Row", str, list[tuple[Test, Measurement]]]
"""A row, its label, and its measurements with their tests, by split, then by seed."""


def grouped(parts: Iterable[Part]) -> dict[Test, list[MeasuredRow]]:
    """The rows of each table.

    Rows share one where their test items are the same. Where those differ between a row's own splits or folds, rows
    share one if they agree in every split that they have in common. Of a row whose runs disagree in anything else, the
    parts stand in several tables.
    """
    apart: dict[Test, list[Part]] = {}
    for row, label, measured in parts:
        alike: dict[Test, list[tuple[Test, Measurement]]] = {}
        for test, m in measured:
            alike.setdefault(test.apart_from_items, []).append((test, m))
        for common, found in alike.items():
            apart.setdefault(common, []).append((row, label, found))
    groups: dict[Test, list[MeasuredRow]] = {}
    for common, listed in apart.items():
        resampled = any(_is_resampled(part) for part in listed)
        groups |= _split_by_split(common, listed) if resampled else _by_items(listed)
    return groups


def training_share(parts: Sequence[MeasuredRow], test: Test) -> tuple[float, float]:
    """Items trained on in one split, and items held out of that training, on average.

    Held out are the test's own items where every split has others, else those of the validation part. A recipe that
    did not record its training items is taken to train on as many as it holds out.
    """
    runs = [m.run for part in parts for found in part.by_split.values() for m in found[:1]]
    sizes = [{name: len(ids) for name, ids in run.splits.items()} for run in runs]
    held = [float(test.n) if test.resampled else float(size.get("validation", test.n)) for size in sizes]
    trained = [float(size.get("train", 0)) or out for size, out in zip(sizes, held, strict=True)]
    return mean(trained), mean(held)


def deterministic(experiment: str) -> bool:
    """Whether an experiment's recipe says that its seed changes nothing."""
    recipe = _installed(experiment)
    return recipe is not None and recipe.deterministic


def recipe_version(experiment: str) -> int | None:
    """The version of an experiment's recipe as it is installed; None where it is not."""
    recipe = _installed(experiment)
    return None if recipe is None else recipe.version


def _installed(experiment: str) -> Any:
    """The recipe of an experiment, or None."""
    from lab.config.experiments import load_recipe
    from lab.errors import LabError

    try:
        return load_recipe(experiment)
    except LabError:  # no longer installed
        return None


def digest(texts: Iterable[str]) -> str:
    """One short text for a set of texts."""
    return blake2b("\0".join(sorted(texts)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _is_resampled(part: Part) -> bool:
    """Whether a row's splits have test items of their own, the same for all seeds of a split."""
    row, _, measured = part
    if row.over == "seed":
        return False
    tests: dict[Split, set[Test]] = {}
    for test, m in measured:
        tests.setdefault(resampling(m.run.replicate), set()).add(test)
    return all(len(found) == 1 for found in tests.values()) and len(set.union(*tests.values())) > 1


def _by_items(parts: Iterable[Part]) -> dict[Test, list[MeasuredRow]]:
    groups: dict[Test, list[MeasuredRow]] = {}
    for row, label, measured in parts:
        own: dict[Test, MeasuredRow] = {}
        for test, m in measured:
            own.setdefault(test, MeasuredRow(row, label)).measurements.append(m)
        for test, one in own.items():
            groups.setdefault(test, []).append(one)
    return groups


def _split_by_split(common: Test, parts: Iterable[Part]) -> dict[Test, list[MeasuredRow]]:
    clusters: list[tuple[dict[Split, Test], list[MeasuredRow]]] = []
    for row, label, measured in parts:
        tests = {resampling(m.run.replicate): test for test, m in measured}
        one = MeasuredRow(row, label, [m for _, m in measured])
        for known, rows in clusters:
            shared = known.keys() & tests.keys()
            if shared and all(known[split] == tests[split] for split in shared):
                known |= tests
                rows.append(one)
                break
        else:
            clusters.append((tests, [one]))
    return {_joined(common, tests): rows for tests, rows in clusters}


def _joined(common: Test, tests: Mapping[Split, Test]) -> Test:
    if len(set(tests.values())) == 1:
        return next(iter(tests.values()))
    fingerprints = digest(f"{split} {test.fingerprint}" for split, test in tests.items())
    items = digest(f"{split} {test.items}" for split, test in tests.items())
    number = round(mean(test.n for test in tests.values()))
    return replace(common, fingerprint=fingerprints, items=items, n=number, resampled=True)
