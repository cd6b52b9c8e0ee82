"""Pretrained networks as ordered lists of named blocks: run from any block to any other, pooled after any of them.

What is frozen, trained, cached and compared is counted in these blocks (Yosinski et al. 2014, arXiv:1411.1792).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from lab.errors import UserError
from lab.models.dropout import use_quick_dropout


@dataclass(frozen=True)
class ImagePreprocessing:
    """How a picture becomes the network's input: `size` pixels a side, each channel minus `mean` over `std`.

    As many channels as `mean` has: RGB, or one, grey.
    """

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str

    @property
    def key(self) -> str:
        """Short string that is the same where stored uint8 pixels are the same (mean and std are applied later)."""
        return f"{self.size}px-{self.interpolation}{'-grey' if self.channels == 1 else ''}"

    @property
    def channels(self) -> int:
        """3: RGB; 1: grey."""
        return len(self.mean)


@dataclass(frozen=True)
class TextPreprocessing:
    """How a text becomes token ids: a transformers tokenizer, texts cut at `max_length` tokens, `pad_id` behind."""

    tokenizer: Any
    max_length: int
    pad_id: int

    @cached_property
    def key(self) -> str:
        """Short string that is the same where the token ids are the same."""
        described = getattr(self.tokenizer, "backend_tokenizer", None)
        if described is None:
            content = repr(sorted(self.tokenizer.get_vocab().items()))
        else:  # how the last call padded and cut is no property of the tokenizer
            kept = json.loads(described.to_str()) | {"padding": None, "truncation": None}
            content = json.dumps(kept, sort_keys=True)
        return f"{hashlib.blake2b(content.encode(), digest_size=8).hexdigest()}-{self.max_length}tokens"


class Location(Protocol):
    """Where a backbone's weights are, as `lab.data.backbones.locate_backbone` finds it."""

    @property
    def name(self) -> str:
        """As written in the config."""

    @property
    def library(self) -> str:
        """`timm`, `torchvision`, `transformers` or `run`."""

    @property
    def source(self) -> str:
        """A folder, a hub id, or the architecture's name in its library."""

    @property
    def weights(self) -> str | None:
        """A file of weights for the architecture, None where the library brings its own."""

    @property
    def network(self) -> Mapping[str, Any]:
        """Of library `run`, an autoencoder's encoder: its `architecture` and `objective` as plain data."""


class Block(nn.Module):
    """One named block; the last one of a backbone also holds how its output is pooled (and that part's parameters)."""

    def __init__(self, body: nn.Module, pooling: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        if pooling is not None:
            self.pooling = pooling

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The block's output for its input; `mask`: what attention adds to its scores, None where nothing is padded."""
        return self.body(x) if mask is None else self.body(x, mask)


class Backbone(nn.Module):
    """A pretrained network as named blocks, every parameter in exactly one of them.

    `blocks[0]` takes what is stored: uint8 images `(n, C, H, W)`, normalised here, or token ids `(n, T)`.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str,
        kind: Literal["image", "text"],
        block_names: Sequence[str],
        blocks: Sequence[Block],
        preprocessing: ImagePreprocessing | TextPreprocessing,
        feature_dim: int,
        pretrained: bool = True,
        channels_first: bool = True,  # whether feature maps are (n, C, H, W), not (n, H, W, C)
    ) -> None:
        super().__init__()
        self.name, self.kind, self.pretrained = name, kind, pretrained
        self.block_names, self.blocks = tuple(block_names), nn.ModuleList(blocks)
        self.preprocessing, self.feature_dim, self.channels_first = preprocessing, feature_dim, channels_first
        if isinstance(preprocessing, ImagePreprocessing):
            shape = (1, preprocessing.channels, 1, 1)
            self.register_buffer("mean", 255 * torch.tensor(preprocessing.mean).view(shape), persistent=False)
            self.register_buffer("std", 255 * torch.tensor(preprocessing.std).view(shape), persistent=False)

    def run_blocks(self, x: Tensor, mask: Tensor | None = None, start: int = 0, stop: int | None = None) -> Tensor:
        """Run blocks `start` to `stop` (exclusive; None: to the last).

        `x` is the input of block `start`: stored items for 0, else what `run_blocks(..., stop=start)` returned.
        `mask`: `(n, T) bool`, True where a token is real, None where nothing is padded; texts only.
        """
        if start == 0 and self.kind == "image":
            x = self.normalise(x)
        elif x.dim() == 4 and self.kind == "image":
            x = x.contiguous(memory_format=torch.channels_last)
        added = attention_bias(mask, next(self.parameters()).dtype) if self.kind == "text" else None
        for block in self.blocks[start:stop]:
            x = block(x, added)
        return x

    def normalise(self, images: Tensor) -> Tensor:
        """Stored images `(n, C, H, W)`, 0 to 255, as channels-last floats, minus mean over standard deviation."""
        floats = images.contiguous(memory_format=torch.channels_last).to(torch.float32, copy=True)
        return floats.sub_(self.mean).div_(self.std).to(next(self.parameters()).dtype)

    def pool(self, x: Tensor, mask: Tensor | None = None, block: int | None = None) -> Tensor:
        """Pooled features `(n, d) float32` of the output of block number `block` (0-based; None: the last).

        Of the last block as the network itself pools; of an earlier one the mean over positions that are not padding.
        """
        if block in (None, len(self.blocks) - 1) and self.kind == "image":
            return self.blocks[-1].pooling(x).flatten(1).float()
        if self.kind == "text" and mask is not None and not bool(mask.all()):
            weights = mask.unsqueeze(-1).to(torch.float32)
            return (x.float() * weights).sum(1) / weights.sum(1).clamp(min=1)
        if x.dim() == 4:
            return x.float().mean((2, 3) if self.channels_first else (1, 2))
        return x.float().mean(1) if x.dim() == 3 else x.float()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Pooled features `(n, feature_dim) float32` of stored items."""
        return self.pool(self.run_blocks(x, mask), mask)

    def block_fingerprint(self, block: int) -> str:
        """Hex digest of the weights and buffers of one block (0-based), the same wherever their bits are."""
        hasher = hashlib.blake2b(digest_size=16)
        for key, value in self.blocks[block].state_dict().items():
            hasher.update(f"{key} {tuple(value.shape)} {value.dtype};".encode())
            hasher.update(value.detach().contiguous().reshape(-1).view(torch.uint8).numpy())
        return hasher.hexdigest()

    def fingerprint(self, stop: int | None = None) -> str:
        """Hex digest of what decides the output of the first `stop` blocks: names, weights, normalisation."""
        count = len(self.blocks) if stop is None else stop
        parts = [self.kind, *self.block_names[:count], *(self.block_fingerprint(i) for i in range(count))]
        if isinstance(self.preprocessing, ImagePreprocessing):
            parts += [repr(self.preprocessing.mean), repr(self.preprocessing.std)]
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()


def attention_bias(mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """What attention adds to its scores, `(n, 1, 1, T)`: 0 for a token, the lowest number for padding.

    None where there is no padding, so that attention takes its fastest path.
    """
    if mask is None or bool(mask.all()):
        return None
    return torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask.bool(), torch.finfo(dtype).min)[:, None, None, :]


def load_backbone(
    location: Location,
    *,
    pretrained: bool = True,
    image_size: int | None = None,
    max_length: int = 128,
    blocks: Sequence[str] | None = None,
    seed: int = 0,
) -> Backbone:
    """Load a network and split it into blocks; in evaluation mode, float32, on the CPU, convolutions channels-last.

    `pretrained=False`: random weights from `seed`. `blocks`: module names in order, where they are not found by
    themselves. Raises `UserError` where the weights cannot be had or do not fit, or the blocks do not compose.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries without a network are no news
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if location.library == "transformers":
            from lab.models.backbone_transformers import transformers_backbone

            backbone = transformers_backbone(location, pretrained, image_size, max_length, blocks)
        elif location.library == "run":
            from lab.models.backbone_encoder import encoder_backbone

            backbone = encoder_backbone(location, pretrained, image_size, blocks, seed)
        else:
            from lab.models.backbone_images import image_backbone

            backbone = image_backbone(location, pretrained, image_size, blocks)
    use_quick_dropout(backbone)
    return backbone.eval().to(memory_format=torch.channels_last)


def check_ownership(name: str, blocks: Sequence[nn.Module], block_names: Sequence[str]) -> None:
    """Raise `UserError` where a parameter belongs to two blocks, which could not be frozen one by one."""
    owner: dict[int, str] = {}
    for block_name, block in zip(block_names, blocks, strict=True):
        for key, parameter in block.named_parameters():
            if owner.setdefault(id(parameter), block_name) != block_name:
                raise UserError(
                    f"backbone {name!r}: blocks {owner[id(parameter)]!r} and {block_name!r} share the parameter {key}; "
                    "name modules that share none in `backbone.blocks`"
                )
