"""Running text from anywhere, a line at a time: files, folders, tables, hub data sets, packaged corpora."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from lab.data.config import CorpusConfig
from lab.data.decoding import PIECE, count_lines, read_text_lines
from lab.data.fingerprint import digest, file_fingerprint, remembered
from lab.data.packaged import packaged_record
from lab.data.sources import Source, find_source
from lab.errors import UserError
from lab.experiment import DataFacts


class Line(NamedTuple):
    """One line, row or paragraph of text; the `id` is unique in its source and stays when others are added."""

    id: str
    text: str


def read_lines(config: CorpusConfig) -> Iterator[Line]:
    """Stream the lines of a source that have any text; memory stays bounded whatever the size.

    Ids are `file:line number` (from 1), `file:row` (from 0) or `article/section/paragraph`; the pieces of a line of
    more than a million characters are `file:line/piece`. Raises `UserError` for what cannot be found or read.
    """
    source = find_source(config)
    if source.kind == "wikipedia":
        lines = _wikipedia_lines()
    elif source.kind == "text":
        lines = _text_lines(source, config)
    else:
        from lab.data.tables import read_rows

        rows = read_rows(source, config)
        lines = (Line(id, text.replace("\0", "")) for id, text in rows)
    return (line for line in lines if line.text and not line.text.isspace())


def describe(config: CorpusConfig) -> DataFacts:
    """Fingerprint, counts and one line about a source.

    The fingerprint covers the bytes, the names of the files (ids are made of them) and the keys that change what is
    read or held out. Files are read once: the answer is kept until their size or time of change is another. Raises
    `UserError` as `read_lines` does, and for a source without any text.
    """
    source = find_source(config)
    if source.kind == "wikipedia":
        counts, parts = _describe_wikipedia(source)
    elif source.kind == "text":
        counts, parts = _describe_text(source, config)
    else:
        from lab.data.tables import describe_table

        counts, parts = describe_table(source, config)
    if counts and not any(counts.values()):
        raise UserError(f"{config.source}: empty, there is no text in it")
    keys = [config.unit, config.encoding, str(config.held_out.fraction), str(config.held_out.seed)]
    return DataFacts(digest(*keys, *parts), counts, _sentence(source, counts))


def _sentence(source: Source, counts: dict[str, int]) -> str:
    amounts = ", ".join(f"{count:,} {name if count != 1 else name.removesuffix('s')}" for name, count in counts.items())
    if source.name in ("wikipedia-sample", "head500"):
        return f"{packaged_record(source.name).summary}, packaged with gensim: {amounts}"
    return f"{source.name}: {amounts}"


def _text_lines(source: Source, config: CorpusConfig) -> Iterator[Line]:
    for name, path in zip(source.names, source.files, strict=True):
        pieces = read_text_lines(path, config.encoding)
        named = (
            (Line(f"{name}:{number}" if piece == 0 else f"{name}:{number}/{piece}", text))
            for number, piece, text in pieces
        )
        yield from _paragraphs(named) if config.unit == "paragraph" else named


def _paragraphs(lines: Iterable[Line]) -> Iterator[Line]:
    """Lines joined up to the next blank one, under the id of the first."""
    gathered: list[Line] = []
    length = 0
    for line in lines:
        blank = not line.text or line.text.isspace()
        if gathered and (blank or length + len(line.text) > PIECE):
            yield Line(gathered[0].id, " ".join(part.text.strip() for part in gathered))
            gathered, length = [], 0
        if not blank:
            gathered.append(line)
            length += len(line.text)
    if gathered:
        yield Line(gathered[0].id, " ".join(part.text.strip() for part in gathered))


def _wikipedia_lines() -> Iterator[Line]:
    from lab.data.wikipedia import articles

    for article in articles():
        for at, section in enumerate(article.sections):
            for number, paragraph in enumerate(section.paragraphs):
                yield Line(f"{article.title}/{at}/{number}", paragraph.text)


def _describe_text(source: Source, config: CorpusConfig) -> tuple[dict[str, int], list[str]]:
    parts = []
    lines = 0

    def count(path: Path) -> dict[str, int]:
        return count_lines(path, config.encoding)

    for name, path in zip(source.names, source.files, strict=True):
        try:
            parts += [name, file_fingerprint(path)]
            lines += remembered(path, f"lines in {config.encoding}", count)["lines"]
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    counted = {"document": "documents", "sentence": "lines", "paragraph": "lines"}[config.unit]
    files = {"files": len(source.files)} if len(source.files) > 1 and lines else {}
    return {**files, counted: lines}, parts


def _describe_wikipedia(source: Source) -> tuple[dict[str, int], list[str]]:
    from lab.data import wikipedia

    return wikipedia.counts(), [file_fingerprint(source.files[0]), str(wikipedia.VERSION)]
