"""Training steps and nothing else: the same network from the same cut on ready batches, without a loop around."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

from lab.training.batches import epoch_batches
from lab.training.cache.prefix_cache import PrefixCache
from lab.training.memory import kept_memory


@kept_memory()
def bare_seconds(backbone: Any, inputs: Any, part: Any, depth: int, classes: int, rate: float, batch: int) -> float:
    """Seconds of one epoch over batches that are already in memory."""
    cache = PrefixCache(backbone, inputs)
    cache.fill([depth], part.train)
    activations = cache.activations(depth)
    lengths = activations.lengths[part.train]
    batches = epoch_batches(part.train, batch, np.random.default_rng(0), lengths)
    ready = [(*activations.batch(index), torch.from_numpy(part.labels[index])) for index in batches]
    head = nn.Linear(backbone.feature_dim, classes)
    backbone.requires_grad_(False)
    backbone.blocks[depth:].requires_grad_(True).train()
    trained = [*backbone.blocks[depth:].parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=rate, fused=True)
    started = time.perf_counter()
    for x, mask, labels in ready:
        features = backbone.pool(backbone.run_blocks(x, mask, start=depth), mask)
        nn.functional.cross_entropy(head(features), labels).backward()
        nn.utils.clip_grad_norm_(trained, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - started
