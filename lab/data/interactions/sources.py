"""From `data.source` to raw interactions: which layout it is, and which module reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.interactions.movielens import LAYOUTS, ratings_file, read_ratings, side_tables
from lab.data.interactions.tables import ITEMS, USERS, raw_of, read_hub, read_side_table, read_table
from lab.data.interactions.wikipedia import read_packaged
from lab.data.show import PAIRS as PACKAGED
from lab.data.sources import TABLES, missing, table_kind
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.data.interactions.config import InteractionsConfig
    from lab.data.interactions.interactions import RawInteractions

_ROLES = ("user", "item", "value", "timestamp", "weight")


def source_file(config: InteractionsConfig) -> Path | None:
    """The file that holds the interactions of a source; None where they are packaged or of the hub.

    Raises `UserError` for a file or folder that is not there or of no known layout.
    """
    if config.source in PACKAGED or config.source.startswith("hf:"):
        return None
    path = Path(config.source).expanduser()
    if not path.exists():
        raise UserError(f"data.source: {missing(config.source, path, PACKAGED)}")
    if path.is_dir():
        file = ratings_file(path)
        if file is None:
            inner = [entry.name for entry in sorted(path.iterdir()) if entry.is_dir() and ratings_file(entry)]
            hint = f"did you mean {path / inner[0]}?" if inner else f"expected {LAYOUTS}; name a table by its file"
            raise UserError(f"data.source: {path}: a folder of no known layout; {hint}")
        return file
    if table_kind(path) is None and not _is_movielens(path):
        known = ", ".join(TABLES)
        raise UserError(
            f"data.source: {config.source}: a file of no known kind; expected {known}, or a folder with {LAYOUTS}"
        )
    return path


def read_pairs(config: InteractionsConfig, file: Path | None) -> RawInteractions:
    """The raw interactions of a source; packaged ones come with their side tables, others without.

    Raises `UserError` for columns that are missing or cannot be told, for columns named where the source has its own,
    and for what cannot be read.
    """
    own = config.source in PACKAGED or (file is not None and _is_movielens(file) and file.suffix != ".inter")
    named = [role for role in _ROLES if getattr(config, role)]
    if own and named:
        raise UserError(f"data.{named[0]}: {config.source} has columns of its own; leave it out")
    if config.source in PACKAGED:
        return read_packaged(config.source)
    if file is None:
        table, roles = read_hub(config)
        return raw_of(table, roles, config.source)
    if _is_movielens(file):
        return read_ratings(file, config)
    table, roles, malformed = read_table(file, config)
    return raw_of(table, roles, str(file), malformed)


def add_side_tables(raw: RawInteractions, config: InteractionsConfig, file: Path | None) -> None:
    """Give raw interactions the side tables that the config names, else those of a MovieLens folder.

    Raises `UserError` for a table that is missing, cannot be read or holds an id twice.
    """
    for side, table in (("user", config.users), ("item", config.items)):
        if getattr(config, f"{side}_id") and not table:
            raise UserError(f"data.{side}_id: names the id column of data.{side}s, which is not given")
    if file is not None and _is_movielens(file):
        raw.user_table, raw.item_table = side_tables(file)
    if config.users:
        names = [(config.user or "").lower(), *USERS]
        raw.user_table = read_side_table(config.users, "users", config.user_id, names, config.encoding)
    if config.items:
        names = [(config.item or "").lower(), *ITEMS]
        raw.item_table = read_side_table(config.items, "items", config.item_id, names, config.encoding)


def _is_movielens(file: Path) -> bool:
    """Whether a file is one of MovieLens' or RecBole's, to be read with what stands beside it."""
    if file.name == "ratings.csv":
        return (file.parent / "movies.csv").is_file()
    return file.suffix == ".inter" or file.name in ("ratings.dat", "u.data")
