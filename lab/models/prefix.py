"""The frozen part as one fast function: inference mode, batch norm folded, convolutions channels-last."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lab.models.backbone import Backbone
from lab.models.block_facts import example_input

Prefix = Callable[..., Tensor]


def prefix_function(backbone: Backbone, cut: int, precision: str = "float32", start: int = 0) -> Prefix:
    """Blocks `start` to `cut` (exclusive) as a function `(x, mask=None) -> activations at the cut`, without gradients.

    The function holds copies, so later training does not change it; it never updates statistics. It returns what
    `run_blocks(x, mask, start, cut)` does in evaluation mode to float32's rounding; with `precision="bf16"` weights and
    activations are bfloat16. `cut` = `start` returns its input.
    """
    if cut == start:
        return lambda x, mask=None: x
    frozen = copy.deepcopy(backbone)
    frozen.blocks, frozen.block_names = frozen.blocks[:cut], frozen.block_names[:cut]
    frozen.eval().requires_grad_(False)
    if frozen.kind == "image":
        frozen.blocks = fold_batch_norm(frozen)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    frozen = frozen.to(dtype).to(memory_format=torch.channels_last)
    if frozen.kind == "image":
        frozen.mean, frozen.std = backbone.mean, backbone.std  # pixels lose nothing before the first convolution

    def run(x: Tensor, mask: Tensor | None = None) -> Tensor:
        with torch.inference_mode():
            output = frozen.run_blocks(x, mask, start)
        return output.clone()  # an ordinary tensor, which trained blocks can keep for their backward pass

    return run


def fold_batch_norm(backbone: Backbone) -> nn.ModuleList:
    """The blocks with every batch norm that directly follows a convolution folded into it (Jacob et al. 2018).

    Which follow is seen in one forward pass; blocks whose output would change by more than rounding stay as they are.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in backbone.modules()):
        return backbone.blocks
    x = example_input(backbone)
    with torch.no_grad():
        expected = backbone.run_blocks(x)
        folded = copy.deepcopy(backbone)
        for conv, norm in _pairs(folded, x):
            _fold(folded, conv, norm)
        difference = (folded.run_blocks(x) - expected).abs().max()
    return folded.blocks if difference <= 1e-3 * expected.abs().max() else backbone.blocks


def _pairs(backbone: Backbone, x: Tensor) -> list[tuple[str, str]]:
    """Names of convolutions and the batch norms that take their output as it is, each called once."""
    produced: dict[int, str] = {}
    kept: list[Any] = []  # so that no identity is used twice
    pairs: list[tuple[str, str]] = []
    calls: dict[str, int] = {}

    def watch(name: str, module: nn.Module) -> Any:
        def after(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            calls[name] = calls.get(name, 0) + 1
            kept.append((inputs, output))
            if isinstance(module, nn.Conv2d):
                produced[id(output)] = name
            elif id(inputs[0]) in produced:
                pairs.append((produced[id(inputs[0])], name))

        return module.register_forward_hook(after)

    hooks = [
        watch(name, module)
        for name, module in backbone.named_modules()
        if isinstance(module, nn.Conv2d) or (isinstance(module, nn.BatchNorm2d) and module.running_mean is not None)
    ]
    backbone.run_blocks(x)
    for hook in hooks:
        hook.remove()
    return [(conv, norm) for conv, norm in pairs if calls[conv] == calls[norm] == 1]


def _fold(backbone: Backbone, conv: str, norm: str) -> None:
    convolution, normalisation = backbone.get_submodule(conv), backbone.get_submodule(norm)
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(normalisation, nn.BatchNorm2d)
    _replace(backbone, conv, fuse_conv_bn_eval(convolution, normalisation))
    _replace(backbone, norm, getattr(normalisation, "act", nn.Identity()))  # timm's batch norms hold an activation


def _replace(root: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, attribute = name.rpartition(".")
    setattr(root.get_submodule(parent), attribute, module)
