from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.errors import LabError, UserError
from lab.runs import files
from lab.runs.files import (
    NewerFormat,
    is_temporary,
    leftovers,
    read_json,
    read_parquet,
    remove_leftovers,
    replace_folder,
    storage_error,
    temporary_beside,
    whole,
    write_atomic,
    write_json,
    write_parquet,
)
from lab.runs.journal import Journal, read_records
from lab.runs.tensors import read_tensor_metadata, read_tensors, write_tensors


def test_json_comes_back_as_it_was(tmp_path):
    path = tmp_path / "new folder" / "ü.json"
    content = {"nan": math.nan, "inf": -math.inf, "large": 2**130, "text": "‮ünï \0 \udc80 \U0001f600"}
    arrays = {"array": np.arange(3), "number": np.float32(0.5), "path": Path("a"), "set": {2, 1}}
    write_json(path, content | arrays)
    found = read_json(path)
    assert math.isnan(found.pop("nan"))
    del content["nan"]
    assert found == {"format_version": 1, **content, "array": [0, 1, 2], "number": 0.5, "path": "a", "set": [1, 2]}
    assert [file.name for file in path.parent.iterdir()] == ["ü.json"]


def test_what_json_cannot_hold_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError, match="object cannot be written"):
        write_json(path, {"a": object()})
    assert read_json(path)["a"] == 1


@pytest.mark.parametrize(
    ("text", "words"), [('{"a": 1', "is damaged"), ("[1]", "a mapping is expected"), ("", "damaged")]
)
def test_damaged_json_is_one_clear_line(tmp_path, text, words):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(LabError, match=words):
        read_json(path)


def test_a_missing_file_and_a_newer_one_are_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"format_version": 2}')
    with pytest.raises(NewerFormat, match=r"newer lab \(format_version 2, this one reads up to 1\): update lab"):
        read_json(tmp_path / "a.json")
    table = pa.table({"id": ["a"]}).replace_schema_metadata({"format_version": "2"})
    write_parquet(tmp_path / "a.parquet", table)
    with pytest.raises(NewerFormat, match="newer lab"):
        read_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"format_version": 2}\n')
    with pytest.raises(NewerFormat, match="newer lab"):
        read_records(tmp_path / "a.jsonl")


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_fails_ends_in_one_line_and_keeps_the_old_file(tmp_path, monkeypatch, where, code):
    path = tmp_path / "a.txt"
    write_atomic(path, "old")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    owner, name = {"write": (Path, "write_bytes"), "fsync": (os, "fsync"), "replace": (os, "replace")}[where]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        with pytest.raises(LabError) as caught:
            write_atomic(path, "new")
    assert str(caught.value).startswith(f"cannot write {path}: ")
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_only_errors_of_the_disk_are_explained_as_such():
    assert storage_error(ValueError("no")) is None
    assert storage_error(OSError(errno.EIO, "i/o"), "a") is None
    assert storage_error(PermissionError(errno.EACCES, "denied", "data.txt")) is None, "may be a file that is read"
    assert "permission denied" in str(storage_error(PermissionError(errno.EACCES, "denied"), "a"))
    assert "no space left" in str(storage_error(RuntimeError("I/O error: No space left on device (os error 28)")))
    assert "big.bin" in str(storage_error(OSError(errno.ENOSPC, "full", "big.bin")))


def test_a_folder_is_replaced_as_a_whole_and_leftovers_are_known(tmp_path):
    final = tmp_path / "folder"
    for content in ("one", "two"):
        temporary = temporary_beside(final)
        temporary.mkdir()
        (temporary / "file").write_text(content)
        assert leftovers(tmp_path) == [temporary]
        replace_folder(temporary, final)
        assert (final / "file").read_text() == content
        assert list(tmp_path.iterdir()) == [final]
    (final / ".0123456789abcdef0123456789abcdef.tmp.metrics").touch()
    remove_leftovers(tmp_path)
    assert [path.name for path in final.iterdir()] == ["file"]


@pytest.mark.parametrize("name", ["a", ".tmp", ".hidden.tmp.x", "0123456789abcdef0123456789abcdef.tmp.x"])
def test_names_of_users_are_not_taken_for_temporary(name):
    assert not is_temporary(Path(name))


def test_temporary_names_fit_where_the_name_itself_does(tmp_path):
    path = tmp_path / ("n" * 255)
    with whole(path) as temporary:
        assert is_temporary(temporary)
        temporary.write_text("x")
    write_atomic(tmp_path / ("ü" * 127), "x")
    assert path.read_text() == "x"


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), min_size=1), st.data())
def test_a_journal_cut_back_is_as_it_was_and_a_torn_line_is_passed_over(tmp_path_factory, texts, data):
    path = tmp_path_factory.mktemp("journal") / "a.jsonl"
    journal, lengths = Journal(path), [0]
    for text in texts:
        journal.append(json.dumps({"text": text}))
        lengths.append(journal.sync())
    journal.close()
    assert [record["text"] for record in read_records(path)] == texts
    content = path.read_bytes()
    torn = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:torn])
    whole_lines = max(n for n, length in enumerate(lengths) if length <= torn)
    assert [record["text"] for record in read_records(path)] == texts[:whole_lines]
    path.write_bytes(content)
    back = data.draw(st.integers(0, len(texts)))
    journal = Journal(path, lengths[back])
    journal.append('{"text": "more"}')
    journal.close()
    assert [record["text"] for record in read_records(path)] == [*texts[:back], "more"]


def test_a_journal_on_a_full_disk_keeps_whole_lines_only(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "a.jsonl")
    journal.append('{"step": 1}')
    real = os.write

    def half(descriptor: int, data: bytes) -> int:
        if len(data) > 8:
            return real(descriptor, data[: len(data) - 8])
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(LabError, match="no space left"):
            journal.append('{"step": 2, "loss": 0.5}')
    journal.append('{"step": 3}')
    journal.close()
    assert [record["step"] for record in read_records(tmp_path / "a.jsonl")] == [1, 3]


def test_a_damaged_line_before_the_last_is_an_error(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(LabError, match=r"a\.jsonl:2 is damaged"):
        read_records(tmp_path / "a.jsonl")


def test_tensors_come_back_as_they_were(tmp_path):
    tensors = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10)[::3],
        "scalar": np.array(3, np.int64),
        "empty": np.zeros((0, 4), np.float32),
        "bool": np.array([True, False]),
        "ü/..": np.array([np.nan, np.inf], np.float16),
    }
    path = tmp_path / "a.safetensors"
    write_tensors(path, tensors, {"words": ["ü", 1], "nested": {"a": None}})
    found = read_tensors(path)
    assert found.keys() == tensors.keys()
    for name, array in tensors.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        np.testing.assert_array_equal(found[name], array)
    assert read_tensor_metadata(path) == {"words": ["ü", 1], "nested": {"a": None}}
    before = path.read_bytes()
    write_tensors(path, tensors, {"words": ["ü", 1], "nested": {"a": None}})
    assert path.read_bytes() == before
    write_tensors(path, {})
    assert read_tensors(path) == {}


def test_torn_and_foreign_tensor_files(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"a": np.arange(100)})
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(LabError, match="is damaged"):
        read_tensors(path)
    from safetensors.numpy import save_file

    save_file({"a": np.arange(3)}, path)
    assert read_tensors(path)["a"].tolist() == [0, 1, 2]
    assert read_tensor_metadata(path) == {}


def test_the_format_version_is_in_every_kind_of_file(tmp_path):
    write_parquet(tmp_path / "a.parquet", pa.table({"id": ["a"]}, metadata={"mine": "kept"}))
    metadata = read_parquet(tmp_path / "a.parquet").schema.metadata
    assert metadata == {b"format_version": str(files.FORMAT_VERSION).encode(), b"mine": b"kept"}
