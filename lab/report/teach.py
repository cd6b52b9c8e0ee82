"""\"What N words can and cannot teach\": what word vectors trained here are worth, in the runs' own numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.report.text import count, listing, number, share
from lab.report.words import AMONG, RARE, counts_of, kept_between_seeds, rank_of

if TYPE_CHECKING:
    from lab.report.map_data import MapSource

ANALOGY, ANSWER = "king - man + woman", "queen"
_NAMES = {"wordsim353": "WordSim-353", "simlex999": "SimLex-999"}
MOST_SEEDS = 3  # whose spaces are read to see how far neighbours agree


@dataclass
class WordRow:
    """What one row's word vectors did. Numbers are means over seeds; None where a test was not taken.

    `tokens`: running words trained on, None for vectors from elsewhere; `rare`: share of the vocabulary seen fewer than
    `RARE` times; `kept`: share of nearest neighbours that two seeds have in common; `queen`: rank of *queen* by seed.
    """

    label: str
    tokens: int | None
    vocabulary: int
    rare: float | None
    similarity: float | None
    coverage: float | None
    analogies: float | None
    questions: int | None
    queen: list[int] = field(default_factory=list)
    kept: float | None = None


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
            f"The vectors of {listing([row.label for row in trained])} saw {size} running words of text and nothing else. "
            f"This is what they are worth{beside}, computed from the runs of this report."
        ],
        verdicts=[v for v in (
            _on_similarity(trained, pretrained, test), _on_analogies(trained, pretrained), _on_queen(trained, pretrained),
            _on_seeds(trained), _on_rare(trained),
        ) if v],
        table=_table(rows, test),
        notes=[
            "“Can”, “partly” and “cannot” are rules of thumb: correlation from .6 and from .3; analogies from 50 % and from "
            "20 %; neighbours kept from 70 % and from 40 %. Published vectors are trained on a thousand times more text "
            "(GloVe: 6 billion words)."
        ],
    )  # fmt: skip


# --- measuring


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
        coverage=_mean(runs, test, "spearman", "coverage"),
        analogies=_mean(runs, "questions-words", "accuracy"),
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


# --- saying


def _graded(value: float, yes: float, partly: float) -> dict[str, str]:
    if value >= yes:
        return {"kind": "yes", "word": "can"}
    return {"kind": "", "word": "partly"} if value >= partly else {"kind": "no", "word": "cannot"}


def _each(rows: Sequence[WordRow], text_of: Any) -> str:
    return listing([f"{row.label} {text_of(row)}" for row in rows])


def _on_similarity(trained: list[WordRow], pretrained: list[WordRow], test: str) -> dict[str, str] | None:
    known = [row for row in trained if row.similarity is not None]
    if not known:
        return None
    name = _NAMES.get(test, test)
    text = (
        f"Tell which words are related. With people's judgements in {name} (1: full agreement, 0: none) "
        f"{_each(known, lambda row: f'reaches {number(row.similarity)}')}"
    )
    others = [row for row in pretrained if row.similarity is not None]
    text += f"; {_each(others, lambda row: f'reaches {number(row.similarity)}')}." if others else "."
    covered = [row for row in known if row.coverage is not None]
    if covered:
        text += (
            f" The vocabulary holds both words of {share(min(row.coverage or 0 for row in covered), 0)} of the pairs."
        )
    return {**_graded(max(row.similarity or 0 for row in known), 0.6, 0.3), "text": text}


def _on_analogies(trained: list[WordRow], pretrained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.analogies is not None]
    if not known:
        return None
    others = [row for row in pretrained if row.analogies is not None]
    text = f"Answer analogies. Of {count(known[0].questions or 0, 'question')} {_each(known, lambda row: f'answers {share(row.analogies)}')}"
    text += f"; {_each(others, lambda row: f'answers {share(row.analogies)}')}." if others else "."
    return {**_graded(max(row.analogies or 0 for row in known), 0.5, 0.2), "text": text}


def _on_queen(trained: list[WordRow], pretrained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.queen]
    if not known:
        return None
    first = sum(rank == 1 for row in known for rank in row.queen)
    tries = sum(len(row.queen) for row in known)
    text = (
        f"The textbook's king − man + woman = queen holds in {first} of {count(tries, 'run')} of ours: "
        f"{_each(known, lambda row: f'puts queen at rank {_ranks(row.queen)}')}"
    )
    others = [row for row in pretrained if row.queen]
    text += f"; {_each(others, lambda row: f'at {_ranks(row.queen)}')}." if others else "."
    grade = {"kind": "yes", "word": "can"} if first == tries else {"kind": "", "word": "partly"} if first else {
        "kind": "no", "word": "cannot"}  # fmt: skip
    return {**grade, "text": text}


def _on_seeds(trained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.kept is not None]
    if not known:
        return None
    text = (
        f"Give a word the same neighbours twice. When only the seed changes, of a frequent word's {AMONG} nearest "
        f"neighbours {_each(known, lambda row: f'keeps {share(row.kept, 0)}')}."
    )
    return {**_graded(max(row.kept or 0 for row in known), 0.7, 0.4), "text": text}


def _on_rare(trained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.rare is not None]
    if not known:
        return None
    part = max(row.rare or 0 for row in known)
    if part < 0.1:
        return None
    vocabulary = max(row.vocabulary for row in known)
    text = (
        f"Place rare words. {share(part, 0)} of the {vocabulary:,} words in the vocabulary were seen fewer than {RARE} times; "
        "where they lie is mostly chance."
    )
    return {"kind": "no", "word": "cannot", "text": text}


def _ranks(ranks: Sequence[int]) -> str:
    return listing([f"{rank:,}" for rank in ranks])


def _table(rows: list[WordRow], test: str) -> dict[str, Any]:
    name = _NAMES.get(test, test)
    return {
        "label": "What the word vectors are worth",
        "caption": "Means over seeds.",
        "head": ["Row", "Words trained on", "Vocabulary", f"Seen < {RARE} times", f"{name}, Spearman", "Pairs covered",
                 "Analogies right", "Rank of queen, by seed", "Neighbours kept between seeds"],
        "rows": [
            [row.label, f"{row.tokens:,}" if row.tokens else "elsewhere", f"{row.vocabulary:,}", share(row.rare),
             number(row.similarity), share(row.coverage), share(row.analogies), ", ".join(f"{rank:,}" for rank in row.queen) or "–", share(row.kept)]
            for row in rows
        ],
    }  # fmt: skip
