from __future__ import annotations

import bz2
import re

import pytest

from lab.data.config import CorpusConfig
from lab.data.text import describe, read_lines
from lab.data.wikipedia import Article, articles, counts, parse_dump


@pytest.fixture(scope="module")
def sample() -> list[Article]:
    return articles()


@pytest.fixture(scope="module")
def paragraphs(sample):
    return [paragraph for article in sample for section in article.sections for paragraph in section.paragraphs]


def test_the_counts_are_those_of_the_design(sample):
    """453,000 words, 2,256 headings (five more are followed by a comment), 106 articles; every one has a lead."""
    found = counts()
    assert found["articles"] == len({article.title for article in sample}) == 106
    assert found["sections"] == 2_261
    assert 450_000 < found["words"] < 460_000
    assert found["links"] > 17_735
    assert all(article.sections[0].level == 1 for article in sample)


def test_every_link_stands_where_it_says(paragraphs):
    links = [(paragraph, link) for paragraph in paragraphs for link in paragraph.links]
    assert len({link.target for _, link in links}) > 13_615
    for paragraph, link in links:
        assert paragraph.text[link.start : link.end] == link.anchor == link.anchor.strip() != ""
        assert link.target == " ".join(link.target.split()) != ""
        assert not re.search(r"[#{}<>|_]|\[|\]|''", link.target)


@pytest.mark.parametrize(
    ("leftover", "most"),
    [
        (r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}", 0),
        (r"''", 0),
        (r"&(?:amp|lt|gt|nbsp|ndash|#\d+);", 0),
        (r"</?(?:ref|br|sup|sub|small|div|span|math|code|nowiki|gallery|blockquote)\b", 0),
        (r"https?://", 0),
        (r"\b(?:thumb|colspan|rowspan|cellpadding|valign|bgcolor)\b ?[=|]", 0),
        (r"\[\[?(?:File|Image|Category):", 0),
        (r"==|__|[\ufdd0\ufdd1]", 0),
        (r"\s\s|^\s|\s$|[\n\t\u200b\u00ad]", 0),
        (r"\( | \)|\([,;:]|[,;]\)", 0),
        (r" ,", 1),  # a row of punctuation in "ASCII"
        (r"(?<!\S)\(\)", 0),
        (r"\|", 3),  # the character itself, in "ASCII" and once in "Afghanistan"
    ],
)
def test_no_markup_is_left(paragraphs, leftover, most):
    found = [paragraph.text for paragraph in paragraphs if re.search(leftover, paragraph.text)]
    assert len(found) <= most, found[:3]


def test_a_known_paragraph(sample):
    (albedo,) = (article for article in sample if article.title == "Albedo")
    (paragraph, *_) = albedo.sections[0].paragraphs
    assert paragraph.text == (
        'Albedo or reflection coefficient, derived from Latin albedo "whiteness" (or reflected sunlight) in turn from '
        'albus "white", is the diffuse reflectivity or reflecting power of a surface.'
    )
    assert [(link.anchor, link.target) for link in paragraph.links] == [
        ("Latin", "Latin"),
        ("diffuse reflectivity", "Diffuse reflection"),
    ]
    assert [section.heading for section in albedo.sections[:3]] == [
        "",
        "Terrestrial albedo",
        "White-sky and black-sky albedo",
    ]


def test_lines_are_paragraphs_with_unique_ids(paragraphs):
    lines = list(read_lines(CorpusConfig()))
    assert [line.text for line in lines] == [paragraph.text for paragraph in paragraphs]
    assert len({line.id for line in lines}) == len(lines)
    assert lines[0].id == "Anarchism/0/0"


def test_the_sample_is_described():
    facts = describe(CorpusConfig())
    assert facts.counts["articles"] == 106
    assert facts.description.startswith("106 English Wikipedia articles")


PAGE = "<page><title>{}</title><ns>{}</ns>{}<revision><text>{}</text></revision></page>"


def test_a_dump_gives_articles_only(tmp_path):
    pages = [
        PAGE.format("Cat", 0, "", "A [[dog]]."),
        PAGE.format("Katze", 0, '<redirect title="Cat"/>', "#REDIRECT [[Cat]]"),
        PAGE.format("Talk:Cat", 1, "", "Hello"),
        PAGE.format("Empty", 0, "", ""),
    ]
    dump = f'<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.10/">{"".join(pages)}</mediawiki>'
    (tmp_path / "dump.xml.bz2").write_bytes(bz2.compress(dump.encode()))
    found = list(parse_dump(tmp_path / "dump.xml.bz2"))
    assert [article.title for article in found] == ["Cat", "Empty"]
    assert found[0].sections[0].paragraphs[0].links[0].target == "Dog"
    assert found[1].sections[0].paragraphs == []
