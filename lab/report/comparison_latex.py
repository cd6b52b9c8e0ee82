"""A comparison as LaTeX tables (booktabs), ready to be put into a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.report.comparison_overview import overview
from lab.report.comparison_views import cells_of, head_of

if TYPE_CHECKING:
    from lab.report.comparison import Comparison

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "‐": "-",
    "…": r"\ldots{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "�": "?",
} | {sign: f"\\{sign}" for sign in "$&#_%"}


def latex(comparison: Comparison) -> str:
    """A `table` float for each table, and one for all metrics where there are several.

    Bold is by the rule, which stands in the caption. Needs `\\usepackage{booktabs}`.
    """
    blocks = ["% needs \\usepackage{booktabs}"]
    if whole := overview(comparison.tables):
        lines = [[_bold(cell, best) for cell, best in zip(cells, bold, strict=True)] for cells, bold in whole.lines]
        blocks.append(_float(whole.head, lines, "All metrics, with 95 % intervals."))
    for table in comparison.tables:
        lines = [
            [_bold(cell, row.best and place == 2) for place, cell in enumerate(cells)]
            for row, cells in zip(table.rows, cells_of(table), strict=True)
        ]
        measured = f"{table.measured[:1].upper()}{table.measured[1:]}." if table.measured else ""
        blocks.append(_float(head_of(table), lines, f"{table.title}. {table.protocol} {measured}".strip()))
    return "\n\n".join(blocks)


def escaped(text: str) -> str:
    """The text as LaTeX sets it, whatever is in it; control characters become question marks."""
    return "".join(_ESCAPES.get(c, c if c.isprintable() else "?") for c in " ".join(text.split()))


def _bold(text: str, best: bool) -> str:
    return f"\\textbf{{{escaped(text)}}}" if best else escaped(text)


def _float(head: Sequence[str], lines: Sequence[Sequence[str]], caption: str) -> str:
    # braces around a row's first cell: one that began with [ would be read as the argument of the \\ before it
    rows = [f"    {{{first}}} & {' & '.join(rest)} \\\\" for first, *rest in lines]
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{escaped(caption)}}}",
            f"  \\begin{{tabular}}{{{'l' * len(head)}}}",
            r"    \toprule",
            f"    {' & '.join(map(escaped, head))} \\\\",
            r"    \midrule",
            *rows,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )
