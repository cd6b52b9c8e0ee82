from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from lab.training.cache.raw import item_key, key_array
from lab.training.cache.shards import Layout, Shard, ShardWriter, gather, read_shard

DTYPES = [torch.float32, torch.bfloat16, torch.uint8, torch.int16, torch.int32]


def keys(n: int, start: int = 0) -> np.ndarray:
    return key_array([item_key(str(i)) for i in range(start, start + n)])


def ragged(lengths: list[int], dtype: torch.dtype, width: tuple[int, ...] = (3,)) -> tuple[torch.Tensor, torch.Tensor]:
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    x = (torch.rand((*mask.shape, *width), generator=torch.Generator().manual_seed(0)) * 100).to(dtype)
    return x, mask


def ragged_part(x: torch.Tensor, mask: torch.Tensor, part: slice) -> tuple[torch.Tensor, torch.Tensor]:
    longest = int(mask[part].sum(1).max())
    return x[part, :longest], mask[part, :longest]


def write(path, x, mask, start: int = 0, padding: int = 0) -> Shard:
    lengths = mask.sum(1).numpy() if mask is not None else np.ones(len(x))
    writer = ShardWriter(path, Layout.of(x, mask, padding), keys(len(x), start), lengths)
    half = len(x) // 2
    for part in (slice(0, half), slice(half, None)):
        writer.put(x[part], None if mask is None else mask[part])
    return writer.finish(0.25)


@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=12), data=st.data())
@pytest.mark.parametrize("where", ["file", "memory"])
def test_texts_come_back_padded_to_the_longest_of_the_batch(tmp_path_factory, where, lengths, data):
    x, mask = ragged(lengths, torch.float32)
    path = tmp_path_factory.mktemp("shards") / "a.safetensors" if where == "file" else None
    shard = write(path, x, mask, padding=7)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1)))
    got, got_mask = gather([shard], np.zeros(len(rows), dtype=np.int64), rows)
    longest = max(lengths[row] for row in rows)
    assert got.shape == (len(rows), longest, 3)
    assert torch.equal(got_mask, mask[rows][:, :longest])
    assert torch.equal(got[got_mask], x[rows][mask[rows]])
    assert (got[~got_mask] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_file_gives_back_what_was_written(tmp_path, dtype):
    x, mask = ragged([3, 1, 2], dtype)
    written = write(tmp_path / "a.safetensors", x, mask)
    read = read_shard(tmp_path / "a.safetensors")
    assert read is not None
    assert read.layout == written.layout == Layout((3,), dtype, True)
    assert torch.equal(read.data[:-1], x[mask])
    assert read.seconds == 0.25
    assert read.keys.tolist() == keys(3).tolist()
    assert read.lengths.tolist() == [3, 1, 2]


@pytest.mark.parametrize("where", ["file", "memory"])
@pytest.mark.parametrize("channels_last", [True, False])
def test_images_keep_their_memory_order(tmp_path, where, channels_last):
    x = torch.rand(5, 3, 4, 6)
    x = x.contiguous(memory_format=torch.channels_last) if channels_last else x
    shard = write(tmp_path / "a.safetensors" if where == "file" else None, x, None)
    rows = np.array([4, 0, 4])
    got, mask = gather([shard], rows * 0, rows)
    assert mask is None
    assert torch.equal(got, x[rows])
    assert got.is_contiguous(memory_format=torch.channels_last) == channels_last


@pytest.mark.parametrize("kind", ["ragged", "fixed"])
def test_a_batch_may_come_from_several_shards(tmp_path, kind):
    lengths = [2, 5, 1, 3, 4]
    x, mask = ragged(lengths, torch.float32) if kind == "ragged" else (torch.rand(5, 4), None)
    cut = [slice(0, 2), slice(2, 5)]
    parts = [(x[part], None) if mask is None else ragged_part(x, mask, part) for part in cut]
    shards = [write(tmp_path / f"{i}.safetensors", *part) for i, part in enumerate(parts)]
    order = np.array([4, 1, 2, 0])
    got, got_mask = gather(shards, np.array([1, 0, 1, 0]), np.array([2, 1, 0, 0]))
    if mask is None:
        assert torch.equal(got, x[order])
    else:
        assert torch.equal(got_mask, mask[order])
        assert torch.equal(got[got_mask], x[order][mask[order]])


def test_the_file_is_plain_safetensors(tmp_path):
    x, mask = ragged([2, 3], torch.float32)
    write(tmp_path / "a.safetensors", x, mask)
    found = load_file(tmp_path / "a.safetensors")
    assert set(found) == {"data", "keys", "lengths"}
    assert np.array_equal(found["data"][:-1], x[mask].numpy())


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "gone", "noise", "appended"])
def test_a_damaged_file_is_no_shard(tmp_path, damage):
    path = tmp_path / "a.safetensors"
    write(path, *ragged([2, 3], torch.float32))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    damaged = {
        "cut": path.read_bytes()[:-1],
        "bit": bytes(content),
        "empty": b"",
        "noise": bytes(range(256)),
        "appended": path.read_bytes() + b"x",
    }
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(damaged[damage])
    assert read_shard(path) is None


def test_an_abandoned_shard_leaves_nothing(tmp_path):
    x, mask = ragged([2, 3], torch.float32)
    writer = ShardWriter(tmp_path / "a.safetensors", Layout.of(x, mask), keys(2), mask.sum(1).numpy())
    writer.put(x[:1], mask[:1])
    writer.abort()
    assert list(tmp_path.iterdir()) == []


def test_channels_last_images_of_one_pixel_are_kept(tmp_path):
    x = torch.rand(4, 6, 1, 1).contiguous(memory_format=torch.channels_last)
    shard = write(tmp_path / "a.safetensors", x, None)
    got, _ = gather([shard], np.zeros(4, dtype=np.int64), np.arange(4))
    assert torch.equal(got, x)
