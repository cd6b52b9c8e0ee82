from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from lab.cache import cache_dir, cached_folder
from lab.errors import LabError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_slowly(folder: Path) -> None:
    with open(folder / "made by", "a", encoding="utf-8") as file:
        for _ in range(10):
            file.write(f"{os.getpid()}\n")
            file.flush()
            time.sleep(0.02)


def ask(queue) -> None:
    folder = cached_folder("things", "key", write_slowly)
    queue.put((folder / "made by").read_text(encoding="utf-8"))


def never(folder: Path) -> None:
    raise AssertionError("made again")


def test_the_folder_can_be_moved(cache, monkeypatch):
    assert cache_dir() == cache
    monkeypatch.delenv("LAB_CACHE")
    assert cache_dir() == Path.home() / ".cache" / "lab"


def test_a_folder_is_made_once(cache):
    folder = cached_folder("things", "key", lambda folder: (folder / "a").write_text("made") and None)
    assert folder == cache / "things" / "key"
    assert (cached_folder("things", "key", never) / "a").read_text() == "made"


def test_many_processes_make_it_once():
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=ask, args=(queue,)) for _ in range(4)]
    for process in processes:
        process.start()
    answers = {queue.get(timeout=30) for _ in processes}
    for process in processes:
        process.join()
    assert len(answers) == 1
    assert len(answers.pop().split()) == 10


def test_what_fails_leaves_nothing(cache):
    def fail(folder: Path) -> None:
        (folder / "half").write_text("…")
        raise LabError("no more disk")

    with pytest.raises(LabError, match="no more disk"):
        cached_folder("things", "key", fail)
    assert [path.name for path in (cache / "things").iterdir() if path.is_dir()] == []


def test_a_killed_maker_is_followed_by_another(cache):
    context = multiprocessing.get_context("fork")
    process = context.Process(target=ask, args=(context.Queue(),))
    process.start()
    half = cache / "things" / ".key.tmp" / "made by"
    while not half.exists():
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert half.exists()
    folder = cached_folder("things", "key", lambda folder: (folder / "a").write_text("whole") and None)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "complete.json"]
    assert not half.parent.exists()


@pytest.mark.parametrize("damage", [lambda file: file.unlink(), lambda file: file.write_text("x")], ids=["gone", "cut"])
def test_a_damaged_folder_is_made_anew(damage):
    def make(folder: Path) -> None:
        (folder / "a").write_text("whole")

    damage(cached_folder("things", "key", make) / "a")
    assert (cached_folder("things", "key", make) / "a").read_text() == "whole"


def test_a_cache_that_cannot_be_written_is_said(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(LabError, match="LAB_CACHE"):
        cached_folder("things", "key", never)


def test_a_full_disk_is_said_in_one_line(cache):
    def fill_up(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(LabError, match=r"cannot write the cache \(no space left\); free some, or set LAB_CACHE"):
        cached_folder("things", "key", fill_up)
    assert not list(cache.glob("things/[!.]*"))
