"""A re-ranker in the one training loop: users' candidate lists, a softmax over each, a ranking as judge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab.errors import UserError
from lab.evaluation.ranking_metrics import gains_of, user_metrics
from lab.models.reranker import Members, listwise_softmax
from lab.training.batches import epoch_batches, steps_per_epoch
from lab.training.loop import Learner
from lab.training.recorder import Recorder
from lab.training.reranker_config import RerankTrainConfig

if TYPE_CHECKING:
    from scipy.sparse import csr_array

JUDGED_AT = 10
Index = NDArray[np.int64]


@dataclass(frozen=True)
class CandidateLists:
    """What the first stage shows m users: `items` (m, k) int64, -1 behind a short list; `numbers` (m, k, s) float32.

    `users` (m,): who they are; `relevant` (m, items): what is to be found for them, retrieved or not, or None.
    """

    users: Index
    items: Index
    numbers: NDArray[np.float32]
    relevant: csr_array | None = None

    def hits(self) -> NDArray[np.bool_]:
        """Which candidates are relevant, (m, k)."""
        assert self.relevant is not None
        return gains_of(self.items, self.relevant) > 0

    def part(self, rows: Index) -> CandidateLists:
        """The lists of some of the users."""
        relevant = None if self.relevant is None else self.relevant[rows]
        return CandidateLists(self.users[rows], self.items[rows], self.numbers[rows], relevant)


@dataclass(frozen=True)
class Sides:
    """The first stage's vectors of all users (u, d) and items (n, d), float32."""

    users: Tensor
    items: Tensor


class RerankLearning(Learner):
    """Re-rankers that learn to put relevant candidates first, cross-fitted: each never sees the users of its own fold.

    `fold` (m,) int64: which member leaves out each user of `lists`. The epoch is chosen by nDCG@10 of all users, each
    ordered by the member that left her out. Raises `UserError` where no list holds anything relevant.
    """

    shown = ("train_loss", f"validation_ndcg@{JUDGED_AT}")
    criterion = f"validation_ndcg@{JUDGED_AT}"
    higher_is_better = True

    def __init__(
        self,
        model: Members,
        sides: Sides,
        lists: CandidateLists,
        fold: Index,
        config: RerankTrainConfig,
        run: Recorder,
    ) -> None:
        self.module = self.model = model
        self.sides, self.fold, self.config, self.run = sides, fold, config, run
        hits = lists.hits()
        self.telling = np.flatnonzero(hits.any(axis=1))  # users without a relevant candidate have nothing to teach
        if not len(self.telling):
            raise UserError("no validation pair is among the candidates, so there is nothing to learn from: take more")
        self.lists, self.hits = lists, torch.from_numpy(hits)

    def steps(self) -> int:
        """As `Learner.steps`."""
        return steps_per_epoch(len(self.telling), self.config.batch_size)

    def batches(self, epoch: int) -> Iterator[Index]:
        """Rows of lists in a new order."""
        self.model.train()
        order = self.run.generator(f"order/{epoch}")
        yield from epoch_batches(self.telling, self.config.batch_size, order)

    def loss(self, batch: Index) -> tuple[Tensor, dict[str, Tensor]]:
        """The softmax over each user's candidates, the mean over all users and all members that may learn from them."""
        losses = []
        for number, member in enumerate(self.model.members):
            rows = batch[self.fold[batch] != number]
            if len(rows):
                scores = list_scores(member, self.sides, self.lists.part(rows))
                losses.append(listwise_softmax(scores, self.hits[torch.from_numpy(rows)]) * (len(rows) / len(batch)))
        return torch.stack(losses).sum() / (len(self.model.members) - 1), {}

    def validate(self, epoch: int) -> dict[str, float]:
        """nDCG and recall at 10 of all users, each ordered by the member that has not seen her."""
        assert self.lists.relevant is not None
        k = min(JUDGED_AT, self.lists.items.shape[1])
        found, _ = reordered(self.lists, self.out_of_fold())
        metrics = user_metrics(found, self.lists.relevant, [k], ["ndcg", "recall"])
        return {f"validation_{name.partition('@')[0]}@{JUDGED_AT}": float(v.mean()) for name, v in metrics.items()}

    def out_of_fold(self) -> NDArray[np.float32]:
        """Scores (m, k) of the lists, each user's by the member that left her out."""
        scores = np.empty(self.lists.items.shape, dtype=np.float32)
        for number, member in enumerate(self.model.members):
            rows = np.flatnonzero(self.fold == number)
            scores[rows] = predicted(member, self.sides, self.lists.part(rows))
        return scores


def folds(users: int, count: int, generator: np.random.Generator) -> Index:
    """A fold from 0 for each of so many users, (m,) int64, of like sizes. Raises `UserError` for fewer than two."""
    if users < 2:
        raise UserError(f"{users} validation users have something to be found; a second stage needs two or more")
    return generator.permutation(np.arange(users) % min(count, users))


def list_scores(model: nn.Module, sides: Sides, lists: CandidateLists) -> Tensor:
    """Scores (m, k) of candidates, -inf where there is none."""
    items = torch.from_numpy(lists.items)
    users = sides.users[torch.from_numpy(lists.users)]
    scores = model(users, sides.items[items.clamp(min=0)], torch.from_numpy(lists.numbers))
    return scores.masked_fill(items < 0, -torch.inf)


def predicted(model: nn.Module, sides: Sides, lists: CandidateLists, at_once: int = 256) -> NDArray[np.float32]:
    """As `list_scores`, in evaluation mode and some users at a time: (m, k) float32."""
    model.eval()
    scores = np.empty(lists.items.shape, dtype=np.float32)
    with torch.inference_mode():
        for start in range(0, len(scores), at_once):
            rows = np.arange(start, min(start + at_once, len(scores)))
            scores[rows] = list_scores(model, sides, lists.part(rows)).float().numpy()
    return scores


def reordered(lists: CandidateLists, scores: NDArray[np.float32]) -> tuple[Index, NDArray[np.float32]]:
    """Candidates and scores (m, k), best first; equal ones stay in the first stage's order."""
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(lists.items, order, axis=1), np.take_along_axis(scores, order, axis=1)
