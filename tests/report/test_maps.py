from __future__ import annotations

import base64
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from workshop import words_space

from lab.config.base import MapConfig
from lab.embeddings.projection import MapSettings
from lab.embeddings.space import EmbeddingSpace
from lab.report import maps, still_map
from lab.report.coloring import CLUSTERS, STEPS, color_items, joined
from lab.report.map_data import Layout, MapSource, fit
from lab.report.map_measures import measure, neighbors_kept
from lab.report.maps import _find_neighbors, build_maps, choose_items, map_sources, ordered_ids
from lab.runs.study import Row


def source_of(space: EmbeddingSpace, label: str = "row", seed: int = 0) -> MapSource:
    row = SimpleNamespace(label=label, planned=1, runs=[])
    return MapSource(row, SimpleNamespace(seed=seed, path=None), space)


def coordinates(layout: dict[str, str]) -> np.ndarray:
    """(n, 2) from -1 to 1, as the viewer reads them."""
    return np.column_stack([decoded(layout[axis], "<u2") / 32767.5 - 1 for axis in "xy"])


def columns_of(text: str) -> dict[str, list]:
    """The metadata as the viewer says it."""
    found = {}
    for column in json.loads(text)["columns"]:
        values = column["values"]
        if column["kind"] == "number":
            values = [None if np.isnan(value) else float(value) for value in decoded(values, "<f4")]
        if column["kind"] == "category":
            values = [None if code == 65535 else values[code] for code in decoded(column["codes"], "<u2")]
        found[column["name"]] = values
    return found


def placed(source: MapSource, coordinates: np.ndarray) -> MapSource:
    about = {"trustworthiness": 0.9, "continuity": 0.8, "settings": MapSettings(), "method": "umap"}
    source.projection = SimpleNamespace(coordinates=coordinates, **about)
    return source


def decoded(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_maps_share_the_most_frequent_items_of_the_first_space():
    first = words_space(0, n=100)
    same = words_space(1, n=80, counted=False)
    other = words_space(2, n=60, names=[f"other {i}" for i in range(60)])
    fellow = words_space(3, n=60, names=[f"other {i}" for i in range(60)])
    sources = [source_of(space) for space in (first, same, other, fellow)]
    groups = choose_items(sources, 50)
    assert [len(group) for group in groups] == [2, 2]
    assert sources[0].ids == sources[1].ids == list(first.ids[:50])
    assert sources[2].ids == sources[3].ids == [f"other {i}" for i in range(50)]


def test_frequent_items_come_first_and_unknown_counts_last():
    space = EmbeddingSpace(list("abcd"), np.eye(4), pd.DataFrame({"count": [3, None, 9, 9]}))
    assert ordered_ids(space) == ["c", "d", "a", "b"]
    assert ordered_ids(EmbeddingSpace(list("ba"), np.eye(2))) == ["b", "a"]


def test_the_data_hold_what_the_spaces_say():
    spaces = [words_space(seed, n=70, dim=5) for seed in range(2)]
    spaces[1] = spaces[1].subset(np.arange(69, -1, -1))
    rng = np.random.default_rng(0)
    settings = MapConfig(items=60, method="pca")
    sources = [placed(source_of(space), rng.normal(size=(60, 2)) * [3, 1]) for space in spaces]
    choose_items(sources, 60)
    for source in sources:
        _find_neighbors(source)
    coloring = color_items(spaces[0].subset(sources[0].ids), settings, True)
    text, cut = fit(sources, coloring)
    data = json.loads(text)
    assert cut == []
    labels = data["labels"]
    assert labels[:60] == sources[0].ids
    assert len(labels) == len(set(labels)) <= 70
    for source, pane in zip(sources, data["panes"], strict=True):
        items = decoded(pane["items"], "<u2")
        assert [labels[i] for i in items] == source.ids
        (layout,) = pane["layouts"]
        points = coordinates(layout)
        assert np.abs(points).max() == pytest.approx(0.94, abs=2e-5)
        spread, original = np.ptp(points, axis=0), np.ptp(source.projection.coordinates, axis=0)
        assert spread[0] / spread[1] == pytest.approx(original[0] / original[1], rel=1e-3)
        expected = source.space.neighbors(source.ids, pane["k"])
        neighbors = decoded(pane["neighbors"], "<u2").reshape(60, pane["k"])
        assert [[labels[i] for i in row] for row in neighbors] == expected.ids.tolist()
        low, high = pane["scores"]["low"], pane["scores"]["high"]
        scores = low + decoded(pane["scores"]["steps"], "<u2").reshape(60, -1) / 65535 * (high - low)
        np.testing.assert_allclose(scores, expected.scores, atol=2e-5)
    assert columns_of(text)["count"][:3] == [9000, 4500, 3000]
    colors = decoded(data["colors"], "u1")
    assert set(colors[:60]) == set(range(data["colorCount"]))
    assert set(colors[60:]) <= {data["colorCount"]}


def test_fifty_thousand_points_stay_within_thirty_megabytes():
    n, rng = 50_000, np.random.default_rng(0)
    ids = [f"item number {i}" for i in range(n)]
    texts = pd.DataFrame({name: [f"{i} " + "long text " * 60 for i in range(n)] for name in ("text", "title")})
    texts["label"] = [f"l{i % 9}" for i in range(n)]
    space = EmbeddingSpace(ids, rng.normal(size=(n, 2)), texts)
    sources = [placed(source_of(space, str(k)), rng.normal(size=(n, 2))) for k in range(2)]
    for source in sources:
        source.ids = ids
        source.neighbors = rng.integers(0, n, size=(n, 6))
    settings = MapConfig(color="label")
    text, cut = fit(sources, color_items(space, settings, True))
    assert len(text.encode()) < 29 * 2**20
    assert len(coordinates(json.loads(text)["panes"][1]["layouts"][0])) == n
    assert cut == ["texts in the metadata are cut at 80 characters"]


def test_what_is_cut_beyond_the_budget_is_said():
    space = words_space(0, n=100)
    source = placed(source_of(space), np.random.default_rng(0).normal(size=(100, 2)))
    source.ids = ordered_ids(space)
    text, cut = fit([source], color_items(space, MapConfig(), False), most_bytes=2500)
    assert len(text.encode()) <= 2500
    assert cut == [f"only the first {len(source.ids)} of 100 items are on a map"]
    assert len(json.loads(text)["labels"]) == len(source.ids) < 100


def test_missing_and_odd_metadata_is_shown_or_left_out():
    table = pd.DataFrame(
        {
            "a": [1.5, np.nan, 2.0],
            "b": [True, False, None],
            "c": [["x"], None, "y"],
            "d": [2**60, 1, 2],
            "e": [None] * 3,
        }
    )
    source = placed(source_of(EmbeddingSpace(list("xyz"), np.eye(3), table)), np.eye(3)[:, :2])
    source.ids = list("xyz")
    coloring = color_items(source.space, MapConfig(color="a"), False)
    assert columns_of(fit([source], coloring)[0]) == {
        "a": [1.5, None, 2], "b": ["yes", "no", None], "c": [None, None, "y"], "d": [str(2**60), "1", "2"],
    }  # fmt: skip


def test_colours_are_clusters_by_size_named_by_their_middle():
    space = words_space(0, n=120)
    coloring = color_items(space, MapConfig(), True)
    counts = np.bincount(list(coloring.codes.values()))
    assert len(counts) == coloring.unknown == CLUSTERS
    assert list(counts) == sorted(counts, reverse=True)
    for code, entry in enumerate(coloring.legend):
        assert entry["color"] == f"var(--c{code})"
        assert [coloring.codes[name] for name in entry["label"].split(", ")] == [code] * 3
    assert "first space" in coloring.what
    assert len(coloring.hexadecimal(["king", "unknown"])) == 2


def test_colours_of_a_column():
    kinds = ["common"] * 5 + [f"rare {i}" for i in range(10)] + [None]
    space = EmbeddingSpace([str(i) for i in range(16)], np.eye(16), pd.DataFrame({"kind": kinds, "size": range(16)}))
    by_kind = color_items(space, MapConfig(color="kind"), False)
    assert by_kind.codes["0"] == 0
    assert "15" not in by_kind.codes
    assert by_kind.legend[0]["label"] == "common"
    assert by_kind.legend[-1] == {"color": "var(--faint)", "label": "other or unknown", "code": 11}
    by_size = color_items(space, MapConfig(color="size"), False)
    assert by_size.codes["0"] == 0
    assert by_size.codes["15"] == STEPS - 1
    assert len(by_size.palette) == STEPS + 1
    assert "no metadata column “weight”" in color_items(space, MapConfig(color="weight"), False).what
    assert joined([by_kind, by_kind]).legend == []
    assert joined([by_kind]).legend == by_kind.legend


def test_labels_of_a_still_map_do_not_touch(monkeypatch):
    boxes = []
    place = still_map._label
    monkeypatch.setattr(still_map, "_label", lambda *arguments: boxes.append(place(*arguments)))
    points = np.random.default_rng(0).uniform(-0.9, 0.9, size=(400, 2))
    png = still_map.still_map(points, [f"a label {i}" for i in range(400)], ["#123456"] * 400, 40)
    assert png.startswith(b"\x89PNG")
    assert len(boxes[0]) == 40
    for i, a in enumerate(boxes[0]):
        for b in boxes[0][:i]:
            assert a[0] > b[2] or a[2] < b[0] or a[1] > b[3] or a[3] < b[1]


def test_every_stage_fills_the_frame_and_the_last_is_the_map():
    points = np.random.default_rng(0).normal(size=(30, 2))
    source = source_of(words_space(0, n=30))
    source.ids = list(source.space.ids)
    source.stages = [Layout("block 1", points), Layout("block 2", 3 * points[::-1] + 1)]
    first, last = (layout.coordinates for layout in source.layouts)
    np.testing.assert_allclose(first[::-1], last, atol=1e-6)
    assert np.abs(first).max() == pytest.approx(0.94)
    np.testing.assert_array_equal(source.coordinates, last)
    text, _ = fit([source], color_items(source.space, MapConfig(), False))
    assert [layout["name"] for layout in json.loads(text)["panes"][0]["layouts"]] == ["block 1", "block 2"]
    np.testing.assert_allclose(coordinates(json.loads(text)["panes"][0]["layouts"][0]), first, atol=2e-5)


def test_a_second_drawing_is_turned_onto_the_first():
    points = np.random.default_rng(0).normal(size=(40, 2)) * [2, 1]
    source = placed(source_of(words_space(0, n=40)), points)
    source.ids = list(source.space.ids)
    angle = 2.0
    turned = points @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * [1, -1]
    source.again = SimpleNamespace(coordinates=turned, settings=MapSettings(seed=1))
    assert source.second.name == "seed 1"
    np.testing.assert_allclose(source.second.coordinates, source.coordinates, atol=1e-5)


def test_only_cheap_maps_get_a_second_drawing(workshop, monkeypatch):
    made = []

    def project(source, settings, again=False):
        made.append((source.row.label, again))
        return placed(source, source.space.vectors[:, :2]).projection

    monkeypatch.setattr(maps, "project", project)
    monkeypatch.setattr(maps, "MOST_AGAIN_IN_ALL", 150)
    rows = [Row(f"row {i}", {}, "word2vec", [workshop.run(space=words_space(i, n=100))], 1, []) for i in range(2)]
    section = build_maps(map_sources(rows), MapConfig())
    assert made == [("row 0", False), ("row 0", True), ("row 1", False)]
    assert section.again
    assert [pane["second"] is not None for pane in json.loads(section.data)["panes"]] == [True, False]


def test_what_a_map_kept_of_the_nearest_neighbours():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 2))
    source = placed(source_of(EmbeddingSpace([str(i) for i in range(60)], vectors)), vectors)
    source.ids, source.metric = list(source.space.ids), "euclidean"
    _find_neighbors(source)
    assert (neighbors_kept(source) == 1).all()
    placed(source, rng.permutation(vectors))
    assert neighbors_kept(source).mean() < 0.3
    source.ids = source.ids[:30]  # the others are on no map
    source.neighbors = source.neighbors[:30]
    kept = neighbors_kept(source)
    known = np.isin(source.neighbors, np.arange(30)).any(axis=1)
    assert (np.isnan(kept) == ~known).all()


def test_scores_of_the_run_colour_its_map(workshop):
    space = words_space(0, n=60, names=[f"wordsim353-{i}" for i in range(50)])
    run = workshop.run(space=space)
    source = MapSource(SimpleNamespace(label="row", planned=1), run, space, ids=list(space.ids))
    measure(source)
    values = source.measured["WordSim-353: Spearman"]
    scores = run.scores("wordsim353", "spearman").set_index("id")["value"]
    np.testing.assert_allclose(values[:50], scores[list(space.ids[:50])])
    assert np.isnan(values[50:]).all()


def test_maps_of_a_study(workshop):
    spaces = [words_space(0, n=90), words_space(1, n=90), words_space(5, n=20)]
    runs = [workshop.run(seed=0, space=space, config={"n": i}) for i, space in enumerate(spaces)]
    rows = [Row(f"row {i}", {}, "word2vec", [run], 3, []) for i, run in enumerate(runs)]
    sources = map_sources(rows)
    assert [source.row.label for source in sources] == ["row 0", "row 1"]  # twenty items make no map
    section = build_maps(sources, MapConfig(items=80, method="pca"), ["nowhere", "queen"])
    assert section.example == "queen"
    assert [pane.title for pane in section.panes] == ["row 0", "row 1"]
    assert "Trustworthiness ." in section.panes[0].caption
    assert "seed 0, 80 of 90 items, 12 dimensions, PCA" in section.panes[0].caption
    assert "All maps show the same items." in section.parts[0].introduction[0]
    assert "Distances between clusters, their sizes and their places mean little." in section.notes[0]
    assert (runs[0].path / "maps").is_dir()  # kept for the next report
    assert build_maps([], MapConfig()) is None
