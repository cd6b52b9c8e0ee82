"""What word vectors can and cannot do, a verdict a sentence, in the numbers of the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lab.report.numbers import spoken
from lab.report.text import count, listing, number, share
from lab.report.words import AMONG, RARE

RULE_OF_THUMB = (
    "“Can”, “partly” and “cannot” are rules of thumb, for the best of the rows and the words it knows: correlation "
    "from .6 and from .3; analogies from 50 % and from 20 %; neighbours kept from 70 % and from 40 %."
)


@dataclass
class WordRow:
    """What one row's word vectors did. Numbers are means over seeds; None where a test was not taken.

    `tokens`: running words trained on, None for vectors from elsewhere; `rare`: share of the vocabulary seen fewer than
    `RARE` times; `kept`: share of nearest neighbours that two seeds have in common; `queen`: rank of *queen* by seed;
    those that end in `_known` leave out pairs and questions with a word that has no vector.
    """

    label: str
    tokens: int | None
    vocabulary: int
    rare: float | None
    similarity: float | None
    similarity_known: float | None
    coverage: float | None
    analogies: float | None
    analogies_known: float | None
    questions: int | None
    queen: list[int] = field(default_factory=list)
    kept: float | None = None


def verdicts(trained: list[WordRow], pretrained: list[WordRow], test: str) -> list[dict[str, str]]:
    """One entry for each thing that was measured: `kind` and `word` of the verdict, `what` it is on, its `text`."""
    found = [
        _on_similarity(trained, pretrained, test),
        _on_analogies(trained, pretrained),
        _on_queen(trained, pretrained),
        _on_seeds(trained),
        _on_rare(trained),
    ]
    return [verdict for verdict in found if verdict]


def _graded(value: float, yes: float, partly: float) -> dict[str, str]:
    if value >= yes:
        return {"kind": "yes", "word": "can"}
    return {"kind": "", "word": "partly"} if value >= partly else {"kind": "no", "word": "cannot"}


def _each(rows: Sequence[WordRow], text_of: Callable[[WordRow], str]) -> str:
    return listing([f"{row.label} {text_of(row)}" for row in rows])


def _both(
    trained: Sequence[WordRow], pretrained: Sequence[WordRow], name: str, text_of: Callable[[float | None], str]
) -> str:
    """`CBOW .19 and skip-gram .28; pretrained .78`: one number of every row that has it."""
    sides = [[row for row in rows if getattr(row, name) is not None] for rows in (trained, pretrained)]
    return "; ".join(_each(side, lambda row: text_of(getattr(row, name))) for side in sides if side)


def _best(rows: Sequence[WordRow], *names: str) -> float | None:
    """The largest value of the first of these numbers that any row has."""
    for name in names:
        values = [getattr(row, name) for row in rows if getattr(row, name) is not None]
        if values:
            return max(values)
    return None


def _on_similarity(trained: list[WordRow], pretrained: list[WordRow], test: str) -> dict[str, str] | None:
    best = _best(trained, "similarity_known", "similarity")
    if best is None:
        return None
    name = spoken(test)
    what = "Tell which words are related."
    text = f"Agreement with people on the pairs of {name} (Spearman; 1: full, 0: none): "
    text += f"{_both(trained, pretrained, 'similarity', number)}, a pair with an unknown word counting as unrelated."
    if known := _both(trained, pretrained, "similarity_known", number):
        covered = _best(trained, "coverage")
        where = f", {share(covered, 0)} for the vectors trained here" if covered is not None else ""
        text += f" On the pairs whose words are known{where}: {known}."
    return {**_graded(best, 0.6, 0.3), "what": what, "text": text}


def _on_analogies(trained: list[WordRow], pretrained: list[WordRow]) -> dict[str, str] | None:
    best = _best(trained, "analogies_known", "analogies")
    if best is None:
        return None
    questions = max(row.questions or 0 for row in trained)
    right = _both(trained, pretrained, "analogies", share)
    what = "Answer analogies."
    text = f"Right answers to {count(questions, 'question')}: {right}."
    if known := _both(trained, pretrained, "analogies_known", share):
        text += f" To those whose words are known: {known}."
    return {**_graded(best, 0.5, 0.2), "what": what, "text": text}


def _on_queen(trained: list[WordRow], pretrained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.queen]
    if not known:
        return None
    first = sum(rank == 1 for row in known for rank in row.queen)
    tries = sum(len(row.queen) for row in known)
    what = "King − man + woman = queen."
    text = (
        f"The textbook's example holds in {first} of {count(tries, 'run')} of ours: "
        f"{_each(known, lambda row: f'puts queen at rank {_ranks(row.queen)} (by seed)')}"
    )
    others = [row for row in pretrained if row.queen]
    text += f"; {_each(others, lambda row: f'at {_ranks(row.queen)}')}." if others else "."
    return {**_graded(first / tries, 1.0, 1e-9), "what": what, "text": text}


def _on_seeds(trained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.kept is not None]
    if not known:
        return None
    what = "Give a word the same neighbours twice."
    kept = listing([f"{share(row.kept, 0)} with {row.label}" for row in known])
    text = f"When only the seed changes, of a frequent word's {AMONG} nearest neighbours there stay {kept}."
    return {**_graded(max(row.kept or 0 for row in known), 0.7, 0.4), "what": what, "text": text}


def _on_rare(trained: list[WordRow]) -> dict[str, str] | None:
    known = [row for row in trained if row.rare is not None]
    if not known:
        return None
    part = max(row.rare or 0 for row in known)
    if part < 0.1:
        return None
    what = "Place rare words."
    vocabulary = max(row.vocabulary for row in known)
    text = (
        f"{share(part, 0)} of the {vocabulary:,} words in the vocabulary were seen fewer than {RARE} "
        "times; where they lie is mostly chance."
    )
    return {"kind": "no", "word": "cannot", "what": what, "text": text}


def _ranks(ranks: Sequence[int]) -> str:
    return listing([f"{rank:,}" for rank in ranks])
