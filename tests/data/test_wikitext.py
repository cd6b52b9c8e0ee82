from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.data.wiki_templates import expand_templates
from lab.data.wikitext import link_target, parse_wikitext


def clean(markup: str) -> str:
    """The text of all paragraphs, parted by bars."""
    return " | ".join(paragraph.text for section in parse_wikitext(markup) for paragraph in section.paragraphs)


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("'''Bold''', ''italic'' and '''''both'''''.", "Bold, italic and both."),
        ("The dog''''s' bone", "The dog's' bone"),
        ("A [[cat]], two [[cat]]s, a [[Felidae|big cat]], [[Puma (genus)|]].", "A cat, two cats, a big cat, Puma."),
        ("[[File:A.jpg|thumb|A [[cat]] and [[dog|a dog]]]]Text [[Image:b.png]].", "Text."),
        ("Text.\n[[Category:Cats]]\n[[fr:Chat]]\n[[be-x-old:Кот]]", "Text."),
        ("See [[:Category:Cats|these]] and [[wikt:cat|cat]].", "See these and cat."),
        ("A [http://a.org/x?y=1 site], another [http://b.org] and http://c.org/z.", "A site, another and"),
        ("Fact.<ref>{{cite web|url=http://a.org}}</ref> More<ref name=a/>.<ref name='b'>x > y</ref>", "Fact. More."),
        ("One<!-- hidden [[link]] --> two<!--\n\n--> three", "One two three"),
        ("A &amp; B&nbsp;&ndash; 1&#8239;km &lt;ref&gt; caf&eacute;", "A & B – 1 km <ref> café"),
        ("x<sup>2</sup>, H<sub>2</sub>O, a<br />b, <small>c</small> <span style='x'>d</span>", "x2, H2O, a b, c d"),
        ("Write <nowiki>[[link]] and ''two''</nowiki> so.", "Write [[link]] and ''two'' so."),
        ("Before\n{| class=x\n| a\n|-\n{| \n| inner\n|}\n| b\n|}\nafter", "Before | after"),
        ("Before\n{| never closed\n| cell\n! head\n\nafter", "Before | after"),
        ("{{Infobox|name={{small|x}}\n|y=[[z]]}}\nA {{convert|5|km|mi|abbr=on}} walk.", "A 5 km walk."),
        ("From {{convert|5|to|6|ft|m}} {{as of|2012|4}} ({{lang|la|a|b}}).", "From 5 to 6 ft as of April 2012 (a)."),
        ("A '''cat''' ({{IPAc-en|k}}; {{lang-la|felis}}, born {{circa|1900}}) is.", "A cat (felis, born c. 1900) is."),
        ("A cat ({{IPAc-en|k}}), or dog ({{IPA|x}}; ), is , or was .", "A cat, or dog, is, or was."),
        ("It is {{unknown|template with {{nested|text}} inside}}gone.", "It is gone."),
        ("He said:\n{{quote|To be.|Hamlet}}\nThen died.", "He said: | To be. | Then died."),
        ("Words <math>x^2 {a}</math> and <code>f()</code> <source lang=c>int x;</source>", "Words and f()"),
        ("One\n\nTwo\nthree\n* four\n** five\n# six", "One | Two three | four | five | six"),
        ("One\n: two\n; three\n----\nfour", "One | two | three | four"),
        ("__NOTOC__\nText __TOC__ here", "Text here"),
        ("<gallery>\nA.jpg|cap\n</gallery>\nText<blockquote>quoted</blockquote>", "Text | quoted"),
        ("a &#xfdd0;b\ufdd0 &#64977;c\ufdd1 [[d]]", "a b c d"),
        ("[ ]] [b [''[c''''d'''''''e", "[ [b c'de"),
        ("unclosed [[link and {{template and <ref>ref", "unclosed link and template and ref"),
        ("", ""),
    ],
)
def test_markup_becomes_plain_text(markup, text):
    assert clean(markup) == text


def test_sections_keep_headings_levels_and_order():
    markup = "Lead.\n==One ''A''==\nText.\n=== [[Two]]<ref>x</ref> ===\n== Empty ==\n==Last== \n* item"
    sections = parse_wikitext(markup)
    assert [(section.level, section.heading) for section in sections] == [
        (1, ""), (2, "One A"), (3, "Two"), (2, "Empty"), (2, "Last"),
    ]  # fmt: skip
    assert [[paragraph.text for paragraph in section.paragraphs] for section in sections] == [
        ["Lead."], ["Text."], [], [], ["item"],
    ]  # fmt: skip
    assert sections[-1].paragraphs[0].kind == "item"


def test_links_know_where_they_stand():
    markup = (
        "''A'' [[big cat]]s' &amp; <b>[[felidae#Size|''Felidae'' ]]</b>, [[ dog_house ]] ({{x}}; [[a]]) [[#here|here]] "
        "[[WP:X|page]] [[2001: A Space Odyssey]] [[File:x.png|[[no]]]] [[Caf%C3%A9|café]]"
    )
    (paragraph,) = parse_wikitext(markup)[0].paragraphs
    assert paragraph.text == "A big cats' & Felidae, dog_house (a) here page 2001: A Space Odyssey café"
    assert [(link.target, link.anchor) for link in paragraph.links] == [
        ("Big cat", "big cats"),
        ("Felidae", "Felidae"),
        ("Dog house", "dog_house"),
        ("A", "a"),
        ("2001: A Space Odyssey", "2001: A Space Odyssey"),
        ("Café", "café"),
    ]
    assert all(paragraph.text[link.start : link.end] == link.anchor for link in paragraph.links)


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("cat", "Cat"),
        ("big_cat#Size", "Big cat"),
        ("#Size", ""),
        ("Talk:Cat", ""),
        ("user talk: X", ""),
        ("fr:Chat", ""),
        ("s:Hamlet", ""),
        ("ET: The Extra-Terrestrial", "ET: The Extra-Terrestrial"),
        ("Star Trek: Voyager", "Star Trek: Voyager"),
        ("AT&amp;T", "AT&T"),
        ("élan", "Élan"),
    ],
)
def test_targets_are_titles_of_articles(page, target):
    assert link_target(page) == target


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{lang|grc|ἄβαξ}}", "ἄβαξ"),
        ("{{lang-ar|x}}", "x"),
        ("{{transl|ar|DIN|allāh}}", "allāh"),
        ("{{frac|1|2}} {{frac|3|1|2}}", "1/2 3 1/2"),
        ("{{chem|H|2|O}}", "H2O"),
        ("{{Nowrap|a [[b|c]] d}}", "a [[b|c]] d"),
        ("{{nowrap|1=a = b}}", "a = b"),
        ("{{val|12|u=km}}", "12"),
        ("{{formatnum:1234}}", "1234"),
        ("{{HMS|Beagle}}", "[[HMS Beagle]]"),
        ("1{{ndash}}2{{nbsp}}m", "1–2 m"),
        ("{{convert|6|x|4|m}}", "6 x 4 m"),
        ("{{a{{b}}{{c|{{d}}}}}}", ""),
        ("{{small}}", ""),
        ("{{}}", ""),
    ],
)
def test_templates(template, text):
    assert expand_templates(template) == text


MARKS = """[[ ]] {{ }} | '' ''' <ref> </ref> <br/> {| |} == * ( ) , a Bc File: http://x.y [ ] &amp; <!-- --> #"""
PARTS = [*MARKS.split(), " ", "\n", "\ufdd0", "\ufdd1"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PARTS), max_size=40))
def test_any_markup_gives_clean_paragraphs_with_links_in_place(parts):
    for section in parse_wikitext("".join(parts)):
        for paragraph in section.paragraphs:
            assert paragraph.text == " ".join(paragraph.text.split())
            assert re.search(r"\w", paragraph.text)
            assert not re.search(r"[\ufdd0\ufdd1]|</?ref|<!--", paragraph.text)
            for link in paragraph.links:
                assert paragraph.text[link.start : link.end] == link.anchor == link.anchor.strip() != ""
                assert link.target
            ends = [0, *(place for link in paragraph.links for place in (link.start, link.end))]
            assert ends == sorted(ends)
