"""Metadata of the items on the maps, column by column, as the viewer reads it: numbers, kinds, or texts."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.report.coloring import natural
from lab.report.text import short

MISSING = 65535  # the code of an unknown kind
_EXACT = 2**24  # whole numbers up to here are the same in float32
_KIND_LENGTH = 80  # characters kept of a kind, however little room there is


def column_of(name: str, values: Sequence[Any], length: int) -> dict[str, Any] | None:
    """One column for the page; None where nothing in it can be shown.

    `values`: one an item, None where it is unknown. Numbers stay numbers; texts that come again become codes of their
    kinds, in natural order; others are kept whole up to `length` characters, and left out for 0.
    """
    known = [value for value in values if value is not None]
    if known and all(_is_number(value) for value in known):
        numbers = [np.nan if value is None else float(value) for value in values]
        return {"name": name, "kind": "number", "values": _base64(numbers, "<f4")}
    texts = [_text(value) for value in values]
    kinds = sorted({text for text in texts if text is not None}, key=natural)
    if not kinds:
        return None
    if 2 * len(kinds) <= len(texts) and len(kinds) < MISSING:
        code = {text: place for place, text in enumerate(kinds)}
        codes = [MISSING if text is None else code[text] for text in texts]
        shown = [short(text, max(length, _KIND_LENGTH)) for text in kinds]
        return {"name": name, "kind": "category", "values": shown, "codes": _base64(codes, "<u2")}
    if not length:
        return None
    return {"name": name, "kind": "text", "values": [None if text is None else short(text, length) for text in texts]}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool | np.bool_):
        return False
    return isinstance(value, float | np.floating) or (isinstance(value, int | np.integer) and abs(int(value)) < _EXACT)


def _text(value: Any) -> str | None:
    """A value as it is printed; None where there is nothing to print."""
    if value is None or not np.isscalar(value) or value == "":
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    return str(value)


def _base64(values: Any, kind: str) -> str:
    return base64.b64encode(np.asarray(values, dtype=kind).tobytes()).decode()
