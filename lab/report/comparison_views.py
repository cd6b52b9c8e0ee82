"""A comparison as plain text, Markdown and HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import TYPE_CHECKING

from lab.report.comparison_overview import overview
from lab.report.comparison_text import gap_text, p_text, value_text
from lab.report.numbers import plain, spoken, with_interval

if TYPE_CHECKING:
    from lab.evaluation.significance import SideTest
    from lab.report.comparison import Comparison
    from lab.report.comparison_tables import Pair, Table, TableRow

_MOST_PAIRS = 15
BESIDE = "Other tests, which decide nothing"


def head_of(table: Table) -> list[str]:
    """The headings of a table's columns."""
    against = ["against the best"] if table.pairs else []
    return ["row", f"{table.over}s", f"{spoken(table.metric)} (95 % interval)", *against]


def cells_of(table: Table) -> list[list[str]]:
    """One list of texts for each row, as `head_of` names them."""
    return [
        [row.label + row.mark, row.status, value_text(row), *([gap_text(row)] if table.pairs else [])]
        for row in table.rows
    ]


PAIR_HEAD = ["pair", "difference", "p (Holm)", "repeats alone", "items alone", "permutation (least possible)", "effect"]


def shown_pairs(table: Table) -> list[Pair]:
    """All pairs of a table, or where they are many those with the best mean."""
    if len(table.pairs) <= _MOST_PAIRS:
        return table.pairs
    return [row.against_best for row in table.ranked if row.against_best]


def pair_cells(pair: Pair) -> list[str]:
    """The tests of one pair, as `PAIR_HEAD` names them."""
    d = pair.difference

    def p_of(test: SideTest | None) -> str:
        return "–" if test is None else p_text(test.p_value)

    permutation = f"{p_of(d.permutation)} ({p_text(d.permutation.smallest)})" if d.permutation else "–"
    tests = [p_text(d.p_holm), p_of(d.seed_test), p_of(d.item_test), permutation, plain(d.effect, 2)]
    return [f"{pair.first} − {pair.second}", with_interval(d.value, d.low, d.high), *tests]


def plain_text(comparison: Comparison) -> str:
    """The answer, and every table in columns; a star marks what Markdown and HTML have in bold."""
    blocks = [_printable(comparison.answer)]
    if whole := overview(comparison.tables):
        rows = [
            [cell + (" *" if best else "") for cell, best in zip(cells, bold, strict=True)]
            for cells, bold in whole.lines
        ]
        blocks.append(_columns([whole.head, *rows]))
    for table in comparison.tables:
        rows = [[f"{'*' if row.best else ' '} {first}", *rest] for row, (first, *rest) in _rows(table)]
        about = _about(table, "* the best", "bold: the best")
        blocks.append(
            "\n".join(
                [_printable(table.title), _columns([["  row", *head_of(table)[1:]], *rows]), *map(_printable, about)]
            )
        )
    return "\n\n".join([*blocks, *map(_printable, _more(comparison))])


def markdown(comparison: Comparison) -> str:
    """GitHub's Markdown; labels show as they are, whatever is in them."""
    blocks = [_in_markdown(comparison.answer)]
    if whole := overview(comparison.tables):
        rows = [_marked(cells, bold, _in_markdown, "**{}**") for cells, bold in whole.lines]
        blocks.append(_pipes(list(map(_in_markdown, whole.head)), rows))
    for table in comparison.tables:
        rows = [_bold(row.best, list(map(_in_markdown, cells)), "**{}**") for row, cells in _rows(table)]
        blocks += [f"### {_in_markdown(table.title)}", _pipes(head_of(table), rows)]
        blocks += [_in_markdown(line) for line in _about(table)]
        if table.pairs:
            pairs = [list(map(_in_markdown, pair_cells(pair))) for pair in shown_pairs(table)]
            blocks += [f"{BESIDE} (p-values; {_effect(table)}):", _pipes(PAIR_HEAD, pairs)]
    return "\n\n".join([*blocks, *map(_in_markdown, _more(comparison))])


def html(comparison: Comparison) -> str:
    """For notebooks; every text is escaped."""
    blocks = [f"<p>{escape(comparison.answer)}</p>"]
    if whole := overview(comparison.tables):
        rows = [_marked(cells, bold, escape, "<strong>{}</strong>") for cells, bold in whole.lines]
        blocks.append(_html_table(list(map(escape, whole.head)), rows))
    for table in comparison.tables:
        rows = [_bold(row.best, list(map(escape, cells)), "<strong>{}</strong>") for row, cells in _rows(table)]
        blocks += [f"<h4>{escape(table.title)}</h4>", _html_table(head_of(table), rows)]
        blocks += [f"<p><small>{escape(line)}</small></p>" for line in _about(table)]
        if table.pairs:
            pairs = [list(map(escape, pair_cells(pair))) for pair in shown_pairs(table)]
            beside = f"<summary>{BESIDE}</summary>{_html_table(PAIR_HEAD, pairs)}<small>{_effect(table)}</small>"
            blocks.append(f"<details>{beside}</details>")
    return "\n".join([*blocks, *(f"<p>{escape(line)}</p>" for line in _more(comparison))])


def _rows(table: Table) -> list[tuple[TableRow, list[str]]]:
    return list(zip(table.rows, cells_of(table), strict=True))


def _about(table: Table, star: str = "", bold: str = "") -> list[str]:
    """The lines under a table: the rule, and how the metric was taken."""
    measured = f"{table.measured[:1].upper()}{table.measured[1:]}." if table.measured else ""
    rule = table.protocol.replace(bold, star) if bold else table.protocol
    return [line for line in (rule, measured) if line]


def _more(comparison: Comparison) -> list[str]:
    """What comes after all tables."""
    return [*comparison.settle, *(comparison.notes if comparison.tables else [])]


def _effect(table: Table) -> str:
    on = "" if table.resampled else " on one item"
    return f"effect: the difference in standard deviations of one {table.over}'s difference{on}"


def _bold(best: bool, cells: list[str], mark: str) -> list[str]:
    return [*cells[:2], mark.format(cells[2]) if best else cells[2], *cells[3:]]


def _marked(cells: Sequence[str], bold: Sequence[bool], plain: Callable[[str], str], mark: str) -> list[str]:
    return [mark.format(plain(cell)) if best else plain(cell) for cell, best in zip(cells, bold, strict=True)]


def _in_markdown(text: str) -> str:
    """The text as it would be read: nothing in it is HTML, emphasis, code, a link or a column's edge."""
    text = escape(_printable(" ".join(text.split())), quote=False)
    text = re.sub(r"([\\`*~|]|(?<!\w)_|_(?!\w)|\](?=[(\[:]))", r"\\\1", text)
    return re.sub(r"^(?=[#>=+]|- )", r"\\", text)


def _printable(text: str) -> str:
    """The text without control characters, which could command a terminal or turn the direction of a line."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _pipes(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(cells, 'td') for cells in rows)}</table>"


def _columns(rows: Sequence[Sequence[str]]) -> str:
    """Columns two spaces apart."""
    cleaned = [[_printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cleaned, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cleaned)
