"""New items without labels, for prediction: files, folders, tables, lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lab.data.labelled.items import Items, RawItems, make_items
from lab.errors import UserError


def load_new_items(source: str, like: Mapping[str, Any], column: str | None = None) -> Items:
    """The items of a source, none of which needs a label; broken ones are left out and listed in `broken`.

    A folder of pictures (nested or not), one picture, a table, or a text file (one text a line). `like`: the data
    config that the network was trained with (`kind` of the items among it where it is known), whose columns and
    encoding are used where the table has them; `column`: the column of a table that it must have. A labelled source
    works too, its labels kept where they are given.
    Raises `UserError` for what is not there or holds nothing of that kind.
    """
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.sources import PACKAGED, is_picture, read_source, visible_files
    from lab.data.labelled.tables import read_unlabelled_lines
    from lab.data.sources import table_kind

    names = LabelledConfig.model_fields
    kept = {key: value for key, value in like.items() if key in names and key in ("kind", "text", "image", "encoding")}
    config = LabelledConfig(**{**kept, "source": source, "split": {}})
    path = Path(source).expanduser()
    if source in PACKAGED or source.startswith("hf:"):
        raw = read_source(config if source.startswith("hf:") else _without_columns(config), "optional")
    elif path.is_dir():
        raw = _of_folder(path, config, visible_files(path), like)
    elif not path.exists():
        read_source(config)  # says it is not there, and what lies nearest
        raise AssertionError
    elif table_kind(path):
        raw = _of_table(path, config, like, column)
    elif is_picture(path):
        raw = _pictures([path], path.parent)
    else:
        raw = read_unlabelled_lines(path, config.encoding)
    items = make_items(raw, single=False)
    if not len(items):
        first = f": {items.broken[0].id}: {items.broken[0].problem}" if items.broken else ""
        raise UserError(f"{source}: nothing in it that can be used{first}")
    return items


def items_of(contents: Sequence[str], kind: Literal["image", "text"]) -> Items:
    """Texts, or the paths of pictures, as items without labels; ids are their numbers from 0, as text.

    Raises `UserError`, listing all of them, for pictures that cannot be read.
    """
    ids = [str(number) for number in range(len(contents))]
    if kind == "text":
        return make_items(RawItems("text", ids, [""] * len(ids), "texts", "texts", texts=list(contents)), single=False)
    from lab.data.labelled.image_facts import picture_files

    items = make_items(picture_files(ids, [Path(path) for path in contents], "images"), single=False)
    if items.broken:
        listed = "; ".join(f"{contents[int(item.id)]}: {item.problem}" for item in items.broken[:20])
        raise UserError(f"{len(items.broken)} pictures cannot be read: {listed}")
    return items


def _of_folder(folder: Path, config: Any, found: list[Path], like: Mapping[str, Any]) -> RawItems:
    from lab.data.labelled.sources import is_picture, read_source
    from lab.data.sources import table_kind

    pictures = [file for file in found if is_picture(file)]
    if pictures and config.kind != "text":
        return _pictures(pictures, folder)
    if like.get("kind") == "image":
        raise UserError(f"{folder}: no pictures in this folder")
    if pictures and len(pictures) == len(found):
        raise UserError(f"{folder}: pictures only, but the run was trained on texts")
    return read_source(config if any(map(table_kind, found)) else _without_columns(config), "optional")


def _without_columns(config: Any) -> Any:
    """What the columns of the training data are called says nothing of a source that has none."""
    return config.model_copy(update={"text": None, "image": None})


def _pictures(files: list[Path], folder: Path) -> RawItems:
    from lab.data.labelled.image_facts import picture_files

    return picture_files([file.relative_to(folder).as_posix() for file in files], files, str(folder))


def _of_table(path: Path, config: Any, like: Mapping[str, Any], column: str | None) -> RawItems:
    from lab.data.labelled.tables import items_of_frame, read_frame

    table = read_frame(path, config.encoding)
    columns = [str(name) for name in table.columns]
    # Columns of the training table that this one lacks are looked for anew.
    given: dict[str, str] = {key: config.__dict__[key] for key in ("text", "image") if config.__dict__[key] in columns}
    if column is not None:
        given = {"image" if like.get("kind") == "image" else "text": column}
    label = like.get("label") if like.get("label") in columns else None
    chosen = config.model_copy(update={"text": None, "image": None, **given, "label": label})
    rows = [f"{path.name}:{row}" for row in range(len(table))]
    return items_of_frame(table, rows, None, str(path), path.parent, chosen, "optional")
