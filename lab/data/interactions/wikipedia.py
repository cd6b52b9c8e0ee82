"""Two tasks made from the packaged sample of Wikipedia, no label invented: linked titles, and search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lab.data.interactions.columns import tidy_ids
from lab.data.interactions.interactions import RawInteractions

if TYPE_CHECKING:
    import pandas as pd

# Shorter sections are captions and lists of sources that say little of what their heading asks for.
_WORDS = 10
_Rows = dict[str, dict[str, str]]
_Task = tuple[list[tuple[str, str]], _Rows, _Rows]  # pairs, and what is known of users and items


def read_packaged(name: str) -> RawInteractions:
    """The raw interactions of a packaged name.

    `wikipedia-links`: users are the prose paragraphs (`article/section/paragraph`; `text`, `article`, `section`),
    items the titles they link to (`text` is the title). `wikipedia-search`: users are queries (`title: heading`, also
    their `text`), items the sections (`title/number`) of at least ten words of prose (`text`, `article`).
    """
    pairs, users, items = _links() if name == "wikipedia-links" else _search()
    codes = np.arange(len(pairs), dtype=np.int32)
    return RawInteractions(
        tidy_ids([user for user, _ in pairs], codes),
        tidy_ids([item for _, item in pairs], codes),
        np.arange(len(pairs), dtype=np.int64),
        name,
        "links" if name == "wikipedia-links" else "pairs of query and section",
        user_table=_frame(users),
        item_table=_frame(items),
    )


def _frame(rows: _Rows) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(list(rows.values()), index=pd.Index(list(rows), name="id", dtype=object))


def _links() -> _Task:
    from lab.data.wikipedia import articles

    pairs: list[tuple[str, str]] = []
    users: _Rows = {}
    items: _Rows = {}
    for article in articles():
        for at, section in enumerate(article.sections):
            for number, paragraph in enumerate(section.paragraphs):
                if paragraph.kind != "prose" or not paragraph.links:
                    continue
                name = f"{article.title}/{at}/{number}"
                users[name] = {"text": paragraph.text, "article": article.title, "section": section.heading}
                for link in paragraph.links:
                    items.setdefault(link.target, {"text": link.target})
                    pairs.append((name, link.target))
    return pairs, users, items


def _search() -> _Task:
    from lab.data.wikipedia import articles

    pairs: list[tuple[str, str]] = []
    users: _Rows = {}
    items: _Rows = {}
    for article in articles():
        for at, section in enumerate(article.sections):
            text = " ".join(paragraph.text for paragraph in section.paragraphs if paragraph.kind == "prose")
            if not section.heading or len(text.split()) < _WORDS:
                continue
            query = f"{article.title}: {section.heading}"
            users[query] = {"text": query, "article": article.title}
            items[f"{article.title}/{at}"] = {"text": text, "article": article.title}
            pairs.append((query, f"{article.title}/{at}"))
    return pairs, users, items
