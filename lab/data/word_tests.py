"""Word-similarity and analogy test sets, packaged or from a file in one of the usual formats."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from lab.data.decoding import read_text_lines
from lab.data.fingerprint import digest
from lab.data.packaged import packaged, packaged_path
from lab.errors import UserError, nearest

# What the column of human scores is called in the sets in use, lower-cased.
_SCORE_COLUMNS = ("simlex999", "human (mean)", "human", "score", "similarity", "relatedness", "rating", "gold", "mean")


@dataclass(frozen=True)
class SimilarityTest:
    """Word pairs with the similarity people gave them.

    `first`, `second`: n words as the file spells them. `human`: (n,) float64, higher is more alike.
    `fingerprint`: of pairs and scores, whatever the file's format.
    """

    name: str
    first: list[str]
    second: list[str]
    human: np.ndarray
    fingerprint: str

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def ids(self) -> list[str]:
        """A unique name for each pair, `tiger cat`; a pair that comes again is `money cash #2`."""
        return _unique(f"{one} {other}" for one, other in zip(self.first, self.second, strict=True))


Question = tuple[str, str, str, str]


@dataclass(frozen=True)
class AnalogyTest:
    """Questions `a is to b as c is to d`, by section, words as the file spells them."""

    name: str
    sections: dict[str, list[Question]]
    fingerprint: str

    def __len__(self) -> int:
        return sum(len(questions) for questions in self.sections.values())

    @cached_property
    def ids(self) -> list[str]:
        """A unique name for each question in the order of the sections, `family: boy girl brother sister`."""
        return _unique(
            f"{section}: {' '.join(question)}" for section, questions in self.sections.items() for question in questions
        )


def load_similarity(name: str | Path) -> SimilarityTest:
    """A packaged similarity set, or a file of two words and a score a line.

    Columns are parted by tabs, commas, semicolons or spaces; lines that begin with `#` are comments. A header is seen
    by its having no number, or a usual name for the scores; the score is the column of that name (SimLex-999,
    WordSim-353, MEN and their like), else the first number after the words. Raises `UserError` with file and line.
    """
    path = _find(name, "similarity")
    rows = [(number, line) for number, line in _lines(path) if not line.startswith("#")]
    if not rows:
        raise UserError(f"{path}: no word pairs in it")
    delimiter = _delimiter(rows[-1][1])
    table = [(number, _cells(line, delimiter)) for number, line in rows]
    column = 0
    header = [cell.lower() for cell in table[0][1]]
    called = [at for at, cell in enumerate(header) if at >= 2 and cell in _SCORE_COLUMNS]
    if called or not any(_is_number(cell) for cell in header[2:]):
        table = table[1:]
        column = min(called, key=lambda at: _SCORE_COLUMNS.index(header[at]), default=0)
    pairs = [_pair(path, number, cells, column) for number, cells in table]
    if not pairs:
        raise UserError(f"{path}: no word pairs in it")
    first, second, human = (list(values) for values in zip(*pairs, strict=True))
    fingerprint = digest(*(f"{a}\t{b}\t{score!r}" for a, b, score in pairs))
    return SimilarityTest(_title(name), first, second, np.array(human, dtype=np.float64), fingerprint)


def load_analogies(name: str | Path) -> AnalogyTest:
    """A packaged analogy set, or a file in Google's format: `: section`, then four words a line.

    Questions before the first section belong to one called `all`. Raises `UserError` with file and line.
    """
    path = _find(name, "analogies")
    sections: dict[str, list[Question]] = {}
    section = "all"
    for number, line in _lines(path):
        if line.startswith(":"):
            section = line[1:].strip() or "all"
            continue
        words = line.split()
        if len(words) != 4:
            raise UserError(f"{path}:{number}: expected four words or `: section`, got {line[:80]!r}")
        sections.setdefault(section, []).append((words[0], words[1], words[2], words[3]))
    if not sections:
        raise UserError(f"{path}: no analogy questions in it")
    parts = [" ".join((title, *question)) for title, questions in sections.items() for question in questions]
    return AnalogyTest(_title(name), sections, digest(*parts))


def _pair(path: Path, number: int, cells: list[str], column: int) -> tuple[str, str, float]:
    at = column or next((at for at, cell in enumerate(cells) if at >= 2 and _is_number(cell)), 2)
    if len(cells) <= at or not cells[0] or not cells[1] or not _is_number(cells[at]):
        raise UserError(f"{path}:{number}: expected two words and a number, got {' '.join(cells)[:80]!r}")
    return cells[0], cells[1], float(cells[at])


def _find(name: str | Path, kind: str) -> Path:
    records = {record.name: record for record in packaged()}
    if str(name) in records:
        if records[str(name)].kind != kind:
            raise UserError(f"{name} is packaged {records[str(name)].kind}, where {kind} was expected")
        return packaged_path(str(name))
    path = Path(name).expanduser()
    if not path.is_file():
        names = [record.name for record in records.values() if record.kind == kind]
        near = nearest(str(name), names)
        cure = f"did you mean {' or '.join(near)}?" if near else f"packaged: {', '.join(names)}"
        raise UserError(f"{name}: no such file (looked from {Path.cwd()}), and no packaged {kind} set; {cure}")
    return path


def _title(name: str | Path) -> str:
    return str(name) if str(name) in {record.name for record in packaged()} else Path(name).stem


def _lines(path: Path) -> list[tuple[int, str]]:
    return [(number, text.strip()) for number, _, text in read_text_lines(path, "utf-8") if text.strip()]


def _delimiter(line: str) -> str | None:
    return next((mark for mark in "\t;," if mark in line), None)


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", cell) is not None


def _unique(names: Iterable[str]) -> list[str]:
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return unique
