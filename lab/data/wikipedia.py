"""The packaged sample of Wikipedia as articles, sections, paragraphs and links."""

from __future__ import annotations

import bz2
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from lab.cache import cached_folder
from lab.data.fingerprint import digest, file_fingerprint
from lab.data.packaged import packaged_path
from lab.data.wikitext import Link, Paragraph, Section, parse_wikitext

__all__ = ["Article", "Link", "Paragraph", "Section", "articles", "counts", "parse_dump"]

# Raised whenever the cleaning changes, as every text made from it does.
VERSION = 3


@dataclass(frozen=True)
class Article:
    """A page: its title and its sections, the lead first."""

    title: str
    sections: list[Section]


def articles() -> list[Article]:
    """The 106 articles of the packaged sample, in the order of the dump (parsed once, then read from the cache)."""
    return list(_load())


@lru_cache(maxsize=1)
def _load() -> tuple[Article, ...]:
    dump = packaged_path("wikipedia-sample")

    def make(folder: Path) -> None:
        with open(folder / "articles.jsonl", "w", encoding="utf-8") as file:
            for article in parse_dump(dump):
                file.write(json.dumps(asdict(article), ensure_ascii=False) + "\n")

    folder = cached_folder("wikipedia", digest(file_fingerprint(dump), str(VERSION)), make)
    with open(folder / "articles.jsonl", encoding="utf-8", newline="\n") as file:
        return tuple(_article(json.loads(line)) for line in file)


def _article(record: dict) -> Article:
    sections = [
        Section(
            section["heading"],
            section["level"],
            [
                Paragraph(paragraph["text"], [Link(**link) for link in paragraph["links"]], paragraph["kind"])
                for paragraph in section["paragraphs"]
            ],
        )
        for section in record["sections"]
    ]
    return Article(record["title"], sections)


def counts() -> dict[str, int]:
    """What a person would count in the sample."""
    sections = [section for article in _load() for section in article.sections]
    paragraphs = [paragraph for section in sections for paragraph in section.paragraphs]
    return {
        "articles": len(_load()),
        "sections": sum(section.level > 1 for section in sections),
        "paragraphs": len(paragraphs),
        "words": sum(len(paragraph.text.split()) for paragraph in paragraphs),
        "links": sum(len(paragraph.links) for paragraph in paragraphs),
    }


def parse_dump(path: Path) -> Iterator[Article]:
    """The articles of a MediaWiki XML dump (.bz2), streamed: namespace 0, redirects left out."""
    from xml.etree.ElementTree import iterparse

    with bz2.open(path) as file:
        for _, element in iterparse(file):
            if not element.tag.endswith("}page"):
                continue
            space = element.tag.removesuffix("page")
            if element.findtext(f"{space}ns") == "0" and element.find(f"{space}redirect") is None:
                markup = element.findtext(f"{space}revision/{space}text") or ""
                yield Article(element.findtext(f"{space}title") or "", parse_wikitext(markup))
            element.clear()
