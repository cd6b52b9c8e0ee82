"""Trained encoders as plain networks: tensors in, tensors out, with what a caller must do before in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lab.autoencode import TrainedAutoencoder
from lab.encoders import BackboneEncoder, TextEncoder
from lab.errors import UserError
from lab.models.backbone import Backbone, ImagePreprocessing, TextPreprocessing
from lab.trained import TrainedNetwork
from lab.training.classifier import ScalarMix

TOKENS = 16  # of the texts that a network is traced with


@dataclass(frozen=True)
class Network:
    """A network in evaluation mode that takes `inputs` by position and returns a tuple named `outputs`.

    `inputs`: examples, two items each. `dynamic`: which dimensions vary, by the input's name. `preprocessing`: how an
    item becomes the inputs, plain data. `classes`: what the columns of `logits` are, where there are any.
    `tokenizer`: of texts.
    """

    module: nn.Module
    inputs: dict[str, Tensor]
    outputs: list[str]
    dynamic: dict[str, dict[int, str]]
    preprocessing: dict[str, Any]
    classes: list[str] = field(default_factory=list)
    tokenizer: Any = None


def networks_of(encoder: Any, what: str) -> Mapping[str, Network]:
    """The networks of an encoder: one, named "", or of two towers `user` and `item`. Raises as `network_of` does."""
    from lab.trained_towers import TrainedTowers

    if isinstance(encoder, TrainedTowers):
        from lab.export_towers import sides_of

        return sides_of(encoder)
    return {"": network_of(encoder, what)}


def network_of(encoder: Any, what: str) -> Network:
    """The network of an encoder. Raises `UserError` where it has none; `what` names the run or backbone."""
    if isinstance(encoder, TrainedNetwork):
        return _of_backbone(encoder.backbone, encoder.classifier, encoder.classes)
    if isinstance(encoder, BackboneEncoder):
        return _of_backbone(encoder.backbone)
    if isinstance(encoder, TrainedAutoencoder):
        shape = encoder.shape
        told = _pictures(shape[1], shape[0], "bicubic")
        return Network(_Pixels(encoder.model), _pixels(shape), ["vectors"], {"pixels": {0: "batch"}}, told)
    if isinstance(encoder, TextEncoder):
        model, tokenizer = encoder.backbone.model, encoder.backbone.tokenizer
        limit = min(getattr(tokenizer, "model_max_length", 512), 512)
        return _of_texts(_MeanPooled(model), ["vectors"], tokenizer, limit, ["length 1"])
    raise UserError(f"{what}: no network to export; use --to word2vec or parquet for its vectors")


def _of_backbone(backbone: Backbone, classifier: Any = None, classes: list[str] | None = None) -> Network:
    """What a head reads of a backbone as `vectors`; with a head also its `logits`."""
    outputs = ["vectors", "logits"] if classifier else ["vectors"]
    how = backbone.preprocessing
    if isinstance(how, TextPreprocessing):
        module = _Tokens(backbone, classifier)
        return _of_texts(module, outputs, how.tokenizer, how.max_length, [], classes)
    assert isinstance(how, ImagePreprocessing)
    told = _pictures(how.size, how.channels, how.interpolation)
    module = _Pictures(backbone, classifier)
    inputs = _pixels((how.channels, how.size, how.size))
    return Network(module, inputs, outputs, {"pixels": {0: "batch"}}, told, classes or [])


def _of_texts(
    module: nn.Module, outputs: list[str], tokenizer: Any, most: int, after: list[str], classes: list[str] | None = None
) -> Network:
    inputs = {name: torch.ones((2, TOKENS), dtype=torch.int64) for name in ("input_ids", "attention_mask")}
    inputs["input_ids"] = torch.arange(2 * TOKENS).reshape(2, TOKENS) + 5
    inputs["attention_mask"][1, TOKENS // 2 :] = 0
    told = {
        "kind": "text",
        "tokenizer": "tokenizer.json beside this file",
        "most_tokens": most,
        "inputs": "input_ids and attention_mask (1: a token, 0: padding), int64, (batch, tokens)",
        "output": "mean over the tokens of the last block" + (", brought to length 1" if after else ""),
    }
    dynamic = {name: {0: "batch", 1: "tokens"} for name in inputs}
    return Network(module, inputs, outputs, dynamic, told, classes or [], tokenizer)


def _pixels(shape: tuple[int, int, int]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {"pixels": torch.randint(0, 256, (2, *shape), dtype=torch.uint8, generator=generator)}


def _pictures(size: int, channels: int, interpolation: str) -> dict[str, Any]:
    return {
        "kind": "image",
        "size": size,
        "channels": "RGB" if channels == 3 else "grey (ITU-R 601 luma)",
        "resize": f"the shorter side to {size} pixels ({interpolation}, antialiased), then the middle {size} × {size}",
        "inputs": "pixels, uint8 from 0 to 255, (batch, channels, height, width); the network normalises them itself",
    }


class _Pictures(nn.Module):
    """Pixels (n, C, H, W) uint8 → what a head reads (n, d), and class scores where there is a head."""

    def __init__(self, backbone: Backbone, classifier: Any) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        if self.classifier is None:
            return (self.backbone(pixels),)
        return _judged(self.classifier, self.classifier.features(pixels))


class _Tokens(nn.Module):
    """Token ids and mask (n, T) int64 → what a head reads (n, d), and class scores where there is a head.

    As `Backbone.run_blocks` and `pool`, but with no branch that depends on the mask, which could not be exported.
    """

    def __init__(self, backbone: Backbone, classifier: Any) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        weights = attention_mask.unsqueeze(-1).float()
        lowest = torch.finfo(torch.float32).min
        added = torch.zeros(attention_mask.shape).masked_fill(attention_mask == 0, lowest)[:, None, None, :]
        x, pooled = input_ids, []
        for block in self.backbone.blocks:
            x = block(x, added)
            pooled.append((x.float() * weights).sum(1) / weights.sum(1).clamp(min=1))
        if self.classifier is None:
            return (pooled[-1],)
        mixes = isinstance(self.classifier.head, ScalarMix)
        return _judged(self.classifier, torch.cat(pooled, dim=1) if mixes else pooled[-1])


def _judged(classifier: Any, features: Tensor) -> tuple[Tensor, Tensor]:
    """The vectors that a run keeps of what a head reads, (n, d), and the class scores."""
    head = classifier.head
    vectors = head.mixed(features) if isinstance(head, ScalarMix) else features
    return vectors, classifier.scores(features)


class _Pixels(nn.Module):
    """Pixels (n, C, H, W) uint8 → an autoencoder's embedding (n, d)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        return (self.model.embed(pixels.float() / 255),)


class _MeanPooled(nn.Module):
    """Token ids and mask (n, T) int64 → mean of the last hidden states, of length 1, as `encode_texts` pools."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, ...]:
        states = self.model(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        weights = attention_mask.unsqueeze(-1).float()
        pooled = (states * weights).sum(1) / weights.sum(1).clamp(min=1e-9)
        return (functional.normalize(pooled, dim=1),)
