"""Paragraph → article: a task of 20 classes made from the packaged sample of Wikipedia, no label invented."""

from __future__ import annotations

import re

from lab.data.labelled.items import RawItems

ARTICLES = 20
# Shorter paragraphs are lists and captions that say little of the article.
_WORDS = 10


def wikipedia_topics() -> RawItems:
    """The prose paragraphs of the 20 longest articles of the sample, each labelled with its article's title.

    Paragraphs of fewer than ten words, and those that stand in the sample twice, are left out. Ids are
    `article/section/paragraph`; the column `section` is the group that no split cuts.
    """
    from lab.data.wikipedia import Article, articles

    def length(article: Article) -> int:
        return sum(len(paragraph.text.split()) for section in article.sections for paragraph in section.paragraphs)

    longest = sorted(articles(), key=lambda article: (-length(article), article.title))[:ARTICLES]
    raw = RawItems("text", [], [], "wikipedia-topics", "paragraphs", texts=[])
    sections: list[str] = []
    seen: set[str] = set()
    assert raw.texts is not None
    for article in sorted(longest, key=lambda article: article.title):
        for at, section in enumerate(article.sections):
            for number, paragraph in enumerate(section.paragraphs):
                plain = re.sub(r"\W+", " ", paragraph.text).strip().lower()
                if paragraph.kind != "prose" or len(plain.split()) < _WORDS or plain in seen:
                    continue
                seen.add(plain)
                raw.ids.append(f"{article.title}/{at}/{number}")
                raw.names.append(article.title)
                raw.texts.append(paragraph.text)
                sections.append(f"{article.title}/{at}")
    raw.columns["section"] = sections
    raw.group = "section"
    return raw
