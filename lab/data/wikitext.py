"""MediaWiki markup → sections, paragraphs and links, with every markup character gone.

Not a full parser: what Wikipedia's articles are written with is understood, whatever is left over is dropped.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Literal

from lab.data.wiki_templates import expand_templates


@dataclass(frozen=True)
class Link:
    """A link to another article: `paragraph.text[start:end] == anchor`; `target` is its title, section left out."""

    start: int
    end: int
    target: str
    anchor: str


@dataclass(frozen=True)
class Paragraph:
    """Clean text on one line, and its links in order. A list's entry is a paragraph of kind `item`."""

    text: str
    links: list[Link]
    kind: Literal["prose", "item"] = "prose"


@dataclass
class Section:
    """A heading and what stands under it up to the next one; the lead has an empty heading and level 1."""

    heading: str
    level: int
    paragraphs: list[Paragraph] = field(default_factory=list)


def parse_wikitext(markup: str) -> list[Section]:
    """The sections of a page, the lead first, headings of empty sections kept.

    Text in tables, info boxes, references, captions, formulas and program listings is left out.
    """
    text = _drop_asides(markup)
    text = expand_templates(text)
    text = _drop_tables(text)
    text = _drop_bracketed(text)
    sections = [Section("", 1)]
    open_lines: list[str] = []

    def close(kind: Literal["prose", "item"] = "prose") -> None:
        paragraph = _paragraph(" ".join(open_lines), kind)
        if re.search(r"\w", paragraph.text):
            sections[-1].paragraphs.append(paragraph)
        open_lines.clear()

    for line in text.split("\n"):
        heading = _HEADING.fullmatch(line)
        entry = _LIST_ENTRY.match(line)
        if heading:
            close()
            sections.append(Section(_paragraph(heading[2], "prose").text, len(heading[1])))
        elif entry:
            close()
            open_lines.append(line[entry.end() :])
            close("item" if entry[1].strip(":") else "prose")
        elif not line.strip() or _LEFTOVER.match(line):
            close()
        else:
            open_lines.append(line)
    close()
    return sections


_HEADING = re.compile(r"(={1,6})\s*(.+?)\s*\1\s*")
_LIST_ENTRY = re.compile(r"\s*([*#:;]+)\s*")
_LEFTOVER = re.compile(r"\s*(?:\{\||\|[-}]|[|!]|-{4,}\s*$)")  # what an unclosed table or a ruler leaves

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_NOWIKI = re.compile(r"<nowiki>(.*?)</nowiki>", re.DOTALL | re.IGNORECASE)
_ASIDE_TAGS = (
    "ref|references|math|gallery|timeline|score|source|syntaxhighlight|pre|imagemap|hiero|chem|ce|graph|mapframe|table|s|"
    "del|script|style|templatestyles"
)
_EMPTY_ASIDE = re.compile(rf"<(?:{_ASIDE_TAGS})\b[^<>]*/\s*>", re.IGNORECASE)
_ASIDE = re.compile(rf"<({_ASIDE_TAGS})(?:\s[^<>]*)?>.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK_TAG = re.compile(r"</?(?:blockquote|div|p|li|ol|ul|dl|dd|dt|center|poem|hr|h\d)\b[^<>]*>", re.IGNORECASE)
_BREAK = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)


def _drop_asides(text: str) -> str:
    """Markup without comments, references and everything else that no sentence goes through."""
    text = _COMMENT.sub("", text.replace(_START, "").replace(_END, ""))
    text = _NOWIKI.sub(lambda match: re.sub(r"[^\w\s]", lambda mark: f"&#{ord(mark[0])};", match[1]), text)
    text = _EMPTY_ASIDE.sub("", text)
    text = _ASIDE.sub("", text)
    text = _BLOCK_TAG.sub("\n\n", text)
    return _BREAK.sub(" ", text)


_TABLE = re.compile(r"^[ :*#]*\{\|(?:(?!^[ :*#]*\{\||^\s*\|\}).)*^\s*\|\}", re.DOTALL | re.MULTILINE)


def _drop_tables(text: str) -> str:
    """Markup without tables, inner ones first."""
    while True:
        text, count = _TABLE.subn("", text)
        if not count:
            return text


_LANGUAGE = r"[a-z]{2,3}(?:-[a-z-]+)?|simple"
_OPENING = re.compile(rf"\[\[\s*(?:(?i:file|image|category|media)|(?:{_LANGUAGE}))\s*:")
_BRACKETS = re.compile(r"\[\[|\]\]")


def _drop_bracketed(text: str) -> str:
    """Markup without pictures (their captions included), categories and links to other languages."""
    kept = []
    position = 0
    for opening in _OPENING.finditer(text):
        if opening.start() < position:
            continue
        depth = 0
        end = opening.end()
        for bracket in _BRACKETS.finditer(text, opening.start()):
            depth += 1 if bracket[0] == "[[" else -1
            if depth == 0:
                end = bracket.end()
                break
        kept.append(text[position : opening.start()])
        position = end
    return "".join([*kept, text[position:]])


# Links are carried through the cleaning between two characters that no text holds (not even as an entity, which
# `html.unescape` drops), so that their places are known at the end.
_START, _END = "\ufdd0", "\ufdd1"
_LINK = re.compile(r"\[\[([^\[\]|{}<>\n]*)(?:\|((?:(?!\]\]|\[\[).)*))?\]\]([a-z]*)")
_URL = r"(?:https?:|ftp:|news:|irc:|mailto:|)//[^\s\]<>\"]+|mailto:[^\s\]]+"
_EXTERNAL = re.compile(rf"\[(?:{_URL})\s*([^\]\n]*)\]")
_BARE_URL = re.compile(r"\bhttps?://[^\s<>\"\ufdd0\ufdd1]+")
_MARK = re.compile(r"</?[a-zA-Z][^<>]*>|__[A-Z]+__|\[\[|\]\]|\{\{|\}\}|'{2,}")
_INVISIBLE = re.compile(r"[\u00ad\u200b\u200e\u200f\u2060\ufeff\x00-\x08\x0e-\x1f]")
# Namespaces and sister projects: their pages are no articles. Codes of projects and languages are written small.
_ELSEWHERE = re.compile(
    r"(?:(?i:wikipedia|wp|project|user|talk|template|help|portal|book|draft|module|special|mediawiki|category|file|image"
    r"|media|wikt|wiktionary|wikisource|wikiquote|wikibooks|wikinews|wikiversity|wikivoyage|commons|meta|wikispecies"
    rf"|wikidata)|species|arxiv|[bcdmnqsvw]|{_LANGUAGE})(?: talk)?\s*:"
)


def _paragraph(markup: str, kind: Literal["prose", "item"]) -> Paragraph:
    """One paragraph of markup, cleaned."""
    targets: list[str] = []
    text = _LINK.sub(lambda match: _mark(match, targets), markup)
    text = _EXTERNAL.sub(r"\1", text)
    text = _BARE_URL.sub("", text)
    text = _INVISIBLE.sub("", html.unescape(_drop_marks(text)))
    return _place(_tidy(" ".join(text.split())), targets, kind)


def _mark(match: re.Match[str], targets: list[str]) -> str:
    """A link between its two marks (its target noted), or its text alone where it leads to no article."""
    page, label, trail = match[1].strip(), match[2], match[3]
    anchor = page.lstrip(":") if label is None else label.rsplit("|", 1)[-1]
    if label is not None and not label.strip():  # [[Foo (bar)|]] shows Foo
        anchor = re.sub(r"^:?(?:\w+:)?\s*|\s*\([^()]*\)$|,.*$", "", page)
    anchor = _drop_marks(anchor)
    target = link_target(page)
    if not target or not anchor.strip():
        return anchor + trail
    targets.append(target)
    return f"{_START}{anchor}{trail}{_END}"


def link_target(page: str) -> str:
    """The title a link leads to, as MediaWiki spells it; empty for sections of the same page and other projects."""
    from urllib.parse import unquote

    page = html.unescape(unquote(page) if "%" in page else page)
    title = " ".join(page.partition("#")[0].replace("_", " ").split())
    if title.startswith(":") or _ELSEWHERE.match(title):
        return ""
    return title[:1].upper() + title[1:]


def _drop_marks(text: str) -> str:
    """Text without tags, switches, stray brackets, and the apostrophes of bold and italics (four mean one that shows).

    What goes can bring two brackets together, so it is done again until nothing is found.
    """
    while True:
        text, count = _MARK.subn(lambda match: "'" if match[0] == "''''" else "", text)
        if not count:
            return text


_TIDY = (
    (re.compile(rf"{_START}( +)"), rf"\1{_START}"),
    (re.compile(rf"( +){_END}"), rf"{_END}\1"),
    (re.compile(r"(?<=\()[ ,;:]+|[ ,;]+(?=\))"), ""),  # (; born 1905) → (born 1905)
    (re.compile(r"(?<!\S)(?:\(\)|\[\])"), ""),
    (re.compile(r" +(?=[,.;](?:\s|$))"), ""),
    (re.compile(r",(?: ?,)+"), ","),
    (re.compile(r"^[ ,.;:*#]+(?=\s)"), ""),
    (re.compile(r"  +"), " "),
)


def _tidy(text: str) -> str:
    """Text without what templates and references leave behind when they go: `( ; `, ` ,`, `()`."""
    for pattern, replacement in _TIDY:
        text = pattern.sub(replacement, text)
    return text.strip()


def _place(marked: str, targets: list[str], kind: Literal["prose", "item"]) -> Paragraph:
    """Take the marks out and note where they stood; links whose text has gone are left out."""
    pieces = re.split(f"([{_START}{_END}])", marked)
    text = ""
    links = []
    start = number = 0
    for piece in pieces:
        if piece == _START:
            start = len(text)
        elif piece == _END:
            anchor = text[start:]
            if anchor.strip():
                links.append(Link(start, len(text), targets[number], anchor))
            number += 1
        else:
            text += piece
    return Paragraph(text, links, kind)
