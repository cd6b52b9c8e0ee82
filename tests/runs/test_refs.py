from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from walk_recipe import do

from lab.errors import LabError, UserError
from lab.runs.refs import load_run, load_study
from lab.runs.run import Run
from lab.runs.study import CellRecord, StudyRecord


def study_of(home, name: str, cells: list[CellRecord]) -> StudyRecord:
    record = StudyRecord(name, home / "studies" / name, {}, cells)
    record.save()
    return record


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> tuple[Path, dict[tuple[float, int], str]]:
    """A study `rates`, made once: two rates with two seeds, and one more seed that failed; ids of the finished runs."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder))
        made = {(rate, seed): do(seed=seed, model={"rate": rate}, steps=2) for rate in (0.1, 1e-3) for seed in (0, 1)}
        cells = [
            CellRecord({"model.rate": rate}, seed, "walk", run.id, "finished") for (rate, seed), run in made.items()
        ]
        cells.append(CellRecord({"model.rate": 0.1}, 2, "walk", None, "failed", "ValueError: unlucky"))
        study_of(folder, "rates", cells)
    return folder, {key: run.id for key, run in made.items()}


@pytest.fixture
def runs(home, archive) -> dict[tuple[float, int], Run]:
    """The finished runs of `archive`, in a home of their own."""
    folder, ids = archive
    shutil.copytree(folder, home, dirs_exist_ok=True)
    return {key: Run(home / "runs" / "walk" / found) for key, found in ids.items()}


def test_a_path_an_id_and_its_start(runs, monkeypatch):
    for run in runs.values():
        assert load_run(run.path).id == run.id
        assert load_run(str(run.path / "embeddings" / "item.parquet")).id == run.id
        assert load_run(run.path / "run.json").id == run.id
        assert load_run(run.id).id == run.id
        assert load_run(f" {run.id[:8].upper()} ").id == run.id
        monkeypatch.chdir(run.path.parent)
        assert load_run(f"./{run.id}").id == run.id


def test_last_is_no_control(runs, home):
    """The run started last belongs to a study that made it to stand beside what was asked for."""
    asked, beside = runs[1e-3, 0], runs[1e-3, 1]
    record = [CellRecord({}, 0, "walk", asked.id, "finished"), CellRecord({}, 1, "walk", beside.id, "finished")]
    record[1] = replace(record[1], control=True)
    study_of(home, "asked", record)
    info = json.loads((beside.path / "run.json").read_text())
    (beside.path / "run.json").write_text(json.dumps(info | {"study": "asked"}))
    assert load_run("last").id == asked.id
    shutil.rmtree(home / "studies" / "asked")
    assert load_run("last").id == beside.id


def test_last_is_the_one_started_last(runs):
    assert load_run("last").id == runs[1e-3, 1].id
    again = do(seed=0, model={"rate": 0.1}, steps=2, how={"rerun": True})
    assert load_run("last").id == again.id == runs[0.1, 0].id
    assert load_study("last").name == "rates"


def test_a_start_that_several_have_lists_them(runs, home):
    run = runs[0.1, 0]
    twin = run.id[:6] + "000000"
    shutil.copytree(run.path, run.path.with_name(twin))
    info = json.loads((run.path / "run.json").read_text())
    (run.path.with_name(twin) / "run.json").write_text(json.dumps(info | {"id": twin, "seed": 7}))
    with pytest.raises(UserError) as caught:
        load_run(run.id[:6])
    assert f"2 runs start with '{run.id[:6]}'" in str(caught.value)
    assert f"{twin} (walk, seed 7, finished)" in str(caught.value)
    assert load_run(run.id).seed == 0


def test_a_wrong_id_lists_the_nearest(runs):
    run = runs[0.1, 0]
    wrong = run.id[:5] + ("0" if run.id[5] != "0" else "1") + run.id[6:]
    with pytest.raises(UserError, match=rf"no run '{wrong}'; nearest: {run.id}"):
        load_run(wrong)
    with pytest.raises(UserError, match=r"'rates' is a study; name one of its runs: rates:key=value"):
        load_run("rates")


@pytest.mark.parametrize(
    "written",
    [
        "rates:model.rate=0.001,seed=1",
        "rates:rate=0.001,seed=1",
        "rates:rate=1e-3,seed=1",
        "rates: seed = 1 , rate = .001 ",
        "rates:seed=1,rate=0.0010,experiment=walk",
        "last:seed=1,rate=0.001,steps=2,model.rate=0.001",
    ],
)
def test_a_run_of_a_study_by_its_values(runs, written):
    assert load_run(written).id == runs[1e-3, 1].id


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("rates:rate=0.1", r"means 3 runs: \w+ \(rate=0.1, seed=0\), .*not started \(rate=0.1, seed=2"),
        ("rates:", r"means 5 runs"),
        ("rates:rate=0.2", r"has no run with model.rate=0.2; nearest: 0.1, 0.001"),
        ("rates:rate=0.1,seed=5", r"has no run with seed=5; nearest: 0, 1, 2"),
        ("rates:rote=0.1", r"has no key 'rote'; nearest: .*rate"),
        ("rates:rate", r"expected rates:key=value,…, not 'rate'"),
        ("rates:seed=2", r"this run is failed: ValueError: unlucky"),
        ("rats:seed=2", r"no study 'rats'; nearest: rates"),
        ("rates:neighbors=15,rate=0.1,seed=0,report.map=3", r"has no key 'report.map'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_reference_into_a_study(runs, written, words):
    with pytest.raises(UserError, match=words):
        load_run(written)


def test_a_shortened_key_that_several_have_lists_them(home):
    run = do(seed=0, steps=2)
    rows = [{"model.rate": rate, "noise.rate": 0.5, "data.source": "a/b, c.txt"} for rate in (0.1, 0.2)]
    study_of(home, "two", [CellRecord(row, 0, "walk", run.id) for row in rows[:1]])
    with pytest.raises(UserError, match=r"'rate' may mean model.rate, noise.rate"):
        load_run("two:rate=0.1")
    assert load_run("two:model.rate=0.1").id == run.id
    assert load_run("two:source=a/b, c.txt,noise.rate=0.5").id == run.id
    assert load_run("two:source=b, c.txt").id == run.id


@pytest.mark.parametrize("value", [None, True, 5, "5", "none", [1, 2], "‮ü"])
def test_values_are_typed_as_tables_show_them(home, value):
    run = do(seed=0, steps=2)
    other = do(seed=0, steps=4)
    study_of(home, "s", [CellRecord({"key": value}, 0, "walk", run.id), CellRecord({"key": "x"}, 0, "walk", other.id)])
    shown = {"None": "none", "True": "true"}.get(str(value), str(value))
    assert load_run(f"s:key={shown}").id == run.id


def test_a_chosen_value_is_a_value_of_its_run(home):
    run = do(seed=0, steps=2)
    study_of(home, "s", [CellRecord({}, 0, "walk", run.id, chosen={"model.rate": 0.1})])
    assert load_run("s:rate=0.1").id == run.id
    assert load_run("s:").id == run.id
    shutil.rmtree(run.path)
    with pytest.raises(UserError, match="'s:': this run is planned"):
        load_run("s:")


def test_studies_by_name_path_and_file(runs, home):
    for ref in ("rates", home / "studies" / "rates", str(home / "studies" / "rates" / "study.json")):
        assert [cell.seed for cell in load_study(ref).cells] == [0, 1, 0, 1, 2]
    with pytest.raises(UserError, match=r"no study 'rated'; nearest: rates"):
        load_study("rated")


def test_where_there_is_nothing_it_says_so(home):
    for ref, words in [("last", "no runs in"), ("abc", "there are no runs in"), ("a:b=c", "there are no studies in")]:
        with pytest.raises(UserError, match=words):
            load_run(ref)
    with pytest.raises(UserError, match="no studies in"):
        load_study("last")


HOSTILE = ["", " ", "a" * 5000, "a\0b", "../../../../etc", "/", "~", "~nobody-of-that-name", ":", "a:b", "=", ".", "..",
           "last:", "\udc80", "*", "[", "studies/*", "C:\\x", "‮tsal", "\n", "-h", "${x}", "{0}", "%s"]  # fmt: skip


@pytest.mark.parametrize("ref", HOSTILE)
def test_a_hostile_reference_is_one_line(runs, ref):
    for load in (load_run, load_study):
        with pytest.raises(UserError) as caught:
            load(ref)
        assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_text_finds_a_run_or_is_refused(runs, ref):
    try:
        found = load_run(ref)
    except LabError as error:
        found = error
    assert "\n" not in str(found) if isinstance(found, LabError) else found.experiment == "walk"


def test_a_folder_in_the_way_does_not_hide_a_run(runs, home):
    os.mkdir("last")
    os.mkdir(runs[0.1, 1].id)
    assert load_run("last").id == runs[1e-3, 1].id
    assert load_run(runs[0.1, 1].id).id == runs[0.1, 1].id
