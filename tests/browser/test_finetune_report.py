from __future__ import annotations

from pathlib import Path

import pytest
from finetune_runs import study_of_both

pytestmark = pytest.mark.browser

NOTHING_WRITTEN = """() => {
  const canvas = document.getElementById('map-labels-0');
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0);
  return !copy.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
}"""
WIDTH = "[document.documentElement.scrollWidth, window.innerWidth]"


@pytest.fixture(scope="session")
def finetune_report(built) -> Path:
    """A page that opens with fine-tuning and goes on with word vectors, built once."""
    return built(study_of_both)


def test_it_opens_with_the_answer_and_without_a_complaint(opened, finetune_report):
    page = opened(finetune_report)
    assert page.locator("#answer .answer").text_content().startswith("Train the last 3 of 9 blocks: accuracy .952")
    assert page.locator("#answer img").first.is_visible()
    assert page.locator(".map.live").count() == page.locator(".map").count() > 4
    assert opened.complaints == []


def test_all_pictures_load(opened, finetune_report):
    page = opened(finetune_report)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    for picture in page.locator("main figure:not(:has(canvas)) img").all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100


def test_a_phone_gets_a_drawing_of_its_own(opened, finetune_report):
    sources = {}
    for width in (390, 1200):
        opened.page.set_viewport_size({"width": width, "height": 800})
        page = opened(finetune_report)
        picture = page.locator("#answer picture img").first
        sources[width] = picture.evaluate("image => image.decode().then(() => image.currentSrc)")
        assert picture.bounding_box()["width"] > 0.75 * page.locator("#answer").bounding_box()["width"] or width > 1000
    assert sources[390] != sources[1200]


@pytest.mark.parametrize("width", [390, 1440])
def test_the_page_never_scrolls_sideways(opened, finetune_report, width):
    opened.page.set_viewport_size({"width": width, "height": 800})
    page = opened(finetune_report)
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    content, window = page.evaluate(WIDTH)
    assert content <= window == width


def test_an_item_shows_before_and_after_training_and_its_name_is_not_written(opened, finetune_report):
    page = opened(finetune_report)
    page.fill("#map-search", "t1/test-7.jpg")
    tips = page.locator("#representation .map-tip")
    shown = [tip.text_content() for tip in tips.all() if tip.is_visible()]
    assert len(shown) == tips.count() > 2
    assert all("label: 7" in text for text in shown)
    page.fill("#map-search", "")
    page.wait_for_function(NOTHING_WRITTEN)
    assert opened.complaints == []
