from __future__ import annotations

import os
import time

from hypothesis import given
from hypothesis import strategies as st

from lab.data.fingerprint import digest, file_fingerprint, remembered


@given(st.lists(st.text()), st.lists(st.text()))
def test_only_equal_lists_have_equal_digests(one, other):
    assert (digest(*one) == digest(*other)) == (one == other)


def test_equal_bytes_have_equal_fingerprints_wherever_they_lie(tmp_path):
    for name, content in {"a": b"text", "b": b"text", "c": b"other"}.items():
        (tmp_path / name).write_bytes(content)
    assert file_fingerprint(tmp_path / "a") == file_fingerprint(tmp_path / "b") != file_fingerprint(tmp_path / "c")


def test_a_settled_file_is_asked_once_and_again_when_it_changes(tmp_path):
    path = tmp_path / "a"
    asked = []

    def answer(path):
        asked.append(path.read_text())
        return len(asked)

    path.write_text("one")
    os.utime(path, (time.time() - 60,) * 2)
    assert [remembered(path, "what", answer) for _ in range(3)] == [1, 1, 1]
    assert remembered(path, "what else", answer) == 2
    path.write_text("two")
    os.utime(path, (time.time() - 30,) * 2)
    assert remembered(path, "what", answer) == 3
    assert asked[-1] == "two"


def test_a_file_changed_just_now_is_not_trusted(tmp_path):
    """Two changes within the clock's resolution look the same from outside."""
    path = tmp_path / "a"
    path.write_text("one")
    status = path.stat()
    first = file_fingerprint(path)
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file_fingerprint(path) != first
