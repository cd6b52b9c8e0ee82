from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from lab.training.cache.raw import item_key, key_array
from lab.training.cache.shards import Layout, ShardWriter
from lab.training.cache.store import Store, filling, make_room, spoken_bytes, store_lock


def put(store: Store, names: list[str], width: int = 4) -> None:
    x = torch.rand(len(names), width)
    keys = key_array([item_key(name) for name in names])
    writer = ShardWriter(store.new_path(), Layout.of(x, None), keys, np.ones(len(names)))
    writer.put(x, None)
    store.add(writer.finish(0.5))


def filled(folder, names: list[str], used: float = 0, width: int = 4) -> Store:
    store = Store(folder)
    with filling([store]):
        put(store, names, width)
    os.utime(folder, (used, used))
    return store


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_items_are_found_by_key(tmp_path, where):
    store = Store(tmp_path / "a" if where == "disk" else None)
    with filling([store]):
        put(store, ["x", "y"])
        put(store, ["z"])
    shards, rows = store.find([item_key(name) for name in ("z", "missing", "x", "y")])
    assert shards.tolist() == [1, -1, 0, 0]
    assert rows.tolist() == [0, -1, 0, 1]
    assert store.lengths([item_key("z"), item_key("missing")]).tolist() == [1, 0]
    assert store.nbytes == 3 * 4 * 4
    assert store.seconds == 0.5
    assert store.find([])[0].shape == (0,)


def test_another_process_sees_what_was_added(tmp_path):
    ours = Store(tmp_path / "a")
    ours.refresh()
    filled(tmp_path / "a", ["x"])
    ours.refresh()
    ours.refresh()
    assert len(ours.shards) == 1


def test_a_damaged_shard_goes_and_the_others_stay(tmp_path):
    store = filled(tmp_path / "a", ["x"])
    with filling([store]):
        put(store, ["y"])
    path = store.shards[0].path
    path.write_bytes(path.read_bytes()[:-3])
    again = Store(tmp_path / "a")
    again.refresh()
    assert [shard.keys.tobytes() for shard in again.shards] == [item_key("y")]
    assert not path.exists()


def test_what_a_killed_process_left_goes(tmp_path):
    store = filled(tmp_path / "a", ["x"])
    leftover = tmp_path / "a" / ".0123.tmp.abc.safetensors"
    leftover.write_bytes(b"half")
    with filling([store]):
        assert not leftover.exists()


def test_the_least_recently_used_store_goes_first(tmp_path):
    for name, used in (("old", 100), ("older", 50), ("new", 200)):
        filled(tmp_path / name, ["x"], used, width=1000)
    size = sum(path.stat().st_size for path in (tmp_path / "new").iterdir())
    assert make_room(tmp_path, size, 3 * size, []) is None
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"old", "new"}
    assert make_room(tmp_path, size, 2 * size, [tmp_path / "old"]) is None
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"old"}


def test_nothing_goes_where_there_is_room_or_where_it_would_not_help(tmp_path):
    filled(tmp_path / "a", ["x"], width=1000)
    assert make_room(tmp_path, 10, 1_000_000, []) is None
    assert "more than the budget of 4 kB" in str(make_room(tmp_path, 5000, 4000, []))
    assert (tmp_path / "a").is_dir()


def test_a_store_that_is_being_filled_stays(tmp_path):
    filled(tmp_path / "a", ["x"], width=1000)
    with store_lock(tmp_path / "a"):
        assert "other processes hold" in str(make_room(tmp_path, 3000, 5000, []))
    assert (tmp_path / "a").is_dir()
    assert make_room(tmp_path, 3000, 5000, []) is None


def test_a_reader_keeps_what_was_deleted(tmp_path):
    store = filled(tmp_path / "a", ["x"])
    before = store.shards[0].data.clone()
    make_room(tmp_path, 1, 1, [])
    assert not (tmp_path / "a").exists()
    assert torch.equal(store.shards[0].data, before)


@pytest.mark.parametrize(("size", "spoken"), [(12, "12 bytes"), (63_000, "63 kB"), (1.2e9, "1.2 GB")])
def test_sizes_are_spoken(size, spoken):
    assert spoken_bytes(size) == spoken
