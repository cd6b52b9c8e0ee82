"""What `lab compare --spaces` prints and writes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from lab.errors import UserError
from lab.terminal import columns


def print_spaces(references: Sequence[str], ids: str | None, format: str, report: Path | None) -> None:
    """Compare the spaces and print text, Markdown, csv or json; write the page where one is asked for."""
    from lab.atomic import check_writable
    from lab.compare_spaces import compare
    from lab.report import space_views as views

    if format not in ("table", "markdown", "csv", "json"):
        raise UserError(f"--format {format}: with --spaces expected table, markdown, csv or json")
    if report is not None:
        check_writable(report)
    comparison = compare(references, ids)
    writers = {
        "table": lambda: views.plain_text(comparison, columns),
        "markdown": lambda: views.markdown(comparison),
        "csv": lambda: views.to_frame(comparison).to_csv(index=False).rstrip("\n"),
        "json": lambda: json.dumps(views.to_dict(comparison), indent=2, ensure_ascii=False),
    }
    print(writers[format]())
    if report is not None:
        from lab.report.spaces import build_spaces

        print(f"\nReport: {os.path.relpath(build_spaces(comparison, report))}")
