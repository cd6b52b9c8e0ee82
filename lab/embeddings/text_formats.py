"""Vectors as lines of text (word2vec, GloVe, fastText `.vec`) and as word2vec's binary: read in a stream, checked.

Lines are split as bytes at ASCII white space only, so that a word may hold any other character of Unicode.
"""

from __future__ import annotations

import bz2
import gzip
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lab.atomic import replacing
from lab.embeddings.space import EmbeddingSpace, offenders
from lab.errors import UserError

LONGEST_WORD = 10_000  # bytes; what is longer is no word but a sign of a wrong format
_FASTTEXT_BINARY = bytes([0xBA, 0x16, 0x4F, 0x2F])
_UNWRITABLE = re.compile(r"[\x00-\x20]")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")


def read_text_or_binary(path: Path) -> EmbeddingSpace:
    """Read word2vec text or binary (known by the header "rows dimensions") or GloVe text (no header); also gz, bz2."""
    with _opened(path) as file:
        start = file.read(max(2**16, LONGEST_WORD))
        _refuse_other_formats(path, start)
        header = re.match(rb"(?:\xef\xbb\xbf)?[ \t]*(\d+)[ \t]+(\d+)[ \t]*\r?\n", start)
        file.seek(0)
        if header is None:
            return _read_lines(path, file, None)
        rows, dimensions = int(header.group(1)), int(header.group(2))
        if not rows or not dimensions:
            raise UserError(f"{path}: line 1: the header promises {rows} rows of {dimensions} numbers")
        if _is_text(start[header.end() :]):
            return _read_lines(path, file, (rows, dimensions))
        file.seek(header.end())
        return _read_binary(path, file, rows, dimensions, header.end())


def write_text(space: EmbeddingSpace, path: Path, header: bool) -> None:
    """Write one line an item, numbers with the nine digits that give every float32 back; `.gz` is compressed.

    With a header it is word2vec's (and fastText's `.vec`) format, without it GloVe's.
    """
    names = _encoded(space, path)
    line = b"%s " + b" ".join([b"%.9g"] * space.dim) + b"\n"
    with _replacing(path) as file:
        if header:
            file.write(b"%d %d\n" % (len(space), space.dim))
        for name, vector in zip(names, space.vectors, strict=True):
            file.write(line % (name, *vector.tolist()))


def write_binary(space: EmbeddingSpace, path: Path) -> None:
    """Write word2vec's binary format: header, then each word, a space, little-endian float32; `.gz` is compressed."""
    names = _encoded(space, path)
    with _replacing(path) as file:
        file.write(b"%d %d\n" % (len(space), space.dim))
        for name, vector in zip(names, space.vectors, strict=True):
            file.write(name + b" " + vector.astype("<f4").tobytes() + b"\n")


# --- reading


class _Table:
    """Words and vectors as they come in; `add` refuses what cannot be in a space, with the place where it stands."""

    def __init__(self, path: Path, kind: str) -> None:
        self.path, self.kind = path, kind  # kind of place: line or row
        self.places: dict[str, int] = {}
        self.numbers = bytearray()

    def __len__(self) -> int:
        return len(self.places)

    def add(self, word: bytes, vector: np.ndarray, place: int, at: str) -> None:
        try:
            text = word.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{at}: the word {word[:40]!r} is not valid UTF-8 (byte 0x{word[error.start]:02x}); gensim can replace "
                "such bytes: KeyedVectors.load_word2vec_format(…, unicode_errors='replace'), then save_word2vec_format"
            ) from None
        first = self.places.setdefault(text, place)
        if first != place:
            raise UserError(f"{at}: {text[:40]!r} stands already in {self.kind} {first:,}; words must be unique")
        if not np.isfinite(vector).all():
            raise UserError(f"{at}: NaN, infinity or a number too large for float32 in the vector of {text[:40]!r}")
        self.numbers += vector.tobytes()

    def space(self, dimensions: int) -> EmbeddingSpace:
        vectors = np.frombuffer(self.numbers, dtype=np.float32).reshape(-1, dimensions)
        return EmbeddingSpace(list(self.places), vectors, name=self.path.name.split(".")[0])


def _read_lines(path: Path, file: BinaryIO, header: tuple[int, int] | None) -> EmbeddingSpace:
    table = _Table(path, "line")
    rows, dimensions = header or (None, 0)
    for count, line in enumerate(file, start=1):
        if (count == 1 and header) or not line.strip():
            continue
        at = f"{path}: line {count:,}"
        if len(table) == rows:
            raise UserError(f"{at}: one row more than the {rows:,} that the header promises")
        dimensions = dimensions or len(line.split()) - 1
        word, vector = _parse(line, dimensions, at)
        table.add(word, vector, count, at)
    if rows is not None and len(table) < rows:
        raise UserError(f"{path}: the header promises {rows:,} rows but the file ends after {len(table):,}")
    if not len(table):
        raise UserError(f"{path}: no vectors in it")
    return table.space(dimensions)


def _parse(line: bytes, dimensions: int, at: str) -> tuple[bytes, np.ndarray]:
    """Split a line into word and vector; a word may hold spaces (GloVe has such) but not end in a number after one."""
    word, *numbers = line.rsplit(None, dimensions)
    words = word.split()
    if dimensions < 1 or len(numbers) < dimensions or (len(words) > 1 and _is_number(words[-1])):
        found = len(line.split()) - 1
        raise UserError(f"{at}: {found} numbers after the word, where {max(dimensions, 1)} were due")
    try:
        with np.errstate(over="ignore"):
            return word.lstrip(), np.array(numbers, dtype=np.float32)
    except ValueError:
        wrong = next(number for number in numbers if not _is_number(number))
        raise UserError(f"{at}: {wrong[:40].decode(errors='replace')!r} where a number was due") from None


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_binary(path: Path, file: BinaryIO, rows: int, dimensions: int, position: int) -> EmbeddingSpace:
    """Read rows of word, space, `dimensions` float32; `position` is where the first stands in the file."""
    table = _Table(path, "row")
    buffer, here = b"", 0
    for row in range(1, rows + 1):
        at = f"{path}: row {row:,}, byte {position:,}"
        while (end := buffer.find(b" ", here, here + LONGEST_WORD) + 1) == 0 or len(buffer) < end + 4 * dimensions:
            if not end and len(buffer) - here > LONGEST_WORD:
                raise UserError(f"{at}: no word here: another number of dimensions, or not word2vec's binary format")
            more = file.read(max(2**20, 4 * dimensions))
            if not more:
                raise UserError(f"{at}: the file ends within this row, but its header promises {rows:,} rows")
            buffer, here = buffer[here:] + more, 0
        vector = np.frombuffer(buffer, dtype="<f4", count=dimensions, offset=end).astype(np.float32)
        # Where vectors end with a line break, as word2vec.c writes them, it stands before the next word.
        table.add(buffer[here : end - 1].lstrip(b"\n"), vector, row, at)
        position += end + 4 * dimensions - here
        here = end + 4 * dimensions
    if (buffer[here:] + file.read(2**16)).strip():
        raise UserError(f"{path}: byte {position:,}: more follows after the {rows:,} rows that the header promises")
    return table.space(dimensions)


# --- which format it is


def _is_text(start: bytes) -> bool:
    """Whether rows after a header are text: no control characters, and a number after the first word."""
    first = start.split(b"\n", 1)[0].split()
    return not _CONTROL.search(start[:4096]) and any(map(_is_number, first[1:]))


def _refuse_other_formats(path: Path, start: bytes) -> None:
    if start.startswith(_FASTTEXT_BINARY):
        raise UserError(f"{path}: fastText's own binary model; give the .vec file that stands beside it")
    if start.startswith(b"PK"):
        raise UserError(f"{path}: a zip archive; unpack it and give a file in it")
    if start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise UserError(refusal_of_pickle(path))


def refusal_of_pickle(path: Path) -> str:
    """Say why a pickle is not read, and the one line of gensim that converts it."""
    loads = "Word2Vec.load({!r}).wv" if path.suffix == ".model" else "KeyedVectors.load({!r})"
    line = f"{loads.format(path.name)}.save_word2vec_format({path.stem + '.txt'!r})"
    return (
        f"{path}: a pickle, which can run any code when it is read; if you trust it, convert it with gensim: "
        f'python -c "from gensim.models import *; {line}"'
    )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked where they are gzip or bzip2."""
    try:
        with open(path, "rb") as plain:
            magic = plain.read(3)
            plain.seek(0)
            if magic.startswith(b"\x1f\x8b"):
                with gzip.open(plain) as unpacked:
                    yield unpacked  # type: ignore[misc]
            elif magic == b"BZh":
                with bz2.open(plain) as unpacked:
                    yield unpacked  # type: ignore[misc]
            else:
                yield plain
    except (EOFError, OSError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(f"{path}: cannot be read: {reason}") from None


# --- writing


def _encoded(space: EmbeddingSpace, path: Path) -> list[bytes]:
    """The ids as UTF-8, if a format that ends a word at a space can hold them."""
    wrong = np.array([not item or bool(_UNWRITABLE.search(item)) or not _has_utf8(item) for item in space.ids])
    if wrong.any():
        raise UserError(
            f"{path}: {offenders(space.ids, wrong)} an id that this format cannot hold (empty, with spaces or control "
            "characters, or no valid Unicode); use parquet or npz"
        )
    return [item.encode("utf-8") for item in space.ids]


def _has_utf8(item: str) -> bool:
    try:
        item.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    with replacing(path) as temporary, open(temporary, "wb") as plain:
        if path.suffix == ".gz":
            with gzip.GzipFile("", "wb", fileobj=plain, mtime=0) as packed:  # the same bytes at any time
                yield packed  # type: ignore[misc]
        else:
            yield plain
