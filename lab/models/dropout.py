"""Dropout whose random bits cost a tenth: on the CPU torch draws one double per number, here 16 bits do."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class QuickDropout(nn.Dropout):
    """Sets each number to 0 with probability p (to within 2⁻¹⁷) and scales the others so that the mean stays.

    Srivastava et al. 2014. Draws from torch's global generator, so that a seed decides it. In evaluation mode, and
    off the CPU, it is `nn.Dropout`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape to the same shape."""
        if not self.training or self.p == 0 or self.p == 1 or input.device.type != "cpu":
            return super().forward(input)
        return input * keep_mask(input.shape, self.p, input.dtype)


def keep_mask(shape: torch.Size, p: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """Zeros with probability `p`, else one over the share that is kept."""
    dropped = round(p * 65536)
    count = shape.numel()
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = words.view(torch.int16)[:count].view(shape) >= dropped - 32768
    return kept.to(dtype).mul_(65536 / (65536 - dropped))


def use_quick_dropout(module: nn.Module) -> None:
    """Replace every plain dropout inside a module; weights and names stay as they are."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                quick = QuickDropout(child.p, child.inplace)
                setattr(parent, name, quick.train(child.training))
