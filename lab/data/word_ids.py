"""Tokenised text → numbers, in one streaming pass over its bytes.

Every type of word gets a number in the order of first appearance, so the numbers serve every vocabulary that is cut
out of the same text. The scan is compiled (numba); a file of 100 million tokens is never in memory.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numba import njit

_BLOCK = 1 << 22
_FIRST_TYPES, _FIRST_BYTES = 1 << 16, 1 << 20  # room in the table at first; it grows


class WordIds(NamedTuple):
    """Text as numbers.

    `types` (T,) str, `counts` (T,) int64 of each; `ids` (n,) int32, a number into `types` for every token;
    sentence s is `ids[starts[s]:starts[s + 1]]`, `starts` (S + 1,) int64.
    """

    types: list[str]
    counts: np.ndarray
    ids: np.ndarray
    starts: np.ndarray


class _Table(NamedTuple):
    """A hash table with open addressing: `slots` holds numbers of types, -1 where free.

    Type t is `pool[ends[t]:ends[t + 1]]`; its hash is `hashes[t]`. `used` (1,): how many types there are.
    """

    slots: np.ndarray
    hashes: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    pool: np.ndarray
    used: np.ndarray


def write_word_ids(text: Path, folder: Path) -> None:
    """Number the tokens of a file of sentences (one a line, tokens parted by single spaces) into files of a folder."""
    with (
        open(text, "rb") as file,
        open(folder / "ids.int32", "wb") as ids,
        open(folder / "starts.int64", "wb") as starts,
    ):
        starts.write(np.zeros(1, dtype=np.int64).tobytes())
        table, total = _new_table(_FIRST_TYPES, _FIRST_BYTES), 0
        for block in _whole_lines(file):
            table, numbers, ends = _scan(table, block)
            ids.write(numbers.tobytes())
            starts.write((ends + total).tobytes())
            total += len(numbers)
    used = int(table.used[0])
    (folder / "counts.int64").write_bytes(table.counts[:used].tobytes())
    ends = table.ends[: used + 1].tolist()
    pool = table.pool[: ends[-1]].tobytes()
    types = [pool[start:end].decode("utf-8") for start, end in pairwise(ends)]
    (folder / "types.json").write_text(json.dumps(types, ensure_ascii=False), encoding="utf-8")


def read_word_ids(folder: Path) -> WordIds:
    """Open what `write_word_ids` wrote; `ids` and `starts` are mapped from disk, page by page as they are used."""
    types = json.loads((folder / "types.json").read_text(encoding="utf-8"))
    counts = np.fromfile(folder / "counts.int64", dtype=np.int64)
    return WordIds(types, counts, _mapped(folder / "ids.int32", np.int32), _mapped(folder / "starts.int64", np.int64))


def _mapped(path: Path, dtype: type) -> np.ndarray:
    if not os.path.getsize(path):
        return np.zeros(0, dtype=dtype)
    return np.asarray(np.memmap(path, dtype=dtype, mode="c"))  # "c": changes, which nobody makes, stay in memory


def _whole_lines(file: Iterable[bytes]) -> Iterator[np.ndarray]:
    """The bytes of a file in blocks of some 4 MiB that end where a line does."""
    rest = b""
    while chunk := file.read(_BLOCK):  # type: ignore[attr-defined]
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield np.frombuffer(rest + chunk[:cut], dtype=np.uint8)
        rest = chunk[cut:] if cut else rest + chunk
    if rest:
        yield np.frombuffer(rest + b"\n", dtype=np.uint8)


def _new_table(types: int, characters: int) -> _Table:
    """An empty table with room for this many types (a power of two) and bytes of them in all."""
    return _Table(
        slots=np.full(2 * types, -1, dtype=np.int32),
        hashes=np.zeros(types, dtype=np.uint64),
        ends=np.zeros(types + 1, dtype=np.int64),
        counts=np.zeros(types, dtype=np.int64),
        pool=np.zeros(characters, dtype=np.uint8),
        used=np.zeros(1, dtype=np.int64),
    )


def _grown(table: _Table, characters: int) -> _Table:
    """The same types in a table with at least twice the room, and for `characters` more bytes."""
    new = _new_table(2 * len(table.counts), 2 * len(table.pool) + characters)
    for grown, old in zip(new[1:], table[1:], strict=True):
        grown[: len(old)] = old
    _fill_slots(new)
    return new


def _scan(table: _Table, block: np.ndarray) -> tuple[_Table, np.ndarray, np.ndarray]:
    """Number the tokens of a block; return the table, the numbers, and where in them each sentence ends."""
    numbers = np.empty(len(block), dtype=np.int32)
    ends = np.empty(len(block), dtype=np.int64)
    at = tokens = sentences = 0
    while at < len(block):
        at, tokens, sentences = _number(block, at, table, numbers, tokens, ends, sentences)
        if at < len(block):
            table = _grown(table, len(block))
    return table, numbers[:tokens], ends[:sentences]


@njit(nogil=True, cache=True)
def _fill_slots(table):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(table.slots) - 1)
    for number in range(table.used[0]):
        slot = table.hashes[number] & mask
        while table.slots[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table.slots[slot] = number


@njit(nogil=True, cache=True)
def _number(block, at, table, numbers, tokens, ends, sentences):  # type: ignore[no-untyped-def]
    """Go on from byte `at`; stop at the end, or early, before a new type that the table has no room for."""
    slots, hashes, places, counts, pool, used = table
    mask = np.uint64(len(slots) - 1)
    prime, basis, one, half = np.uint64(0x100000001B3), np.uint64(0xCBF29CE484222325), np.uint64(1), np.uint64(32)
    while at < len(block):
        hashed, end = basis, at  # Fowler, Noll and Vo's hash, 1a
        byte = block[end]
        while byte != 32 and byte != 10:
            hashed = (hashed ^ np.uint64(byte)) * prime
            end += 1
            byte = block[end]
        hashed ^= hashed >> half
        slot, found = hashed & mask, -1
        while found < 0:
            number = slots[slot]
            if number < 0:
                found = used[0]
                start = places[found]
                if found == len(counts) or start + end - at > len(pool):
                    return at, tokens, sentences
                pool[start : start + end - at] = block[at:end]
                slots[slot], hashes[found], places[found + 1] = found, hashed, start + end - at
                used[0] += 1
            elif hashes[number] == hashed and _same(pool, places[number], places[number + 1], block, at, end):
                found = number
            else:
                slot = (slot + one) & mask
        counts[found] += 1
        numbers[tokens] = found
        tokens += 1
        if byte == 10:
            ends[sentences] = tokens
            sentences += 1
        at = end + 1
    return at, tokens, sentences


@njit(nogil=True, cache=True)
def _same(pool, start, stop, block, at, end):  # type: ignore[no-untyped-def]
    if stop - start != end - at:
        return False
    for offset in range(end - at):  # noqa: SIM110
        if pool[start + offset] != block[at + offset]:
            return False
    return True
