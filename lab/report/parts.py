"""What the rows of a page are about: fine-tuning, embeddings of pictures, or anything else, and the answer of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lab.report.autoencoder_rows import embedding_rows
from lab.report.finetune_rows import split_rows

if TYPE_CHECKING:
    from lab.runs.study import Row


@dataclass(frozen=True)
class Parts:
    """The rows by what they are about, each in the order of the study."""

    finetune: list[Row]
    embeddings: list[Row]
    others: list[Row]


def parts_of(rows: Sequence[Row]) -> Parts:
    """Rows of fine-tuning with their baselines, of autoencoders and other embeddings of pictures, and all others."""
    finetune, rest = split_rows(rows)
    embeddings = embedding_rows(rest)
    return Parts(finetune, embeddings, [row for row in rest if row not in embeddings])


def answers_of(parts: Parts) -> list[str]:
    """The answer of each task of fine-tuning and of embeddings, a line a task; none of a task without a finished run.

    A plain string each, for the terminal.
    """
    from lab.report import autoencoder_answer, autoencoder_rows, finetune_answer, finetune_rows

    tuned = finetune_rows.groups_of(parts.finetune)
    found = finetune_answer.answers(tuned, [finetune_answer.choose(group) for group in tuned])
    found += autoencoder_answer.answers(autoencoder_rows.groups_of(parts.embeddings))
    return [str(answer).replace("\u00a0", " ") for answer in found]
