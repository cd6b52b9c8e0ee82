"""Words and numbers of the report: how values, counts and lists are written, and what is safe inside a page."""

from __future__ import annotations

import base64
import json
import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from lab.report.numbers import plain

_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def number(value: float | None) -> str:
    """A measured value: `.437`, `2.318`, `12,480`; an en dash where there is none."""
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return minus(plain(value, 0 if abs(value) >= 100 else 3))


def minus(text: str) -> str:
    """A number with a real minus sign in front, where it has a sign at all."""
    return f"−{text[1:]}" if text.startswith("-") else text


def typeset(text: str) -> str:
    """The text with real minus signs before its numbers, and no line break inside an interval."""
    text = re.sub(r"(?<![\w.-])-(?=\.?\d)", "−", text)
    return re.sub(r"\[(\S+), (\S+)\]", "[\\1,\u00a0\\2]", text)


def share(value: float | None, decimals: int = 1) -> str:
    """A part of one in percent; an en dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{100 * value:.{decimals}f}\u00a0%"


def count(n: int, thing: str, things: str | None = None) -> str:
    """`1 seed`, `3 seeds`, `1,204 queries`."""
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"


def listing(names: Sequence[str], most: int = 6) -> str:
    """`a, b and c`; beyond `most` names the rest are counted."""
    names = list(names)
    if len(names) > most:
        names = [*names[: most - 1], f"{len(names) - most + 1} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def short(text: str, length: int) -> str:
    """At most `length` characters, an ellipsis for what is cut."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def duration(seconds: float | None) -> str:
    """`8 s`, `2.4 min`, `3.1 h`."""
    if seconds is None:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 9.5 else f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def slug(name: str) -> str:
    """A short file name in plain ASCII."""
    return re.sub(r"[^a-z0-9]+", "-", unicodedata.normalize("NFKD", name).lower())[:60].strip("-") or "figure"


def file_names(names: Iterable[str]) -> dict[str, str]:
    """A short file name in plain ASCII for each name, all different."""
    given: dict[str, str] = {}
    for name in names:
        short_name, taken, n = slug(name), set(given.values()), 2
        candidate = short_name
        while candidate in taken:
            candidate, n = f"{short_name}-{n}", n + 1
        given.setdefault(name, candidate)
    return given


def json_for_script(value: Any) -> str:
    """JSON that can stand inside a script element: it cannot close the element, open a comment or break a line."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return re.sub("[<>&\u2028\u2029]", lambda match: _IN_SCRIPT[match.group()], text)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """The bytes of a picture as an address that needs no network."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
