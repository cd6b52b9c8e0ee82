"""pythae's trainer on the network of `benchmarks/autoencoder.py`, run by the Python of an environment that has pythae.

    python pythae_trainer.py FOLDER JSON      prints the mean seconds of an epoch

FOLDER holds train.npy and validation.npy (n, 1, 28, 28) uint8, and takes what pythae writes.
"""

import json
import sys
import time

import numpy as np
import torch
from pythae.models import AE, AEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.pipelines import TrainingPipeline
from pythae.trainers import BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import nn


class Encoder(BaseEncoder):
    def __init__(self, first: int, second: int, latent_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, first, 3, 2, 1),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, 2, 1),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(second * 49, latent_size),
        )

    def forward(self, x: torch.Tensor) -> ModelOutput:
        return ModelOutput(embedding=self.layers(x))


class Decoder(BaseDecoder):
    def __init__(self, first: int, second: int, latent_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, second * 49),
            nn.Unflatten(1, (second, 7, 7)),
            nn.BatchNorm2d(second),
            nn.ReLU(),
            nn.ConvTranspose2d(second, first, 4, 2, 1),
            nn.BatchNorm2d(first),
            nn.ReLU(),
            nn.ConvTranspose2d(first, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, z: torch.Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


class Clock(TrainingCallback):
    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_epoch_begin(self, training_config, **kwargs) -> None:
        self.started = time.perf_counter()

    def on_epoch_end(self, training_config, **kwargs) -> None:
        self.seconds.append(time.perf_counter() - self.started)


def main(folder: str, asked: dict) -> None:
    torch.set_num_threads(asked["threads"])
    pixels = {part: np.load(f"{folder}/{part}.npy").astype(np.float32) / 255 for part in ("train", "validation")}
    config = BaseTrainerConfig(
        output_dir=folder,
        num_epochs=asked["epochs"],
        learning_rate=asked["learning_rate"],
        per_device_train_batch_size=asked["batch_size"],
        per_device_eval_batch_size=256,
        optimizer_cls="AdamW",
        no_cuda=True,
    )
    sizes = (*asked["widths"], asked["latent_size"])
    plan = AEConfig(input_dim=(1, 28, 28), latent_dim=asked["latent_size"])
    torch.manual_seed(0)
    model = AE(plan, encoder=Encoder(*sizes), decoder=Decoder(*sizes))
    clock = Clock()
    TrainingPipeline(model=model, training_config=config)(pixels["train"], pixels["validation"], callbacks=[clock])
    print(json.dumps(sum(clock.seconds) / len(clock.seconds)))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
