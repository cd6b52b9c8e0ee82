from __future__ import annotations

import multiprocessing
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_backbones import CALLS, image_backbone, image_inputs, text_backbone, text_inputs

from lab.errors import LabError
from lab.training.cache import passes
from lab.training.cache.prefix_cache import PrefixCache

ALL = np.arange(40)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_CACHE", str(tmp_path / "cache"))
    CALLS.clear()
    return tmp_path / "cache" / "activations"


def text_cache(**options) -> PrefixCache:
    return PrefixCache(text_backbone(), text_inputs(), **options)


def assert_same(ours: PrefixCache, others: PrefixCache, cuts, index=ALL, view=0) -> None:
    """The batches of two caches agree to 1e-5, relative."""
    for cut in cuts:
        (x, mask), (y, other_mask) = (cache.activations(cut).batch(index, view) for cache in (ours, others))
        assert (mask is None) == (other_mask is None)
        if mask is not None:
            assert torch.equal(mask, other_mask)
            x, y = x[mask], y[mask]
        assert x.dtype == y.dtype
        assert y.float().abs().max() > 0
        assert (x - y).abs().max() <= 1e-5 * y.abs().max(), cut


@pytest.mark.parametrize("kind", ["text", "image"])
def test_cached_and_uncached_batches_agree_at_every_cut(kind):
    network, inputs = (text_backbone(), text_inputs()) if kind == "text" else (image_backbone(), image_inputs())
    cuts = range(len(network.block_names) + 1)
    cached, uncached = PrefixCache(network, inputs), PrefixCache(network, inputs, enabled=False)
    cached.fill(cuts, ALL)
    uncached.fill(cuts, ALL)
    for cut in cuts:
        assert cached.activations(cut).cached
        assert uncached.activations(cut).cached == (cut == 0)
    assert_same(cached, uncached, cuts, np.random.default_rng(0).permutation(40)[:16])
    assert cached.report()["used"]
    assert uncached.report() == {
        "used": False, "why_not": "the cache is off", "cuts": [], "bytes": 0, "items": 40,
        "fill_seconds": uncached.report()["fill_seconds"], "saved_seconds": 0.0, "prefix_seconds": 0.0,
    }  # fmt: skip


def test_the_batches_are_those_of_the_network_itself():
    network, cache = text_backbone(), text_cache()
    cache.fill([2, 5], ALL)
    tokens, mask = cache.activations(0).batch(ALL)
    with torch.no_grad():
        expected = network.run_blocks(tokens, mask, 0, 2)
        features = network(tokens, mask)
    assert torch.allclose(cache.activations(2).batch(ALL)[0][mask], expected[mask], rtol=1e-5, atol=1e-6)
    assert torch.allclose(cache.activations(5).batch(ALL)[0], features, rtol=1e-5, atol=1e-6)


def test_one_pass_fills_all_cuts():
    cache = text_cache()
    cache.raw.fill(ALL, cache.root, 10**9, [])
    report = cache.fill([1, 3, 5], ALL, pooled=[0, 2, None])
    probe = 1  # one item shows what it looks like at the cuts
    assert {CALLS[block] for block in range(5)} == {40 + probe}
    assert report.items == 40
    CALLS.clear()
    assert cache.fill([1, 3, 5], ALL, pooled=[0, 2, None]).items == 0
    assert text_cache().fill([1, 3, 5], ALL, pooled=[4]).items == 0
    assert not CALLS


def test_only_missing_items_are_computed_and_never_by_split():
    first = text_cache()
    first.fill([2], ALL[:10])
    CALLS.clear()
    report = text_cache().fill([2], ALL[::-1])
    assert report.items == 30
    assert CALLS[1] == 31
    shuffled = text_inputs()
    order = np.random.default_rng(1).permutation(40)
    other = replace(
        shuffled, fingerprints=[shuffled.fingerprints[i] for i in order], load=lambda index: shuffled.load(order[index])
    )
    again = PrefixCache(text_backbone(), other)
    assert again.fill([2], ALL).items == 0
    assert_same(again, PrefixCache(text_backbone(), other, enabled=False), [2])


def test_a_deeper_cut_starts_where_a_shallower_one_is_cached():
    text_cache().fill([2], ALL)
    CALLS.clear()
    cache = text_cache()
    cache.fill([4], ALL, pooled=[1])
    assert CALLS[1] == 1
    assert CALLS[2] == 41
    assert_same(cache, text_cache(enabled=False), [4])


def test_changed_weights_are_another_cache_and_trained_blocks_do_not_matter():
    network = text_backbone()
    cache = PrefixCache(network, text_inputs())
    cache.fill([2, 5], ALL)
    with torch.no_grad():
        network.blocks[3].body.linear.weight.add_(1)
    assert PrefixCache(network, text_inputs()).fill([2], ALL).items == 0
    CALLS.clear()
    features = cache.pooled()
    assert CALLS[1] == 1, "what is still as it was is the starting point"
    with torch.no_grad():
        expected = network(*cache.activations(0).batch(ALL)).numpy()
    assert np.allclose(features, expected, rtol=1e-5, atol=1e-6)
    with torch.no_grad():
        network.blocks[0].body.embed.table.weight.add_(1)
    assert PrefixCache(network, text_inputs()).fill([2], ALL).items == 40


def test_pooled_features_of_every_block():
    network, cache = image_backbone(), PrefixCache(image_backbone(), image_inputs())
    cache.fill((), ALL, pooled=[0, 1])
    uncached = PrefixCache(network, image_inputs(), enabled=False)
    x, _ = uncached.activations(0).batch(ALL)
    for block in (0, 1, 2, None):
        with torch.no_grad():
            last = len(network.blocks) if block is None else block + 1
            expected = network.pool(network.run_blocks(x, None, 0, last), None, block).numpy()
        for found in (cache.pooled(block), uncached.pooled(block)):
            assert found.dtype == np.float32
            assert np.allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_equal_items_are_computed_once():
    inputs = text_inputs()
    twice = replace(inputs, fingerprints=inputs.fingerprints * 2, load=lambda index: inputs.load(index % 40))
    cache = PrefixCache(text_backbone(), twice)
    assert cache.fill([2], np.arange(80)).items == 40
    x, mask = cache.activations(2).batch(np.array([3, 43]))
    assert torch.equal(x[0][mask[0]], x[1][mask[1]])


def test_what_was_never_filled_is_computed_on_the_fly():
    cache = text_cache()
    cache.fill([2], ALL[:20])
    cache.raw.fill(ALL, cache.root, 10**9, [])
    assert_same(cache, text_cache(enabled=False), [2], ALL[10:30])
    assert_same(PrefixCache(text_backbone(), text_inputs()), text_cache(enabled=False), [0, 2, 5])


def test_a_damaged_shard_is_computed_again(cache):
    text_cache().fill([2], ALL)
    (shard,) = next(iter(cache.glob("cut2-*"))).glob("*.safetensors")
    content = bytearray(shard.read_bytes())
    content[-100] ^= 255
    shard.write_bytes(bytes(content))
    again = text_cache()
    assert again.fill([2], ALL).items == 40
    assert_same(again, text_cache(enabled=False), [2])


def test_the_size_is_said_before_filling_and_is_right():
    lines: list[str] = []
    cache = text_cache(budget_bytes=1_000_000)
    cache.fill([2, 5], ALL, progress=lines.append)
    assert lines == ["Cache: activations after layer.0, features after layer.3 of 40 items, 8 kB of 1 MB"]
    positions = int(cache.activations(2).lengths.sum())
    assert cache.estimate([2, 5], 40) == {2: 24 * positions, 5: 24 * 40}
    assert cache.activations(2).nbytes == 24 * (positions + 1)
    assert cache.report()["bytes"] == 24 * (positions + 1) + 24 * 40


def test_over_budget_it_says_so_and_goes_on_without(cache):
    lines: list[str] = []
    small = text_cache(budget_bytes=2_000)
    report = small.fill([2, 5], ALL, progress=lines.append)
    assert lines[0].endswith("more than the budget of 2 kB; kept in memory")
    assert lines[1].endswith("more than the budget of 2 kB; computed on the fly")
    assert "more than the budget" in report.why_not[2]
    assert small.activations(5).cached
    assert not small.activations(2).cached
    assert "more than the budget" in small.activations(2).why_not
    assert_same(small, text_cache(enabled=False), [2, 5])
    assert sum(path.stat().st_size for path in cache.rglob("*.safetensors")) < 10_000


def test_raw_images_over_budget_stay_in_memory_and_else_are_loaded_again(monkeypatch):
    lines: list[str] = []
    cache = PrefixCache(image_backbone(), image_inputs(), budget_bytes=1_000)
    cache.fill([2], ALL, progress=lines.append)
    assert lines[0].startswith("No cache of raw inputs")
    assert cache.raw.store.folder is None
    uncached = PrefixCache(image_backbone(), image_inputs(), enabled=False)
    assert_same(cache, uncached, [0, 2])
    monkeypatch.setattr("lab.training.cache.raw._memory", lambda: 1_000)
    without = PrefixCache(image_backbone(), image_inputs(), enabled=False)
    without.fill([2], ALL)
    assert without.raw.store is None
    assert_same(without, uncached, [0, 2, 3])


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    lines: list[str] = []
    cache = text_cache(folder=tmp_path / "file" / "activations")
    report = cache.fill([2], ALL, progress=lines.append)
    assert "cannot be written" in report.why_not[2]
    assert "cannot be written" in lines[0]
    uncached = text_cache(enabled=False)
    uncached.fill([2], ALL)
    assert_same(cache, uncached, [0, 2])
    assert "cannot be written" in cache.report()["why_not"]
    assert cache.activations(2).lengths.tolist() == uncached.activations(2).lengths.tolist()
    assert cache.activations(2).lengths.min() > 0


class Invert:
    """A change that its seeds decide."""

    key = "invert"

    def __call__(self, images: torch.Tensor, seeds: np.ndarray) -> torch.Tensor:
        shift = torch.from_numpy((seeds % np.uint64(200)).astype(np.uint8)).view(-1, 1, 1, 1)
        return 255 - images // 2 - shift // 2


def test_fixed_views_are_cached_and_agree_with_fresh_ones():
    cache = PrefixCache(image_backbone(), image_inputs(), augment=Invert(), views=2)
    cache.fill([2], ALL)
    CALLS.clear()
    assert cache.fill([2], ALL[:10], views=range(1, 3)).items == 20
    fresh = PrefixCache(image_backbone(), image_inputs(), augment=Invert(), enabled=False)
    for view in (0, 1, 2):
        assert_same(cache, fresh, [0, 2], ALL[:10], view)
    plain, first, second = (cache.activations(2).batch(ALL[:10], view)[0] for view in range(3))
    assert not torch.allclose(plain, first)
    assert not torch.allclose(first, second)
    assert torch.equal(cache.activations(0).batch(ALL, 1)[0][:10], fresh.activations(0).batch(ALL[:10], 1)[0])
    with pytest.raises(LabError, match="fixed"):
        cache.fill([2], ALL, views=[3])


def test_bfloat16_takes_half_the_room_and_has_a_store_of_its_own():
    cache, full = text_cache(precision="bf16"), text_cache()
    cache.fill([2], ALL)
    assert full.fill([2], ALL).items == 40
    assert cache.activations(2).nbytes * 2 == full.activations(2).nbytes
    x, mask = cache.activations(2).batch(ALL)
    assert x.dtype == torch.bfloat16
    assert (x.float() - full.activations(2).batch(ALL)[0])[mask].abs().max() < 0.1


def test_an_interrupted_pass_keeps_what_it_finished(monkeypatch, cache):
    monkeypatch.setattr(passes, "CHUNK_BYTES", 1500)
    monkeypatch.setattr(passes, "TOKENS_PER_BATCH", 30)
    first = text_cache()
    said: list[int] = []

    def interrupt(self, items):
        said.append(items)
        if sum(said) > 20:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("lab.training.cache.prefix_cache._Progress.__call__", interrupt)
        with pytest.raises(KeyboardInterrupt):
            first.fill([2], ALL)
    assert not list(cache.rglob(".*.safetensors"))
    left = text_cache()
    assert 0 < left.fill([2], ALL).items < 40
    assert_same(left, text_cache(enabled=False), [2])


def _fill(queue) -> None:
    cache = text_cache()
    queue.put(cache.fill([2, 4], ALL).items)


def test_two_processes_compute_it_once():
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_fill, args=(queue,)) for _ in range(2)]
    for process in processes:
        process.start()
    done = sorted(queue.get(timeout=60) for _ in processes)
    for process in processes:
        process.join()
    assert done == [0, 40]
    assert_same(text_cache(), text_cache(enabled=False), [2, 4])


def test_the_report_measures_what_was_saved(monkeypatch):
    first = text_cache()
    first.fill([2], ALL)
    assert first.report()["saved_seconds"] == -first.report()["prefix_seconds"] < 0
    for _ in range(5):
        first.activations(2).batch(ALL)
    report = first.report()
    assert report["cuts"] == [2]
    assert report["items"] == 40
    cost = first._store(passes.Target(2)).seconds
    usage = next(usage for name, usage in first._usage.items() if name.startswith("cut2"))
    assert usage.items == 200
    assert report["prefix_seconds"] == pytest.approx(40 * cost)
    assert report["saved_seconds"] == pytest.approx(160 * cost - usage.seconds)


def test_features_of_blocks_that_only_tell_about_the_data_are_no_cost_of_training():
    cache = text_cache()
    cache.fill([], ALL, pooled=range(4))
    cache.pooled(1, ALL)
    report = cache.report()
    assert report["prefix_seconds"] == report["saved_seconds"] == 0
    assert not report["used"]


def test_views_cost_what_items_cost():
    cache = PrefixCache(image_backbone(), image_inputs(), augment=Invert(), views=2)
    cache.fill([2], ALL)
    cache.fill([2], ALL[:6], views=[1, 2])
    assert cache.report()["prefix_seconds"] == pytest.approx((40 + 12) * cache._store(passes.Target(2)).seconds)


def test_nothing_frozen_has_no_cut():
    cache = text_cache()
    cache.fill([0], ALL)
    cache.activations(0).batch(ALL)
    assert cache.report()["why_not"] == "no block is frozen: there is nothing to keep"
