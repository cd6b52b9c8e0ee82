"""A resolved config as YAML, each value with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lab.config.cells import Cell
from lab.config.places import Origin, display
from lab.config.plan import StudyPlan
from lab.config.yaml_writer import inline, lines_of

_COMMENT_COLUMN = 44
_WIDEST_COLUMN = 80


def show_config(plan: StudyPlan) -> str:
    """The resolved config of a plan, as YAML that loads again, with the origin of every value behind it.

    Of a study each entry's first cell is shown, and what the others change.
    """
    entries: dict[int, list[Cell]] = {}
    for cell in plan.cells:
        entries.setdefault(cell.entry, []).append(cell)
    source = f" ({display(plan.file)})" if plan.file else ""
    count = len(plan.cells)
    lines = [
        f"# {plan.name}: {count} run{'s' * (count != 1)} of {len(entries)} config{'s' * (len(entries) > 1)}{source}"
    ]
    for number, cells in entries.items():
        if len(entries) > 1:
            lines += ["", f"--- # entry {number + 1} of {len(entries)}: {cells[0].experiment}, {len(cells)} run(s)"]
        lines += _cell_lines(cells)
    return "\n".join(lines) + "\n"


def _cell_lines(cells: Sequence[Cell]) -> list[str]:
    first, origins = cells[0], cells[0].origins
    swept = {key: list(dict.fromkeys(inline(c.row[key]) for c in cells)) for key in first.row}
    seeds = list(dict.fromkeys(str(cell.config.seed) for cell in cells))
    swept |= {"seed": seeds} if len(seeds) > 1 else {}
    texts, notes = [], []
    for text, key in lines_of(first.values):
        texts.append(text)
        notes.append(_note(key, origins, swept, first) if key else "")
    column = min(_WIDEST_COLUMN, max([_COMMENT_COLUMN, *(len(t) + 2 for t in texts if len(t) < _WIDEST_COLUMN)]))
    return [f"{text.ljust(column - 1)} # {note}" if note else text for text, note in zip(texts, notes, strict=True)]


def _note(key: str, origins: Mapping[str, Origin], swept: Mapping[str, Sequence[str]], cell: Cell) -> str:
    note = str(origins.get(key, ""))
    if len(values := swept.get(key, ())) > 1:
        note += f": {', '.join(values)}"
    if key in cell.choices:
        note += f"; chosen on validation data from {inline(cell.choices[key])}"
    return note
