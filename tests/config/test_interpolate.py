"""`${…}`: references to keys given, to defaults and to swept values."""

from __future__ import annotations

import pytest

from lab.config import load
from lab.errors import ConfigError

HEAD = {"experiment": "word2vec"}


def config(**keys):
    return load(HEAD | keys).cells[0].config


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${model.architecture}", "skipgram"),
        ("w-${model.window}-${seed}", "w-9-0"),
        (r"\${seed}", "${seed}"),
        ("${oc.env:LAB_TEST_VARIABLE}", "from outside"),
        ("${report.words[1]}", "queen"),
    ],
)
def test_references_in_text(text, value, monkeypatch):
    monkeypatch.setenv("LAB_TEST_VARIABLE", "from outside")
    keys = {
        "model": {"architecture": "skipgram", "window": 9},
        "report": {"words": ["king", "queen"], "question": text},
    }
    assert config(**keys).report.question == value


def test_a_reference_keeps_the_type_and_reaches_defaults_and_sections():
    found = config(
        train={"epochs": "${vocabulary.min_count}"},
        report={
            "words": ["${model.architecture}", "${model.window}th"],
            "map": "${copy}",
            "analogies": "${report.words}",
        }
        | {"map": {"items": "${model.vector_size}"}},
    )
    assert found.train.epochs == 5
    assert found.report.words == ["cbow", "5th"]
    assert found.report.analogies == ["cbow", "5th"]
    assert found.report.map.items == 100


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("model.windw", r"; did you mean model\.window\?"),
        ("model.learning", r"; did you mean train\.learning_rate\?"),
        ("epochs", r"; did you mean train\.epochs\?"),
        ("zzz", "$"),
    ],
)
def test_a_reference_to_nothing_names_the_key_that_was_meant(wrong, near):
    with pytest.raises(ConfigError, match=rf"refers to {wrong}, which does not exist{near}"):
        config(seed=f"${{{wrong}}}")


def test_a_chain_of_references():
    assert config(seed="${train.epochs}", train={"epochs": "${model.window}"}, model={"window": 3}).seed == 3


def test_every_cell_sees_its_own_values():
    sweep = {"model.window": [2, 3], "model.negative": ["${model.window}"]}
    plan = load(HEAD | {"train": {"epochs": "${model.window}"}, "sweep": sweep}, ["name=w${model.window}"])
    assert [cell.config.train.epochs for cell in plan.cells] == [2, 3]
    assert [cell.row for cell in plan.cells] == [{"model.window": n, "model.negative": n} for n in (2, 3)]
    assert [cell.config.name for cell in plan.cells] == ["w2", "w3"]


def test_a_chosen_value_is_seen_too():
    cell = load(HEAD | {"train": {"threads": "${train.epochs}"}, "choose": {"train.epochs": [2, 3]}}).cells[0]
    assert cell.with_values({"train.epochs": 3}).config.train.threads == 3


def test_the_report_of_a_study(write):
    write("study.yaml", "name: mine\nreport: {title: 'About ${name}'}\nstudy: [{config: word2vec/cbow}]\n")
    assert load("study.yaml").report.title == "About mine"
