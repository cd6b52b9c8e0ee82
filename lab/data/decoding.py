"""Bytes of text files → lines, in bounded memory, with errors that name the byte."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from lab.errors import UserError

# A line longer than this many characters is handed on in pieces.
PIECE = 1 << 20
_CHUNK = 1 << 18
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MAGIC = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\xfd7zXZ": ".xz", b"PK\x03\x04": ".zip", b"PAR1": ".parquet"}
COMPRESSED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz"}


def read_text_lines(path: Path, encoding: str) -> Iterator[tuple[int, int, str]]:
    """Lines of a text file (plain, .gz, .bz2, .xz) as `(line number from 1, piece number from 0, text)`.

    Lines end at LF, CRLF or CR. A byte-order mark is obeyed and dropped, NUL characters are dropped. A line of more
    than `PIECE` characters comes in pieces, cut at a space where there is one; where it is cut depends on the text
    alone. Raises `UserError` for bytes that are not of the encoding (with their offset, after decompression) and for
    compressed files that are cut short or damaged.
    """
    line = 1
    piece = 0
    rest = ""
    for text in _decode(path, encoding):
        *complete, rest = (rest + text).split("\n")
        for content in complete:
            for part in _pieces(content):
                yield line, piece, part
                piece += 1
            line, piece = line + 1, 0
        if len(rest) > PIECE:
            *parts, rest = _pieces(rest)
            for part in parts:
                yield line, piece, part
                piece += 1
    if rest:
        for part in _pieces(rest):
            yield line, piece, part
            piece += 1


def _pieces(text: str) -> list[str]:
    """A line cut into pieces of at most `PIECE` characters; the last is never empty unless the line is."""
    if len(text) <= PIECE:
        return [text]
    parts = []
    start = 0
    while len(text) - start > PIECE:
        cut = text.rfind(" ", start, start + PIECE)
        end = cut + 1 if cut > start else start + PIECE
        parts.append(text[start:end])
        start = end
    return [*parts, text[start:]]


def _decode(path: Path, encoding: str) -> Iterator[str]:
    """A file's text in chunks, with `\\n` as the only line end, no byte-order mark and no NUL."""
    offset = 0
    decoder: codecs.IncrementalDecoder | None = None
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    for chunk in _chunks(path):
        if decoder is None:
            decoder = codecs.getincrementaldecoder(_from_mark(chunk, encoding))("strict")
        pending = len(decoder.getstate()[0])
        text = _step(decoder, chunk, False, offset - pending, path, encoding)
        offset += len(chunk)
        yield newlines.decode(text).replace("\0", "").replace("\ufeff", "")
    if decoder is not None:
        pending = len(decoder.getstate()[0])
        text = _step(decoder, b"", True, offset - pending, path, encoding)
        yield newlines.decode(text, final=True)


def effective_encoding(path: Path, encoding: str) -> str:
    """The encoding a file is read in: that of its byte-order mark where UTF-8 is asked for, else the one asked for."""
    return _from_mark(next(_chunks(path), b""), encoding)


def _from_mark(start: bytes, encoding: str) -> str:
    if codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        return next((name for mark, name in _BOMS if start.startswith(mark)), encoding)
    return encoding


def _step(decoder: codecs.IncrementalDecoder, chunk: bytes, final: bool, start: int, path: Path, encoding: str) -> str:
    try:
        return decoder.decode(chunk, final)
    except UnicodeDecodeError as error:
        position = start + error.start
        kind = next((ending for magic, ending in _MAGIC.items() if bytes(error.object).startswith(magic)), None)
        if kind and start == 0:
            cure = f"the file looks like {kind}: give it that ending"
        else:
            cure = "name the file's encoding, such as `data.encoding=latin-1` or `cp1252`, or mend the file"
        wrong = f"byte 0x{error.object[error.start]:02x} at offset {position}"
        raise UserError(f"{path}: not {encoding}: {wrong}; {cure}") from None
    except UnicodeError as error:  # UTF-16 without a byte-order mark, say
        raise UserError(f"{path}: not {encoding}: {error}; name the file's encoding with `data.encoding`") from None


def _chunks(path: Path) -> Iterator[bytes]:
    """A file's bytes, decompressed, in chunks."""
    import lzma
    import zlib

    ending = path.suffix.lower()
    try:
        with _open(path, ending) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except EOFError:
        raise UserError(f"{path}: the {COMPRESSED[ending]} file is cut short; fetch or make it again") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder, where a file was expected") from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from None
        raise UserError(_damage(path, ending)) from None


def _open(path: Path, ending: str) -> IO[bytes]:
    import bz2
    import gzip
    import lzma

    openers = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    return openers.get(ending, open)(path, "rb")  # type: ignore[operator]


def _damage(path: Path, ending: str) -> str:
    """Why a compressed file could not be read: it is damaged, or it is not what its ending says."""
    with open(path, "rb") as file:
        start = file.read(8)
    if any(start.startswith(magic) for magic, named in _MAGIC.items() if named == ending):
        return f"{path}: the {COMPRESSED[ending]} file is damaged; fetch or make it again"
    return (
        f"{path}: not a {COMPRESSED[ending]} file, whatever its ending says; if it is text, rename it without {ending}"
    )


def count_lines(path: Path, encoding: str) -> dict[str, int]:
    """Lines with text in them, and characters in all. Raises as `read_text_lines` does."""
    return _count(text for _, _, text in read_text_lines(path, encoding))


def _count(texts: Iterable[str]) -> dict[str, int]:
    lines = characters = 0
    for text in texts:
        if text and not text.isspace():
            lines += 1
            characters += len(text)
    return {"lines": lines, "characters": characters}
