"""\"What N words can and cannot teach\": what word vectors trained here are worth, in the runs' own numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.numbers import spoken
from lab.report.text import listing, number, share
from lab.report.verdicts import RULE_OF_THUMB, WordRow, verdicts
from lab.report.words import RARE, counts_of, kept_between_seeds, rank_of

if TYPE_CHECKING:
    from lab.report.map_data import MapSource

ANALOGY, ANSWER = "king - man + woman", "queen"
MOST_SEEDS = 3  # whose spaces are read to see how far neighbours agree


@dataclass
class TeachSection:
    """What the template shows."""

    title: str
    introduction: list[str]
    verdicts: list[dict[str, str]]
    table: dict[str, Any]
    notes: list[str]


def teach_section(sources: Sequence[MapSource]) -> TeachSection | None:
    """Judge the rows that trained word vectors beside those that did not; None where no row did."""
    test = _similarity_test(sources)
    rows = [word_row(source, test) for source in sources if test and _takes(source, test)]
    trained = [row for row in rows if row.tokens]
    if not trained or test is None:
        return None
    pretrained = [row for row in rows if not row.tokens]
    amounts = sorted({row.tokens for row in trained if row.tokens})
    size = " to ".join(f"{amount:,}" for amount in dict.fromkeys([amounts[0], amounts[-1]]))
    beside = f", beside {listing([row.label for row in pretrained])} on the same tests" if pretrained else ""
    return TeachSection(
        title=f"What {size} words can and cannot teach",
        introduction=[
            f"The vectors of {listing([row.label for row in trained])} saw {size} running words of text and nothing "
            f"else. This is what they are worth{beside}, computed from the runs of this report."
        ],
        verdicts=verdicts(trained, pretrained, test),
        table=_table(rows, test),
        notes=[f"{RULE_OF_THUMB} Published vectors saw a thousand times more text and more (GloVe: 6 billion words)."],
    )


def _similarity_test(sources: Sequence[MapSource]) -> str | None:
    """The word-similarity test that the rows share: WordSim-353 where it was taken, else the first with a Spearman."""
    taken = [
        evaluation
        for source in sources
        for evaluation in source.run.results.loc[source.run.results["metric"] == "spearman", "evaluation"]
    ]
    return "wordsim353" if "wordsim353" in taken else next(iter(taken), None)


def _takes(source: MapSource, test: str) -> bool:
    return bool((source.run.results["evaluation"] == test).any())


def word_row(source: MapSource, test: str) -> WordRow:
    """Measure one row over all its finished runs."""
    counts = counts_of(source.space)
    runs = source.row.runs
    spaces = [run.space() for run in runs[:MOST_SEEDS] if run.default_embedding]
    ranks = [rank_of(space, ANALOGY, ANSWER) for space in spaces]
    return WordRow(
        label=source.row.label,
        tokens=None if counts is None else _tokens(source, counts),
        vocabulary=len(source.space),
        rare=None if counts is None else float((counts < RARE).mean()),
        similarity=_mean(runs, test, "spearman"),
        similarity_known=_mean(runs, test, "spearman_skipped"),
        coverage=_mean(runs, test, "spearman", "coverage"),
        analogies=_mean(runs, "questions-words", "accuracy"),
        analogies_known=_mean(runs, "questions-words", "accuracy_skipped"),
        questions=_questions(runs),
        queen=[rank for rank in ranks if rank is not None],
        kept=kept_between_seeds(spaces),
    )


def _tokens(source: MapSource, counts: np.ndarray) -> int:
    known = source.run.info.get("data", {}).get("counts", {})
    return int(known.get("tokens") or known.get("words") or counts.sum())


def _mean(runs: Sequence[Any], evaluation: str, metric: str, column: str = "value") -> float | None:
    values = []
    for run in runs:
        table = run.results
        chosen = table[(table["evaluation"] == evaluation) & (table["metric"] == metric)]
        if "label" in chosen.columns:
            chosen = chosen[chosen["label"].isna()]
        if len(chosen) and column in chosen.columns:
            values.append(float(chosen[column].iloc[0]))
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None


def _questions(runs: Sequence[Any]) -> int | None:
    table = runs[0].results
    chosen = table[(table["evaluation"] == "questions-words") & (table["metric"] == "accuracy")]
    return int(chosen["n"].max()) if len(chosen) else None


def _table(rows: Sequence[WordRow], test: str) -> dict[str, Any]:
    columns: dict[str, Callable[[WordRow], str]] = {
        "Row": lambda row: row.label,
        "Words trained on": lambda row: f"{row.tokens:,}" if row.tokens else "elsewhere",
        "Vocabulary": lambda row: f"{row.vocabulary:,}",
        f"Seen < {RARE} times": lambda row: share(row.rare),
        f"{spoken(test)}, Spearman": lambda row: number(row.similarity),
        "Pairs known": lambda row: share(row.coverage),
        "On these": lambda row: number(row.similarity_known),
        "Analogies right": lambda row: share(row.analogies),
        "Rank of queen, by seed": lambda row: ", ".join(f"{rank:,}" for rank in row.queen) or "–",
        "Neighbours kept between seeds": lambda row: share(row.kept),
    }
    return {
        "label": "What the word vectors are worth",
        "caption": "Means over seeds.",
        "head": list(columns),
        "rows": [[text_of(row) for text_of in columns.values()] for row in rows],
    }
