from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from workshop import hostile_study

from lab.report.build import build

pytestmark = pytest.mark.browser

WIDTH = "[document.documentElement.scrollWidth, window.innerWidth]"
LABELS = """k => { // pixels with writing on them
  const canvas = document.getElementById('map-labels-' + k);
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  const pixels = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.filter((value, i) => i % 4 === 3 && value > 0).length;
}"""


def place_of(page, pane: int, label: str) -> tuple[float, float]:
    """Where an item is on the screen, from the page's own data."""
    data = json.loads(page.locator("#map-data").text_content())
    item = data["labels"].index(label)
    layout = data["panes"][pane]["layouts"][-1]
    items, x, y = (
        np.frombuffer(base64.b64decode(text), "<u2")
        for text in (data["panes"][pane]["items"], layout["x"], layout["y"])
    )
    point = int(np.flatnonzero(items == item)[0])
    box = page.locator(f"#map-{pane}").bounding_box()
    return box["x"] + x[point] / 65535 * box["width"], box["y"] + (1 - y[point] / 65535) * box["height"]


def middle_of(element) -> tuple[float, float]:
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_it_opens_from_disk_without_a_network_or_a_complaint(opened, words_report):
    page = opened(words_report)
    assert page.locator(".map.live").count() == 3
    assert page.locator(".map img").first.is_hidden()  # the still picture makes way
    assert page.locator("#map-search").is_visible()
    for pane in range(3):
        assert page.evaluate(LABELS, pane) > 200  # words are written on the map
    assert opened.complaints == []


def test_pointing_at_an_item_shows_it_and_its_neighbours_on_every_map(opened, words_report):
    page = opened(words_report)
    page.locator("#map-0").scroll_into_view_if_needed()
    tips = [page.locator(f"#map-tip-{k}") for k in range(3)]
    assert not any(tip.is_visible() for tip in tips)
    page.mouse.move(*place_of(page, 0, "king"))
    tips[0].wait_for(state="visible")
    for tip in tips:
        assert tip.locator("strong").text_content() == "king"
        assert "count: 9000" in tip.text_content()
    table = page.locator(".words > div").filter(has=page.locator("h3", has_text="king")).first
    first = [cell.locator("bdi").text_content() for cell in table.locator("tbody tr").first.locator("td").all()]
    for tip, neighbor in zip(tips, first, strict=True):
        assert tip.locator(".nearest").text_content().startswith(f"nearest: {neighbor}, ")
    page.mouse.move(5, 5)
    tips[0].wait_for(state="hidden")
    assert opened.complaints == []


def test_search_counts_lists_and_highlights_the_matches(opened, words_report):
    page = opened(words_report)
    everything = page.evaluate(LABELS, 1)
    page.fill("#map-search", "WORD12")
    assert page.locator("#map-status").text_content() == "11 items match."  # word12, word120 to word129
    names = page.locator("#map-matches button").all_text_contents()
    assert names[0] == "word12"
    assert sorted(names[1:]) == [f"word12{i}" for i in range(10)]
    page.wait_for_function(f"most => ({LABELS})(1) < most", arg=everything)  # only the matches keep their labels
    assert page.evaluate(LABELS, 1) > 0
    assert page.locator("#map-tip-1 strong").text_content() == "word12"  # an exact match is shown at once
    page.fill("#map-search", "no such thing")
    assert page.locator("#map-status").text_content() == "Nothing on the maps contains “no such thing”."
    assert page.locator("#map-matches button").count() == 0
    assert opened.complaints == []


def test_the_keyboard_is_enough(opened, words_report):
    page = opened(words_report)
    page.focus("#map-search")
    page.keyboard.type("queen")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "queen"
    assert page.locator("#map-tip-2").is_visible()
    page.keyboard.press("Enter")
    assert page.locator("#map-status").text_content() == "queen and its nearest neighbours in each original space."
    assert page.locator("#map-tip-2").is_hidden()
    page.focus("#map-search")
    page.keyboard.press("Escape")
    assert page.locator("#map-status").text_content() == ""
    assert page.input_value("#map-search") == ""
    assert opened.complaints == []


def test_clicking_a_point_pins_it_and_its_neighbours(opened, words_report):
    page = opened(words_report)
    page.locator("#map-1").scroll_into_view_if_needed()
    page.mouse.click(*place_of(page, 1, "peace"))
    page.wait_for_function("document.getElementById('map-status').textContent.startsWith('peace and its nearest')")
    assert opened.complaints == []


def test_the_wheel_scrolls_the_page_and_zooms_only_with_ctrl(opened, words_report):
    page = opened(words_report)
    page.locator("#map-0").scroll_into_view_if_needed()
    page.mouse.move(*middle_of(page.locator("#map-0")))
    before, labels = page.evaluate("scrollY"), page.evaluate(LABELS, 0)
    page.mouse.wheel(0, 200)
    page.wait_for_function(f"scrollY > {before + 100}")
    assert page.evaluate(LABELS, 0) == labels
    page.mouse.move(*middle_of(page.locator("#map-0")))
    after = page.evaluate("scrollY")
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(f"({LABELS})(0) !== {labels}")
    assert page.evaluate("scrollY") == after
    page.click("#map-reset-0")
    page.wait_for_function(f"({LABELS})(0) === {labels}")
    page.click("#map-in-0")
    page.wait_for_function(f"({LABELS})(0) !== {labels}")
    assert opened.complaints == []


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_never_scrolls_sideways(opened, words_report, width):
    opened.page.set_viewport_size({"width": width, "height": 800})
    page = opened(words_report)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    content, window = page.evaluate(WIDTH)
    assert content <= window == width


def test_without_webgl_the_still_maps_stay(opened, words_report):
    opened.page.add_init_script(
        "const original = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
        "  return kind.startsWith('webgl') ? null : original.call(this, kind, ...rest); };"
    )
    page = opened(words_report, maps="static")
    assert "no WebGL" in page.locator("#map-status").text_content()
    assert page.locator("#map-search").is_hidden()
    for picture in page.locator(".map img").all():
        assert picture.is_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
    assert opened.complaints == []


def test_print_shows_the_still_maps_and_no_tools(opened, words_report):
    page = opened(words_report)
    page.emulate_media(media="print")
    assert page.locator(".map img").first.is_visible()
    assert page.locator(".map img").first.evaluate("image => image.complete && image.naturalWidth") > 500
    assert page.locator("#map-tools").is_hidden()
    assert page.locator("nav").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast_in_both_themes(opened, words_report, scheme):
    opened.page.emulate_media(color_scheme=scheme)
    page = opened(words_report)
    colors = page.evaluate(
        "names => names.map((name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim())",
        ["--page", "--card", "--ink", "--soft", "--muted", "--link", "--warn"],
    )
    luminance = [luminance_of(color) for color in colors]
    for ground in luminance[:2]:
        for text in luminance[2:]:
            high, low = max(ground, text), min(ground, text)
            assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, AA


def luminance_of(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("width", [pytest.param(390, marks=pytest.mark.slow), 1440])
def test_hostile_data_stays_text(opened, workshop, width):
    opened.page.set_viewport_size({"width": width, "height": 800})
    page = opened(build(hostile_study(workshop)))
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    page.fill("#map-search", "<")
    page.locator("#map-matches button").first.focus()
    assert "<" in page.locator("#map-tip-0 strong").text_content()
    assert page.evaluate("window.pwned") is None
    content, window = page.evaluate(WIDTH)
    assert content <= window == width
    assert opened.complaints == []
