from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
import pytest
from digits_study import HOSTILE_COLUMN, N
from workshop import HOSTILE

pytestmark = pytest.mark.browser

PICTURE = """element => { // what a thumbnail shows
  const url = getComputedStyle(element).backgroundImage.slice(5, -2);
  const image = new Image();
  image.src = url;
  return image.decode().then(() => [url.slice(0, 16), image.naturalWidth]);
}"""
COLOURS = """k => { // how many pixels of the map have each colour
  const canvas = document.getElementById('map-canvas-' + k);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
  copy.drawImage(canvas, 0, 0);
  const pixels = new Uint32Array(copy.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  const counts = {};
  for (const pixel of pixels) counts[pixel] = (counts[pixel] || 0) + 1;
  return counts;
}"""


@dataclass
class Data:
    """What the page's own data say."""

    labels: list[str]
    panes: list[dict]

    def layout(self, pane: int, stage: int = -1) -> np.ndarray:
        """(n, 2) from -1 to 1."""
        return self.coordinates(self.panes[pane]["layouts"][stage])

    @staticmethod
    def coordinates(layout: dict) -> np.ndarray:
        return np.column_stack([np.frombuffer(base64.b64decode(layout[axis]), "<u2") / 32767.5 - 1 for axis in "xy"])


@pytest.fixture(scope="module")
def shown(shared, pictures_report):
    """The page, opened once, with what its own data say."""
    shared(pictures_report)
    data = json.loads(shared.page.locator("#map-data").text_content())
    shared.data = Data(data["labels"], data["panes"])
    return shared


@pytest.fixture
def maps(shown):
    """The page as it opens: nothing marked, the first colours, the last stage, the first seed."""
    yield shown
    page = shown.page
    page.focus("#map-search")
    page.keyboard.press("Escape")
    for pressed in page.locator("button[aria-pressed=true]").all():
        pressed.click()
    page.select_option("#map-color", "label")
    page.locator("#map-stage-1").press("End")
    assert shown.complaints == []


def on_screen(page, pane: int, places: np.ndarray) -> np.ndarray:
    """Places of a map (n, 2) in pixels of the window."""
    page.locator(f"#map-{pane}").evaluate("element => element.scrollIntoView({ block: 'center' })")
    box = page.locator(f"#map-{pane}").bounding_box()
    return np.array([box["x"], box["y"]]) + (places * [1, -1] + 1) / 2 * [box["width"], box["height"]]


def drag(page, corners: np.ndarray) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        for share in np.linspace(0.25, 1, 4):
            page.mouse.move(*(start + share * (end - start)))
            page.wait_for_timeout(10)
    page.mouse.up()


@pytest.mark.parametrize("by", ["shift", pytest.param("button", marks=pytest.mark.slow)])
def test_a_lasso_marks_the_same_items_on_every_map(maps, by):
    page = maps.page
    points = maps.data.layout(0)
    low, high = np.quantile(points, 0.1, axis=0), np.quantile(points, 0.6, axis=0)
    corners = on_screen(page, 0, np.array([low, [low[0], high[1]], high, [high[0], low[1]]]))
    if by == "shift":
        page.keyboard.down("Shift")
    else:
        page.click("#map-lasso-0")
        assert page.get_attribute("#map-lasso-0", "aria-pressed") == "true"
    before = page.evaluate(COLOURS, 1)
    drag(page, corners)
    page.keyboard.up("Shift")
    page.wait_for_function("document.getElementById('map-status').textContent.includes('drawn around')")
    inside = {maps.data.labels[i] for i in np.flatnonzero(((points > low) & (points < high)).all(axis=1))}
    near = {maps.data.labels[i] for i in np.flatnonzero(((points > low - 0.03) & (points < high + 0.03)).all(axis=1))}
    head, *rows = maps.saved(page.locator("#map-save"))
    assert head == ["id", "label", "ink", HOSTILE_COLUMN[:40]]
    found = {row[0] for row in rows}
    assert 20 < len(inside) <= len(near) < N
    assert len(found ^ inside) <= len(near - inside) + 2  # the line is drawn by hand, in steps
    assert page.evaluate(COLOURS, 1) != before
    page.keyboard.press("Escape")
    assert page.locator("#map-save").is_hidden()


def test_colours_show_any_column_or_measure_with_a_legend(maps):
    page = maps.page
    choice = page.locator("#map-color")
    assert choice.locator("option").all_text_contents() == ["label", "ink", "neighbours kept on the map"]
    legend = page.locator("#maps .map-legend")
    assert legend.locator("bdi").all_text_contents() == [str(i) for i in range(10)]
    first = page.evaluate(COLOURS, 0)
    choice.select_option("ink")
    page.wait_for_function("document.querySelectorAll('#maps .map-legend li').length === 3")
    texts = legend.locator("bdi").all_text_contents()
    assert [text.split(" ")[1] for text in texts] == ["(lowest)", "(median)", "(highest)"]
    values = [float(text.split(" ")[0]) for text in texts]
    assert values == sorted(values)
    page.wait_for_function(f"first => JSON.stringify(({COLOURS})(0)) !== JSON.stringify(first)", arg=first)
    choice.select_option("neighbours kept on the map")  # few values, but no kinds
    page.wait_for_function("document.querySelectorAll('#maps .map-legend bdi')[2].textContent.startsWith('1 (')")
    assert legend.locator("bdi").count() == 3
    choice.select_option("label")
    page.wait_for_function("document.querySelectorAll('#maps .map-legend li').length === 10")
    legend.locator("button", has_text="3").click()
    expected = sum(row[3] == "3" for row in maps.saved(page.locator("#map-csv-0"))[1:])
    assert page.locator("#map-status").text_content() == f"{expected} items of “3”."


def test_the_slider_moves_the_points_from_stage_to_stage(maps):
    page = maps.page
    assert page.locator("#map-stage-0").count() == 0
    slider = page.locator("#map-stage-1")
    assert slider.get_attribute("aria-valuetext") == "block 2"
    slider.focus()
    page.keyboard.press("Home")
    assert page.locator("#map-stage-name-1").text_content() == "block 0"
    saved = maps.saved(page.locator("#map-csv-1"))
    np.testing.assert_allclose([[float(x), float(y)] for _, x, y, *_ in saved[1:]], maps.data.layout(1, 0), atol=1e-3)
    page.keyboard.press("Tab")
    item = maps.data.labels[0]
    page.mouse.move(*on_screen(page, 1, maps.data.layout(1, 0)[:1])[0])  # the ring's first point lies alone
    page.locator("#map-tip-1").wait_for(state="visible")
    assert page.locator("#map-tip-1 strong").text_content() == item


def test_another_seed_draws_the_map_again(maps):
    page = maps.page
    button = page.locator("#map-again")
    first = maps.saved(page.locator("#map-csv-0"))
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert "what moved is accident" in page.locator("#map-status").text_content()
    assert "1 map of this page has only one." in page.locator("#map-status").text_content()
    second = maps.saved(page.locator("#map-csv-0"))
    places = maps.data.coordinates(maps.data.panes[0]["second"])
    np.testing.assert_allclose([[float(x), float(y)] for _, x, y, *_ in second[1:]], places, atol=1e-3)
    button.click()
    assert maps.saved(page.locator("#map-csv-0")) == first


def test_a_clicked_item_lists_its_nearest_with_pictures(maps):
    page = maps.page
    item = maps.data.labels[7]
    page.fill("#map-search", item)
    page.locator("#map-matches button").first.click()
    scores = maps.data.panes[0]["scores"]
    steps = np.frombuffer(base64.b64decode(scores["steps"]), "<u2").reshape(N, -1)[7]
    expected = scores["low"] + steps / 65535 * (scores["high"] - scores["low"])
    neighbors = np.frombuffer(base64.b64decode(maps.data.panes[0]["neighbors"]), "<u2").reshape(N, -1)[7]
    for pane in range(2):
        lines = page.locator(f"#map-nearest-{pane} li")
        assert lines.count() == 6
        assert page.locator(f"#map-nearest-{pane} .thumbnail").count() == 6
    assert page.locator("#map-nearest-0 bdi").all_text_contents() == [item, *(maps.data.labels[i] for i in neighbors)]
    shown = [float(text.replace("−", "-")) for text in page.locator("#map-nearest-0 small").all_text_contents()]
    np.testing.assert_allclose(shown, expected, atol=6e-4)
    kind, width = page.locator("#map-nearest-0 .thumbnail").first.evaluate(PICTURE)
    assert (kind, width) == ("data:image/webp;", 512)
    assert page.locator("style").count() == 2  # the page's own, and the one sheet that was shown
    page.locator("#map-nearest-1 button").first.click()
    assert page.locator("#map-nearest-0 bdi").first.text_content() != item


def test_a_thumbnail_shows_its_own_item(maps):
    from PIL import Image

    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items

    page = maps.page
    page.fill("#map-search", maps.data.labels[7])
    chip = page.locator("#map-matches .thumbnail").first
    seen = np.asarray(Image.open(io.BytesIO(chip.screenshot())).convert("L"), dtype=float)
    images = load_items(LabelledConfig(source="digits")).images
    truth = images.decode(np.arange(N), 32)[:, 0].astype(float)
    errors = np.abs(truth - seen[:32, :32]).mean(axis=(1, 2))
    assert errors.argmin() == 7


def test_hostile_metadata_is_text_in_the_note_and_in_the_file(maps):
    page = maps.page
    saved = maps.saved(page.locator("#map-csv-0"))
    assert saved[0][:6] == ["id", "x", "y", "label", "ink", HOSTILE_COLUMN[:40]]
    for number, text in enumerate(HOSTILE):
        page.fill("#map-search", maps.data.labels[number])
        note = page.locator("#map-tip-0 span", has_text=HOSTILE_COLUMN[:20]).text_content()
        whole = f"{text}{number}"
        assert note.startswith(f"{HOSTILE_COLUMN[:40]}: {whole[:60]}"[:120])
        assert len(note) < 260
        assert saved[1 + number][5] == (whole if len(whole) <= 300 else f"{whole[:299]}…")
    page.fill("#map-search", "</script><script>window.pwned")
    assert page.locator("#map-status").text_content() == f"{N // len(HOSTILE)} items match."
    assert page.evaluate("window.pwned") is None


def test_everything_that_can_be_used_has_a_name_and_is_reached_by_the_keyboard(maps):
    page = maps.page
    page.fill("#map-search", maps.data.labels[3])
    nameless = page.evaluate(
        """() => Array.from(document.querySelectorAll('button, a[href], input, select, summary, [tabindex]'))
          .filter((element) => !(element.textContent.trim() || element.getAttribute('aria-label')
            || (element.labels && element.labels.length)))
          .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    page.focus("#map-color")
    reached = []
    while page.evaluate("document.activeElement !== document.body") and len(reached) < 80:
        reached.append(page.evaluate("document.activeElement.id"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", reached[-1]
        page.keyboard.press("Tab")
    wanted = [
        "map-color",
        "map-again",
        "map-search",
        "map-save",
        "map-lasso-0",
        "map-reset-0",
        "map-csv-0",
        "map-stage-1",
    ]
    places = [reached.index(name) for name in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_a_phone_has_room_for_all_of_it(maps, scheme):
    page = maps.page
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    page.fill("#map-search", maps.data.labels[3])
    page.locator("#map-matches button").first.click()
    content = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    page.set_viewport_size({"width": 1280, "height": 720})
    assert content == [390, 390]
