"""A plain PyTorch loop over a DataLoader, as tutorials write it, on the same autoencoder as `lab` trains."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms.functional import to_tensor


class Digits(Dataset):
    """Pictures one by one, as a tutorial's data set gives them."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> torch.Tensor:
        return to_tensor(self.pixels[place].transpose(1, 2, 0))


def plain_loop(model: nn.Module, pixels: np.ndarray, held: np.ndarray, config: Any) -> float:
    """Train, validating after every epoch; the seconds of an epoch. Mean squared error, AdamW, cosine."""
    torch.manual_seed(0)
    batches = DataLoader(Digits(pixels), config.batch_size, shuffle=True)
    validation = DataLoader(Digits(held), 256)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs * len(batches))
    criterion, started = nn.MSELoss(), time.perf_counter()
    for _ in range(config.epochs):
        model.train()
        for x in batches:
            loss = criterion(model.reconstruct(x), x)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            schedule.step()
            loss.item()
        model.eval()
        with torch.no_grad():
            sum(criterion(model.reconstruct(x), x).item() * len(x) for x in validation)
    return (time.perf_counter() - started) / config.epochs
