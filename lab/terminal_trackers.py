"""What `lab run` tells trackers when the report of a study is written: the numbers of its tables, and the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.report.comparison import Comparison
    from lab.runs.study import StudyRecord


def tell_report(study: StudyRecord, comparison: Comparison, report: Path | None) -> list[str]:
    """Tell the trackers that followed a study the value of each row of its tables, with intervals, and the report.

    Returns what they could not do, a line each.
    """
    from lab.runs.tracking import named_interval, tell_study
    from lab.trackers import load_trackers

    results: dict[str, float] = {}
    for table in comparison.tables:
        for row in table.rows:
            name = "/".join([table.split, table.evaluation, table.metric, row.label])
            results |= named_interval(name, row.value, row.low, row.high)
    return tell_study(study, load_trackers(study.trackers), results, [report] if report else [])
