"""Two towers in the one training loop: batches of positive pairs, what they are held against, a ranking as judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lab.evaluation.ranking import Scorer, by_vectors, rank
from lab.evaluation.ranking_metrics import user_metrics
from lab.models.towers.losses import bpr, log_probability_in_batch, logistic, sampled_softmax
from lab.models.towers.perceptron import by_perceptron
from lab.models.towers.towers import TwoTower, in_chunks
from lab.training.batches import epoch_batches, steps_per_epoch
from lab.training.config import LoopConfig
from lab.training.loop import Learner, parameter_groups
from lab.training.recorder import Recorder
from lab.training.two_tower_config import PairObjectiveConfig, TwoTowerTrainConfig

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Index = NDArray[np.int64]
JUDGED_AT = 10
JUDGED_PAIRS = 2**24
"""Where a perceptron scores pair by pair, users are judged after an epoch as far as so many pairs go."""
DENSE_TO = 2**24
"""Up to so many pairs of a user and an item, who had what is kept as a table, whose rows are read in one go."""


@dataclass(frozen=True)
class Pairs:
    """Positive pairs to train on: `user`, `item` (n,) int64, `weight` (n,) float32 or None; of how many of each."""

    user: Index
    item: Index
    users: int
    items: int
    weight: NDArray[np.float32] | None = None

    def matrix(self) -> csr_array:
        """Who had what, (users, items), ones, duplicates once, columns ascending."""
        from scipy.sparse import coo_array

        ones = np.ones(len(self.user), dtype=np.float32)
        found = coo_array((ones, (self.user, self.item)), shape=(self.users, self.items)).tocsr()
        found.data[:] = 1
        found.sort_indices()
        return found


class PairLearning(Learner):
    """Two towers that learn to tell pairs from what was drawn; the epoch is chosen by nDCG@10 of validation pairs.

    `validation` (users, items): what each user is to be shown beside what `pairs` hold, or None. `allowed` (items,)
    bool: those that are ranked to choose the epoch, by default all. `rates`: learning rates of parameters whose names
    begin like that, of networks that are trained with a tower.
    """

    shown = ("train_loss", f"validation_ndcg@{JUDGED_AT}")
    criterion = f"validation_ndcg@{JUDGED_AT}"
    higher_is_better = True

    def __init__(
        self,
        model: TwoTower,
        pairs: Pairs,
        validation: csr_array | None,
        objective: PairObjectiveConfig,
        config: TwoTowerTrainConfig,
        run: Recorder,
        allowed: NDArray[np.bool_] | None = None,
        rates: Mapping[str, float] | None = None,
    ) -> None:
        self.module = self.model = model
        self.rates = dict(rates or {})
        self.pairs, self.objective, self.config, self.run = pairs, objective, config, run
        self.history = pairs.matrix()
        self.validation, self.allowed = validation, allowed
        shares = [np.bincount(side, minlength=n) / len(side) for side, n in self._sides()]
        self.user_share, self.item_share = (torch.from_numpy(share).float() for share in shares)
        self.weights = _weights(pairs, shares[1], objective)
        self.mined: Tensor | None = None

    @cached_property
    def _keys(self) -> Index:
        return pair_keys(self.history)

    @cached_property
    def _positives(self) -> NDArray[np.float32] | None:
        return dense_positives(self.history) if self.pairs.users * self.pairs.items <= DENSE_TO else None

    def _sides(self) -> list[tuple[Index, int]]:
        return [(self.pairs.user, self.pairs.users), (self.pairs.item, self.pairs.items)]

    def steps(self) -> int:
        """As `Learner.steps`."""
        return steps_per_epoch(len(self.pairs.user), self.config.batch_size)

    def groups(self, config: LoopConfig) -> list[dict[str, Any]]:
        """Large tables in a group of their own, whose steps touch only the rows that were read; others by rate."""
        tables = {
            f"{name}.weight"
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse
        }
        groups = []
        for group in parameter_groups(self.model, config):
            kinds: dict[tuple[bool, float], list[tuple[str, nn.Parameter]]] = {}
            for name, parameter in zip(group["names"], group["params"], strict=True):
                own = (rate for beginning, rate in self.rates.items() if name.startswith(beginning))
                kinds.setdefault((name in tables, next(own, config.learning_rate)), []).append((name, parameter))
            for (sparse, rate), members in sorted(kinds.items(), key=lambda kind: kind[0]):
                names, parameters = [list(column) for column in zip(*members, strict=True)]
                lr = {"lr": rate, "base_lr": rate}
                groups.append({**group, **lr, "names": names, "params": parameters, "sparse": sparse})
        return groups

    def tensors(self) -> dict[str, Tensor]:
        """The parameters that are trained: neither what is known of the entities nor the frozen part of a network."""
        return {name: t.detach() for name, t in self.model.named_parameters() if t.requires_grad}

    def batches(self, epoch: int) -> Iterator[Index]:
        """Places of pairs in a new order; before some epochs hard negatives are searched."""
        if self.objective.kind == "hard" and (self.mined is None or epoch % self.objective.mine_every == 0):
            self.mined = self.mine()
        self.model.train()
        self._draw = self.run.generator(f"negatives/{epoch}")
        places = np.arange(len(self.pairs.user))
        yield from epoch_batches(places, self.config.batch_size, self.run.generator(f"order/{epoch}"))

    def loss(self, batch: Index) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective's mean over the pairs of a batch."""
        user, item = self.pairs.user[batch], self.pairs.item[batch]
        users = self.model.vectors("user", torch.from_numpy(user))
        items = self.model.vectors("item", torch.from_numpy(item))
        weights = None if self.weights is None else self.weights[torch.from_numpy(batch)]
        if self.objective.kind in ("logistic", "bpr"):
            return self._against_drawn(user, item, users, items, weights), {}
        return self._against_batch(user, item, users, items, weights), {}

    def _against_batch(self, user: Index, item: Index, users: Tensor, items: Tensor, weights: Tensor | None) -> Tensor:
        """Softmax over the items of the batch and, of `mixed`, drawn ones; of `hard`, each user's own."""
        kind, size = self.objective.kind, len(item)
        columns, drawn = item, 0
        if kind == "mixed":
            drawn = self.objective.negatives
            more = self._draw.integers(0, self.pairs.items, drawn)
            columns = np.concatenate([item, more])
            items = torch.cat([items, self.model.vectors("item", torch.from_numpy(more))])
        users_scaled = users / self.model.temperature  # (b, d) is cheaper to divide than (b, c)
        bias = self._bias(user, columns, drawn)
        scores = torch.addmm(bias, users_scaled, items.T)
        if kind == "hard":
            scores = torch.cat([scores, self._hard(user, users)], dim=1)
        target = torch.arange(size)
        loss = sampled_softmax(scores, target, weights)
        if self.objective.symmetric:
            known = bias[:, :size].isneginf() if self.objective.mask_positives else torch.zeros(1, 1, dtype=torch.bool)
            turned = self._correction(self.user_share, user, size).masked_fill(known.T, -torch.inf)
            loss = (loss + sampled_softmax(torch.addmm(turned, items[:size], users_scaled.T), target, weights)) / 2
        return loss

    def _bias(self, user: Index, columns: Index, drawn: int) -> Tensor:
        """What is added to the scores of users with columns: the correction, and -inf for other positives: (b, c)."""
        size = len(user)
        own = self._correction(self.item_share, columns, size, drawn)
        if not self.objective.mask_positives:
            return own
        if self._positives is not None:
            bias = torch.from_numpy(np.take(self._positives[user], columns, axis=1)).add_(own)
        else:
            bias = own.repeat(size, 1)
            places = torch.from_numpy(positive_places(self.history, user, columns))
            bias.view(-1).index_fill_(0, places, -torch.inf)
        diagonal = torch.arange(size)
        bias[diagonal, diagonal] = own[:size]
        return bias

    def _correction(self, share: Tensor, columns: Index, size: int, drawn: int = 0) -> Tensor:
        """Minus the logarithm of how often the entity of each column is expected among them, or zeros: (c,)."""
        own = share[torch.from_numpy(columns)]
        if self.objective.correction == "none":
            return torch.zeros_like(own)
        return -log_probability_in_batch(own, size, drawn, self.pairs.items)

    def _hard(self, user: Index, users: Tensor) -> Tensor:
        """Scores (b, m) of the users' mined negatives; -inf where there are fewer. They count as expected once."""
        assert self.mined is not None
        own = self.mined[torch.from_numpy(user)]
        vectors = self.model.vectors("item", own.clamp(min=0).flatten()).view(*own.shape, -1)
        return self.model.pair_scores(users[:, None], vectors).masked_fill(own < 0, -torch.inf)

    def _against_drawn(self, user: Index, item: Index, users: Tensor, items: Tensor, weights: Tensor | None) -> Tensor:
        """Each pair against negatives of its own, drawn evenly or by popularity."""
        shape = (len(item), self.objective.negatives)
        if self.objective.drawn_by == "popularity":
            drawn = self.pairs.item[self._draw.integers(0, len(self.pairs.item), shape)]
        else:
            drawn = self._draw.integers(0, self.pairs.items, shape)
        vectors = self.model.vectors("item", torch.from_numpy(drawn.ravel())).view(*shape, -1)
        positive, negative = self.model.pair_scores(users, items), self.model.pair_scores(users[:, None], vectors)
        if self.objective.correction == "logq" and self.objective.drawn_by == "popularity":
            relative = (self.item_share * self.pairs.items).clamp(min=1e-12).log()  # 0 for an item drawn as if evenly
            positive = positive - relative[torch.from_numpy(item)]
            negative = negative - relative[torch.from_numpy(drawn)]
        if self.objective.mask_positives:
            known = are_pairs(self._keys, self.pairs.items, user, drawn)
            negative = negative.masked_fill(torch.from_numpy(known), -torch.inf)
        return (logistic if self.objective.kind == "logistic" else bpr)(positive, negative, weights)

    def mine(self) -> Tensor:
        """The best-ranked items of each user that are no positives of hers, (users, m) int64, -1: none left."""
        scorer = by_vectors(*(encode(self.model, side, n) for side, n in self._counts()))
        everyone, k = np.arange(self.pairs.users), min(self.objective.negatives, self.pairs.items)
        found = rank(scorer, everyone, self.pairs.items, k, seen=self.history, seed=self.run.stream_seed("ties"))
        return torch.from_numpy(found.items)

    def _counts(self) -> list[tuple[Literal["user", "item"], int]]:
        return [("user", self.pairs.users), ("item", self.pairs.items)]

    def validate(self, epoch: int) -> dict[str, float]:
        """nDCG and recall at 10 over the users that have validation pairs, training pairs left out of the lists."""
        judged = self.judged()
        if not len(judged):
            return {}
        items, everyone = encode(self.model, "item", self.pairs.items), torch.from_numpy(judged)
        users = in_chunks(lambda part: self.model.vectors("user", everyone[part]), len(judged))
        score, seed = scorer_of(self.model, users, items), self.run.stream_seed("ties")
        found = rank(
            lambda index: score(np.searchsorted(judged, index)),
            judged,
            len(items),
            JUDGED_AT,
            seen=self.history,
            allowed=self.allowed,
            seed=seed,
        )
        assert self.validation is not None
        metrics = user_metrics(found.items, self.validation[judged], [JUDGED_AT], ["ndcg", "recall"])
        return {f"validation_{name}": float(np.mean(values)) for name, values in metrics.items()}

    def judged(self) -> Index:
        """Users with validation pairs, of very many a sample that is the same after every epoch."""
        if self.validation is None:
            return np.empty(0, dtype=np.int64)
        having = np.flatnonzero(np.diff(self.validation.indptr))
        most = self.config.judged_users
        if self.model.perceptron is not None:  # each pair is scored by itself
            most = max(1, min(most, JUDGED_PAIRS // self.pairs.items))
        if len(having) <= most:
            return having
        chosen = self.run.generator("judged users").choice(having, most, replace=False)
        return np.sort(chosen)


def encode(model: TwoTower, side: Literal["user", "item"], count: int) -> NDArray[np.float32]:
    """Vectors (count, d) float32 of all entities of one side, in evaluation mode."""
    model.eval()
    return in_chunks(lambda index: model.vectors(side, index), count)


def scorer_of(model: TwoTower, users: NDArray[np.float32], items: NDArray[np.float32]) -> Scorer:
    """What ranks all items for users by the model's own comparison of vectors `users` (u, d) and `items` (n, d)."""
    return by_vectors(users, items) if model.perceptron is None else by_perceptron(model.perceptron, users, items)


def dense_positives(history: csr_array) -> NDArray[np.float32]:
    """-inf for each pair of `history`, 0 for all others: (users, items) float32."""
    table = np.zeros(history.shape, dtype=np.float32)
    table[np.repeat(np.arange(len(table)), np.diff(history.indptr)), history.indices] = -np.inf
    return table


def positive_places(history: csr_array, user: Index, columns: Index) -> Index:
    """Which of the pairs (user[i], columns[j]) are in `history`, as i * len(columns) + j: (m,) int64, any order."""
    order = np.argsort(columns, kind="stable")
    unique, first, count = np.unique(columns[order], return_index=True, return_counts=True)
    starts, lengths = history.indptr[user].astype(np.int64), np.diff(history.indptr)[user].astype(np.int64)
    owned = history.indices[_ranges(starts, lengths)]
    place = np.minimum(np.searchsorted(unique, owned), len(unique) - 1)
    here = np.flatnonzero(unique[place] == owned)
    row = np.repeat(np.arange(len(user)) * len(columns), lengths)[here]
    repeats = count[place[here]]
    return np.repeat(row, repeats) + order[_ranges(first[place[here]], repeats)]


def _ranges(starts: Index, lengths: Index) -> Index:
    """The numbers from each start on, as many as its length says, one range behind the other."""
    begins = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - begins, lengths)


def pair_keys(history: csr_array) -> Index:
    """Each pair of `history` (columns ascending) as one number, ascending: (nnz,) int64."""
    owners = np.repeat(np.arange(history.shape[0]), np.diff(history.indptr))
    return owners * history.shape[1] + history.indices


def are_pairs(keys: Index, width: int, user: Index, items: Index) -> NDArray[np.bool_]:
    """Whether each of `items` (b, m) is one of its user's (b,), by `pair_keys` of `width` items: (b, m) bool."""
    asked = user[:, None] * width + items
    return keys[np.minimum(np.searchsorted(keys, asked), len(keys) - 1)] == asked


def _weights(pairs: Pairs, share: NDArray[np.float64], objective: PairObjectiveConfig) -> Tensor | None:
    """What each pair counts: its own weight, times the inverse propensity of its item (Schnabel et al. 2016)."""
    weights = None if pairs.weight is None else pairs.weight.astype(np.float64)
    if objective.debias == "ips":
        inverse = share[pairs.item] ** -objective.debias_power
        weights = inverse / inverse.mean() * (1 if weights is None else weights)
    return None if weights is None else torch.from_numpy(weights.astype(np.float32))
