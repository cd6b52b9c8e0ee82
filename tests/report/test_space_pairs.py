"""Comparing spaces: what a rotation and unrelated spaces score between floor and ceiling, who changed, what is said."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ortho_group
from workshop import words_space

from lab.embeddings.space import EmbeddingSpace
from lab.errors import UserError
from lab.report import space_views as views
from lab.report.space_changes import readable
from lab.report.space_pairs import UNCHANGING, Limits, NamedSpace, compare_spaces, with_seed
from lab.terminal import columns

IDS = [f"item {i}" for i in range(300)]
CLOUD = np.random.default_rng(0).normal(size=(300, 10))


def named(vectors: np.ndarray, name: str = "A", metadata: dict | None = None, **about) -> NamedSpace:
    return NamedSpace(name, EmbeddingSpace(IDS[: len(vectors)], vectors, metadata), **about)


def test_a_rotation_with_scale_and_translation_scores_one_on_all():
    turned = 3 * CLOUD @ ortho_group.rvs(10, random_state=0) + 5
    pair = compare_spaces([named(CLOUD), named(turned, "B")]).pairs[0]
    for mark in pair.marks:
        assert mark.value == pytest.approx(1, abs=2e-3), mark.name
        assert mark.high - mark.low < 0.01
    assert {mark.key for mark in pair.marks} >= {"jaccard@10", "jaccard@50", "jaccard@100", "rbo", "cka", "rsa"}


def test_unrelated_spaces_of_any_width_are_at_the_floor():
    other = np.random.default_rng(1).normal(size=(300, 23))
    for mark in compare_spaces([named(CLOUD), named(other, "B")]).pairs[0].marks:
        assert abs(mark.value - mark.chance) < max(0.04, 2 * (mark.high - mark.low)), mark.name


def test_another_seed_is_the_ceiling_and_what_no_seed_changes_has_none():
    near = EmbeddingSpace(IDS, CLOUD + 0.05 * np.random.default_rng(2).normal(size=CLOUD.shape))
    first = with_seed("A", EmbeddingSpace(IDS, CLOUD), near, "seed 0; the other is seed 1")
    second = with_seed("B", EmbeddingSpace(IDS, CLOUD[:, :6]), EmbeddingSpace(IDS, CLOUD[:, :6]), "")
    assert second.why == UNCHANGING
    found = compare_spaces([first, second])
    mark = found.pairs[0].mark("jaccard@10")
    assert mark.again[0] > mark.high > mark.chance
    assert mark.again[1] is None
    text = views.answer(found, found.pairs[0])
    assert "two seeds of A agree on" in text
    assert "B is the same from every seed" in text


def test_the_same_spaces_give_the_same_numbers_bit_for_bit():
    spaces = [named(CLOUD), named(CLOUD[:, :4], "B")]
    assert compare_spaces(spaces).pairs == compare_spaces(spaces).pairs


def test_items_that_were_moved_are_found_and_the_rest_is_least_changed():
    moved = CLOUD.copy()
    moved[:5] = moved[100:105] * 1.01
    metadata = {"label": ["moved"] * 5 + ["stayed"] * 295}
    changed = compare_spaces([named(CLOUD, metadata=metadata), named(moved, "B")]).pairs[0].changed
    assert {item.id for item in changed.most[:5]} == set(IDS[:5])
    assert not {item.id for item in changed.least} & set(IDS[:5])
    assert [group.name for group in changed.groups] == ["moved", "stayed"]
    top = next(item for item in changed.most if item.id == "item 0")
    assert top.second[0] == "item 100 (stayed)"
    assert len(top.first) == len(top.in_both[0]) == len(top.second)


def test_rare_words_are_left_out_of_the_most_changed():
    first, second = words_space(0), words_space(1)
    changed = compare_spaces([NamedSpace("A", first), NamedSpace("B", second)]).pairs[0].changed
    rare = int((first.metadata["count"] < 20).sum())
    assert changed.left_out == rare
    counts = dict(zip(first.ids, first.metadata["count"], strict=True))
    assert all(counts[item.id] >= 20 for item in [*changed.most, *changed.least])


def test_a_sample_is_judged_where_items_are_many():
    found = compare_spaces([named(CLOUD), named(CLOUD[:, :5], "B")], limits=Limits(judged=100, in_pairs=80, ks=(10,)))
    assert found.pairs[0].mark("jaccard@10").n == 100
    assert found.pairs[0].mark("rsa").n == 80
    assert "a random 100 of them" in views.protocol(found)


def test_more_than_four_spaces_are_compared_in_a_chain():
    spaces = [named(CLOUD[:60] + i, f"stage {i}") for i in range(5)]
    assert [(p.first, p.second) for p in compare_spaces(spaces).pairs] == [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)]


def test_ids_lost_are_told_and_too_few_shared_are_refused_with_examples():
    part = NamedSpace("B", EmbeddingSpace([*IDS[:40], "other"], np.vstack([CLOUD[:40], CLOUD[:1]])))
    found = compare_spaces([named(CLOUD), part])
    assert len(found.ids) == 40
    lines = views.spaces_lines(found)
    assert "260 not in all (item 40, item 41, item 42, …)" in lines[0]
    assert "1 not in all (other)" in lines[1]
    with pytest.raises(UserError, match=r"no id is in all 2 spaces.*A has 'item 0'.*B has 'x 0'"):
        compare_spaces([named(CLOUD), NamedSpace("B", EmbeddingSpace([f"x {i}" for i in range(30)], CLOUD[:30]))])
    with pytest.raises(UserError, match="only 10 ids are in all 2 spaces"):
        compare_spaces([named(CLOUD), NamedSpace("B", EmbeddingSpace(IDS[:10], CLOUD[:10]))])
    with pytest.raises(UserError, match="have one vector"):
        compare_spaces([named(CLOUD), named(np.ones((300, 3)), "B")])
    with pytest.raises(UserError, match="at least two"):
        compare_spaces([named(CLOUD)])


def test_twenty_items_are_enough_for_ten_neighbours():
    marks = compare_spaces([named(CLOUD[:20]), named(CLOUD[:20, :5], "B")]).pairs[0].marks
    assert "jaccard@10" in {mark.key for mark in marks}
    assert "jaccard@50" not in {mark.key for mark in marks}


def test_every_form_says_the_same():
    found = compare_spaces([named(CLOUD, "a|b"), named(CLOUD[:, :5], "B")])
    mark = found.pairs[0].mark("rbo")
    frame = views.to_frame(found).set_index("measure")
    assert frame.loc["rbo", "value"] == mark.value
    kept = json.loads(json.dumps(views.to_dict(found), allow_nan=False))
    assert kept["pairs"][0]["marks"][4]["value"] == mark.value
    assert kept["shared"] == 300
    assert "a\\|b" in views.markdown(found)
    text = views.plain_text(found, columns)
    assert f"{mark.value:.3f}"[1:] in text
    assert text.startswith("a|b and B agree on ")
    assert "No ceiling is known" in text


def test_the_strip_shows_chance_the_pair_and_the_seed_in_their_places():
    found = compare_spaces([named(CLOUD), named(CLOUD[:, :5], "B")]).pairs[0].mark("cka")
    line = views.strip(found)
    assert line[round(found.value * 30)] == "o"
    assert line[round(found.chance * 30)] == "|"


def test_items_are_called_what_people_read():
    space = EmbeddingSpace(["a/b/1.png", "2.png"], CLOUD[:2], {"label": ["cat", None]})
    assert readable(space) == ["1.png (cat)", "2.png"]
    assert readable(EmbeddingSpace(["x", "y"], CLOUD[:2], {"text": ["the  text\n" + "long " * 40, None]}))[0].endswith(
        "…"
    )
