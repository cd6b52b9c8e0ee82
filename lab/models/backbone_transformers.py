"""Encoders of transformers as ordered blocks: the embeddings, then every layer."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from torch import Tensor, nn

from lab.models.backbone import Backbone, Block, Location, TextPreprocessing, check_ownership
from lab.models.text_backbone import load_text_backbone


class Embeddings(nn.Module):
    """Token ids to the first hidden states; some encoders widen them before their first layer."""

    def __init__(self, embeddings: nn.Module, projection: nn.Module | None = None) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.projection = projection or nn.Identity()

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(n, T)` token ids to `(n, T, d)`; padding is masked in the layers, not here."""
        return self.projection(self.embeddings(x))


class Layer(nn.Module):
    """One transformer layer, whose forward takes hidden states and what attention adds to its scores."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.mask_name = "attention_mask" if "attention_mask" in inspect.signature(layer.forward).parameters else ""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`(n, T, d)` to `(n, T, d)`."""
        output = self.layer(x, **{self.mask_name: mask}) if mask is not None and self.mask_name else self.layer(x)
        return output[0] if isinstance(output, tuple) else output


def transformers_backbone(
    location: Location, pretrained: bool, image_size: int | None, max_length: int, blocks: Sequence[str] | None
) -> Backbone:
    """Load an encoder with its tokenizer or image preprocessing and split it. Raises `UserError` as `load_backbone`."""
    loaded = load_text_backbone(location.source, location.name)
    model = loaded.model
    names = ["embeddings", *(f"encoder.layer.{i}" for i in range(loaded.layers))]
    parts = [Block(Embeddings(model.embeddings)), *(Block(Layer(layer)) for layer in model.encoder.layer)]
    check_ownership(location.name, parts, names)
    limit = min(max_length, loaded.tokenizer.model_max_length)
    preprocessing = TextPreprocessing(loaded.tokenizer, limit, loaded.tokenizer.pad_token_id or 0)
    return Backbone(location.name, "text", names, parts, preprocessing, loaded.dim, pretrained)


def transformers_block_names(location: Location, blocks: Sequence[str] | None) -> tuple[str, ...]:
    """The names of an encoder's blocks, read from its config."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(location.source)
    return ("embeddings", *(f"encoder.layer.{i}" for i in range(config.num_hidden_layers)))
