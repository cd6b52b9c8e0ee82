"""What a report is about: the rows of a study, or plain runs folded into rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config.base import ReportConfig
from lab.errors import UserError

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.runs.study import Row, StudyRecord

Target = "StudyRecord | Run | str | Path | Sequence[Run | str | Path]"


@dataclass
class Subject:
    """Rows to show, how, and where the report goes by default."""

    kind: str
    name: str
    rows: list[Row]
    settings: ReportConfig
    folder: Path
    study: StudyRecord | None = None
    problems: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """All finished runs, in the order of the rows, each once."""
        return list({run.id: run for row in self.rows for run in row.runs}.values())

    @property
    def title(self) -> str:
        """The heading: the config's, or the study's name, or the runs' experiments."""
        return self.settings.title or self.name


def subject_of(target: Any) -> Subject:
    """Resolve a study, a run, a reference to either, or a list of runs and references to runs.

    Raises `UserError` where nothing is found, or where a list mixes in a study.
    """
    from lab.runs.study import StudyRecord

    if isinstance(target, str | Path):
        target = _resolve(target)
    if isinstance(target, StudyRecord):
        return Subject(
            kind="Study",
            name=target.name,
            rows=target.rows(),
            settings=ReportConfig.model_validate(target.report),
            folder=target.path,
            study=target,
        )
    targets = list(target) if isinstance(target, list | tuple) else [target]
    if not targets:
        raise UserError("a report needs a study or at least one run")
    runs = [_run(one) for one in targets]
    return Subject(
        kind="Run" if len(runs) == 1 else "Runs",
        name=f"{runs[0].experiment} {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs",
        rows=fold(runs),
        settings=ReportConfig.model_validate(runs[0].config.get("report") or {}),
        folder=Path(runs[0].path) if len(runs) == 1 else Path.cwd(),
    )
