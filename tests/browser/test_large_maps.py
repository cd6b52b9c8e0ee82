"""How maps of many points load and move. Sizes and times are printed (`pytest -s`), as they depend on the machine."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from workshop import Workshop

from lab.embeddings.projection import MapSettings, Projection
from lab.embeddings.space import EmbeddingSpace
from lab.report import map_measures
from lab.report.build import build

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MOVES = """() => new Promise((resolve) => { // milliseconds of script for each of thirty frames while a map is dragged
  const map = document.getElementById('map-canvas-0');
  const box = map.getBoundingClientRect();
  const times = [];
  const send = (kind, i) => (kind === 'mousedown' ? map : window).dispatchEvent(new MouseEvent(kind,
    { bubbles: true, clientX: box.left + 200 + 3 * i, clientY: box.top + 200, buttons: 1 }));
  send('mousedown', 0);
  let i = 0;
  const step = () => {
    const start = performance.now();
    send('mousemove', ++i);
    requestAnimationFrame(() => {
      times.push(performance.now() - start);
      if (i < 30) step();
      else { send('mouseup', i); resolve(times.sort((a, b) => a - b)[15]); }
    });
  };
  step();
})"""


def large_study(workshop: Workshop, n: int):
    """Two rows over `n` items in forty groups, with metadata."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 40, n)
    metadata = pd.DataFrame({"group": [f"group {g}" for g in group], "size": rng.exponential(size=n)})
    rows = {}
    for number in range(2):
        vectors = (rng.normal(size=(40, 3))[group] * 4 + rng.normal(size=(n, 3))).astype(np.float32)
        space = EmbeddingSpace([f"item {i}" for i in range(n)], vectors, metadata)
        rows[f"row {number}"] = [workshop.run(space=space, config={"number": number}, level=None)]
    report = {"map": {"items": n, "method": "pca", "color": "group", "metric": "euclidean"}}
    return workshop.study("large", rows, report)


def first_two_dimensions(source, settings, again=False) -> Projection:
    """In place of a projection."""
    about = {"trustworthiness": 0.9, "continuity": 0.9, "k": 1, "judged": 0}
    return Projection(source.space.ids, source.space.vectors[:, :2], "pca", MapSettings(method="pca"), **about)


@pytest.mark.parametrize("n", [50_000, 200_000])
def test_a_large_map_opens_and_moves(opened, workshop, monkeypatch, n):
    # Only the page is looked at here: neighbours, comparisons and judgements of so many vectors take minutes.
    monkeypatch.setattr("lab.report.maps.project", first_two_dimensions)
    monkeypatch.setattr("lab.report.maps._find_neighbors", lambda source: None)
    monkeypatch.setattr(map_measures, "run_scores", lambda source: {})
    monkeypatch.setattr("lab.report.build.spaces_section", lambda sources: None)
    path = build(large_study(workshop, n))
    start = time.perf_counter()
    page = opened(path)
    ready = time.perf_counter() - start
    page.locator("#map-0").scroll_into_view_if_needed()
    frame = page.evaluate(MOVES)
    start = time.perf_counter()
    page.fill("#map-search", "item 4999")
    searched = time.perf_counter() - start
    assert page.locator("#map-status").text_content().endswith("items match.")
    page.select_option("#map-color", "size")
    page.wait_for_function("document.querySelectorAll('#maps .map-legend li').length === 3")
    print(
        f"\n{n:,} points a map, two maps: page {path.stat().st_size / 2**20:.1f} MB, ready after {ready:.1f} s, "
        f"a frame of dragging {frame:.0f} ms (median), search {searched:.2f} s"
    )
    assert path.stat().st_size < 30 * 2**20
    assert opened.complaints == []
