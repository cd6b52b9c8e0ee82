"""`lab compare --spaces`: what references find, what is printed and written, and one-line errors."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from test_cli import run_cli
from workshop import Workshop, words_space

from lab.compare_spaces import find_spaces
from lab.embeddings.formats import write_vectors
from lab.errors import UserError
from lab.runs.artifacts import Artifacts
from lab.runs.siblings import another_seed


@pytest.fixture
def workshop(home) -> Workshop:
    return Workshop(home)


def two_rows(workshop: Workshop) -> list[str]:
    return [
        workshop.run(seed=seed, space=words_space(10 * row + seed), config={"model": {"window": row}}).id
        for row in (0, 1)
        for seed in (0, 1)
    ]


def test_runs_come_with_another_seed_of_their_config_and_are_called_by_what_differs(workshop):
    ids = two_rows(workshop)
    first, second = find_spaces([ids[0], ids[2]])
    assert (first.name, second.name) == ("window=0", "window=1")
    np.testing.assert_array_equal(first.again.vectors, words_space(1).vectors)
    assert "seed 0; the other is seed 1" in first.why
    same = find_spaces([ids[0], ids[1]])
    assert same[0].name != same[1].name
    assert "seed 1" in same[1].name


def test_another_seed_has_the_same_settings_recipe_and_data(workshop):
    space = words_space(0)
    run = workshop.run(seed=0, space=space, config={"n": 1})
    for other in ({"n": 2}, {"n": 1}):
        workshop.run(seed=0, space=space, config=other)
    assert another_seed(run) is None
    workshop.run(seed=3, space=space, config={"n": 1}, status="failed")
    workshop.run(seed=4, space=space, config={"n": 1}, recipe_version=99)
    assert another_seed(run) is None
    kept = [workshop.run(seed=seed, space=space, config={"n": 1}) for seed in (6, 5)]
    assert another_seed(run).id == kept[1].id


def test_stages_of_a_run_are_named_after_an_at(workshop):
    run = workshop.run(space=words_space(0))
    for number in (3, 5):
        Artifacts(run.path).embeddings(words_space(number), f"words.block-{number}")
    names = [named.name for named in find_spaces([f"{run.id}@block-3", f"{run.id}@5", run.id])]
    assert names[:2] == ["block-3", "block-5"]
    with pytest.raises(UserError, match=r"no space 'blok-3'; it has: block-3"):
        find_spaces([f"{run.id}@blok-3", run.id])


def test_files_of_any_format_are_spaces(workshop, tmp_path):
    run = workshop.run(space=words_space(0))
    for name, format in (
        ("a.npz", "npz"),
        ("b.txt", "word2vec"),
        ("c.bin", "word2vec-binary"),
        ("d.parquet", "parquet"),
    ):
        write_vectors(words_space(1), tmp_path / name, format)
        found = find_spaces([run.id, str(tmp_path / name)])[1]
        assert found.name == name
        assert "a file has no seeds" in found.why
        np.testing.assert_array_equal(found.space.vectors, words_space(1).vectors)


def test_the_verb_prints_every_form_and_writes_a_page(workshop, capsys, tmp_path):
    ids = two_rows(workshop)
    code, out, _ = run_cli(capsys, "compare", "--spaces", ids[0], ids[2], "--report", "out.html")
    assert code == 0
    assert out.startswith("window=0 and window=1 agree on ")
    assert "two seeds of window=0 agree on" in out
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "How the spaces differ" in page
    assert "Colour by" in page
    assert list((tmp_path / "out-figures").glob("*.png"))
    code, out, _ = run_cli(capsys, "compare", "--spaces", ids[0], ids[2], "--format", "json")
    assert json.loads(out)["pairs"][0]["marks"][0]["key"] == "shared@10"
    assert run_cli(capsys, "compare", "--spaces", ids[0], ids[2], "--format", "csv")[1].startswith(
        "first,second,measure"
    )
    assert "| measure |" in run_cli(capsys, "compare", "--spaces", ids[0], ids[2], "--format", "markdown")[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("RUN", "nosuch.npz"), "no such file"),
        (("RUN",), "at least two spaces"),
        (("RUN", "twice.txt"), "stands already in line 2"),
        (("RUN", "nan.npz"), "NaN or infinity in the vector"),
        (("RUN", "others.npz"), "no id is in all 2 spaces"),
        (("RUN", "efficientnet-lite0"), "a backbone needs items to embed"),
        (("RUN", "minilm-l6@x"), "after @ stands the number of a block"),
        (("RUN", "RUN", "--format", "latex"), "expected table, markdown, csv or json"),
    ],
    ids=lambda value: "-".join(value)[:30] if isinstance(value, tuple) else None,
)
def test_mistakes_cost_one_line(workshop, capsys, tmp_path, words, message):
    run = workshop.run(space=words_space(0))
    (tmp_path / "twice.txt").write_text("2 2\nking 1 2\nking 3 4\n")
    np.savez(tmp_path / "nan.npz", ids=np.array(["king", "queen"]), vectors=np.array([[1, np.nan], [1, 2]]))
    np.savez(tmp_path / "others.npz", ids=np.array(["x", "y"]), vectors=np.eye(2))
    code, out, error = run_cli(capsys, "compare", "--spaces", *(run.id if word == "RUN" else word for word in words))
    assert (code, out) == (2, "")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_a_text_encoder_reads_the_texts_of_a_space(workshop):
    texts = [f"the {word}" for word in words_space(0).ids[:30]]
    space = words_space(0).subset(np.arange(30))
    run = workshop.run(space=type(space)(space.ids, space.vectors, {"text": texts}))
    found = find_spaces([run.id, "minilm-l6"])[1]
    assert found.space.vectors.shape == (30, 384)
    assert list(found.space.ids) == list(space.ids)


def test_comparing_imports_no_network_libraries(workshop):
    ids = two_rows(workshop)
    code = (
        f"import sys; from lab.compare_spaces import compare; compare(['{ids[0]}', '{ids[2]}']);"
        "print([m for m in ('torch', 'transformers', 'umap', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
