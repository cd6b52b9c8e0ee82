"""The same pair into a perceptron, as a run of its own and as the row that stands beside every study of towers."""

from __future__ import annotations

import numpy as np
import pytest

import lab
from experiments.two_tower import PAIR_INTO_MLP, TwoTowerConfig, controls, title
from lab.errors import UserError
from lab.terminal_words import print_neighbors

MLP = {"similarity": {"kind": "mlp", "hidden": [16, 8]}, "objective": {"kind": "logistic", "negatives": 4}}


def config(pairs, **sections):
    train = {"epochs": 12, "batch_size": 64, "learning_rate": 0.02}
    return {"experiment": "two_tower", "data": pairs, "dimension": 8, "train": train, **sections}


@pytest.mark.parametrize("objective", ["logistic", "bpr"])
def test_it_learns_and_leaves_no_space_to_search(pairs, objective):
    run = lab.run(config(pairs, **{**MLP, "objective": {"kind": objective, "negatives": 4}}), quiet=True)
    values = run.results.set_index(["metric", "split"])["value"]
    assert values["ndcg@10", "test"] > 0.3
    assert values["ndcg@10", "validation"] == pytest.approx(run.metrics["validation_ndcg@10"].max(), abs=0.02)
    assert "perceptron.rest.1.weight" in run.tensors("towers")
    assert "intra_list_diversity" not in run.json("two_tower")["beyond"]
    assert run.embedding_names == []
    with pytest.raises(UserError, match="no embedding space"):
        print_neighbors(run.id, ["f1"], 3, None)
    with pytest.raises(UserError, match="scores pairs by a perceptron"):
        run.encoder()


def test_the_epoch_is_chosen_by_as_many_users_as_the_pairs_allow(pairs, monkeypatch):
    from lab.training import two_tower

    monkeypatch.setattr(two_tower, "JUDGED_PAIRS", 7 * 45)
    asked = []
    rank = two_tower.rank
    monkeypatch.setattr(
        two_tower, "rank", lambda scorer, users, *a, **k: asked.append(users) or rank(scorer, users, *a, **k)
    )
    lab.run(config(pairs, **MLP), quiet=True)
    assert {len(users) for users in asked} == {7}
    assert all(np.array_equal(users, asked[0]) for users in asked)


def test_a_softmax_over_the_batch_is_refused_in_one_line(pairs):
    with pytest.raises(UserError, match=r"mlp scores pair by pair.*set objective\.kind: logistic or bpr"):
        lab.run(config(pairs, similarity={"kind": "mlp"}), quiet=True)
    with pytest.raises(UserError, match="hidden: means nothing with kind: dot"):
        lab.run(config(pairs, similarity={"kind": "dot", "hidden": [4]}), quiet=True)


def test_it_stands_beside_every_study_of_towers(pairs):
    network = {"kind": "backbone", "column": "genre", "frozen_depth": "all-1", "learning_rate": 1e-4}
    given = config(pairs, item={"features": [{"kind": "id"}, network], "hidden": [32]}, seed=3)
    asked = TwoTowerConfig.model_validate(given)
    label, made = controls(asked)[-1]
    control = TwoTowerConfig.model_validate(made)
    assert label == PAIR_INTO_MLP
    assert (control.data, control.seed, control.ranking) == (asked.data, 3, asked.ranking)
    assert [feature.frozen_depth for feature in control.item.features] == ["all", "all"]
    assert control.user == TwoTowerConfig().user
    assert title(control) == "pairs into an MLP, logistic loss"
    assert PAIR_INTO_MLP not in dict(controls(control))
    for swept in ({"dimension": 32}, {"train": {**given["train"], "epochs": 3}}, {"objective": {"kind": "mixed"}}):
        other = TwoTowerConfig.model_validate({**given, **swept})
        assert controls(other)[-1][1] == made  # one row a study, whatever is swept


@pytest.mark.slow
def test_a_study_ranks_it_against_the_towers(pairs):
    study = lab.run({**config(pairs), "name": "beside", "sweep": {"seed": [0, 1, 2]}}, quiet=True)
    rows = {row.label: row.runs for row in study.rows()}
    assert len(rows[PAIR_INTO_MLP]) == 3
    assert all(run.config["similarity"]["kind"] == "mlp" for run in rows[PAIR_INTO_MLP])
