from __future__ import annotations

import numpy as np
import pytest

from lab.advise.untrained import BlockScores, _agreements, _best, _pretrained_classifier
from lab.errors import UserError
from lab.evaluation.transferability import Transferability
from lab.runs.artifacts import Artifacts
from lab.runs.files import write_json


def block(number: int, linear: float, logme: float = 0.0) -> BlockScores:
    return BlockScores(number, f"layer{number}", Transferability(logme, 0.5, linear, 0.5))


def study_of(workshop, levels: dict[int, float]):
    rows = {}
    for frozen, level in levels.items():
        run = workshop.run("finetune", level=None)
        artifacts = Artifacts(run.path)
        artifacts.result("classification", "accuracy", level, split="validation", n=50, primary=True)
        artifacts.save_json("finetune", {"depth": {"frozen": frozen}})
        write_json(run.path / "results.json", {"results": artifacts.results})
        rows[f"{frozen} frozen"] = [run]
    return workshop.study("depths", rows)


def test_how_well_scores_ranked_what_a_study_measured(workshop):
    study = study_of(workshop, {0: 0.99, 1: 0.6, 2: 0.7, 3: 0.8, 4: 0.75})
    blocks = [block(1, 0.5, -1), block(2, 0.6, -2), block(3, 0.8, -4), block(4, 0.7, -3)]
    lines = _agreements(study, blocks)
    assert "ranked the 4 rows of depths that freeze one" in lines[0], "nothing is frozen in the fifth"
    assert lines[1].startswith("  linear probe: +1.00")
    assert any(line.startswith("  LogME: -1.00") for line in lines)


def test_two_rows_are_no_ranking(workshop):
    assert _agreements(study_of(workshop, {1: 0.6, 2: 0.7}), [block(1, 0.5), block(2, 0.6)])[0].startswith("Fewer than")


@pytest.mark.parametrize(
    ("linear", "said"),
    [
        ([0.5, 0.9, 0.7, 0.6], "The 2 blocks above it lose what this task needs and may be worth training."),
        ([0.5, 0.6, 0.9, 0.7], "The block above it loses what this task needs and may be worth training."),
        ([0.5, 0.6, 0.7, 0.9], "Easiest to tell apart after block 4 (layer4): linear probe 0.900."),
        ([0.5, 0.6, 0.905, 0.9], "Easiest to tell apart after block 3 (layer3): linear probe 0.905."),
    ],
)
def test_where_labels_are_easiest_to_read_off(linear, said):
    assert _best([block(number + 1, value) for number, value in enumerate(linear)])[-1] == said


class NoClassifier:
    class backbone:  # noqa: N801
        name, feature_dim = "minilm-l6", 384


def test_an_encoder_without_a_classifier_has_no_leep():
    with pytest.raises(UserError, match="minilm-l6 comes without the classifier of its pretraining"):
        _pretrained_classifier(NoClassifier())


def test_the_packaged_network_brings_its_thousand_classes():
    class Cache:
        class backbone:  # noqa: N801
            name, feature_dim = "efficientnet-lite0", 1280

    weight, bias = _pretrained_classifier(Cache())
    assert (weight.shape, bias.shape) == ((1000, 1280), (1000,))
    assert np.isfinite(weight).all()
