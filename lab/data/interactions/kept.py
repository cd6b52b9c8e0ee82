"""Large files of interactions are parsed and cleaned once: what is left of them is kept in the cache."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.cache import cached_folder
from lab.data.fingerprint import digest, file_fingerprint
from lab.data.interactions.interactions import CleaningStep, Ids, RawInteractions

if TYPE_CHECKING:
    from lab.data.interactions.config import InteractionsConfig

# Raised whenever reading or cleaning changes.
VERSION = 1
# Smaller files are read again in less than a second or two.
KEPT_BYTES = 20_000_000
_NUMBERS = ("value", "timestamp", "weight")
_Cleaned = tuple[RawInteractions, list[CleaningStep]]


def cleaned_once(file: Path | None, config: InteractionsConfig, make: Callable[[], _Cleaned]) -> _Cleaned:
    """What `make()` gives, from the cache where the file is large and was cleaned like this before.

    Arrays from the cache are memory-mapped, copied where they are written to; side tables are not kept.
    Raises what `make` raises.
    """
    if file is None or file.stat().st_size < KEPT_BYTES:
        return make()
    # The side tables, and what is done with them and by the split, come after.
    settings = config.model_dump_json(exclude={"source", "users", "items", "user_id", "item_id", "catalogue", "split"})
    key = digest(str(VERSION), file.name, file_fingerprint(file), settings)
    return _read(cached_folder("interactions", key, lambda folder: _write(folder, *make())), file)


def _write(folder: Path, raw: RawInteractions, steps: list[CleaningStep]) -> None:
    arrays = {"user": raw.user.codes, "item": raw.item.codes, "rows": raw.rows}
    arrays |= {name: column for name in _NUMBERS if (column := getattr(raw, name)) is not None}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    told = {
        "users": raw.user.names,
        "items": raw.item.names,
        "noun": raw.noun,
        "steps": [asdict(step) for step in steps],
    }
    (folder / "told.json").write_text(json.dumps(told), encoding="utf-8")


def _read(folder: Path, file: Path) -> _Cleaned:
    arrays = {path.stem: np.load(path, mmap_mode="c") for path in folder.glob("*.npy")}
    told = json.loads((folder / "told.json").read_text(encoding="utf-8"))
    raw = RawInteractions(
        Ids(told["users"], arrays["user"]),
        Ids(told["items"], arrays["item"]),
        arrays["rows"],
        str(file),
        told["noun"],
        value=arrays.get("value"),
        timestamp=arrays.get("timestamp"),
        weight=arrays.get("weight"),
    )
    return raw, [CleaningStep(**step) for step in told["steps"]]
