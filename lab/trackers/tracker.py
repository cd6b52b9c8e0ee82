"""What a tracker is: a few methods that are told how one run, or one study, goes.

Another package adds one under the entry-point group `lab.trackers`: a callable without arguments that returns a new
`Tracker`, and raises `UserError` where a library is missing. It is called once before anything is trained, to see
that, and then once a run and a study.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["finished", "failed", "interrupted"]


@dataclass(frozen=True)
class Facts:
    """Which run, or which study, a tracker is to follow.

    `id`: of a run twelve hexadecimal digits, of a study its name. `name`: in words ("rate=0.1, seed 0"). `path`: its
    folder. `tags`: what else is known of it: study, seed, data, source hash, git commit.
    `goes_on`: it was begun before, so that the tracker goes on with what it has; all metrics so far are told again
    then, and those that it has are to be passed over. `parent`: the tracker of the study that the run belongs to, where
    that has begun.
    """

    kind: Literal["run", "study"]
    id: str
    name: str
    experiment: str
    path: Path
    tags: Mapping[str, str] = field(default_factory=dict)
    goes_on: bool = False
    parent: Tracker | None = None


class Tracker(Protocol):
    """Follows one run or study. All calls come from one thread, which trains nothing, and in this order.

    What a method raises costs one warning: the run goes on, and what was missed is told at its end if that works.
    """

    def begin(self, facts: Facts, params: Mapping[str, Any]) -> None:
        """A run or study begins or goes on. `params`: its resolved config with dotted keys; of a study none."""
        ...

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of one step of the training."""
        ...

    def results(self, values: Mapping[str, float]) -> None:
        """What a finished run comes to: `test/analogies/accuracy`, the ends of its interval as `…/low`, `…/high`."""
        ...

    def artifact(self, path: Path) -> None:
        """A file below the folder that may be kept: config, results, figures, log, report."""
        ...

    def end(self, status: Status) -> None:
        """Nothing more comes this time; what was interrupted may go on later, with a new tracker."""
        ...
