from __future__ import annotations

from pathlib import Path

import pytest
from embedding_runs import study_of_sizes

pytestmark = pytest.mark.browser

WIDTH = "[document.documentElement.scrollWidth, window.innerWidth]"


@pytest.fixture(scope="session")
def embeddings_report(built) -> Path:
    """A page about embeddings of pictures, built once."""
    return built(study_of_sizes)


@pytest.mark.parametrize(("width", "scheme"), [pytest.param(390, "dark", marks=pytest.mark.slow), (1440, "light")])
def test_it_opens_with_the_answer_without_a_complaint_and_never_scrolls_sideways(
    opened, embeddings_report, width, scheme
):
    opened.page.set_viewport_size({"width": width, "height": 800})
    opened.page.emulate_media(color_scheme=scheme)
    page = opened(embeddings_report)
    assert page.locator("#answer .answer").text_content().startswith("At 32 dimensions")
    assert page.locator(".map.live").count() == page.locator(".map").count() == 6
    page.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    for picture in page.locator("main figure:not(:has(canvas)) img").all():
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 90
    content, window = page.evaluate(WIDTH)
    assert content <= window == width
    assert opened.complaints == []


def test_an_item_shows_on_every_map_with_its_class(opened, embeddings_report):
    page = opened(embeddings_report)
    page.fill("#map-search", "test-7")
    shown = [tip.text_content() for tip in page.locator("#spaces .map-tip").all() if tip.is_visible()]
    assert len(shown) == 6
    assert all("label: 3" in text for text in shown)
    assert opened.complaints == []
