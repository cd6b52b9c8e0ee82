from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

UNFOLD = "element => { for (; element; element = element.parentElement) if ('open' in element) element.open = true; }"


@pytest.fixture(scope="module")
def page(shared, words_report):
    shared(words_report)
    yield shared
    assert shared.complaints == []


def columns(table) -> list[list[str]]:
    return table.evaluate(
        "table => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden)"
        ".map((row) => Array.from(row.cells, (cell) => cell.textContent.trim()))"
    )


def value(text: str) -> float:
    return float(text.split(" ")[0].replace("−", "-")) if text[0] in ".−0123456789" else float("-inf")


def test_a_heading_sorts_its_column_by_number_and_by_name(page):
    table = page.page.locator("#table .scroll > table").first
    written = columns(table)
    heads = table.locator("thead th")
    button = heads.nth(1).locator("button")
    button.focus()
    page.page.keyboard.press("Enter")
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    values = [value(row[1]) for row in columns(table)]
    assert values == sorted(values, reverse=True)
    assert values[-1] == float("-inf")  # what has no value comes last
    page.page.keyboard.press("Enter")
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    values = [value(row[1]) for row in columns(table)]
    assert values[:-1] == sorted(values[:-1])
    assert values[-1] == float("-inf")
    page.page.keyboard.press("Enter")
    assert heads.nth(1).get_attribute("aria-sort") is None
    assert columns(table) == written
    heads.nth(0).locator("button").click()
    assert heads.nth(0).get_attribute("aria-sort") == "ascending"
    names = [row[0] for row in columns(table)]
    assert names == sorted(names, key=str.lower)
    heads.nth(0).locator("button").click()
    heads.nth(0).locator("button").click()


def test_a_table_is_saved_as_it_stands(page):
    box = page.page.locator("#table .scroll").first
    saved = page.saved(page.page.get_by_label(f"Save {box.get_attribute('aria-label')} as csv"))
    table = box.locator("table")
    assert saved[0] == [text.strip() for text in table.locator("thead th").all_text_contents()]
    assert saved[1:] == [[" ".join(cell.split()) for cell in row] for row in columns(table)]


def test_a_long_table_filters_its_rows(page):
    tables = page.page.locator(".table-tools:has(input) + .scroll > table")
    assert tables.count() >= 1
    for number in range(tables.count()):
        table = tables.nth(number)
        table.evaluate(
            "table => { for (let e = table; e; e = e.parentElement) if (e.tagName === 'DETAILS') e.open = true }"
        )
        rows = columns(table)
        assert len(rows) >= 9
        wanted = rows[3][0][:12].strip()
        tools = page.page.locator(".table-tools:has(input)").nth(number)
        tools.locator("input").fill(wanted.upper())
        found = [row for row in rows if wanted.lower() in " ".join(row).lower()]
        assert [row[0] for row in columns(table)] == [row[0] for row in found]
        assert tools.locator("[role=status]").text_content() == f"{len(found)} of {len(rows)} rows"
        tools.locator("input").fill("")
        assert columns(table) == rows


def test_every_figure_gives_its_data(page):
    links = page.page.locator("main figure a.csv")
    figures = page.page.locator("main figure")
    assert figures.count() == links.count() + page.page.locator("main figure button.csv").count()
    for link in links.all():
        link.evaluate(UNFOLD)
        head, *rows = page.saved(link)
        assert rows
        assert all(len(row) == len(head) for row in rows)
    curves = page.saved(page.page.locator("#figures a.csv").first)
    assert curves[0] == ["row", "run", "step", "loss"]
    assert len(curves) == 1 + 6 * 5  # six runs of five steps
