"""What comes before the first run of a study: the work its runs share, and what they together cannot show."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from lab.config.places import value_at
from lab.errors import LabError
from lab.experiment import Recipe
from lab.runs import interrupt, threads
from lab.runs.plan import Job, PlannedRow


def prepare(jobs: Sequence[Job], say: Callable[[str], None]) -> None:
    """Let the recipes of runs still to be done do what these share, with all cores; what fails costs only time.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed and the recipe said a line since.
    """

    def tell(text: str) -> None:
        if interrupt.asked():
            raise KeyboardInterrupt
        say(text)

    by_recipe: dict[str, list[Job]] = {}
    for job in jobs:
        by_recipe.setdefault(job.recipe.name, []).append(job)
    for name, mine in by_recipe.items():
        if mine[0].recipe.prepare is None:
            continue
        try:
            with threads.limited(threads.cores()):
                mine[0].recipe.prepare([job.cell.config for job in mine], tell)
        except Exception as error:
            why = str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"
            say(f"{name}: what the runs share could not be prepared ({' '.join(why.split())}); each does it for itself")


def untuned(rows: Sequence[PlannedRow], recipes: Mapping[str, Recipe]) -> list[str]:
    """A sentence for each key in which rows differ that ought to choose another key for themselves and do not.

    `recipes`: by name, those of the rows. Control rows are not looked at, they are no candidates.
    """
    warnings = []
    for name, recipe in recipes.items():
        mine = [row.cells[0] for row in rows if row.cells[0].experiment == name and not row.cells[0].control]
        pairs: dict[str, list[str]] = {}
        for key, tuned in recipe.tune.items():
            lacking = [cell for cell in mine if tuned not in cell.choices and tuned not in cell.row]
            values = {json.dumps(value_at(cell.values, key.split("."))) for cell in lacking}
            shared = {json.dumps(value_at(cell.values, tuned.split("."))) for cell in lacking}
            if len(values) > 1 and len(shared) == 1:
                pairs.setdefault(tuned, []).append(key)
        for tuned, keys in pairs.items():
            short = tuned.rsplit(".", 1)[-1].replace("_", " ")
            warnings.append(
                f"rows differ in {' and '.join(keys)} but share one {short}: which is best is then whatever that "
                f"{short} makes it; let each row choose its own, choose: {{{tuned}: [ … ]}}"
            )
    return warnings


def at_edges(rows: Sequence[PlannedRow]) -> list[str]:
    """A sentence for each row whose choice is the smallest or largest number it tried."""
    found = []
    for row in rows:
        record = row.records[0]
        if record.control:
            continue
        for key in record.at_edge:
            short = key.rsplit(".", 1)[-1].replace("_", " ")
            found.append(f"{row.label}: chose {short} {record.chosen[key]:g}, the end of what was tried")
    return found
