"""A plain PyTorch loop over `ImageFolder`, as tutorials write it, on the same network and head as `lab` trains."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn


class ImageLoop:
    def __init__(self, task: Any, batch: int, epochs: int, folder: Path) -> None:
        self.task, self.batch, self.epochs, self.folder = task, batch, epochs, folder
        for part, index in (("train", task.train), ("test", task.test)):
            for i in index:
                target = folder / part / task.items.classes[task.items.labels[i]]
                target.mkdir(parents=True, exist_ok=True)
                self._put(int(i), target)

    def _put(self, index: int, target: Path) -> None:
        """The original file where there is one, so that both sides decode the same bytes; a PNG otherwise."""
        files = getattr(self.task.items.images, "files", None)
        if files is not None:
            (target / f"{index}{Path(files[index]).suffix}").symlink_to(files[index])
        else:
            self.task.items.images.picture(index).save(target / f"{index}.png")

    def _model(self, depth: int) -> tuple[nn.Module, list[nn.Module]]:
        import timm

        from lab.data.backbones import locate_backbone

        torch.manual_seed(0)
        model = timm.create_model("tf_efficientnet_lite0")
        weights = torch.load(locate_backbone("efficientnet-lite0").weights, map_location="cpu", weights_only=True)
        own = model.state_dict()
        model.load_state_dict(dict(zip(own, weights.values(), strict=True)))  # the file has its own names, in order
        model.classifier = nn.Linear(model.num_features, len(self.task.items.classes))  # drawn as in lab
        parts = [
            nn.ModuleList([model.conv_stem, model.bn1]),
            *model.blocks,
            nn.ModuleList([model.conv_head, model.bn2]),
        ]
        for part in parts[:depth]:
            part.requires_grad_(False)
        return model, parts[:depth]

    def _loader(self, part: str, shuffle: bool) -> Any:
        from torch.utils.data import DataLoader
        from torchvision import transforms
        from torchvision.datasets import ImageFolder

        preprocessing = self.task.network().preprocessing
        transform = transforms.Compose(
            [
                transforms.Resize(preprocessing.size, transforms.InterpolationMode(preprocessing.interpolation)),
                transforms.CenterCrop(preprocessing.size),
                transforms.ToTensor(),
                transforms.Normalize(preprocessing.mean, preprocessing.std),
            ]
        )
        return DataLoader(ImageFolder(self.folder / part, transform), self.batch, shuffle=shuffle)

    def warm_up(self, depth: int) -> None:
        self._train(depth, 1e-5, 1, 2)

    def run(self, depth: int, rate: float) -> Any:
        from frozen_depth import Timed

        model, seconds = self._train(depth, rate, self.epochs, None)
        model.eval()
        right = 0
        with torch.inference_mode():
            for x, labels in self._loader("test", shuffle=False):
                right += int((model(x).argmax(1) == labels).sum())
        return Timed(seconds / self.epochs, right / len(self.task.test))

    def _train(self, depth: int, rate: float, epochs: int, most_steps: int | None) -> tuple[nn.Module, float]:
        model, frozen = self._model(depth)
        loader = self._loader("train", shuffle=True)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
        total = epochs * len(loader)
        warm = max(1, round(0.1 * total))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer,
            lambda step: min((step + 1) / (warm + 1), 0.5 * (1 + np.cos(np.pi * max(0, step - warm) / total))),
        )
        started = time.perf_counter()
        for _ in range(epochs):
            model.train()
            for part in frozen:
                part.eval()
            for step, (x, labels) in enumerate(loader):
                if step == most_steps:
                    break
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x), labels)
                loss.backward()
                nn.utils.clip_grad_norm_(trained, 1.0)
                optimizer.step()
                schedule.step()
        return model, time.perf_counter() - started
