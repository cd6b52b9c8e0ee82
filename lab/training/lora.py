"""Low-rank adapters in a backbone's open blocks, by peft. Hu et al. 2022, "LoRA" (arXiv:2106.09685)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lab.errors import UserError

if TYPE_CHECKING:
    from lab.training.classifier import Classifier
    from lab.training.strategies import Plan

_HANDS_WEIGHTS_OVER = ("MultiheadAttention", "ShiftedWindowAttention", "ShiftedWindowAttentionV2")


def add_adapters(classifier: Classifier, plan: Plan, seed: int) -> None:
    """Put `W + (alpha / rank) B A` in the place of every linear map and ungrouped convolution of the open blocks.

    A is drawn from `seed`, B begins at 0, so that the network computes at first what it did before.
    Raises `UserError` where peft is missing or no block has a layer for it.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise UserError("strategy.kind: lora needs peft: pip install 'embeddings-lab[lora]'") from None
    found = 0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index in plan.ever_open():
            block = classifier.backbone.blocks[index]
            if names := adaptable(block):
                config = LoraConfig(r=plan.lora_rank, lora_alpha=plan.lora_alpha, target_modules=names)
                inject_adapter_in_model(config, block)
                found += len(names)
    if plan.ever_open() and not found:
        raise UserError("strategy.kind: lora: the open blocks have no linear layer or convolution to adapt")


def adaptable(block: nn.Module) -> list[str]:
    """Names, within a block, of the layers that an adapter can follow: called as modules, not grouped.

    The inside of torch's and torchvision's attention is left out: it hands its weights to one function and calls no
    layer.
    """
    closed = [name for name, module in block.named_modules() if type(module).__name__ in _HANDS_WEIGHTS_OVER]
    return [
        name
        for name, module in block.named_modules()
        if name
        and (type(module) is nn.Linear or (isinstance(module, nn.Conv2d) and module.groups == 1))
        and not any(name.startswith(f"{outer}." if outer else "") for outer in closed)
    ]
