"""What all recommenders share, towers and baselines: pairs, their split, and how rankings become results.

Whatever ranks, the same users are judged over the same items by the same numbers, kept under the same names, so that
any two runs on the same data can be compared user by user.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.config.base import Section
from lab.errors import UserError
from lab.experiment import DataFacts

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse import csr_array

    from lab.data.interactions.config import InteractionsConfig
    from lab.data.interactions.interactions import Interactions
    from lab.data.interactions.split import InteractionSplit
    from lab.evaluation.ranking import Ranking, Scorer
    from lab.runs.writer import RunWriter

EVALUATION = "ranking"
SECONDS_A_DAY = 86_400
TIES = 0
"""Seed of the hash that orders equal scores: the same in all runs, so that they differ in what they say alone."""
SPOKEN_METHOD = {
    "random": "random items",
    "popularity": "most popular items",
    "item_neighbors": "item neighbours",
    "ease": "EASE",
    "als": "iALS",
    "tfidf": "TF-IDF of texts",
    "word_vectors": "mean word vectors",
}
_AMONG = {"all": "all items", "known": "all items that training knows", "new": "the new items held out with it"}
_PROTOCOL = {
    "recall": "share of a user's held-out items among the first {k}",
    "ndcg": "normalised discounted cumulative gain of the first {k} (gain 1 a held-out item)",
    "mrr": "1 over the rank of the first held-out item among the first {k}, else 0",
    "map": "mean over a user's held-out items of the precision at their rank, 0 beyond {k}",
    "hit": "share of users with a held-out item among the first {k}",
    "precision": "share of the first {k} that are held-out items",
}


class RankingConfig(Section):
    """How rankings are judged."""

    at: list[Annotated[int, Field(ge=1)]] = Field(
        [10, 20, 100], min_length=1, description="cut-offs; nDCG at the first decides"
    )
    filter_seen: bool = Field(True, description="leave out of a list what its user had before")
    candidates: Literal["all", "known", "new"] = Field(
        "all",
        description="all: every item is ranked; known: only items that training knows, which alone then count as to be "
        "found; new: those held out of it as a whole, among themselves",
    )
    fold_in: bool = Field(
        False,
        description="when the test part is judged, what a user had in the validation part is known of her, as it "
        "would be by then; histories alone grow, nothing is trained on it",
    )
    slices: list[str] = Field(
        default_factory=list, description="columns of the users' or the items' table by which metrics are also given"
    )


@dataclass(frozen=True)
class RankingTask:
    """Clean pairs and who is trained on, who chooses and who judges."""

    interactions: Interactions
    split: InteractionSplit

    @property
    def users(self) -> int:
        """How many."""
        return len(self.interactions.users)

    @property
    def items(self) -> int:
        """How many."""
        return len(self.interactions.items)

    def matrix(self, *parts: str) -> csr_array:
        """Who had what in some parts together: (users, items) float32 ones, columns ascending."""
        import numpy as np
        from scipy.sparse import csr_array

        index = np.concatenate([self.split.parts()[part] for part in parts])
        found = csr_array(self.interactions.matrix(np.sort(index)))
        found.sort_indices()
        return found

    @cached_property
    def train(self) -> csr_array:
        """The training part."""
        return self.matrix("train")

    @cached_property
    def grown(self) -> csr_array:
        """What is known of each user when the test part comes: training and validation part together."""
        return self.matrix("train", "validation")

    @cached_property
    def known_users(self) -> np.ndarray:
        """Whether training sees each user, (users,) bool."""
        import numpy as np

        return np.diff(self.train.indptr) > 0

    @cached_property
    def popularity(self) -> np.ndarray:
        """How many users had each item in the training part, (items,) float64."""
        import numpy as np

        return np.bincount(self.train.indices, minlength=self.items).astype(np.float64)

    @cached_property
    def judged(self) -> dict[str, tuple[csr_array, csr_array]]:
        """For validation and test: what was had before, and what is to be found."""
        found = {}
        if len(self.split.validation):
            found["validation"] = (self.train, self.matrix("validation"))
        if len(self.split.test):
            found["test"] = (self.grown, self.matrix("test"))
        return found


def load_ranking_task(config: InteractionsConfig) -> RankingTask:
    """Read pairs, clean and split them. Raises `UserError` for what cannot be read, and for a split that is empty."""
    from lab.data.interactions.load import load_interactions
    from lab.data.interactions.split import split_interactions

    interactions = load_interactions(config)
    return RankingTask(interactions, split_interactions(interactions, config.split))


def describe_ranking_task(config: InteractionsConfig, ranking: RankingConfig | None = None) -> DataFacts:
    """Cheap facts for the plan stage; the split is made, and the columns of `ranking.slices` are looked for, too.

    A study asks for every row and seed anew: what was found is kept while no file of the source has changed.
    """
    from lab.data.fingerprint import source_stamp
    from lab.ranking_details import check_slices

    files = [config.source, *filter(None, (config.users, config.items))]
    columns = ranking.slices if ranking else []
    key = " ".join([config.model_dump_json(), *columns, *map(source_stamp, files)])
    if key not in _DESCRIBED:
        task = load_ranking_task(config)
        check_slices(task.interactions, columns)
        parts = {name: len(index) for name, index in task.split.parts().items()}
        counts = {"users": task.users, "items": task.items, "interactions": len(task.interactions), **parts}
        _DESCRIBED[key] = DataFacts(task.interactions.fingerprint, counts, task.interactions.description)
    return _DESCRIBED[key]


_DESCRIBED: dict[str, DataFacts] = {}


def recency(task: RankingTask, half_life: float) -> np.ndarray:
    """What each training pair counts by its age, (n,) float32 with mean 1.

    A pair that is `half_life` days older than another counts half as much. Raises `UserError` where there are no times.
    """
    import numpy as np

    times = task.interactions.timestamp
    if times is None:
        raise UserError(f"half_life: {half_life:g}: the pairs have no timestamps; leave it out, or name data.timestamp")
    age = (times[task.split.train].max() - times[task.split.train]) / SECONDS_A_DAY
    weights = np.exp2(-age / half_life)
    return (weights / weights.mean()).astype(np.float32)


def record_ranking_task(run: RunWriter, task: RankingTask) -> None:
    """Say in the log what was cleaned and how it was split, and keep what a reader has to know."""
    pairs, split = task.interactions, task.split
    sizes = {name: len(index) for name, index in split.parts().items()}
    run.count(users=task.users, items=task.items, interactions=len(pairs), **sizes)
    told = ", ".join(f"{size:,} {name}" for name, size in sizes.items())
    run.log(f"{pairs.description}; {told} ({split.how})")
    for step in pairs.cleaning:
        if step.count:
            run.log(f"{step.name}: {step.count:,}: {step.what}")
    for note in split.notes:
        run.warn(note)


def about_task(task: RankingTask) -> dict[str, Any]:
    """How the pairs were cleaned and split, and whom and what each part can score at all, as plain data."""
    split = task.split
    return {
        "cleaning": [
            {"name": step.name, "count": step.count, "what": step.what} for step in task.interactions.cleaning
        ],
        "split": {
            "how": split.how,
            "notes": split.notes,
            "sizes": {name: len(index) for name, index in split.parts().items()},
            "scorable": {name: asdict(counts) for name, counts in split.scorable.items()},
        },
    }


@dataclass(frozen=True)
class Judged:
    """The lists of one part: of which users (m,), and the metrics of each, `{"ndcg@10": (m,) float64}`."""

    users: np.ndarray
    ranking: Ranking
    relevant: csr_array
    values: dict[str, np.ndarray]


def judge(task: RankingTask, scorer: Scorer, config: RankingConfig, part: str) -> Judged:
    """Rank every allowed item for every user of a part that has something to be found."""
    import numpy as np

    from lab.evaluation.ranking import rank
    from lab.evaluation.ranking_metrics import user_metrics

    before, relevant = task.judged[part]
    allowed = allowed_items(task, config, part)
    relevant = to_be_found(relevant, allowed)
    users = np.flatnonzero(np.diff(relevant.indptr))
    ranking = rank(
        scorer,
        users,
        task.items,
        max(config.at),
        seen=before if config.filter_seen else None,
        allowed=allowed,
        seed=TIES,
    )
    return Judged(users, ranking, relevant[users], user_metrics(ranking.items, relevant[users], config.at))


def allowed_items(task: RankingTask, config: RankingConfig, part: str) -> np.ndarray | None:
    """Which items are ranked and count as to be found in a part, (items,) bool; None: all."""
    import numpy as np

    if config.candidates == "all":
        return None
    if config.candidates == "known":
        return task.popularity > 0
    counts = np.bincount(task.judged[part][1].indices, minlength=task.items)
    return (task.popularity == 0) & (counts > 0)


def to_be_found(relevant: csr_array, allowed: np.ndarray | None) -> csr_array:
    """The pairs (users, items) of allowed items alone; None: as they are."""
    if allowed is None:
        return relevant
    kept = relevant.multiply(allowed[None, :].astype(relevant.dtype)).tocsr()
    kept.eliminate_zeros()
    kept.sort_indices()
    return kept


def record_ranking(
    run: RunWriter,
    task: RankingTask,
    scorer: Scorer,
    config: RankingConfig,
    vectors: np.ndarray | None = None,
    *,
    grown: Scorer | None = None,
) -> dict[str, Any]:
    """Leave results and scores by user of every judged part, and return the details of the last as plain data.

    `vectors` (items, d): in which the diversity of a list is measured. `grown`: the scorer that knows the histories of
    `task.grown`, for the test part. Lists below the most popular items, outside the interval, are warned of.
    """
    details: dict[str, Any] = {}
    for part in task.judged:
        judged = judge(task, grown if grown and part == "test" else scorer, config, part)
        if not len(judged.users):
            run.warn(f"{part}: there is no user with something to be found")
            continue
        _record(run, task, config, part, judged)
        details = {"judged": part, **_details(task, config, judged, vectors)}
    if details and (warning := below_popularity(task, judged, config, details["judged"])):
        run.warn(warning)
        details["below_popularity"] = warning
    return details


def _record(run: RunWriter, task: RankingTask, config: RankingConfig, part: str, judged: Judged) -> None:
    import numpy as np

    from lab.evaluation.ranking_metrics import bootstrap_intervals

    ids = [task.interactions.users[user] for user in judged.users]
    low, high = bootstrap_intervals(np.stack(list(judged.values.values()), axis=1), seed=0)
    primary = f"ndcg@{config.at[0]}"
    among, fingerprint = _AMONG[config.candidates], _fingerprint(task, config, judged)
    seen = "those had before left out" if config.filter_seen else "those had before too"
    for number, (metric, values) in enumerate(judged.values.items()):
        name, _, k = metric.partition("@")
        run.result(
            EVALUATION,
            metric,
            float(values.mean()),
            split=part,
            n=len(ids),
            primary=metric == primary,
            low=low[number],
            high=high[number],
            test_fingerprint=fingerprint,
            protocol=f"{_PROTOCOL[name].format(k=k)}; every user against {among}, {seen}; {task.split.how}",
        )
        run.scores(EVALUATION, metric, ids, values, split=part)


def _fingerprint(task: RankingTask, config: RankingConfig, judged: Judged) -> str:
    """A digest of who is judged by what: runs with another one cannot be ranked against each other."""
    import hashlib

    relevant = judged.relevant
    digest = hashlib.blake2b(digest_size=16)
    for array in (judged.users, relevant.indptr, relevant.indices):
        digest.update(array.astype("<i8").tobytes())
    digest.update(f"{config.filter_seen} {config.candidates} {task.interactions.fingerprint}".encode())
    return digest.hexdigest()


def _details(task: RankingTask, config: RankingConfig, judged: Judged, vectors: np.ndarray | None) -> dict[str, Any]:
    """What the lists are like as a whole, for whom they are good, and a few of them."""
    import numpy as np

    from lab.evaluation import ranking_metrics as metrics
    from lab.ranking_details import examples, slices

    k = config.at[0]
    lists = judged.ranking.items[:, :k]
    share = task.popularity / max(1, int(task.known_users.sum()))
    beyond = {
        "coverage": metrics.coverage(lists, task.items),
        "gini": metrics.gini(lists, task.items),
        "mean_popularity": float(np.nanmean(metrics.mean_popularity(lists, share))),
        "popularity_lift": metrics.popularity_lift(lists, task.train[judged.users], share),
        "share_tied": judged.ranking.share_tied,
    }
    if vectors is not None and k > 1:
        beyond["intra_list_diversity"] = float(np.nanmean(metrics.intra_list_diversity(lists, vectors)))
    by_slice, few = slices(task, config, judged), examples(task, judged)
    return {"at": k, "users": len(judged.users), "beyond": beyond, "slices": by_slice, "examples": few}


def below_popularity(task: RankingTask, judged: Judged, config: RankingConfig, part: str) -> str | None:
    """A line where the lists of a part are worse than the most popular items, outside the interval."""
    from lab.evaluation.intervals import difference_estimate
    from lab.models.recommenders import popularity

    other = judge(task, popularity(task.train), config, part)
    metric = f"ndcg@{config.at[0]}"
    own, theirs = judged.values[metric], other.values[metric]
    difference = difference_estimate(own[None], theirs[None], paired=True)
    low, high = difference.interval()
    if high >= 0:
        return None
    return (
        f"below the most popular items: {metric} {own.mean():.3f} against {theirs.mean():.3f} "
        f"({difference.value:+.3f} [{low:.3f}, {high:.3f}], {len(other.users):,} users)"
    )
