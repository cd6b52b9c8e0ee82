"""The files that a recipe leaves in its run directory, each written whole or not at all."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.runs.files import clearly, to_json, write_atomic, write_json, write_parquet
from lab.runs.tensors import write_tensors

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

    from lab.embeddings.space import EmbeddingSpace

_NAME = re.compile(r"\w[\w.-]{0,99}", re.ASCII)


def file_name(name: str) -> str:
    """A safe name of a file for any text: itself where it is one already, else cleaned, with a hash of the text."""
    if _NAME.fullmatch(name):
        return name
    cleaned = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-")[:60]
    return f"{cleaned or 'x'}-{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=4).hexdigest()}"


def checked_ids(ids: Iterable[str], what: str) -> list[str]:
    """Item ids as a list. Raises `LabError` unless they are unique text."""
    listed = [str(item) for item in ids]
    item, times = next(iter(Counter(listed).most_common(1)), ("", 1))
    if times > 1:
        raise LabError(f"{what}: item ids must be unique, and {item!r} is there {times} times")
    return listed


def number(value: float) -> float | None:
    """A number as JSON has it: NaN and infinities are null."""
    value = float(value)
    return value if math.isfinite(value) else None


class Artifacts:
    """Writes into one run directory. A name written twice holds what came last."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.default_embedding: str | None = None
        self.results: list[dict[str, Any]] = []
        self._means: dict[tuple[str, str, str], float] = {}

    def split(self, name: str, ids: Iterable[str]) -> None:
        """Keep which items (unique ids) were in a split: splits/NAME.json."""
        content = {"name": name, "ids": checked_ids(ids, f"split {name}")}
        write_json(self.path / "splits" / f"{file_name(name)}.json", content)

    def embeddings(self, space: EmbeddingSpace, name: str, default: bool = False) -> None:
        """Keep an embedding space: embeddings/NAME.parquet, NAME being `<entity>` or `<entity>.<stage>`.

        `default`: the one that is meant where none is named; without any, the first.
        """
        if not _NAME.fullmatch(name):
            raise LabError(f"embedding space {name!r}: a name is made of letters, digits, `_`, `-` and `.`")
        path = self.path / "embeddings" / f"{name}.parquet"
        with clearly(path):
            space.save(path)
        if default or self.default_embedding is None:
            self.default_embedding = name

    def figure(
        self,
        name: str,
        figure: Figure | bytes,
        *,
        title: str,
        caption: str,
        data: Mapping[str, Any] | None = None,
        alt: str | None = None,
    ) -> None:
        """Keep a figure (matplotlib's, or PNG bytes): figures/NAME.png, and NAME.json with its words and numbers."""
        folder = self.path / "figures"
        about = {"name": name, "title": title, "caption": caption, "alt": alt, "data": dict(data or {})}
        write_atomic(folder / f"{file_name(name)}.png", figure if isinstance(figure, bytes) else _png(figure))
        write_json(folder / f"{file_name(name)}.json", about)

    def save_tensors(
        self, name: str, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, Any] | None = None
    ) -> None:
        """Keep named arrays of numbers, e.g. the model for `load_encoder`: model/NAME.safetensors."""
        write_tensors(self.path / "model" / f"{file_name(name)}.safetensors", tensors, metadata)

    def save_json(self, name: str, obj: Any) -> None:
        """Keep plain data: model/NAME.json."""
        write_json(self.path / "model" / f"{file_name(name)}.json", {"name": name, "value": obj})

    def result(
        self,
        evaluation: str,
        metric: str,
        value: float,
        *,
        split: str = "test",
        n: int,
        higher_is_better: bool = True,
        primary: bool = False,
        **extra: Any,
    ) -> None:
        """Record one number: `n` items were evaluated; `primary` marks the one that decides on its split.

        `extra`: plain data, e.g. low, high, coverage, test_fingerprint, protocol; a `label` tells results of the
        same metric apart. The same result recorded again replaces the first. Raises `LabError` for a second primary
        result on a split, and where the scores of the evaluated items do not average to `value`.
        """
        entry = {
            "evaluation": evaluation,
            "metric": metric,
            "split": split,
            "value": number(value),
            "n": int(n),
            "higher_is_better": bool(higher_is_better),
            "primary": bool(primary),
            **json.loads(json.dumps(extra, default=to_json), parse_constant=lambda name: None),
        }
        others = [result for result in self.results if _result_key(result) != _result_key(entry)]
        for other in others if primary else []:
            if other["primary"] and other["split"] == split:
                names = f"{other['evaluation']} {other['metric']} and {evaluation} {metric}"
                raise LabError(f"two primary results on the {split} split: {names}")
        self.results = [*others, entry]
        self._check_mean((evaluation, metric, split))

    def scores(
        self,
        evaluation: str,
        metric: str,
        ids: Iterable[str],
        values: Iterable[float],
        *,
        split: str = "test",
        **columns: Any,
    ) -> None:
        """Record one row per evaluated item, in scores/; runs are compared item by item with it.

        `ids` (n,) unique text; `values` (n,) finite numbers whose mean is the metric; `columns` (n,) each, anything
        else worth keeping, e.g. predictions. Raises `LabError` where one of this does not hold.
        """
        import numpy as np

        what = f"scores of {evaluation} {metric}"
        listed = checked_ids(ids, what)
        numbers = np.asarray(values if hasattr(values, "__len__") else list(values), dtype=np.float64)
        if numbers.shape != (len(listed),) or not len(listed) or any(len(c) != len(listed) for c in columns.values()):
            raise LabError(
                f"{what}: {len(listed)} ids, but values of shape {numbers.shape} or columns of other lengths"
            )
        if not np.isfinite(numbers).all():
            raise LabError(f"{what}: {listed[int(np.flatnonzero(~np.isfinite(numbers))[0])]!r} has no finite value")
        self._means[evaluation, metric, split] = float(numbers.mean())
        self._check_mean((evaluation, metric, split))
        self._write_scores(evaluation, metric, split, listed, numbers, columns)

    def _check_mean(self, key: tuple[str, str, str]) -> None:
        mean = self._means.get(key)
        value = next((r["value"] for r in self.results if _result_key(r) == (*key, None)), None)
        if mean is None or value is None or math.isclose(mean, value, rel_tol=1e-5, abs_tol=1e-7):
            return
        raise LabError(f"the scores of {key[0]} {key[1]} average to {mean:.9g}, but the result is {value:.9g}")

    def _write_scores(
        self,
        evaluation: str,
        metric: str,
        split: str,
        ids: Sequence[str],
        values: np.ndarray,
        columns: Mapping[str, Sequence[Any]],
    ) -> None:
        import pyarrow as pa

        constant = {"evaluation": evaluation, "metric": metric, "split": split}
        table = {"id": pa.array(ids, pa.string())}
        table |= {key: pa.repeat(pa.scalar(text), len(ids)) for key, text in constant.items()}
        table |= {"value": pa.array(values, pa.float64())}
        table |= {key: pa.array(column) for key, column in columns.items()}
        name = ".".join(file_name(part) for part in constant.values())
        write_parquet(self.path / "scores" / f"{name}.parquet", pa.table(table))


def _result_key(result: Mapping[str, Any]) -> tuple[str, str, str, str | None]:
    return result["evaluation"], result["metric"], result["split"], result.get("label")


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without matplotlib's version in it the same figure is the same bytes.
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()
