"""A funnel on towers of a small table, and what is exported of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lab
from lab.errors import UserError
from lab.export import export

faiss = pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def pairs(folder):
    """Sixty users in three groups and what they had of their group's fifteen films."""
    rng = np.random.default_rng(0)
    rows = [(u, f"f{i + 15 * (u % 3)}") for u in range(60) for i in rng.permutation(15)[:10]]
    pd.DataFrame(rows, columns=["user_id", "item_id"]).to_csv(folder / "pairs.csv", index=False)
    return {"source": str(folder / "pairs.csv")}


TRAIN = {"epochs": 4, "batch_size": 64, "learning_rate": 0.02}


def towers(pairs, **sections):
    return {"experiment": "two_tower", "data": pairs, "dimension": 8, "train": TRAIN, **sections}


def funnel(retriever, **sections):
    train = {"epochs": 5, "batch_size": 16, "learning_rate": 0.01}
    base = {"experiment": "funnel", "retriever": f"run:{retriever.id}", "candidates": 20, "train": train}
    return {**base, "index": {"kind": "ivf"}, **sections}


@pytest.fixture
def retriever(shared_home, pairs):
    return lab.run(towers(pairs), quiet=True)


@pytest.fixture
def done(retriever):
    return lab.run(funnel(retriever), quiet=True)


def test_both_stages_are_measured_over_the_same_users_as_the_towers(retriever, done):
    mine, theirs = (run.results.set_index(["evaluation", "metric", "split"]) for run in (done, retriever))
    for split in ("validation", "test"):
        key = ("ranking", "ndcg@10", split)
        assert mine.loc[key]["n"] == theirs.loc[key]["n"]
        assert mine.loc[key]["test_fingerprint"] == theirs.loc[key]["test_fingerprint"]
    told = done.json("funnel")
    stages = told["stages"]
    assert stages["first"]["ndcg@10"] == pytest.approx(mine.loc["first_stage", "ndcg@10", "test"]["value"])
    assert stages["second"]["ndcg@10"] == pytest.approx(mine.loc["ranking", "ndcg@10", "test"]["value"])
    difference = stages["differences"]["ndcg@10"]
    assert difference["value"] == pytest.approx(stages["second"]["ndcg@10"] - stages["first"]["ndcg@10"])
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert mine.loc["ranking", "recall@20", "test"]["value"] == pytest.approx(stages["first"]["recall@20"])
    assert set(told["milliseconds"]) == {"users", "first", "second"}
    assert set(done.tensors("reranker")) > {"members.0.scale", "members.3.mean"}


def test_exact_first_stage_is_what_the_towers_rank(retriever):
    done = lab.run(funnel(retriever, index=None, ranker={"numbers": ["rank"]}), quiet=True)
    assert done.tensor_metadata("reranker") == {"numbers": ["score", "rank"], "hidden": [16]}
    assert done.tensors("reranker")["members.0.mean"].shape == (2,)
    first = done.scores("first_stage", "ndcg@10", "test").set_index("id")["value"]
    theirs = retriever.scores("ranking", "ndcg@10", "test").set_index("id")["value"]
    assert first.to_dict() == pytest.approx(theirs.to_dict())


def test_indexes_are_told_and_the_used_one_finds_enough(done):
    told = done.json("serving")
    assert told["points"][0]["kind"] == "flat"
    (used,) = [p for p in told["points"] if all(p[key] == value for key, value in told["chosen"].items())]
    assert used["kind"] == "ivf"
    assert used[f"recall@{told['at'][-1]}"] >= 0.95
    assert not [metric for metric in done.results["metric"] if "p50" in metric]


def test_interrupted_equals_uninterrupted(retriever, done, interrupted):
    from lab.runs.files import remove

    whole, path = done.tensors("reranker"), done.path
    remove(path)
    interrupted(14, lambda: lab.run(funnel(retriever), quiet=True))
    again = lab.run(funnel(retriever), quiet=True)
    assert again.info["resumed"]
    assert all(np.array_equal(whole[name], values) for name, values in again.tensors("reranker").items())


@pytest.mark.parametrize("to", ["faiss", "faiss-ivf", "faiss-hnsw"])
def test_a_bundle_is_read_by_plain_faiss(retriever, done, to, tmp_path, monkeypatch):
    said = export(done.id, to, tmp_path / "served")
    assert "45 vectors of 8 dimensions" in said
    folder = tmp_path / "served"
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    example: dict = {}
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], example)
    ids, scores = example["ids"], example["scores"]
    found = [ids["items"][place] for place in example["places"][0]]

    space = retriever.space()
    side = space.metadata["side"]
    names = list(space.metadata["item_id"][side == "item"])
    vectors = space.vectors[(side == "item").to_numpy()]
    similar = space.vectors[list(space.metadata["item_id"]).index(ids["users"][0])] @ vectors.T
    assert found == [names[place] for place in np.argsort(-similar)[:10]]
    assert scores[0] == pytest.approx(np.sort(similar)[::-1][:10], abs=1e-5)
    assert {"towers.safetensors", "reranker.safetensors", "about.json"} <= {path.name for path in folder.iterdir()}
    about = json.loads((folder / "about.json").read_text())
    assert (about["metric"], about["source"]) == ("cosine", f"run:{retriever.id}")
    export(retriever.id, "faiss-flat", folder)  # an older bundle is replaced whole
    assert "reranker.safetensors" not in {path.name for path in folder.iterdir()}


def test_any_space_can_be_indexed(home):
    rng = np.random.default_rng(0)
    np.savez(home / "v.npz", ids=np.array([f"w{i}" for i in range(50)]), vectors=rng.standard_normal((50, 6)))
    assert "50 queries (its own vectors, each without itself)" in export("v.npz", "faiss", home / "served")
    assert json.loads((home / "served" / "ids.json").read_text())["items"][49] == "w49"
    (home / "served" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds 'notes\.txt', which is no part of an index"):
        export("v.npz", "faiss", home / "served")


def test_a_retriever_that_cannot_be_one_is_one_line(retriever, done, pairs):
    with pytest.raises(UserError, match="expected run: and a run of two_tower"):
        lab.run({**funnel(retriever), "retriever": "last"}, quiet=True)
    with pytest.raises(UserError, match="is a run of funnel; expected one of two_tower"):
        lab.run(funnel(done), quiet=True)
    split = {"kind": "random", "train": 0.8, "validation": 0, "test": 0.2}
    other = lab.run(towers({**pairs, "split": split}), quiet=True)
    with pytest.raises(UserError, match="no validation pairs"):
        lab.run(funnel(other), quiet=True)


def test_a_study_trains_towers_and_a_funnel_on_them(shared_home, pairs, folder):
    import yaml

    second = {"experiment": "funnel", "retriever": "run:this:experiment=two_tower,seed=${seed}", "candidates": 20,
              "train": {"epochs": 2}}  # fmt: skip
    study = {"study": [{"config": towers(pairs, controls=False)}, {"config": second}]}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    record = lab.run(str(folder / "study.yaml"), quiet=True)
    assert sorted(run.experiment for run in record.runs()) == ["funnel", "two_tower"]
