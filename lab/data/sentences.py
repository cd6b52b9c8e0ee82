"""Where sentences end: a small rule-based splitter for European languages, Chinese and Japanese."""

from __future__ import annotations

import re

_END = re.compile(
    r"""(?P<stop>[.!?…]+)["'”’»)\]]*(?P<space>\s+)(?=["'“‘«(\[¿¡]*(?P<next>[^\W_a-zß-öø-ÿ]))"""  # stop, space, capital
    r"""|[。！？]+["”’」』）]*"""
    r"""|\n+"""
)
_LAST_WORD = re.compile(r"[\w.’'-]+\Z")
_DOTTED = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")  # e.g, U.S, Ph.D
_ABBREVIATIONS = """
    mr mrs ms dr prof rev hon st sr jr gen col capt lt sgt gov sen rep pres mt ft vs approx cf eds trans dept univ viz
    bros messrs mme mlle
"""
_ABBREVIATIONS_OF_NUMBERS = """
    no nos vol vols p pp fig figs ch sec art b c ca d r fl est jan feb mar apr jun jul aug sep sept oct nov dec
"""
_TITLES = frozenset(_ABBREVIATIONS.split())
_BEFORE_NUMBERS = frozenset(_ABBREVIATIONS_OF_NUMBERS.split())


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Sentences of a text as `(start, end)` offsets, without the white space between them, in order.

    A stop ends a sentence where something that can begin one follows, and where the word before is neither an initial
    (`J. S. Bach`) nor a common abbreviation (`Dr. No`, `cf. Plato`, `c. 1500`). A line break always ends one.
    """
    spans = []
    start = 0
    for match in _END.finditer(text):
        if match["stop"] == "." and _is_abbreviation(
            text[max(start, match.start() - 24) : match.start()], match["next"]
        ):
            continue
        spans.append((start, match.start("space") if match["space"] else match.end()))
        start = match.end()
    spans.append((start, len(text)))
    return [stripped for span in spans if (stripped := _strip(text, *span))]


def split_sentences(text: str) -> list[str]:
    """The sentences of a text (see `sentence_spans`)."""
    return [text[start:end] for start, end in sentence_spans(text)]


def _is_abbreviation(before: str, following: str) -> bool:
    """Whether a stop after `before`, with the character `following` after the space, belongs to an abbreviation."""
    match = _LAST_WORD.search(before)
    if not match:
        return False
    word = match.group()
    if len(word) == 1 and word.isupper() and word != "I":
        return True
    lower = word.lower()
    if lower in _TITLES or _DOTTED.fullmatch(word):
        return True
    return following.isdigit() and lower in _BEFORE_NUMBERS


def _strip(text: str, start: int, end: int) -> tuple[int, int] | None:
    piece = text[start:end]
    inner = piece.strip()
    start += len(piece) - len(piece.lstrip())
    return (start, start + len(inner)) if inner else None
