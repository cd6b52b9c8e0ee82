"""What is kept of MediaWiki templates: the few that hold running text become it, all others go."""

from __future__ import annotations

import re
from collections.abc import Callable

# `{{…}}` with no other inside it.
_INNERMOST = re.compile(r"\{\{((?:(?!\{\{|\}\})[\s\S])*)\}\}")
# A bar that parts arguments, not one inside a link.
_BAR = re.compile(r"\|(?![^\[\]]*\]\])")
_NAMED = re.compile(r"\s*([\w -]+?)\s*=(.*)", re.DOTALL)

Arguments = list[str]
_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_JOINERS = ("to", "-", "–", "and", "or", "by", "x", "to(-)", "and(-)", "+", "+/-", "±")


def expand_templates(text: str) -> str:
    """Markup without templates, inner ones first, however deeply they lie in each other."""
    while True:
        text, count = _INNERMOST.subn(lambda match: _expand(match.group(1)), text)
        if not count:
            return text


def _expand(body: str) -> str:
    title, *parts = _BAR.split(body)
    name = " ".join(title.replace("_", " ").split()).lower()
    numbered: dict[int, str] = {}
    position = 0
    for part in parts:
        named = _NAMED.fullmatch(part)
        if named and not named[1].isdigit():
            if named[1] in ("text", "quote"):
                numbered.setdefault(1, named[2].strip())
            continue
        position = int(named[1]) if named else position + 1
        numbered[position] = (named[2] if named else part).strip()
    arguments = [numbered.get(at, "") for at in range(1, max(numbered, default=0) + 1)]
    if name in _FIXED:
        return _FIXED[name]
    if name.startswith("formatnum:"):
        return name.removeprefix("formatnum:").strip()
    if name.startswith("lang-"):
        return _first(arguments)
    return _RULES.get(name, _nothing)(arguments)


def _nothing(_: Arguments) -> str:
    return ""


def _first(arguments: Arguments) -> str:
    return arguments[0] if arguments else ""


def _second(arguments: Arguments) -> str:
    return arguments[1] if len(arguments) > 1 else ""


def _last(arguments: Arguments) -> str:
    return arguments[-1] if arguments else ""


def _block(arguments: Arguments) -> str:
    return f"\n\n{_first(arguments)}\n\n"


def _list(arguments: Arguments) -> str:
    return "\n" + "".join(f"* {item}\n" for item in arguments)


def _measure(arguments: Arguments) -> str:
    """`{{convert|5|km|mi}}` → 5 km; `{{convert|5|to|6|ft}}` → 5 to 6 ft."""
    if len(arguments) >= 4 and arguments[1] in _JOINERS:
        return " ".join(arguments[:4])
    return " ".join(arguments[:2])


def _fraction(arguments: Arguments) -> str:
    """`{{frac|1|2}}` → 1/2; `{{frac|3|1|2}}` → 3 1/2."""
    whole, parts = (arguments[0] + " ", arguments[1:]) if len(arguments) == 3 else ("", arguments)
    return whole + "/".join(parts)


def _as_of(arguments: Arguments) -> str:
    """`{{as of|2012|4|3}}` → as of 3 April 2012."""
    date = arguments[:1]
    if len(arguments) > 1:
        month = arguments[1]
        date.insert(0, _MONTHS[int(month) - 1] if month.isdigit() and 1 <= int(month) <= 12 else month)
    return " ".join(["as of", *arguments[2:3], *date])


def _ship(prefix: str) -> Callable[[Arguments], str]:
    return lambda arguments: f"[[{prefix} {_first(arguments)}]]"


_FIXED = {
    "'": "'",
    "' \"": "'\"",
    '-"': "'\"",
    "'s": "'s",
    "nbsp": " ",
    "spaces": " ",
    "thinsp": " ",
    "·": " · ",
    "dot": " · ",
    "eqm": " ⇌ ",
    "ndash": "–",
    "spaced ndash": " – ",
    "snd": " – ",
    "snds": " – ",
    "mdash": "—",
    "mdashb": "—",
    "pipe": "&#124;",
    "!": "&#124;",
    "=": "=",
    "sic": "",
}
_KEEP_FIRST = """
    nowrap small smaller small2 midsize large big larger sc smallcaps resize nobold noitalic vanchor linktext angbr
    keypress center vr abbr tooltip ill val math mvar var em strong code sup sub nastaliq nq pow flag flagcountry
    nihongo underline overline mono tt railgauge
"""
_KEEP_SECOND = ("lang", "rtl-lang", "script", "native name")
_KEEP_BLOCK = ("quote", "bquote", "cquote", "blockquote", "quotation", "quote box", "poemquote")
_RULES: dict[str, Callable[[Arguments], str]] = {
    **dict.fromkeys(_KEEP_FIRST.split(), _first),
    **dict.fromkeys(("proper name", "visible anchor", "citation needed span", "not a typo"), _first),
    **dict.fromkeys(_KEEP_SECOND, _second),
    **dict.fromkeys(_KEEP_BLOCK, _block),
    **dict.fromkeys(("ordered list", "unbulleted list", "bulleted list", "hlist"), _list),
    **dict.fromkeys(("plainlist", "columns-list"), lambda arguments: f"\n{_last(arguments)}\n"),
    **dict.fromkeys(("transl", "transliteration"), _last),
    **dict.fromkeys(("convert", "cvt"), _measure),
    **dict.fromkeys(("frac", "sfrac", "fraction"), _fraction),
    **dict.fromkeys(("circa", "c."), lambda arguments: f"c. {_first(arguments)}"),
    "as of": _as_of,
    "bibleref": lambda arguments: " ".join(arguments[:2]),
    "chem": "".join,
    "e": lambda arguments: f"×10^{_first(arguments)}",
    "hms": _ship("HMS"),
    "mv": _ship("MV"),
    "oldstyledate": lambda arguments: ", ".join(arguments[:2]),
    "uss": _ship("USS"),
}
