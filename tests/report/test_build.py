from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pages import Page
from workshop import HOSTILE, Workshop, hostile_study, png, study_of_words

from lab.errors import UserError
from lab.report.build import build, spoken_rows
from lab.report.subject import fold, subject_of
from lab.runs.run import Run


@pytest.fixture(scope="module")
def words_page(tmp_path_factory) -> tuple[Path, Page]:
    """The report of the study of words, built once."""
    folder = tmp_path_factory.mktemp("words")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder))
        patch.chdir(folder)
        path = build(study_of_words(Workshop(folder), png))
    return path, Page(path.read_text(encoding="utf-8"))


def test_the_sections_stand_in_order(words_page):
    page = words_page[1]
    expected = [
        "answer",
        "certainty",
        "table",
        "figures",
        "errors",
        "maps",
        "differ",
        "neighbors",
        "teach",
        "data",
        "config",
    ]
    assert [e.attributes["id"] for e in page.all("section")] == expected
    assert [e.attributes["href"] for e in page.elements if e.tag == "a" and "nav" in e.inside] == [
        f"#{name}" for name in expected
    ]


def test_the_answer_is_one_sentence_over_a_picture_of_seeds_and_intervals(words_page):
    page = words_page[1]
    answer = page.one("p", class_="answer").text
    assert re.fullmatch(
        r"On WordSim-353 \(Spearman\), pretrained \(\.\d+\) does better than skip-gram \(\.\d+\), "
        r"which does better than CBOW \(\.\d+\)\.",
        answer,
    )
    assert len(page.all("circle")) == 7  # a point for each finished run
    assert len(page.all("line", class_="interval")) == 3
    spoken = [svg.attributes["aria-label"] for svg in page.all("svg") if "aria-label" in svg.attributes]
    assert [re.sub(r"\.\d+", "#", text) for text in spoken[1:]] == [
        "mean #; 95 % interval # to #; 3 seeds: #, #, #"
    ] * 2


def test_tables_mark_the_best_give_intervals_and_count_seeds(words_page):
    page = words_page[1]
    table = page.one("section", id="table").text
    assert "1 failed: ValueError: no such model" in table
    assert "0 of 1" in table
    assert "Holm-adjusted over 3 pairs" in table
    assert "SimLex-999 Spearman" in table
    assert "Pairwise differences (3)" in table
    assert re.fullmatch(r"\.\d\d", page.all("strong")[0].text)


def test_errors_are_shown(words_page):
    text = words_page[1].one("section", id="errors").text
    assert "glove, seed 2" in text
    assert "ValueError: no such model" in text


def test_learning_curves_are_one_figure_of_all_runs(words_page):
    page = words_page[1]
    curves = [e for e in page.all("img") if e.attributes["alt"].startswith("Learning curves")]
    assert len(curves) == 1
    assert "CBOW ends at 1.300 to 1.400" in curves[0].attributes["alt"]


def test_neighbours_mark_rare_words_and_missing_ones(words_page):
    page = words_page[1]
    text = page.one("section", id="neighbors").text
    assert text.count("not in this vocabulary") == 3  # `nowhere`, a column each
    assert "seen 9,000 times" in text
    assert "Analogy: king - man + woman" in text


def test_what_words_teach_is_judged_from_the_runs(words_page):
    text = words_page[1].one("section", id="teach").text
    assert "What 56,409 words can and cannot teach" in text
    assert "beside pretrained on the same tests" in text
    assert "holds in 0 of 6 runs of ours" in text


def test_config_tells_what_differs_and_how_to_do_it_again(words_page):
    text = words_page[1].one("section", id="config").text
    assert "lab run configs/mine.yaml\nlab report words" in text
    assert re.search(r"model\.architecture\s*skipgram\s*cbow", text)
    assert "a CPU, 2 cores; threads a run: 1" in text


def test_nothing_is_fetched_and_only_its_own_scripts_may_run(words_page):
    page = words_page[1]
    for element in page.elements:
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href"):
                assert value.startswith(("data:image/", "data:text/csv;", "#"))
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.startswith("default-src 'none'; img-src data:;")
    scripts = [e for e in page.all("script") if "type" not in e.attributes]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(e.text.encode()).digest()).decode()}'" for e in scripts]
    assert re.search(r"script-src (.*)$", policy)[1].split() == [*hashes, "'unsafe-eval'"]
    assert "Permission is hereby granted, free of charge" in scripts[0].text  # licences travel with the code


def test_the_page_is_accessible(words_page):
    page = words_page[1]
    assert page.one("html").attributes["lang"] == "en"
    assert len(page.all("main")) == len(page.all("nav")) == len(page.all("h1")) == 1
    assert all(e.attributes["alt"] for e in page.all("img"))
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag) and "nav" not in e.inside]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    labels = {e.attributes["for"] for e in page.all("label")}
    assert {e.attributes["id"] for e in [*page.all("input"), *page.all("select")]} == labels
    for section in page.all("section"):
        assert page.one("h2", id=section.attributes["aria-labelledby"]).text
    for box in [e for e in page.all("div") if e.attributes.get("class") == "scroll"]:
        assert box.attributes["tabindex"] == "0"
        assert box.attributes["aria-label"]


def test_figures_stand_beside_the_report_as_png(words_page):
    figures = sorted((words_page[0].parent / "figures").iterdir())
    names = [path.name for path in figures]
    expected = ["answer", "apple-pretrained", "curve-loss", "map-cbow", "map-pretrained", "map-skip-gram"]
    spaces = [f"spaces-{pair}" for pair in ("cbow-and-pretrained", "skip-gram-and-cbow", "skip-gram-and-pretrained")]
    assert names == [f"{name}.png" for name in [*expected, *spaces]]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures)


def test_hostile_data_shows_as_text(workshop):
    study = hostile_study(workshop)
    study.config = HOSTILE[1]
    path = build(study)
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert len(page.all("script")) == 3
    assert "bold" not in [e.text for e in page.all("b")]
    assert {e.attributes["src"][:11] for e in page.all("img")} == {"data:image/"}
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]
    assert page.one("h1").text.startswith("</script><script>window.pwned")
    labels = page.map_data["labels"]
    assert labels[: len(HOSTILE) - 1] == HOSTILE[:-1]
    assert HOSTILE[2] in page.one("section", id="neighbors").text
    assert "\u2028" not in page.one("script", id="map-data").text
    assert len(path.parent.joinpath("figures").name) < 20
    assert all(len(file.name) < 80 for file in (path.parent / "figures").iterdir())


def test_a_run_alone_and_several_runs(workshop, home):
    runs = [
        workshop.run(seed=seed, config={"model": {"architecture": kind}}, level=0.3, curve=[2, 1])
        for kind in ("cbow", "skipgram")
        for seed in range(2)
    ]
    one = build(runs[0].id)
    assert one == runs[0].path / "report.html"
    assert "CBOW" not in Page(one.read_text()).one("p", class_="answer").text
    several = build([runs[0], runs[1].id, str(runs[2].path), runs[3]], home / "mine.html")
    assert (home / "mine-figures" / "answer.png").is_file()
    answer = Page(several.read_text()).one("p", class_="answer").text
    assert "CBOW" in answer
    assert "skip-gram" in answer


def test_a_report_of_runs_without_results_spaces_or_curves(workshop):
    path = build([workshop.run(level=None), workshop.run(level=None, status="failed", error="boom", seed=1)], "x.html")
    page = Page(path.read_text())
    assert "nothing to rank" in page.one("p", class_="answer").text
    assert len(page.all("script")) == 1  # tables sort without maps, and then nothing may compile scripts
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert re.search(r"script-src 'sha256-[^' ]+'$", policy)
    assert "boom" in page.one("section", id="errors").text


def test_a_study_of_which_nothing_has_finished(workshop):
    study = workshop.study("early", {"a": [workshop.run(level=None, status="failed", error="no")]})
    assert "No run has finished yet." in build(study).read_text()


def test_a_reference_that_means_nothing_is_named(workshop):
    with pytest.raises(UserError, match="nothere: neither a study nor a run"):
        build("nothere")
    with pytest.raises(UserError, match="at least one run"):
        build([])
    with pytest.raises(UserError, match="give a study on its own"):
        build([study_of_words(workshop)])


def test_last_is_the_study_of_the_last_run_or_the_run(workshop):
    alone = workshop.run(started="2025-02-01T10:00:00Z")
    assert subject_of("last").rows[0].runs[0].id == alone.id
    member = workshop.run(started="2025-03-01T10:00:00Z", study="s", seed=4)
    workshop.study("s", {"a": [member]})
    assert subject_of("last").name == "s"


def test_runs_fold_into_rows_by_config_with_the_seed_apart(workshop):
    a = [workshop.run(seed=s, config={"model": {"window": 2}, "report": {"title": str(s)}}) for s in (1, 0)]
    b = workshop.run(seed=0, config={"model": {"window": 5}}, status="failed", error="no")
    rows = fold([*a, b])
    assert [(row.label, [run.seed for run in row.runs], row.planned, row.failed) for row in rows] == [
        ("window=2", [0, 1], 2, []),
        ("window=5", [], 1, ["no"]),
    ]


def test_labels_are_spoken_only_where_they_still_differ(workshop):
    rows = fold([workshop.run(config={"model": {"architecture": kind}}) for kind in ("cbow", "skipgram")])
    assert [row.label for row in spoken_rows(rows)] == ["CBOW", "skip-gram"]
    same = [replace(rows[0], label=label) for label in ("cbow", "architecture=cbow", "architecture=cbow", "\u202eb")]
    labels = [row.label for row in spoken_rows(same)]
    assert labels == ["CBOW", "architecture=cbow", "architecture=cbow #3", "\ufffdb"]


def test_an_unfinished_run_is_listed(workshop):
    run = Run(workshop.run(status="interrupted", level=None).path)
    page = Page(build([run, workshop.run(seed=1)], "x.html").read_text())
    assert "interrupted" in page.one("section", id="errors").text


def test_the_code_of_others_is_what_its_list_says():
    vendor = Path(build.__code__.co_filename).parent / "vendor"
    listed = dict(
        re.findall(r"^\| `(.+?\.js)` .* ([0-9a-f]{12}) \|$", (vendor / "README.md").read_text(), re.MULTILINE)
    )
    assert set(listed) == {path.name for path in vendor.glob("*.js")}
    for name, digest in listed.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest().startswith(digest)
