"""Append-only text files: `metrics.jsonl` and `log.txt`. A kill can tear their last line, never an earlier one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.runs.files import check_format, clearly


class Journal:
    """A file that only grows, a whole line at a time, and can be cut back to a length it once had."""

    def __init__(self, path: Path, length: int | None = None) -> None:
        """Open or make it; `length` in bytes cuts what was written after a checkpoint."""
        self.path = path
        with clearly(path):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT, 0o666)
        if length is not None and length < os.fstat(self._file).st_size:
            os.ftruncate(self._file, length)
        self.length = os.lseek(self._file, 0, os.SEEK_END)

    def append(self, line: str) -> None:
        """Add one line. Raises `LabError` on a full disk, the file then being as it was before."""
        data = (line + "\n").encode("utf-8", "backslashreplace")
        with clearly(self.path):
            try:
                while data:
                    data = data[os.write(self._file, data) :]
            except OSError:
                os.ftruncate(self._file, self.length)
                os.lseek(self._file, self.length, os.SEEK_SET)
                raise
        self.length = os.lseek(self._file, 0, os.SEEK_CUR)

    def sync(self) -> int:
        """Bring everything to the disk, and say how many bytes that is."""
        os.fsync(self._file)
        return self.length

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def read_records(path: Path) -> list[dict[str, Any]]:
    """The records of a JSON-lines file, without its `format_version` line; a torn last line is passed over.

    Raises:
        UserError: a newer `lab` wrote it.
        LabError: a line before the last is damaged.
    """
    lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    records = []
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn, or nothing
        try:
            records.append(json.loads(line))
        except ValueError:
            raise LabError(f"{path}:{number} is damaged") from None
    if records and "format_version" in records[0]:
        check_format(records.pop(0)["format_version"], path)
    return records
