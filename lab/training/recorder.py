"""What the training loop asks of whoever records it; a run directory's writer meets it, and so does a quiet one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np


class Saved(Protocol):
    """A checkpoint: arrays by name and plain JSON data."""

    @property
    def tensors(self) -> Mapping[str, np.ndarray]:
        """Arrays by name."""

    @property
    def state(self) -> Mapping[str, Any]:
        """Plain JSON data."""


class Recorder(Protocol):
    """Streams of randomness, metrics, progress and checkpoints of one run."""

    def generator(self, name: str) -> np.random.Generator:
        """A fresh generator at the beginning of the run's stream `name`."""

    def stream_seed(self, name: str) -> int:
        """A seed in [0, 2**32) for the stream `name`."""

    def progress(self, epoch: int, epochs: int, **metrics: float) -> None:
        """Say how far it is."""

    def metric(self, step: int, **values: float) -> None:
        """Keep values of one step."""

    def warn(self, text: str) -> None:
        """Keep a line that the report shows."""

    def check_interrupt(self) -> None:
        """Raise KeyboardInterrupt where somebody wants to stop."""

    def checkpoint(self, step: int, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Keep what is needed to go on after `step`."""

    def latest_checkpoint(self) -> Saved | None:
        """The last checkpoint, if any."""


class QuietRecorder:
    """Keeps warnings and metrics in memory and no checkpoints: for training without a run directory."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.metrics: list[dict[str, float]] = []
        self.warnings: list[str] = []

    def generator(self, name: str) -> np.random.Generator:
        """A fresh generator at the beginning of the stream `name`."""
        import numpy as np

        return np.random.default_rng(self._sequence(name))

    def stream_seed(self, name: str) -> int:
        """A seed in [0, 2**32) for the stream `name`."""
        return int(self._sequence(name).generate_state(1)[0])

    def progress(self, epoch: int, epochs: int, **metrics: float) -> None:
        """Nobody watches."""

    def metric(self, step: int, **values: float) -> None:
        """Append to `metrics`."""
        self.metrics.append({"step": step, **values})

    def warn(self, text: str) -> None:
        """Append to `warnings`."""
        self.warnings.append(text)

    def check_interrupt(self) -> None:
        """Python's own Ctrl-C does."""

    def checkpoint(self, step: int, tensors: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> None:
        """Nothing is kept."""

    def latest_checkpoint(self) -> Saved | None:
        """None: it always begins at the beginning."""
        return None

    def _sequence(self, name: str) -> np.random.SeedSequence:
        import numpy as np

        return np.random.SeedSequence(entropy=self.seed, spawn_key=tuple(name.encode()))
