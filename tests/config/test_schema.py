"""JSON Schema for editors: what `lab` takes it takes, and what `lab` refuses for its keys and values it refuses too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from draft7 import mistakes

from lab.config import json_schema, load, shipped_configs
from lab.config.yaml_reader import read_file

HEAD = {"experiment": "word2vec"}


@pytest.fixture(scope="module")
def schema():
    return json_schema()


GOOD = [
    HEAD,
    {"extends": "word2vec/cbow"},
    {"extends": "word2vec/cbow", "train": {"epochs": 1}, "name": "x", "report": {"words": ["a"]}},
    HEAD
    | {"train": {"epochs": "${model.window}"}, "model": {"architecture": "${x}"}, "tokenizer": {"lowercase": "${y}"}},
    HEAD | {"sweep": {"seed": [0, 1], "model.architecture": ["cbow"]}, "choose": {"train.learning_rate": [0.1, 1]}},
    HEAD | {"sweep": [{"model.window": 3, "seed": [0, 1]}, {"tokenizer.phrases": None}]},
    HEAD | {"sweep": {"tokenizer.phrases": [None, {"passes": 2}], "evaluate.similarity": [["simlex999"]]}},
    {"study": [{"config": "word2vec/cbow", "sweep": {"seed": [0]}}, {"config": HEAD}], "report": {"title": "x"}},
]
BAD = [
    HEAD | {"trian": {}},
    HEAD | {"train": {"epoch": 1}},
    HEAD | {"train": {"epochs": 0}},
    HEAD | {"train": {"epochs": "ten"}},
    HEAD | {"train": {"epochs": True}},
    HEAD | {"train": [1]},
    HEAD | {"model": {"architecture": "sg"}},
    HEAD | {"tokenizer": {"phrases": {"treshold": 1}}},
    HEAD | {"data": {"held_out": {"fraction": 1}}},
    HEAD | {"report": {"words": "king"}},
    {"experiment": "word2vecc"},
    HEAD | {"extends": 3},
    HEAD | {"sweep": {"seeds": [0]}},
    HEAD | {"sweep": {"seed": 0}},
    HEAD | {"sweep": {"seed": []}},
    HEAD | {"sweep": {"experiment": ["word2vec"]}},
    HEAD | {"sweep": {"report.title": ["a"]}},
    HEAD | {"sweep": [{"seed": -1}]},
    HEAD | {"choose": {"train.epochs": [0]}},
    {"study": []},
    {"study": [{"sweep": {"seed": [0]}}]},
    {"study": [{"config": 3}]},
    {"study": [{"config": "a", "seep": {}}]},
    {"study": [{"config": "a"}], "sweep": {"seed": [0]}},
]


@pytest.mark.parametrize("config", GOOD, ids=json.dumps)
def test_it_takes_what_is_right(config, schema):
    assert mistakes(config, schema) == []


@pytest.mark.parametrize("config", BAD, ids=json.dumps)
def test_it_refuses_what_lab_refuses(config, schema):
    assert mistakes(config, schema)
    with pytest.raises(Exception, match=r"expected|unknown key|did you mean|beside|cannot"):
        load(config)


def test_the_full_validator_agrees(schema):
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft7Validator(schema)
    validator.check_schema(schema)
    assert all(validator.is_valid(config) for config in GOOD)
    assert not any(validator.is_valid(config) for config in BAD)
    assert all(validator.is_valid(read_file(config.path).values) for config in shipped_configs())


def test_keys_have_descriptions_and_defaults(schema):
    train = schema["definitions"]["word2vec.TrainConfig"]["properties"]
    assert train["epochs"]["description"] == "passes over the corpus"
    assert train["epochs"]["default"] == 5
    assert "word2vec:train.epochs" in schema["definitions"]


def test_every_installed_experiment_is_in_it(toy):
    schema = json_schema()
    toy_config = {"experiment": "toy", "weights": {"a": 1}, "depth": "all", "sweep": {"weights.b": [1]}}
    assert mistakes(toy_config, schema) == []
    assert mistakes(toy_config | {"depth": "al"}, schema)
    assert mistakes(toy_config | {"weights": {"a": "x"}}, schema)
    assert json_schema(["word2vec"])["anyOf"] == [{"$ref": "#/definitions/word2vec"}, {"$ref": "#/definitions/study"}]


def test_it_is_json(schema, tmp_path: Path):
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema, allow_nan=False))
    assert json.loads(path.read_text()) == schema
