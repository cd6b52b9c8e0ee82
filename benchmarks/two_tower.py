"""Two towers: training against implicit's BPR, ranking everything for everybody against a loop, cost by size of data.

Training: the same pairs and dimension, an epoch each in turn. Ranking: all users × all items at dimension 64, top 100,
in chunks under 2 GiB, against one user after another (a sample of them, scaled). Cost: seconds an example of one epoch
as the pairs grow a hundredfold, users and items with them (drawn from a power law): flat where a step costs by its
batch. `--quick`: smaller, under 45 s. Without ../shared/data the pairs of the first part are drawn as well.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from lab.evaluation.ranking import by_vectors, rank
from lab.models.towers.features import Codes
from lab.models.towers.towers import Tower, TwoTower
from lab.training.loop import train
from lab.training.recorder import QuietRecorder
from lab.training.two_tower import PairLearning, Pairs
from lab.training.two_tower_config import PairObjectiveConfig, TwoTowerTrainConfig

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "ml-latest-small"
DIMENSION = 64


def movielens() -> tuple[str, Pairs]:
    """All ratings of the folder as pairs, or a drawing of as many."""
    if not SHARED.is_dir():
        return "100,000 drawn pairs", drawn(100_000)
    from lab.data.interactions.config import InteractionsConfig
    from lab.data.interactions.load import load_interactions

    found = load_interactions(InteractionsConfig(source=str(SHARED)))
    user, item = found.user.astype(np.int64), found.item.astype(np.int64)
    return found.description, Pairs(user, item, len(found.users), len(found.items))


def drawn(count: int, seed: int = 0) -> Pairs:
    """Pairs of users and items whose popularity follows a power law, about 100 pairs a user and 50 an item."""
    rng = np.random.default_rng(seed)
    users, items = max(100, count // 100), max(100, count // 50)
    sides = [np.minimum((n * rng.random(count) ** 2).astype(np.int64), n - 1) for n in (users, items)]
    return Pairs(*sides, users, items)


def learner(pairs: Pairs, kind: str, negatives: int | None = None, sparse_from: int = 50_000) -> PairLearning:
    """Two towers of ids alone."""
    torch.manual_seed(0)
    towers = [
        Tower([Codes("id", np.arange(n), n)], DIMENSION, sparse_from=sparse_from) for n in (pairs.users, pairs.items)
    ]
    objective = PairObjectiveConfig(kind=kind, **({"negatives": negatives} if negatives else {}))
    config = TwoTowerTrainConfig(epochs=1, early_stopping=None)
    return PairLearning(TwoTower(*towers), pairs, None, objective, config, QuietRecorder(0))


def epoch_seconds(learning: PairLearning) -> float:
    """Seconds of the steps of one epoch."""
    return train(learning, learning.config, learning.run).step_seconds


def training(quick: bool) -> None:
    """Epochs of ours and of implicit's BPR in turn."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    name, pairs = movielens()
    matrix = csr_matrix(pairs.matrix())
    threads = torch.get_num_threads()
    print(f"\nTraining: {name}; dimension {DIMENSION}, {threads} threads")
    sides: dict[str, list[float]] = {"in-batch softmax": [], "BPR": [], "implicit BPR": []}
    for _ in range(1 if quick else 3):
        sides["in-batch softmax"].append(epoch_seconds(learner(pairs, "in_batch")))
        sides["BPR"].append(epoch_seconds(learner(pairs, "bpr", 1)))
        with threadpool_limits(1, "blas"):
            model = BayesianPersonalizedRanking(factors=DIMENSION, iterations=5, num_threads=threads, random_state=0)
            started = time.perf_counter()
            model.fit(matrix, show_progress=False)
            sides["implicit BPR"].append((time.perf_counter() - started) / 5)
    for side, seconds in sides.items():
        best = min(seconds)
        print(f"  {side}: {best:.3f} s an epoch, {len(pairs.user) / best:,.0f} pairs a second")
    ratio = min(sides["implicit BPR"]) / min(sides["BPR"])
    print(f"training: BPR here {ratio:.2f}× as fast as implicit's (compiled, without other objectives or features)")


def growth(quick: bool) -> None:
    """Cost of an example as the data grow."""
    sizes = [10**5, 10**6] if quick else [10**5, 10**6, 10**7]
    print("\nCost of an example, in-batch softmax, tables updated row by row")
    costs = []
    for size in sizes:
        learning = learner(drawn(size), "in_batch", sparse_from=1)
        costs.append(epoch_seconds(learning) / size)
        print(f"  {size:>10,} pairs, {learning.pairs.items:,} items: {costs[-1] * 1e6:.1f} µs an example")
    print(f"growth: {sizes[-1] // sizes[0]}× the pairs, {costs[-1] / costs[0]:.2f}× the cost of an example")


def ranking(quick: bool) -> None:
    """Everything for everybody, against a loop over users."""
    users, items, k = (10_000, 50_000, 100) if quick else (100_000, 100_000, 100)
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(n, DIMENSION)).astype(np.float32) for n in (users, items))
    limit = 2 * 2**30
    print(f"\nRanking: {users:,} users × {items:,} items, dimension {DIMENSION}, top {k}")
    started = time.perf_counter()
    found = rank(by_vectors(left, right), np.arange(users), items, k, memory_bytes=limit // 8)
    ours = time.perf_counter() - started
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sample = 200
    started = time.perf_counter()
    for user in range(sample):
        scores = right @ left[user]
        best = np.argpartition(-scores, k)[:k]
        best = best[np.argsort(-scores[best])]
        assert len(set(best) - set(found.items[user])) <= 1  # but for the last bit of a float
    loop = (time.perf_counter() - started) / sample * users
    print(f"  here {ours:.1f} s (the process at most {memory:.1f} GiB), a loop {loop:.1f} s")
    print(f"ranking: {loop / ours:.1f}× as fast as a loop over users")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, under 45 s")
    chosen = parser.parse_args()
    training(chosen.quick)
    growth(chosen.quick)
    ranking(chosen.quick)
