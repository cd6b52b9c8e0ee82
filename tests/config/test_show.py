"""What `lab show` prints: YAML that loads again, with the origin of every value."""

from __future__ import annotations

import pytest

from lab.config import load, shipped_configs, show_config, to_yaml
from lab.config.yaml_reader import read_text

NAMES = [config.name for config in shipped_configs() if config.experiment != "study"]


def comments(text):
    """Dotted key of the last part → comment."""
    lines = [line for line in text.splitlines() if " # " in line]
    return {line.split(":")[0].strip(): line.rsplit("# ", 1)[1] for line in lines}


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_again_as_the_same_config(name):
    cell = load(name, ["controls=false"]).cells[0]
    text = show_config(load(name, ["controls=false"]))
    assert read_text(text, "shown").values == cell.values
    assert load(read_text(text, "shown").values).cells[0].values == cell.values


def test_every_value_says_where_it_came_from(write):
    write("a.yaml", "experiment: word2vec\ntrain:\n  epochs: 3\n")
    write("b.yaml", "extends: a.yaml\nsweep: {model.window: [2, 3], seed: [0, 1]}\nchoose: {train.threads: [1, 2]}\n")
    text = show_config(load("b.yaml", ["vocabulary.max_vocab=99"]))
    notes = comments(text)
    assert text.splitlines()[0] == "# b: 4 runs of 1 config (b.yaml)"
    assert notes["epochs"] == "a.yaml:3"
    assert notes["max_vocab"] == "command line"
    assert notes["window"] == "sweep, b.yaml:2: 2, 3"
    assert notes["threads"] == "default; chosen on validation data from [1, 2]"
    assert notes["min_count"] == "default"
    assert "seed: 0" in text
    assert "# sweep, b.yaml:2: 0, 1" in text


def test_a_study_shows_each_entry():
    plan = load("quickstart")
    text = show_config(plan)
    configs = len({cell.entry for cell in plan.cells})
    assert text.count("\n--- # entry") == configs == 12  # 8 and their controls
    assert text.startswith(f"# quickstart: {len(plan.cells)} runs of {configs} configs (")
    documents = text.split("\n--- ")[1:]
    for number, document in enumerate(documents):
        first = next(cell for cell in plan.cells if cell.entry == number)
        assert read_text("# " + document, "shown").values == first.values


def test_text_that_looks_like_something_else_survives():
    words = [
        "off",
        "null",
        "1e3",
        "a: b",
        "#",
        "\\",
        '"',
        "'",
        "\n",
        "\u2028",
        "é",
        "- x",
        "",
        "😀\0",
        "${seed}",
        "\\${x}",
    ]
    literal = [word.replace("\\", "\\\\").replace("${", "\\${") if "${" in word else word for word in words]
    cell = load({"experiment": "word2vec", "report": {"words": literal}}).cells[0]
    assert cell.config.report.words == words
    assert load(read_text(to_yaml(cell.values), "shown").values).cells[0].values == cell.values
