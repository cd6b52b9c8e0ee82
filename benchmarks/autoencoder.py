"""Seconds an epoch of a convolutional autoencoder on MNIST digits: `lab` against a plain PyTorch loop.

Same network, first weights, pictures, batch size, optimiser, schedule and validation after every epoch on both sides,
in turn, in one run; the peer reads its pictures by a `DataLoader`, as tutorials do. Each side's fastest round counts,
as what else a machine does only ever adds. `--pythae PYTHON`: also pythae's trainer on a network of the same layers,
run by the Python of an environment of its own (`python -m venv pythae && pythae/bin/pip install pythae`).
`--quick`: fewer epochs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peers.digit_loop import plain_loop

from lab.data.labelled.config import LabelledConfig
from lab.data.labelled.items import load_items
from lab.data.labelled.pixels import load_pixels, picture_shape
from lab.data.labelled.split import split_items
from lab.models.autoencoder.apply import reconstructed
from lab.models.autoencoder.architecture import Architecture
from lab.models.autoencoder.autoencoder import Autoencoder, build_autoencoder
from lab.models.autoencoder.objectives import Objective
from lab.training.config import LoopConfig
from lab.training.loop import train
from lab.training.reconstruction import Reconstruction
from lab.training.recorder import QuietRecorder

PLAN = Architecture("convolutional", (1, 28, 28), (32, 64), latent_size=32)


class Data:
    """Pixels of `mnist-5k`, and the places of those to train, to validate and to test on."""

    def __init__(self) -> None:
        config = LabelledConfig(source="mnist-5k")
        items = load_items(config)
        split = split_items(items, config, seed=0)
        self.pixels = load_pixels(items, picture_shape(items), keep=False)
        self.train, self.validation, self.test = split.train, split.validation, split.test


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two rounds of two epochs instead of three of four")
    parser.add_argument("--pythae", metavar="PYTHON", help="the Python of an environment in which pythae is installed")
    options = parser.parse_args()
    rounds, epochs = (2, 2) if options.quick else (3, 4)
    config = LoopConfig(epochs=epochs, batch_size=64, learning_rate=3e-3, warmup=0)
    data, sides = Data(), sides_of(options.pythae)
    print(
        f"convolutional autoencoder {PLAN.widths}, {PLAN.latent_size} dimensions, {len(data.train):,} digits, "
        f"batches of {config.batch_size}, {torch.get_num_threads()} threads, {rounds} rounds of {epochs} epochs",
        flush=True,
    )
    best = {name: float("inf") for name in sides}
    for turn in range(rounds):
        for name in list(best)[:: 1 if turn % 2 == 0 else -1]:
            model = build_autoencoder(PLAN, Objective(), seed=0)
            seconds = sides[name](model, data, config)
            best[name] = min(best[name], seconds)
            error = np.square(reconstructed(model, data.pixels[data.test]) - data.pixels[data.test] / 255).mean()
            told = f", squared error {error:.4f} on test" if name != "pythae" else ""
            print(f"  {name}: {seconds:.2f} s an epoch{told}", flush=True)
    for name in best:
        if name != "lab":
            print(
                f"{name} {best[name]:.2f} s, lab {best['lab']:.2f} s an epoch; ratio: {best[name] / best['lab']:.2f}×"
            )


def sides_of(pythae: str | None) -> dict[str, Callable[[Autoencoder, Data, LoopConfig], float]]:
    """What is compared, by name: each trains the network it is given and tells the seconds of an epoch."""
    sides: dict[str, Callable[[Autoencoder, Data, LoopConfig], float]] = {"lab": ours}
    if pythae is None:
        print("pythae: not compared (--pythae PYTHON names an environment that has it)")
    elif subprocess.run([pythae, "-c", "import pythae"], capture_output=True, check=False).returncode:
        print(f"pythae: {pythae} cannot import it: not compared")
    else:
        sides["pythae"] = lambda model, data, config: pythae_seconds(pythae, data, config)
    return sides | {"plain loop": plain}


def ours(model: Autoencoder, data: Data, config: LoopConfig) -> float:
    """Seconds an epoch, validation included."""
    run = QuietRecorder()
    fitted = train(
        Reconstruction(model, Objective(), data.pixels, data.train, data.validation, config, run), config, run
    )
    return fitted.seconds / fitted.epochs


def plain(model: Autoencoder, data: Data, config: LoopConfig) -> float:
    return plain_loop(model, data.pixels[data.train], data.pixels[data.validation], config)


def pythae_seconds(python: str, data: Data, config: LoopConfig) -> float:
    """Seconds an epoch of pythae's trainer in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for part in ("train", "validation"):
            np.save(f"{folder}/{part}.npy", data.pixels[getattr(data, part)])
        asked = {
            "widths": PLAN.widths,
            "latent_size": PLAN.latent_size,
            "epochs": config.epochs,
            "batch_size": config.batch_size,
            "learning_rate": config.learning_rate,
            "threads": torch.get_num_threads(),
        }
        script = Path(__file__).parent / "peers" / "pythae_trainer.py"
        found = subprocess.run([python, script, folder, json.dumps(asked)], capture_output=True, text=True, check=True)
    return float(found.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
