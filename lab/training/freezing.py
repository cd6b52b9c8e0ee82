"""Applying a `Plan` to a network: what is trained, what stays, in which mode, and the proof that it stayed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lab.errors import UserError
from lab.training.classifier import Classifier
from lab.training.strategies import Plan

if TYPE_CHECKING:
    import numpy as np


def prepare(classifier: Classifier, plan: Plan, seed: int = 0) -> None:
    """Make a fresh classifier ready for the plan: adapters go in (drawn from `seed`), what is never trained is fixed.

    Raises `UserError` where the plan finds nothing to train in the blocks it opens.
    """
    if plan.kind == "lora":
        from lab.training.lora import add_adapters

        add_adapters(classifier, plan, seed)
    opened = [index for index in plan.ever_open() if _trained_in(plan, classifier.backbone.blocks[index])]
    if plan.ever_open() and not opened:
        raise UserError(f"strategy.kind: {plan.kind}: there is nothing of that kind in the blocks it opens")
    set_trainable(classifier, plan, epoch=0)
    if plan.batch_norm == "track":
        for module in _batch_norms(classifier.backbone):
            module.register_forward_pre_hook(_tracker(classifier))


def trainable_names(classifier: Classifier, plan: Plan, epoch: int | None = None) -> set[str]:
    """Names of the parameters trained in an epoch (from 0), or in any where `epoch` is None."""
    names = {f"head.{name}" for name, _ in classifier.head.named_parameters()}
    for index in plan.ever_open() if epoch is None else plan.open_blocks(epoch):
        names |= {f"backbone.blocks.{index}.{name}" for name in _trained_in(plan, classifier.backbone.blocks[index])}
    return names


def set_trainable(classifier: Classifier, plan: Plan, epoch: int) -> None:
    """Switch gradients on for the parameters of this epoch and off for all others, whose gradients are dropped."""
    names = trainable_names(classifier, plan, epoch)
    for name, parameter in classifier.named_parameters():
        parameter.requires_grad_(name in names)
        if name not in names:
            parameter.grad = None


def set_modes(classifier: Classifier, plan: Plan, epoch: int) -> None:
    """Training mode for the head and the open blocks; the frozen part without dropout, batch norms as the plan says."""
    classifier.train()
    classifier.backbone.eval()
    opened = set(plan.open_blocks(epoch))
    for index, block in enumerate(classifier.backbone.blocks):
        free = index in opened
        block.train(free)
        if not free or plan.kind == "lora":
            for module in _batch_norms(block):
                module.train(plan.batch_norm == "train")


def moving_buffers(classifier: Classifier, plan: Plan) -> set[str]:
    """Names of the buffers that training moves: running statistics of batch norms that are not in `eval` throughout."""
    prefixes = ["backbone."] if plan.batch_norm != "eval" else []
    if plan.kind != "lora":
        prefixes += [f"backbone.blocks.{index}." for index in plan.ever_open()]
    statistics = {
        f"{name}.{buffer}"
        for name, module in classifier.named_modules()
        if isinstance(module, _BatchNorm)
        for buffer, _ in module.named_buffers(recurse=False)
    }
    return {name for name in statistics if name.startswith(tuple(prefixes))} if prefixes else set()


def trained_names(classifier: Classifier, plan: Plan) -> set[str]:
    """Names of all that training changes: trained parameters, moving buffers and the head's own buffers."""
    head = {f"head.{name}" for name, _ in classifier.head.named_buffers()}
    return trainable_names(classifier, plan) | moving_buffers(classifier, plan) | head


def trained_tensors(classifier: Classifier, plan: Plan) -> dict[str, np.ndarray]:
    """All that training changed, by name: with the pretrained weights it makes the classifier whole again."""
    names = trained_names(classifier, plan)
    return {name: _array(tensor) for name, tensor in named_tensors(classifier) if name in names}


def load_trained(classifier: Classifier, plan: Plan, tensors: Mapping[str, Any]) -> None:
    """Put `trained_tensors` (numpy or torch) into a classifier made from the same backbone and `prepare`d alike.

    Raises `UserError` where names or shapes do not fit.
    """
    own = dict(named_tensors(classifier))
    names = trained_names(classifier, plan)
    if wrong := sorted(names ^ set(tensors)):
        raise UserError(f"the saved tensors do not fit this backbone and strategy: {wrong[0]} (of {len(wrong)})")
    with torch.no_grad():
        for name in sorted(names):
            tensor = torch.as_tensor(tensors[name])
            if tensor.numel() != own[name].numel():
                raise UserError(
                    f"the saved tensor {name} has shape {tuple(tensor.shape)}, not {tuple(own[name].shape)}"
                )
            own[name].copy_(tensor.reshape(own[name].shape))


def frozen_digests(classifier: Classifier, plan: Plan) -> dict[str, str]:
    """A digest of every parameter and buffer that training must not change, by name."""
    names = trained_names(classifier, plan)
    return {name: _digest(tensor) for name, tensor in named_tensors(classifier) if name not in names}


def check_frozen(classifier: Classifier, plan: Plan, before: Mapping[str, str]) -> list[str]:
    """Names of frozen parameters and buffers whose bits differ from `before` (of `frozen_digests`): to be empty."""
    now = frozen_digests(classifier, plan)
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def parameter_groups(classifier: Classifier, plan: Plan, weight_decay: float) -> list[dict[str, Any]]:
    """Optimizer groups of all that is ever trained: one rate a block (`base_lr`), no decay on biases and norms."""
    rates = [*plan.learning_rates(), plan.learning_rate]
    groups: dict[tuple[int, bool], list[tuple[str, nn.Parameter]]] = {}
    names = trainable_names(classifier, plan)
    for name, parameter in classifier.named_parameters():
        if name in names:
            block = int(name.split(".")[2]) if name.startswith("backbone.") else len(plan.blocks)
            groups.setdefault((block, parameter.ndim > 1), []).append((name, parameter))
    return [
        {
            "params": [parameter for _, parameter in members],
            "names": [name for name, _ in members],
            "lr": rates[block],
            "base_lr": rates[block],
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (block, decays), members in groups.items()
    ]


def block_table(classifier: Classifier, plan: Plan) -> list[dict[str, Any]]:
    """What happens to each block: its parameters, whether and at what rate it is trained, its batch norms' mode."""
    rates = plan.learning_rates()
    rows: list[dict[str, Any]] = []
    for index, (name, block) in enumerate(zip(plan.blocks, classifier.backbone.blocks, strict=True)):
        sizes = {key: parameter.numel() for key, parameter in block.named_parameters()}
        names = _trained_in(plan, block) if index in plan.ever_open() else set()
        norms = any(True for _ in _batch_norms(block))
        free = bool(names) and plan.kind != "lora"
        rows.append(
            {
                "name": name,
                "parameters": sum(sizes.values()),
                "trained": bool(names),
                "trained_parameters": sum(sizes[key] for key in names),
                "learning_rate": rates[index] if names else None,
                "batch_norm": ("train" if free else plan.batch_norm) if norms else None,
            }
        )
    return rows


@contextmanager
def evaluating(classifier: Classifier) -> Iterator[None]:
    """Evaluation mode everywhere and no gradients inside the block; every module's mode as before after it."""
    modes = [(module, module.training) for module in classifier.modules()]
    classifier.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def named_tensors(classifier: Classifier) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name."""
    yield from classifier.named_parameters()
    yield from classifier.named_buffers()


def _trained_in(plan: Plan, block: nn.Module) -> set[str]:
    """Names, within an open block, of the parameters that the plan's kind trains."""
    found = set()
    for module_name, module in block.named_modules():
        for name, _ in module.named_parameters(recurse=False):
            full = f"{module_name}.{name}" if module_name else name
            trained = {
                "norm_only": "norm" in type(module).__name__.lower(),
                "bitfit": name.endswith("bias"),
                "lora": "lora_" in full,
            }.get(plan.kind, True)
            if trained:
                found.add(full)
    return found


def _batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    return (part for part in module.modules() if isinstance(part, _BatchNorm))


def _tracker(classifier: Classifier) -> Callable[[_BatchNorm, tuple[Tensor, ...]], None]:
    """Lets the running statistics of a batch norm that normalises with them follow the data while training."""

    def track(module: _BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        if not classifier.training or not torch.is_grad_enabled() or module.training or module.running_mean is None:
            return
        with torch.no_grad():
            x = inputs[0].float()
            over = [axis for axis in range(x.ndim) if axis != 1]
            share = 0.1 if module.momentum is None else module.momentum
            module.running_mean.lerp_(x.mean(over), share)
            module.running_var.lerp_(x.var(over, correction=1), share)

    return track


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().cpu().numpy()


def _digest(tensor: Tensor) -> str:
    flat = tensor.detach().contiguous().flatten()
    data = flat.view(torch.uint8).numpy() if flat.numel() else b""
    return blake2b(data, digest_size=16).hexdigest()
