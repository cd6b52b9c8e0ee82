from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from embedding_runs import Made, run_of, sized, study, study_of_sizes
from hypothesis import given
from hypothesis import strategies as st
from pages import Page
from workshop import HOSTILE, Workshop

from lab.report.autoencoder_answer import answers, below_pca
from lab.report.autoencoder_figures import labels_figure, size_figure, spread
from lab.report.autoencoder_rows import LINEAR, NEIGHBORS, RECONSTRUCTION, groups_of
from lab.report.autoencoder_tables import best_for, geometry_table, labels_table, tables_of
from lab.report.build import build
from lab.report.parts import answers_of, parts_of


def group_of(workshop: Workshop, *rows: Made):
    return groups_of(study(workshop, "study", list(rows)).rows())[0]


def answer_of(workshop: Workshop, *rows: Made) -> str:
    return answers([group_of(workshop, *rows)])[0].text


@pytest.fixture(scope="module")
def sizes(tmp_path_factory):
    """The study of sizes: its record, its page, and its folder, made once."""
    folder = tmp_path_factory.mktemp("sizes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_HOME", str(folder))
        patch.chdir(folder)
        record = study_of_sizes(Workshop(folder))
        path = build(record)
        yield record, Page(path.read_text(encoding="utf-8")), path


@pytest.fixture(scope="module")
def group(sizes):
    return groups_of(sizes[0].rows())[0]


# --- the answer


def test_the_answer_names_the_best_for_each_purpose_and_says_whether_an_autoencoder_is_worth_having(sizes):
    assert re.fullmatch(
        r"At 32 dimensions \(over 3 seeds and 400 test items\), the best embedding is EfficientNet-Lite0 "
        r"\(128 dimensions\) for a linear probe \(\.975 \[\.\d+,\s\.\d+\]\), raw pixels \(64 dimensions\) for nearest "
        r"neighbours \(\.980\) and the denoising autoencoder for reconstruction \(mean squared error \.0100\)\. "
        r"The best autoencoder, denoising \(\.958\), is worth having beside PCA of the same size \(\.880\) and raw "
        r"pixels \(\.940\), but is worse than EfficientNet-Lite0 \(\.975\)\.",
        sizes[1].one("p", class_="answer several").text,
    )


def test_smaller_sizes_few_labels_and_what_is_below_pca_follow(sizes):
    text = sizes[1].one("p", class_="less").text
    assert text.startswith("By nearest neighbours: the best autoencoder, denoising (")
    assert "With 10 labels a class, the best is EfficientNet-Lite0 (" in text
    assert "At 2 dimensions the best autoencoder is denoising (.583), better than PCA (.450)." in text
    assert text.endswith("Below PCA of as many dimensions: VQ at 2 and 32.")


def test_the_terminal_says_the_same(sizes):
    (said,) = answers_of(parts_of(sizes[0].rows()))
    assert said.startswith("At 32 dimensions (over 3 seeds")
    assert "\u00a0" not in said


def test_an_autoencoder_that_beats_all_is_worth_having(workshop):
    text = answer_of(workshop, Made("sparse", 8, 0.97), Made("pca", 8, 0.80), Made("pixels", 64, 0.85))
    assert "An autoencoder is worth having: the best, sparse (.97" in text
    assert text.endswith("is better than PCA of the same size (.800) and raw pixels (.850).")


def test_one_that_beats_nothing_is_not(workshop):
    text = answer_of(workshop, Made("dense", 8, 0.70), Made("pca", 8, 0.85), Made("pixels", 64, 0.95))
    assert "No autoencoder is shown to be worth having: the best, dense (.7" in text
    assert text.endswith("is worse than PCA of the same size (.850) and raw pixels (.950).")


def test_below_three_seeds_there_is_no_verdict(workshop):
    text = answer_of(workshop, Made("dense", 8, 0.70, seeds=2), Made("pca", 8, 0.85))
    assert text.endswith("has too few seeds for a verdict beside PCA of the same size (.850).")


def test_a_run_alone_is_held_against_its_own_pca(workshop):
    page = Page(build(run_of(workshop, Made("convolutional", 32, 0.93, 0.008))).read_text())
    (text,) = [e.text for e in page.all("p") if e.attributes.get("class", "").startswith("answer")]
    assert text.startswith("Convolutional autoencoder, 32 dimensions: linear probe accuracy .930 [")
    assert "mean squared error .00792 [" in text
    assert "(1 seed and 400 test items). PCA of the same size: .880, worse (−.050 [−.070," in text
    assert page.one("div", class_="dots-label").text == "convolutional autoencoder, 32 dimensions"


def test_without_labels_the_reconstruction_is_the_answer(workshop):
    rows = [Made("dense", 8, 0, 0.02, labelled=False), Made("pca", 8, 0, 0.03, labelled=False)]
    assert re.fullmatch(
        r"At 8 dimensions \(over 3 seeds and 400 test items\), the best embedding is the dense autoencoder for "
        r"reconstruction \(mean squared error \.0\d+ \[[^]]+\]\)\. An autoencoder is worth having: the best, "
        r"dense \(\.0\d+\), is better than PCA of the same size \(\.0\d+\)\.",
        answer_of(workshop, *rows),
    )


def test_tasks_are_answered_apart(workshop):
    record = study(workshop, "two", [Made("dense", 8, 0.9), Made("dense", 8, 0.8, source="photos/")])
    assert [answer.place for answer in answers(groups_of(record.rows()))] == ["mnist-5k", "photos"]


def test_the_choice_never_looks_at_test_scores(workshop):
    group = group_of(workshop, Made("dense", 8, 0.9), Made("sparse", 8, 0.95), Made("sparse", 2, 0.5))
    assert (group.focus, group.best([8]).name, group.best([2, 8]).name) == (8, "sparse", "sparse")
    assert not any("test" in str(key) for key in group._tables)
    assert group._tables.keys() <= {(2, LINEAR.key), (8, LINEAR.key)} | {
        (size, purpose.key) for size in (2, 8) for purpose in (NEIGHBORS, RECONSTRUCTION)
    }


# --- rows


def test_rows_of_one_name_are_told_apart_by_their_architecture(workshop):
    record = study(workshop, "names", [Made("denoising", 8, 0.9, seeds=1), Made("denoising", 8, 0.8, seeds=1)])
    rows = record.rows()
    rows[1].runs[0].config["model"]["architecture"] = "dense"
    names = [entry.name for entry in groups_of(rows)[0].entries]
    assert names == ["convolutional denoising", "dense denoising"]


def test_every_size_is_compared_with_its_own_and_with_what_has_no_choice(group):
    assert group.sizes == [2, 32]
    titles = [entry.title for entry in group.at(2)]
    assert titles == ["denoising autoencoder", "VQ autoencoder", "PCA", "raw pixels", "EfficientNet-Lite0"]
    assert len(group.table(2, LINEAR).ranked) == 5
    assert {row.label for row in group.table(32, RECONSTRUCTION).ranked} == {
        "denoising, 32 dimensions", "vq, 32 dimensions", "pca, 32 dimensions"
    }  # fmt: skip
    assert group.table(32, RECONSTRUCTION).margin == pytest.approx(0.0005)  # 5 % of the smallest error


# --- figures and tables


def test_figures_by_size_hold_what_was_measured(group):
    figure = size_figure(group, LINEAR, "by size")
    assert figure.alt.startswith("Linear probe accuracy by size: denoising .583 [")
    assert re.search(r"PCA \.450 \[\S+ \S+\] at 2, \.880 \[\S+ \S+\] at 32", figure.alt.replace("\u00a0", " "))
    assert re.search(r"raw pixels \.940 \[\S+ \S+\]", figure.alt.replace("\u00a0", " "))
    assert figure.narrow
    errors = size_figure(group, RECONSTRUCTION, "errors")
    assert errors.caption.endswith("Lower is better.")
    assert "raw pixels" not in errors.alt
    labels = labels_figure(group, 32, "labels")
    assert " at 10, .958 [" in labels.alt
    assert "at 100" in labels.alt  # 400 training items of 4 classes


def test_one_size_has_no_figure_by_size(workshop):
    one = group_of(workshop, Made("dense", 8, 0.9, seeds=1), Made("pca", 8, 0.8, seeds=1))
    assert size_figure(one, LINEAR, "x") is None
    assert best_for(one) is None


def test_the_table_of_the_answer_stands_first_and_flags_what_is_below_pca(group):
    first, other = tables_of(group)
    assert (first["title"], first["folded"]) == ("32 dimensions", False)
    assert (other["title"], other["folded"]) == ("2 dimensions", True)
    assert [("10 pairs" in line) for line in other["protocol"]] == [True]  # told, as it is over fewer pairs
    assert first["head"] == [
        "Linear probe accuracy (95 % interval)", "Against the best", "Nearest neighbours accuracy",
        "Reconstruction error, lower is better",
    ]  # fmt: skip
    by_label = {row["label"]: row for row in first["rows"]}
    assert by_label["VQ autoencoder"]["tags"] == ["below PCA, 3 of 3"]
    assert by_label["PCA"]["tags"] == []
    assert by_label["raw pixels (64)"]["cells"][3] is None
    assert by_label["denoising autoencoder"]["cells"][3]["best"]
    assert by_label["EfficientNet-Lite0 (128)"]["cells"][1]["value"] == "–"
    assert below_pca(group) == "VQ at 2 and 32"


def test_the_best_of_each_size_stands_beside_pca(group):
    rows = best_for(group)["rows"]
    assert rows[0][:2] == ["2 dimensions", "denoising .583, better than PCA (.450)"]
    assert re.fullmatch(r"denoising \.0\d+, better than PCA \(\.0\d+\)", rows[1][3])


def test_both_probes_stand_by_labels(group):
    table = labels_table(group, 32)
    assert table["head"] == ["Row", "Linear probe, 10", "Linear probe, all", "Neighbours, 10", "Neighbours, all"]
    assert table["rows"][0] == ["denoising autoencoder", ".955", ".955", ".955", ".955"]


def test_the_shape_of_each_space_is_a_mean_over_seeds(group):
    table = geometry_table(group)
    assert table["head"] == ["Row", "Effective rank", "Hubness", "Uniformity"]
    assert table["rows"][0] == ["denoising autoencoder, 2 dimensions", "1.40", ".40", "−2.50"]
    assert len(table["rows"]) == len(group.entries)


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=12).map(sorted),
    st.floats(0.5, 8),
)
def test_names_are_moved_apart_within_the_axis(wanted, step):
    found = spread(wanted, step, 0.0, 100.0)
    assert len(found) == len(wanted)
    gaps = [b - a for a, b in itertools.pairwise(found)]
    assert all(gap >= step - 1e-6 for gap in gaps)
    assert min(found) >= -1e-6
    assert max(found) <= 100 + 1e-6
    if all(b - a >= step for a, b in itertools.pairwise(wanted)):
        assert found == pytest.approx(wanted)


# --- the page


def test_the_sections_stand_in_order(sizes):
    page = sizes[1]
    expected = ["answer", "certainty", "table", "sizes", "few", "spaces", "figures", "errors"]
    expected += ["differ", "data", "config"]
    assert [e.attributes["id"] for e in page.all("section")] == expected
    links = [e.attributes["href"] for e in page.elements if e.tag == "a" and "nav" in e.inside]
    assert links == [f"#{name}" for name in expected]
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    levels = [int(e.tag[1]) for e in page.elements if re.fullmatch("h[1-6]", e.tag) and "nav" not in e.inside]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(e.attributes["alt"] for e in page.all("img"))


def test_maps_of_one_size_are_coloured_by_class_and_its_figures_shown(sizes):
    page = sizes[1]
    spaces = page.one("section", id="spaces").text
    assert "Colours show “label”." in spaces
    assert spaces.count("32 dimensions, PCA") == 4  # two kinds, PCA and the untrained encoder
    assert len(page.map_data["panes"]) == 6
    assert len(page.all("input", id="map-search")) == 1
    assert "Of embeddings, those of 32 dimensions" in page.one("section", id="figures").text
    names = {file.stem for file in (sizes[2].parent / "figures").iterdir()}
    assert {"linear-probe-by-size", "nearest-neighbours-by-size", "reconstruction-by-size", "labels"} <= names


def test_rows_of_another_subject_stand_beside(workshop):
    from finetune_runs import Spec, depth
    from finetune_runs import study as tuned
    from workshop import words_space

    words = [workshop.run(seed=seed, space=words_space(seed), level=0.3) for seed in range(3)]
    more = [run_of(workshop, Made("dense", 8, 0.9), seed) for seed in range(3)]
    specs = [depth(0, 0.85), depth(9, 0.95), Spec("raw pixels", 0.62, method="pixels")]
    page = Page(build(tuned(workshop, "all", specs, others={"words": words, "dense": more})).read_text())
    order = [e.attributes["id"] for e in page.all("section")]
    assert order.index("answer") < order.index("embeddings") < order.index("spaces") < order.index("beside")
    assert page.one("p", class_="answer").text.startswith("Train everything: accuracy .950 [")
    assert "Dense autoencoder, 8 dimensions: linear probe" in page.one("section", id="embeddings").text
    assert "words" in page.one("section", id="beside").text


def test_hostile_names_show_as_text(workshop):
    rows = [*sized(HOSTILE[1], {8: (0.9, None)}, seeds=1), *sized("dense", {8: (0.8, 0.1)}, seeds=1, source=HOSTILE[0])]
    html = Path(build(study(workshop, "hostile", rows, {"title": HOSTILE[0]}))).read_text()
    page = Page(html)
    assert len(page.all("script")) == 3
    assert not [e for e in page.elements if any(name.startswith("on") for name in e.attributes)]
    assert {e.attributes["src"][:11] for e in page.all("img")} == {"data:image/"}
