"""MovieLens as GroupLens gives it (100k; 1M, 10M; latest-small, 20M, 25M, 32M) and RecBole's atomic files.

Harper and Konstan 2015, The MovieLens Datasets: History and Context. Whatever the layout, films come with `title`,
`year` and `genres` (lists), users, where anything is known of them, with `gender`, `age`, `occupation`, `zip_code`.
Tags are left alone: users gave them, some after the moment that a split holds out.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from lab.data.interactions.columns import typed
from lab.data.interactions.tables import (
    ITEMS,
    choose_columns,
    header_of,
    raw_of,
    read_csv,
    read_side_table,
    side_table,
)
from lab.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from lab.data.interactions.config import InteractionsConfig
    from lab.data.interactions.interactions import RawInteractions

_ROLES = {"user": "user_id", "item": "item_id", "value": "rating", "timestamp": "timestamp"}
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_OCCUPATIONS = (
    *("other", "educator", "artist", "clerical/admin", "college/grad student", "customer service"),
    *("doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer"),
    *("retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman"),
    *("unemployed", "writer"),
)
LAYOUTS = "ratings.csv with movies.csv, ratings.dat with movies.dat, u.data with u.item, or NAME.inter"


def ratings_file(folder: Path) -> Path | None:
    """The file of ratings in a folder of a known layout, else None. Raises `UserError` for several .inter files."""
    for name in ("ratings.csv", "ratings.dat", "u.data"):
        if (folder / name).is_file():
            return folder / name
    atomic = sorted(folder.glob("*.inter"))
    if len(atomic) > 1:
        raise UserError(f"data.source: {folder}: several .inter files; keep one in the folder")
    return atomic[0] if atomic else None


def read_ratings(file: Path, config: InteractionsConfig) -> RawInteractions:
    """The ratings of a MovieLens folder or an atomic file, without side tables. Raises `UserError` where unreadable."""
    if file.suffix in (".inter", ".csv"):
        header, separator = header_of(file, config.encoding)
        roles = choose_columns(header, config, str(file), with_types=file.suffix == ".inter")
        table, malformed = read_csv(file, roles, separator=separator, encoding=config.encoding)
    else:
        roles = _ROLES
        names = list(roles.values())
        if file.suffix == ".dat":  # `::` is a colon, nothing, and a colon
            names = [cell for number, name in enumerate(names) for cell in (name, f"nothing {number}")][:-1]
        separator = ":" if file.suffix == ".dat" else "\t"
        table, malformed = read_csv(file, roles, separator=separator, encoding="utf-8", names=names)
    raw = raw_of(table, roles, str(file), malformed)
    raw.noun = "interactions" if raw.value is None else "ratings"
    return raw


def side_tables(file: Path) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """What stands beside a file of ratings on users and on films (each None where there is nothing)."""
    folder = file.parent
    if file.suffix == ".inter":
        return tuple(_atomic_side(file.with_suffix(ending)) for ending in (".user", ".item"))  # type: ignore[return-value]
    if file.suffix == ".csv":
        return None, _films(read_side_table(str(folder / "movies.csv"), "items", None, ITEMS, "utf-8"))
    if file.suffix == ".dat":
        films = _side(folder / "movies.dat", "::", ["id", "title", "genres"])
        users = _side(folder / "users.dat", "::", ["id", "gender", "age", "occupation", "zip_code"])
        return _named_occupations(users), _films(films)
    films = _side(folder / "u.item", "|", ["id", "title", "released", "video", "url", *_GENRES])
    users = _side(folder / "u.user", "|", ["id", "age", "gender", "occupation", "zip_code"])
    return users, _films(None if films is None else _joined_genres(films))


def _side(file: Path, separator: str, names: list[str]) -> pd.DataFrame | None:
    import pandas as pd

    if not file.is_file():
        return None
    content = file.read_bytes()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    try:
        frame = pd.read_csv(
            io.StringIO(text.replace(separator, "\t")), sep="\t", names=names, dtype=str, quoting=3, index_col=False
        )
    except ValueError as error:
        raise UserError(f"{file}: cannot be read: {' '.join(str(error).split())[:200]}") from None
    return side_table(frame.fillna(""), "id", str(file))


def _named_occupations(users: pd.DataFrame | None) -> pd.DataFrame | None:
    if users is None:
        return None
    named = dict(enumerate(_OCCUPATIONS))
    return users.assign(occupation=[named.get(code, str(code)) for code in users["occupation"]])


def _joined_genres(films: pd.DataFrame) -> pd.DataFrame:
    flags = films[list(_GENRES)].isin([1, "1"]).to_numpy()
    joined = ["|".join(name for name, flag in zip(_GENRES, row, strict=True) if flag) for row in flags]
    return films[["title"]].assign(genres=joined)


def _films(films: pd.DataFrame | None) -> pd.DataFrame | None:
    """`title`, `year` (float, NaN where the title names none) and `genres` (a list a film); another table as it is."""
    import pandas as pd

    if films is None or not {"title", "genres"} <= {*films.columns}:
        return films
    titles = films["title"].astype(str).str.strip()
    genres = films["genres"].astype(str)
    cells = zip(genres, genres.isin(["", "(no genres listed)", "unknown"]), strict=True)
    return films[[]].assign(
        title=titles,
        year=titles.str.extract(r"\((\d{4})\)\s*$")[0].astype(float),
        genres=pd.Series([[] if empty else cell.split("|") for cell, empty in cells], films.index, dtype=object),
    )


def _atomic_side(file: Path) -> pd.DataFrame | None:
    """RecBole's `.user` or `.item`: `token_seq` columns are lists, but for titles and the like, which are texts."""
    import pandas as pd

    if not file.is_file():
        return None
    header, _ = header_of(file, "utf-8")
    frame = pd.read_csv(file, sep="\t", dtype=str, quoting=3, keep_default_na=False)
    table = side_table(frame, header[0], str(file))
    for column in header[1:]:
        name, _, kind = column.partition(":")
        cells = table.pop(column)
        if kind.endswith("_seq") and not name.endswith(("title", "name", "text", "description")):
            table[name] = [str(cell).split() for cell in cells]
        else:
            table[name] = typed(cells)
    table = table.rename(columns={"movie_title": "title", "release_year": "year", "class": "genres"})
    return table.assign(year=pd.to_numeric(table["year"], errors="coerce").astype(float)) if "year" in table else table
