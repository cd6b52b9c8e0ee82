"""Encoders of transformers, for texts and for images, as ordered blocks: the embeddings, then every layer."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lab.errors import UserError, nearest
from lab.hub import unreachable
from lab.models.backbone import (
    Backbone,
    Block,
    ImagePreprocessing,
    Location,
    TextPreprocessing,
    check_ownership,
)

_TOLERANCE = 1e-4  # relative; rounding of another order of sums, never another computation


class Piece(nn.Module):
    """One module of an encoder's chain, whose forward may take what attention adds to its scores."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        known = inspect.signature(module.forward).parameters
        self.takes_mask = "attention_mask" in known
        self.options = {"interpolate_pos_encoding": True} if "interpolate_pos_encoding" in known else {}

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Token ids `(n, T)`, images `(n, 3, H, W)` or hidden states `(n, T, d)` to hidden states."""
        if self.takes_mask and mask is not None:
            output = self.module(x, attention_mask=mask, **self.options)
        else:
            output = self.module(x, **self.options)
        return output[0] if isinstance(output, tuple) else output


class Stack(nn.Module):
    """Pieces of a chain, one after another."""

    def __init__(self, pieces: Sequence[nn.Module]) -> None:
        super().__init__()
        self.pieces = nn.ModuleList(pieces)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """As `Piece.forward`, through all of them."""
        for piece in self.pieces:
            x = piece(x, mask)
        return x


class FirstToken(nn.Module):
    """The class token, which vision transformers put first (Dosovitskiy et al. 2021, arXiv:2010.11929)."""

    def forward(self, x: Tensor) -> Tensor:
        """`(n, T, d)` to `(n, d)`."""
        return x[:, 0]


def transformers_backbone(
    location: Location, pretrained: bool, image_size: int | None, max_length: int, blocks: Sequence[str] | None
) -> Backbone:
    """Load an encoder with its tokenizer or image preprocessing and split it; raises as `load_backbone` does.

    Texts are pooled as the mean over their tokens, images as their class token.
    """
    config = _read_config(location)
    if _is_text(config):
        from lab.models.text_backbone import load_text_backbone, load_tokenizer

        if pretrained:
            loaded = load_text_backbone(location.source, location.name)
            model, tokenizer = loaded.model, loaded.tokenizer
        else:
            model, tokenizer = _untrained(config, location.name), load_tokenizer(location.source)
        limit = min(max_length, tokenizer.model_max_length, getattr(config, "max_position_embeddings", max_length))
        return split_encoder(
            model,
            location.name,
            TextPreprocessing(tokenizer, limit, int(tokenizer.pad_token_id or 0)),
            blocks,
            pretrained,
        )
    model = _pretrained_image_encoder(location) if pretrained else _untrained(config, location.name)
    return split_encoder(model, location.name, _image_preprocessing(location, config, image_size), blocks, pretrained)


def split_encoder(
    model: nn.Module,
    name: str,
    preprocessing: TextPreprocessing | ImagePreprocessing,
    blocks: Sequence[str] | None = None,
    pretrained: bool = True,
) -> Backbone:
    """The blocks of an encoder. Raises `UserError` where they are not found or not put together as its own forward."""
    names, groups = _blocks_of_chain(model, name, blocks)
    bodies = [Stack([Piece(model.get_submodule(key)) for key in group]) for group in groups]
    is_text = isinstance(preprocessing, TextPreprocessing)
    parts = [Block(body) for body in bodies[:-1]] + [Block(bodies[-1], None if is_text else FirstToken())]
    check_ownership(name, parts, names)
    width = int(getattr(model.config, "hidden_size", 0) or model.config.dim)
    backbone = Backbone(name, "text" if is_text else "image", names, parts, preprocessing, width, pretrained)
    _check_composition(model.eval(), backbone.eval())
    return backbone


def transformers_block_names(location: Location, blocks: Sequence[str] | None) -> tuple[str, ...]:
    """The names of an encoder's blocks, from its config alone."""
    with torch.device("meta"):
        model = _untrained(_read_config(location), location.name)
    return tuple(_blocks_of_chain(model, location.name, blocks)[0])


def _blocks_of_chain(model: nn.Module, name: str, blocks: Sequence[str] | None) -> tuple[list[str], list[list[str]]]:
    """Names of blocks, and for each the modules that run one after another in it."""
    chain, layers = _chain(model)
    for module in blocks or ():
        known = [key for key, _ in model.named_modules() if key]
        if module not in known:
            near = nearest(module, known) or [key for key, _ in model.named_children()]
            raise UserError(f"backbone {name!r} has no module {module!r} (backbone.blocks); there is {', '.join(near)}")
    if blocks and not set(blocks) <= set(chain):
        chain = list(blocks)
    if not chain:
        raise UserError(
            f"backbone {name!r}: the blocks of a {type(model).__name__} cannot be found; list them in order in "
            f"`backbone.blocks` by module names; there is {', '.join(key for key, _ in model.named_children())}"
        )
    starts = list(blocks or [chain[0], *layers])
    places = [chain.index(start) for start in starts]
    if places != sorted(places):
        raise UserError(f"backbone {name!r}: blocks run in another order: {', '.join(k for k in chain if k in starts)}")
    bounds = [0, *places[1:], len(chain)]
    return starts, [chain[a:b] for a, b in itertools.pairwise(bounds)]


def _chain(model: nn.Module) -> tuple[list[str], list[str]]:
    """Modules of the usual structure in the order in which they run, and those of them that are layers."""
    count = model.config.num_hidden_layers
    lists = [key for key, module in model.named_modules() if isinstance(module, nn.ModuleList) and len(module) == count]
    if not lists or not hasattr(model, "embeddings"):
        return [], []
    layers = [f"{lists[0]}.{index}" for index in range(count)]
    before = [key for key in ("embeddings", "embeddings_project") if hasattr(model, key)]
    after = [key for key in ("layernorm", "final_norm", "norm") if hasattr(model, key)]
    return [*before, *layers, *after], layers


def _check_composition(model: Any, backbone: Backbone) -> None:
    """Compare with the encoder's own forward on a small input, padded where it is text."""
    problem = ""
    with torch.inference_mode():
        try:
            found, expected = _both_ways(model, backbone)
            if found.shape != expected.shape or (found - expected).abs().max() > _TOLERANCE * expected.abs().max():
                problem = "together they do not give what the network itself gives"
        except (TypeError, RuntimeError, AttributeError, ValueError) as error:
            problem = _first_line(error)
    if problem:
        raise UserError(
            f"backbone {backbone.name!r}: blocks do not compose: {', '.join(backbone.block_names)}: {problem}; "
            "name other modules in `backbone.blocks`"
        )


def _both_ways(model: Any, backbone: Backbone) -> tuple[Tensor, Tensor]:
    """Hidden states by the blocks and by the encoder's own forward, where nothing is padded."""
    generator, described = torch.Generator().manual_seed(0), backbone.preprocessing
    if isinstance(described, TextPreprocessing):
        length = min(8, described.max_length)
        x = torch.randint(model.config.vocab_size // 2, model.config.vocab_size, (2, length), generator=generator)
        mask = torch.arange(length) < torch.tensor([[length], [length - 2]])
        x = x.masked_fill(~mask, described.pad_id)
        expected = model(input_ids=x, attention_mask=mask.long()).last_hidden_state
        return backbone.run_blocks(x, mask)[mask], expected[mask]
    shape = (1, len(described.mean), described.size, described.size)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    options = backbone.blocks[0].body.pieces[0].options
    return backbone.run_blocks(images), model(backbone.normalise(images), **options).last_hidden_state


def _read_config(location: Location) -> Any:
    from transformers import AutoConfig

    if not Path(location.source).is_dir():
        unreachable()
    try:
        return AutoConfig.from_pretrained(location.source)
    except (OSError, ValueError) as error:
        raise UserError(
            f"backbone {location.source!r} cannot be loaded as a folder or from the hub: {_first_line(error)}"
        ) from error


def _is_text(config: Any) -> bool:
    return getattr(config, "vocab_size", None) is not None and getattr(config, "patch_size", None) is None


def _untrained(config: Any, name: str) -> nn.Module:
    from transformers import AutoModel

    try:
        return AutoModel.from_config(config)
    except (ValueError, TypeError, AttributeError, KeyError, ZeroDivisionError) as error:
        raise UserError(f"backbone {name!r}: its config.json describes no network: {_first_line(error)}") from error


def _pretrained_image_encoder(location: Location) -> nn.Module:
    from safetensors import SafetensorError
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        return AutoModel.from_pretrained(location.source, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise UserError(f"backbone {location.name!r} cannot be loaded: {_first_line(error)}") from error


def _image_preprocessing(location: Location, config: Any, image_size: int | None) -> ImagePreprocessing:
    """As the folder's `preprocessor_config.json` says, else as vision transformers are trained (mean and std 0.5)."""
    from transformers import ImageProcessingMixin

    try:
        described = ImageProcessingMixin.get_image_processor_dict(location.source)[0]
    except (OSError, ValueError):
        described = {}
    crop = described.get("crop_size") or described.get("size") or {}
    native = crop.get("height") if isinstance(crop, dict) else crop
    size = image_size or int(native or config.image_size)
    mean, std = described.get("image_mean") or (0.5,) * 3, described.get("image_std") or (0.5,) * 3
    return ImagePreprocessing(
        size, tuple(mean), tuple(std), "bicubic" if described.get("resample") == 3 else "bilinear"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
