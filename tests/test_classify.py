"""What all classifiers share: facts of the plan stage, splits, results."""

from __future__ import annotations

import os

import pytest

from lab.classify import describe_task, load_task
from lab.data.labelled.config import LabelledConfig
from lab.errors import UserError


def table(path, words):
    rows = [f"{word} {number},{label}" for number in range(12) for word, label in words.items()]
    path.write_text("text,label\n" + "\n".join(rows) + "\n", encoding="utf-8")


def test_facts_are_found_once_and_again_when_a_file_changes(home, monkeypatch):
    import lab.data.labelled.items as items

    asked = []
    load = items.load_items
    monkeypatch.setattr(items, "load_items", lambda *given: asked.append(1) or load(*given))
    table(home / "a.csv", {"cat": "animal", "rice": "food"})
    config = LabelledConfig(source=str(home / "a.csv"))
    first = describe_task(config)
    assert describe_task(config, "text") == first
    assert len(asked) == 1
    assert first.counts["items"] == 24
    assert first.counts["classes"] == 2
    table(home / "a.csv", {"cat": "animal", "rice": "food", "blue": "colour"})
    os.utime(home / "a.csv", (1, 1))
    assert describe_task(config).counts["items"] == 36
    assert describe_task(config).fingerprint != first.fingerprint
    assert len(asked) == 2


def test_the_wrong_kind_is_refused_even_where_it_is_known(home):
    table(home / "a.csv", {"cat": "animal", "rice": "food"})
    config = LabelledConfig(source="a.csv")
    describe_task(config)
    with pytest.raises(UserError, match=r"a\.csv holds texts, but images are needed here"):
        describe_task(config, "image")


def test_parts_and_rows(home):
    table(home / "a.csv", {"cat": "animal", "rice": "food"})
    task = load_task(LabelledConfig(source="a.csv", split={"train": 0.5, "validation": 0.25, "test": 0.25}), seed=0)
    assert list(task.judged) == ["validation", "test"]
    assert len(task.used) == 24
    assert task.part_of(task.split.test) == ["test"] * 6
    assert (task.used[task.rows(task.split.validation)] == task.split.validation).all()
