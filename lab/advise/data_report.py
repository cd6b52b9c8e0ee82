"""What `lab advise` says of the data before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.report.numbers import plain
from lab.report.text import count

if TYPE_CHECKING:
    from lab.advise.asked import Asked
    from lab.data.labelled.check import DataCheck
    from lab.data.labelled.items import Broken

_LISTED = 5


def data_lines(asked: Asked, check: DataCheck) -> list[str]:
    """The data in a few lines: how many of what, what is odd, how they are split, and what the test part can show."""
    few, many = min(check.classes.values()), max(check.classes.values())
    each = f"{few:,} each" if few == many else f"{few:,} to {many:,} each"
    lines = [f"Data: {check.description}; {each}"]
    if check.unlabelled:
        lines.append(f"  {count(check.unlabelled, 'item')} without a label")
    lines += _listed("broken, left out", check.broken)
    lines += _listed("odd, used all the same", [one for one in check.odd if one.problem != "no label"])
    if check.duplicates:
        first = " = ".join(check.duplicates[0])
        pairs = count(len(check.duplicates), "pair")
        lines.append(f"  {pairs} of copies, the first {first}; where one is judged, the other is not trained on")
    lines += [f"  {note}" for note in check.notes]
    lines.append(f"Split: {asked.why}")
    if check.parts.get("test"):
        shown = plain(check.smallest_difference or 0, 3)
        kept = count(check.parts["test"], "item")
        lines.append(f"  {kept} are kept for one test after the choice; they show true differences from {shown} on")
    return lines


def _listed(what: str, found: Sequence[Broken]) -> list[str]:
    if not found:
        return []
    listed = "; ".join(f"{one.id}: {one.problem}" for one in found[:_LISTED])
    more = f"; and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return [f"  {len(found)} {what}: {listed}{more}"]
