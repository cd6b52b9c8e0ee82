"""Labelled data of the Hugging Face hub, or of a folder that `datasets` reads, through `datasets.load_dataset`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lab.data.labelled.items import RawItems
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.labelled.config import LabelledConfig, Labels


def read_hub(config: LabelledConfig, labels: Labels = "required") -> RawItems:
    """The items of `hf:NAME`: all its splits, those called train, validation (or val, dev, …) and test as parts.

    A class column's numbers become its names, -1 is no label. Ids are `split:row` from 0 unless there is an `id`
    column. Raises `UserError` for a name that cannot be loaded and for columns that cannot be told.
    """
    import pandas as pd

    from lab.data.labelled.sources import part_of
    from lab.data.labelled.tables import items_of_frame

    name = config.source.removeprefix("hf:")
    if not name.strip("/"):
        raise UserError("data.source: hf: needs the name of a hub data set after it, such as hf:owner/name")
    splits = load_hub(name, config.subset)
    frames, rows, parts = [], [], []
    for split, data in splits.items():
        frames.append(_frame(data))
        rows += [f"{split}:{row}" for row in range(len(data))]
        parts += [part_of(split) if split.lower() not in ("unsupervised",) else None] * len(data)
    given = parts if len(splits) > 1 and any(parts) else None
    return items_of_frame(pd.concat(frames, ignore_index=True), rows, given, config.source, None, config, labels)


def load_hub(name: str, subset: str | None) -> dict[str, Any]:
    """The splits of a hub data set by name. Raises `UserError` for one that cannot be loaded."""
    from datasets import load_dataset
    from datasets.utils import logging

    from lab.hub import unreachable

    away = unreachable()
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        loaded = load_dataset(name, subset)
    except Exception as error:  # `datasets` raises any class it likes
        said = away or " ".join(str(error.__cause__ or error).split())[:200] or type(error).__name__
        raise UserError(
            f"hf:{name}: cannot be loaded ({said}); check the name and the network, or give a local path"
        ) from None
    finally:
        logging.set_verbosity(verbosity)
    return dict(loaded)


def _frame(data: Any) -> Any:
    """A split as a table: class numbers as names, pictures as the bytes of their files."""
    import pandas as pd
    from datasets import ClassLabel, Image

    columns: dict[str, list[Any]] = {}
    for column, feature in data.features.items():
        if isinstance(feature, Image):
            cells = data.cast_column(column, Image(decode=False))[column]
            columns[column] = [_bytes(cell) for cell in cells]
        elif isinstance(feature, ClassLabel):
            columns[column] = [
                None if number is None or number < 0 else feature.names[number] for number in data[column]
            ]
        else:
            columns[column] = list(data[column])
    return pd.DataFrame(columns)


def _bytes(cell: Any) -> bytes:
    """What the file of a picture holds; `datasets` gives its bytes, its path, or neither."""
    if cell is None:
        return b""
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    if cell.get("path"):
        with open(cell["path"], "rb") as file:
            return file.read()
    return b""
