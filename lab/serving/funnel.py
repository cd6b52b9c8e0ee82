"""A funnel over a ranking task: whose lists teach the second stage, and what both stages find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab.embeddings.index import prepared
from lab.evaluation.index_quality import latency, milliseconds
from lab.recommend import TIES, RankingConfig, RankingTask, allowed_items, to_be_found
from lab.serving.candidates import NUMBERS, FirstStage, pair_numbers
from lab.training.reranker import CandidateLists, Sides, predicted, reordered

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from lab.evaluation.ranking import Scorer
    from lab.models.reranker import Members
    from lab.runs.writer import RunWriter

Index = NDArray[np.int64]
MOST_TIMED = 500


@dataclass(frozen=True)
class Funnel:
    """The first stage, how many candidates `k` it shows under which rules, and which `NUMBERS` of a pair are told."""

    task: RankingTask
    ranking: RankingConfig
    stage: FirstStage
    k: int
    numbers: Sequence[str] = NUMBERS

    @cached_property
    def sides(self) -> Sides:
        """The vectors that the second stage reads."""
        return Sides(torch.from_numpy(self.stage.users), torch.from_numpy(self.stage.items))

    @cached_property
    def _unit(self) -> NDArray[np.float32]:
        return prepared(self.stage.items, "cosine")

    def users(self, part: str) -> Index:
        """Who has something to be found in a part, ascending."""
        return np.flatnonzero(np.diff(self._relevant(part).indptr)).astype(np.int64)

    def _relevant(self, part: str) -> csr_array:
        return to_be_found(self.task.judged[part][1], allowed_items(self.task, self.ranking, part))

    def shown(self, part: str, users: Index) -> tuple[Index, NDArray[np.float32]]:
        """The first stage's lists for users (m,) of a part, and their scores: (m, k)."""
        seen = self.task.judged[part][0] if self.ranking.filter_seen else None
        return self.stage.candidates(users, self.k, seen, allowed_items(self.task, self.ranking, part), TIES)

    def told(self, part: str, users: Index, items: Index, scores: NDArray[np.float32]) -> CandidateLists:
        """Lists with all that the second stage reads of them."""
        before = self.task.judged[part][0]
        numbers = pair_numbers(users, items, scores, self._unit, before, self.task.popularity)
        return CandidateLists(users, items, numbers[:, :, [NUMBERS.index(name) for name in self.numbers]])

    def lists(self, part: str) -> CandidateLists:
        """The lists of all users of a part who have something to be found, with what that is."""
        users = self.users(part)
        told = self.told(part, users, *self.shown(part, users))
        return CandidateLists(users, told.items, told.numbers, self._relevant(part)[users])

    def milliseconds_per_user(self, model: Members) -> dict[str, Any]:
        """p50 and p99 of each stage for one user at a time (one thread, warm), in milliseconds of the processor."""
        from lab.runs.threads import limited

        part = [part for part in self.task.judged if len(self.users(part))][-1]
        users = self.users(part)[:MOST_TIMED]
        lists = [self.shown(part, users[i : i + 1]) for i in range(len(users))]

        def second(number: int) -> None:
            told = self.told(part, users[number : number + 1], *lists[number])
            reordered(told, predicted(model, self.sides, told))

        with limited(1):
            first = milliseconds(lambda i: self.shown(part, users[i : i + 1]), len(users))
            return {"users": len(users), "first": latency(first), "second": latency(milliseconds(second, len(users)))}


def list_scorer(lists: CandidateLists, scores: NDArray[np.float32], users: int, items: int) -> Scorer:
    """Scores (m, k) of lists as a scorer of all `items`: -inf for what is in no list."""
    row = np.full(users, -1, dtype=np.int64)
    row[lists.users] = np.arange(len(lists.users))

    def score(index: Index) -> NDArray[np.float32]:
        found = np.full((len(index), items), -np.inf, dtype=np.float32)
        own = row[index]
        at, place = np.nonzero((own >= 0)[:, None] & (lists.items[own] >= 0))
        found[at, lists.items[own[at], place]] = scores[own[at], place]
        return found

    return score


def compare_stages(run: RunWriter, funnel: Funnel, part: str, lists: CandidateLists, order: Index) -> dict[str, Any]:
    """Leave what the first stage alone finds as results, and say what the second adds to it, as plain data.

    `order` (m, k): the lists as the second stage has them. Differences are paired by user, with a 95 % interval; a
    second stage whose nDCG cannot be told from the first's is warned of.
    """
    from lab.evaluation.intervals import difference_estimate
    from lab.evaluation.ranking_metrics import user_metrics

    assert lists.relevant is not None
    at, k = min(funnel.ranking.at[0], funnel.k), funnel.k
    first = user_metrics(lists.items, lists.relevant, [at], ["ndcg", "recall", "mrr"])
    first |= user_metrics(lists.items, lists.relevant, [k], ["recall"])
    second = user_metrics(order, lists.relevant, [at], ["ndcg", "recall", "mrr"])
    ids = [funnel.task.interactions.users[user] for user in lists.users]
    for metric, values in first.items():
        protocol = f"the first stage's {k} candidates in its own order; {funnel.task.split.how}"
        run.result("first_stage", metric, float(values.mean()), split=part, n=len(ids), protocol=protocol)
        run.scores("first_stage", metric, ids, values, split=part)
    differences = {}
    for metric, values in second.items():
        estimate = difference_estimate(values[None], first[metric][None], paired=True)
        low, high = estimate.interval()
        differences[metric] = {"value": estimate.value, "low": low, "high": high}
    decisive = differences[f"ndcg@{at}"]
    if decisive["low"] <= 0:
        verdict = "makes the lists worse" if decisive["high"] < 0 else "is not worth it: it is inside the noise"
        run.warn(
            f"the second stage {verdict}: ndcg@{at} {first[f'ndcg@{at}'].mean():.3f} → "
            f"{second[f'ndcg@{at}'].mean():.3f} ({decisive['value']:+.3f} [{decisive['low']:+.3f}, "
            f"{decisive['high']:+.3f}], {len(ids):,} users)"
        )
    means = [{metric: float(values.mean()) for metric, values in stage.items()} for stage in (first, second)]
    return {"candidates": k, "at": at, "first": means[0], "second": means[1], "differences": differences}
