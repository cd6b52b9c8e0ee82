from __future__ import annotations

import resource
import sys

import pytest
import torch

from lab.training import memory
from lab.training.memory import kept_memory


@pytest.mark.skipif(memory._glibc() is None, reason="only glibc can be told so")
def test_freed_memory_is_taken_again_without_new_pages():
    def faults(rounds: int) -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(rounds):
            tensors = [torch.ones(size) for size in (12_000_000, 20_000_000, 9_000_000)]
            del tensors
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    outside = faults(10)
    with kept_memory():
        faults(5)
        inside = faults(10)
    assert inside < outside / 16
    assert faults(10) > 2 * inside, "afterwards it is as it was"


def test_blocks_may_be_nested():
    with kept_memory():
        with kept_memory():
            assert torch.ones(1000).sum() == 1000
        assert memory._depth == (memory._glibc() is not None)
    assert memory._depth == 0


def test_it_ends_where_the_block_fails():
    with pytest.raises(ValueError, match="nothing"), kept_memory():
        raise ValueError("nothing")
    assert memory._depth == 0


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_memory():
        assert memory._depth == 0
