"""Sums and differences of items: "king - man + woman" (Mikolov, Yih and Zweig 2013, aclanthology.org/N13-1090)."""

from __future__ import annotations

import re

import numpy as np

from lab.embeddings.neighbors import Metric, row_norms
from lab.embeddings.space import EmbeddingSpace, Neighbors, offenders
from lab.errors import UserError

# A sign counts only between spaces (or at the very start), so that `well-known` and `C++` are items like any other.
_SIGN = re.compile(r"(?:^|(?<=\s))([+\-−])(?=\s|$)")


def parse_expression(text: str) -> list[tuple[int, str]]:
    """Split "king - man + woman" into [(1, "king"), (-1, "man"), (1, "woman")].

    Terms may hold spaces; put one in double quotes where it has a sign between spaces itself. Raises `UserError`
    where a term is missing or a quote is not closed.
    """
    quoted: list[str] = []

    def set_aside(match: re.Match[str]) -> str:
        quoted.append(match.group(1))
        return f"\0{len(quoted) - 1}\0"

    plain = re.sub(r'(?:^|(?<=\s))"([^"]+)"(?=\s|$)', set_aside, text.strip())
    if re.search(r'(?:^|\s)"', plain):
        raise UserError(f"{text!r}: a double quote is opened but not closed")
    first, *rest = _SIGN.split(plain)
    parts = (["+", first] if first.strip() else []) + rest
    terms = []
    for sign, term in zip(parts[::2], parts[1::2], strict=True):
        if not term.strip():
            raise UserError(f"{text!r}: no item after {sign!r}; write for example 'king - man + woman'")
        item = re.sub(r"\0(\d+)\0", lambda match: quoted[int(match.group(1))], term.strip())
        terms.append((1 if sign == "+" else -1, item))
    if not terms:
        raise UserError("an empty expression: write for example 'king' or 'king - man + woman'")
    return terms


def query_vector(space: EmbeddingSpace, expression: str) -> np.ndarray:
    """Sum the unit vectors of the items with their signs, as gensim's `most_similar` does: (d,) float32.

    A single item keeps its own vector, length included. An expression that is itself an id stands for that item.
    Raises `UserError` for an unknown item, and for a zero vector, which has no direction.
    """
    terms = _terms(space, expression)
    rows = space.index([item for _, item in terms])
    if len(terms) == 1 and terms[0][0] == 1:
        return space.vectors[rows[0]]
    vectors, norms = space.vectors[rows].astype(np.float64), row_norms(space.vectors[rows])
    if (norms == 0).any():
        raise UserError(f"{expression!r}: {offenders(space.ids[rows], norms == 0)} a zero vector, with no direction")
    signs = np.array([sign for sign, _ in terms])
    return (signs @ (vectors / norms[:, None])).astype(np.float32)


def nearest_to(space: EmbeddingSpace, expression: str, k: int = 10, metric: Metric = "cosine") -> Neighbors:
    """Find the k items nearest to an expression, its own items left out; fields have shape (1, w)."""
    own = list(dict.fromkeys(item for _, item in _terms(space, expression)))
    return space.neighbors(query_vector(space, expression)[None, :], k, metric, exclude=own)


def _terms(space: EmbeddingSpace, expression: str) -> list[tuple[int, str]]:
    return [(1, expression)] if expression in space else parse_expression(expression)
