from __future__ import annotations

from typing import Any

import pytest

import lab
from lab.errors import LabError
from lab.runs.run import Run


def read(run: Run) -> Any:
    """What TensorBoard sees in a run directory."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(run.path / "tensorboard"))
    found.Reload()
    return found


def scalars(found: Any) -> dict[str, list[tuple[int, float]]]:
    """Newer TensorBoards keep scalars as tensors."""
    from tensorboard.util.tensor_util import make_ndarray

    tags = [tag for tag in found.Tags()["tensors"] if tag != "config" and not tag.startswith("_hparams_")]
    return {tag: [(e.step, float(make_ndarray(e.tensor_proto))) for e in found.Tensors(tag)] for tag in tags}


def hyperparameters(run: Run) -> dict[str, Any]:
    """Read as the plugin reads them, of a run that was not interrupted."""
    from tensorboard.plugins.hparams import metadata

    found = read(run)
    kept = found.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    begun = metadata.parse_session_start_info_plugin_data(kept).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in begun.items()}


def test_a_run_is_read_back_from_its_event_file(toy):
    run = lab.run({"experiment": "toy", "tracker": "tensorboard", "drawn": True}, quiet=True)
    found = read(run)
    told = scalars(found)
    assert told["place"] == [(row.step, pytest.approx(row.place)) for row in run.metrics.itertuples()]
    results = {
        f"test/walk/recall@10/far away{end}": value for end, value in (("", 0.5), ("/low", 0.25), ("/high", 0.75))
    }
    assert {name: told[name] for name in results} == {name: [(3, value)] for name, value in results.items()}
    (image,) = found.Images(run.figures[0].path.stem)
    assert (image.encoded_image_string, image.width, image.height) == (run.figures[0].path.read_bytes(), 1, 1)
    assert "experiment: toy" in found.Tensors("config")[0].tensor_proto.string_val[0].decode()
    assert hyperparameters(run).items() >= {"model.rate": 0.1, "seed": 0.0, "validated": True}.items()


def test_a_run_that_goes_on_has_each_step_once(toy):
    config = {"experiment": "toy", "tracker": "tensorboard"}
    with pytest.raises(LabError):
        lab.run({**config, "fails": [0]}, quiet=True)
    run = lab.run(config, quiet=True)
    assert [step for step, _ in scalars(read(run))["place"]] == [1, 2, 3]


def test_runs_of_a_study_stand_side_by_side(toy, home):
    study = lab.run({"experiment": "toy", "tracker": "tensorboard", "sweep": {"seed": [0, 1]}}, quiet=True)
    assert [len(list((run.path / "tensorboard").iterdir())) for run in study.runs()] == [1, 1]
    assert len(list(home.rglob("events.out.tfevents.*"))) == 2
