"""What is known of a backbone's blocks: parameters, output shapes, share of the forward time; names without weights."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lab.models.backbone import Backbone, Location, TextPreprocessing


@dataclass(frozen=True)
class BlockFacts:
    """One block: `output_shape` without the batch axis; `time_share` of one forward pass, None where not timed."""

    name: str
    parameters: int
    output_shape: tuple[int, ...]
    time_share: float | None


def example_input(backbone: Backbone, count: int = 1, seed: int = 0) -> Tensor:
    """Random items as they are stored: `(count, C, size, size) uint8`, or token ids `(count, up to 32) int64`."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(backbone.preprocessing, TextPreprocessing):
        length = min(32, backbone.preprocessing.max_length)
        size = min(1000, len(backbone.preprocessing.tokenizer))
        return torch.randint(0, size, (count, length), generator=generator)
    size, channels = backbone.preprocessing.size, backbone.preprocessing.channels
    return torch.randint(0, 256, (count, channels, size, size), dtype=torch.uint8, generator=generator)


def describe_blocks(backbone: Backbone, timed: bool = True, repeats: int = 5) -> list[BlockFacts]:
    """One row a block, in order; the time is the median over `repeats` forward passes in evaluation mode."""
    was_training = backbone.training
    backbone.eval()
    x = example_input(backbone)
    shapes: list[tuple[int, ...]] = []
    times: list[list[float]] = []
    with torch.inference_mode():
        for _ in range(repeats + 1 if timed else 1):  # the first pass warms up
            shapes, row, state = [], [], x
            for index in range(len(backbone.blocks)):
                started = time.perf_counter()
                state = backbone.run_blocks(state, start=index, stop=index + 1)
                row.append(time.perf_counter() - started)
                shapes.append(tuple(state.shape[1:]))
            times.append(row)
    backbone.train(was_training)
    seconds = torch.tensor(times[1:]).median(0).values if timed else None
    shares: list[Any] = [None] * len(shapes) if seconds is None else (seconds / seconds.sum()).tolist()
    counts = [sum(parameter.numel() for parameter in block.parameters()) for block in backbone.blocks]
    return [BlockFacts(*row) for row in zip(backbone.block_names, counts, shapes, shares, strict=True)]


def block_names_of(
    location: Location, *, image_size: int | None = None, blocks: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of a backbone's blocks, in order, without reading or making weights.

    Raises `UserError` as `load_backbone` does where the network is not known or no blocks are found.
    """
    if location.library == "transformers":
        from lab.models.backbone_transformers import transformers_block_names

        return transformers_block_names(location, blocks)
    if location.library == "run":
        from lab.models.backbone_encoder import encoder_block_names

        return encoder_block_names(location, image_size, blocks)
    from lab.models.backbone_images import image_block_names

    return image_block_names(location, image_size, blocks)
