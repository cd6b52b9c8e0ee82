"""What a comparison of spaces says: one sentence a pair, tables for terminal and Markdown, lines and plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lab.report.numbers import digits_for, plain
from lab.report.text import count, listing

if TYPE_CHECKING:
    import pandas as pd

    from lab.report.space_changes import Changed, ChangedItem
    from lab.report.space_pairs import Mark, SpaceComparison, SpacePair

FORMAT_VERSION = 1
_STRIP = 31  # characters from 0 to 1
_LISTED = 5  # neighbours on a line


def answer(comparison: SpaceComparison, pair: SpacePair) -> str:
    """`A and B agree on 3.2 [3.1, 3.3] of 10 nearest neighbours; two seeds of A agree on 5.8; chance is 0.01.`"""
    first, second = (comparison.names[i] for i in (pair.first, pair.second))
    mark = pair.mark("shared@10")
    value, low, high = (10 * number for number in (mark.value, mark.low, mark.high))
    digits = min(max(1, digits_for(low, high)), 2)
    between = f" [{low:.{digits}f}, {high:.{digits}f}]" if high > low else ""
    text = f"{first} and {second} agree on {value:.{digits}f}{between} of 10 nearest neighbours"
    seeds = [(name, again) for name, again in zip((first, second), mark.again, strict=True) if again is not None]
    told = [f"two seeds of {name} agree on {10 * again:.{digits}f}" for name, again in seeds]
    chance = f"chance is {10 * mark.chance:.{2 if mark.chance < 0.05 else 1}f}"
    from lab.report.space_pairs import UNCHANGING

    fixed = [comparison.names[i] for i in (pair.first, pair.second) if comparison.spaces[i].why.endswith(UNCHANGING)]
    told += [f"{listing(fixed)} {'is' if len(fixed) == 1 else 'are'} the same from every seed"] if fixed else []
    return "; ".join([text, *told, chance]) + "." + ("" if told else " No ceiling is known: no other seed of either.")


def spaces_lines(comparison: SpaceComparison) -> list[str]:
    """One line a space: items, dimensions, how many are shared, which are not, and whether another seed is known."""
    lines = []
    for named, lost in zip(comparison.spaces, comparison.lost, strict=True):
        which = (
            f" ({', '.join(str(item)[:30] for item in lost[:3])}{', …' if len(lost) > 3 else ''})" if len(lost) else ""
        )
        missing = f"{len(lost):,} not in all{which}" if len(lost) else "all shared"
        why = f"; {named.why}" if named.why else ""
        lines.append(f"{named.name}: {count(len(named.space), 'item')}, {named.space.dim} dimensions, {missing}{why}")
    return lines


def protocol(comparison: SpaceComparison) -> str:
    """How the numbers were made, in a few sentences."""
    n = len(comparison.ids)
    parts = [f"On the {n:,} shared items, each space centred; neighbours by cosine, among all of these."]
    if n > comparison.limits.judged:
        parts.append(f"Neighbourhoods are those of a random {comparison.limits.judged:,} of them.")
    if n > comparison.limits.in_pairs:
        parts.append(f"Representational similarity is over all pairs of a random {comparison.limits.in_pairs:,}.")
    parts.append("Brackets: 95 % interval over items. Chance: items paired at random. Seed: another seed, same config.")
    return " ".join(parts)


def table_of(comparison: SpaceComparison, pair: SpacePair) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a pair's table: measure, value, interval, chance, seeds."""
    names = [comparison.names[i] for i in (pair.first, pair.second)]
    known = [place for place in (0, 1) if any(mark.again[place] is not None for mark in pair.marks)]
    head = ["measure", "A with B", "95 % interval", "chance", *(f"{'AB'[place]}, other seed" for place in known)]
    if names[0] == names[1]:
        known = known[:1]
    rows = []
    for mark in pair.marks:
        digits = min(max(2, digits_for(mark.low, mark.high)), 3)
        cells = [mark.value, mark.chance, *(mark.again[place] for place in known)]
        value, chance, *again = ("" if cell is None else plain(cell, digits) for cell in cells)
        rows.append([mark.name, value, f"[{plain(mark.low, digits)}, {plain(mark.high, digits)}]", chance, *again])
    return head, rows


def strip(mark: Mark) -> str:
    """The marks of a measure on a line from 0 to 1: `|` chance, `=` the interval, `o` the pair, `^` another seed."""
    line = ["·"] * _STRIP

    def place(value: float) -> int:
        return round(min(max(value, 0.0), 1.0) * (_STRIP - 1))

    if not math.isfinite(mark.value):
        return "".join(line)
    for column in range(place(mark.low), place(mark.high) + 1):
        line[column] = "="
    for value, sign in ((mark.chance, "|"), *((again, "^") for again in mark.again), (mark.value, "o")):
        if value is not None and math.isfinite(value):
            line[place(value)] = sign
    return "".join(line)


def plain_text(comparison: SpaceComparison, columns: Any) -> str:
    """For the terminal; `columns(rows, header)` lays out a table."""
    blocks = [" ".join(answer(comparison, pair) for pair in comparison.pairs[:1])] if len(comparison.pairs) == 1 else []
    blocks.append("\n".join(spaces_lines(comparison)))
    for pair in comparison.pairs:
        head, rows = table_of(comparison, pair)
        names = " (A) and ".join(comparison.names[i] for i in (pair.first, pair.second)) + " (B)"
        lines = [names] if len(comparison.pairs) == 1 else [names, answer(comparison, pair)]
        marked = [[*row, strip(mark)] for row, mark in zip(rows, pair.marks, strict=True)]
        lines.append(columns(marked, (*head, f"0{'1'.rjust(_STRIP - 1)}")))
        blocks += ["\n".join(lines), _changed_text(pair.changed)]
    blocks.append(protocol(comparison) + " On the line: | chance, o the pair within = its interval, ^ another seed.")
    return "\n\n".join(block for block in blocks if block)


def _changed_text(changed: Changed) -> str:
    lines = [f"Most changed, {what_changed(changed)}:"]
    for item in changed.most:
        lines += [f"  {item.name}   {kept_words(item)}"]
        for side, names, common in (("A", item.first, item.in_both[0]), ("B", item.second, item.in_both[1])):
            shown = [f"{name}{'*' if both else ''}" for name, both in zip(names, common, strict=True)][:_LISTED]
            lines.append(f"    {side}: {', '.join(shown)}")
    calm = [f"{item.name} ({plain(item.kept, 2)})" for item in changed.least]
    lines += [f"Least changed: {', '.join(calm)}"] if calm else []
    if changed.groups:
        told = [f"{group.name} {plain(group.kept, 2)} ({group.n:,})" for group in changed.groups]
        lines.append(f"Kept by {changed.column}: {listing(told, 12)}")
    return "\n".join(lines)


def what_changed(changed: Changed) -> str:
    """Out of which items the most changed were chosen, and by what."""
    by = "beyond what another seed changes" if changed.beyond_seeds else "by their mean Jaccard overlap"
    rare = f"; {changed.left_out:,} seen fewer than 20 times are left out" if changed.left_out else ""
    return f"{by}, of {count(changed.considered, 'item')}{rare} (* among B's, or A's, 100 nearest as well)"


def kept_words(item: ChangedItem) -> str:
    """`keeps .03 (two seeds .41)`."""
    return f"keeps {plain(item.kept, 2)}" + ("" if item.seeds is None else f" (two seeds {plain(item.seeds, 2)})")


def markdown(comparison: SpaceComparison) -> str:
    """The answers, a table a pair and the most changed items as Markdown."""
    blocks = []
    for pair in comparison.pairs:
        head, rows = table_of(comparison, pair)
        names = " (A) and ".join(comparison.names[i] for i in (pair.first, pair.second)) + " (B)"
        blocks += [f"**{_safe(names)}.** {_safe(answer(comparison, pair))}", _table(head, rows)]
        items = [
            [item.name, kept_words(item), ", ".join(item.first[:_LISTED]), ", ".join(item.second[:_LISTED])]
            for item in pair.changed.most
        ]
        blocks.append(_table(["most changed", "neighbourhood", "nearest in A", "nearest in B"], items))
    return "\n\n".join([*blocks, protocol(comparison)])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_safe(cell) for cell in line)} |" for line in lines)


def _safe(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def to_frame(comparison: SpaceComparison) -> pd.DataFrame:
    """One line for each measure of each pair."""
    import pandas as pd

    lines = []
    for pair in comparison.pairs:
        for mark in pair.marks:
            first, second = (comparison.names[i] for i in (pair.first, pair.second))
            line = {"first": first, "second": second, "measure": mark.key, "value": mark.value}
            line |= {"low": mark.low, "high": mark.high, "chance": mark.chance}
            line |= {"first_other_seed": mark.again[0], "second_other_seed": mark.again[1], "items": mark.n}
            lines.append(line)
    return pd.DataFrame(lines)


def to_dict(comparison: SpaceComparison) -> dict[str, Any]:
    """All of it as plain data for JSON; numbers that are not finite are None."""
    spaces = [
        {
            "name": n.name,
            "items": len(n.space),
            "dimensions": n.space.dim,
            "lost": [str(i) for i in lost],
            "note": n.why,
        }
        for n, lost in zip(comparison.spaces, comparison.lost, strict=True)
    ]
    pairs = [{"answer": answer(comparison, pair), **asdict(pair)} for pair in comparison.pairs]
    whole = {"shared": len(comparison.ids), "protocol": protocol(comparison), "spaces": spaces, "pairs": pairs}
    return {"format_version": FORMAT_VERSION, **_finite(whole)}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
