from __future__ import annotations

import platform

import torch

from lab.memory import reuse_freed_memory


def test_memory_is_kept_where_the_c_library_can_be_told_and_results_stay_the_same():
    x = torch.randn(64, 1024, generator=torch.Generator().manual_seed(0))
    before = x @ x.T
    told = reuse_freed_memory()
    assert told == (platform.libc_ver()[0] == "glibc")
    assert reuse_freed_memory() == told
    assert torch.equal(x @ x.T, before)
