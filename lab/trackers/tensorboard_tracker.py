"""TensorBoard: an event file in the folder `tensorboard` of each run directory (`tensorboard --logdir runs`)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import rmtree
from typing import Any

from lab.errors import UserError
from lab.trackers.tracker import Facts, Status

FOLDER = "tensorboard"


class TensorBoardTracker:
    """Writes one run's scalars, figures, config and hyperparameters; of a study nothing, its runs stand side by side.

    Raises `UserError` where the library is missing.
    """

    def __init__(self) -> None:
        if find_spec("tensorboard") is None:
            raise UserError(
                "tracker: tensorboard needs the library tensorboard: pip install 'embeddings-lab[tensorboard]'"
            )
        self._writer: Any = None
        self._params: dict[str, Any] = {}
        self._results: list[str] = []
        self._step = 0

    def begin(self, facts: Facts, params: Mapping[str, Any]) -> None:
        """Begin an event file. That of a run that goes on is written anew, from the metrics that are told again."""
        if facts.kind == "study":
            return
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder = facts.path / FOLDER
        rmtree(folder, ignore_errors=True)
        self._writer = EventFileWriter(str(folder), flush_secs=5)
        self._params = {key: value for key, value in params.items() if isinstance(value, bool | int | float | str)}

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Write a scalar for each number."""
        if self._writer is None:
            return
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        self._step = step
        for name, value in values.items():
            self._add(scalar_pb(name, value))

    def results(self, values: Mapping[str, float]) -> None:
        """Write a scalar for each number, at the last step."""
        self.metrics(self._step, values)
        self._results = [name for name in values if not name.endswith(("/low", "/high"))]

    def artifact(self, path: Path) -> None:
        """Show a figure as an image, and the config as text; the rest stands in the run directory anyway."""
        if self._writer is None:
            return
        if path.suffix == ".png":
            self._add(_image(path.stem, path.read_bytes()))
        elif path.name == "config.yaml":
            from tensorboard.plugins.text.summary_v2 import text_pb

            self._add(text_pb("config", f"```yaml\n{path.read_text(encoding='utf-8')}\n```"))

    def end(self, status: Status) -> None:
        """Write the hyperparameters, so that runs can be compared by them, and close the file."""
        if self._writer is None:
            return
        from tensorboard.plugins.hparams import summary_v2 as hp

        numbers = [hp.Metric(name) for name in self._results]
        self._add(hp.hparams_config_pb([hp.HParam(key) for key in self._params], numbers))
        self._add(hp.hparams_pb(self._params))
        self._writer.close()

    def _add(self, summary: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time.time(), step=self._step, summary=summary))


def _image(name: str, png: bytes) -> Any:
    """A picture as TensorBoard keeps it: the PNG as it is, with the size that stands in its header."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = (int.from_bytes(png[place : place + 4], "big") for place in (16, 20))
    picture = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=png)
    return Summary(value=[Summary.Value(tag=name, image=picture)])
