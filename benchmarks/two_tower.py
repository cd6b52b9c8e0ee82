"""Two towers: training against implicit's BPR, ranking everything for everybody against a loop, cost by size of data.

Training: the same pairs and dimension, epochs in turn; with `--recbole PYTHON` (one that has recbole 1.2.1, as in an
environment of its own) RecBole's BPR too. Cost: seconds an example of one epoch as the pairs grow a hundredfold, users
and items with them (drawn from a power law): flat where a step costs by its batch. Ranking: all users × all items at
dimension 64, top 100, in chunks under 2 GiB, in a process of its own whose memory is measured, against one user after
another (a sample of them, scaled). `--quick`: smaller, under 45 s. Without ../shared/data the pairs of the first part
are drawn as well. The ratios come last.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
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
# What scores of one chunk of users may take; the whole process is to stay under 2 GiB.
CHUNK = 2**29


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


def training(quick: bool, recbole: str | None) -> list[str]:
    """Epochs of ours and of others in turn."""
    name, pairs = movielens()
    matrix = csr_matrix(pairs.matrix())
    threads = torch.get_num_threads()
    print(f"\nTraining: {name}; dimension {DIMENSION}, {threads} threads")
    sides: dict[str, list[float]] = {}
    for _ in range(1 if quick else 3):
        sides.setdefault("in-batch softmax", []).append(epoch_seconds(learner(pairs, "in_batch")))
        sides.setdefault("BPR", []).append(epoch_seconds(learner(pairs, "bpr", 1)))
        sides.setdefault("implicit BPR", []).append(implicit_seconds(matrix, threads))
        if recbole:
            sides.setdefault("RecBole BPR", []).append(recbole_seconds(recbole, pairs, threads))
    for side, seconds in sides.items():
        best = min(seconds)
        print(f"  {side}: {best:.3f} s an epoch, {len(pairs.user) / best:,.0f} pairs a second")
    ours = min(sides["BPR"])
    ratio = min(sides["implicit BPR"]) / ours
    told = [f"training: BPR here {ratio:.2f}× as fast as implicit's (compiled for this one model and objective)"]
    if recbole:
        told.append(f"training: BPR here {min(sides['RecBole BPR']) / ours:.2f}× as fast as RecBole's")
    return told


def implicit_seconds(matrix: csr_matrix, threads: int, epochs: int = 5) -> float:
    """Seconds of an epoch of implicit's BPR."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    with threadpool_limits(1, "blas"):
        model = BayesianPersonalizedRanking(factors=DIMENSION, iterations=epochs, num_threads=threads, random_state=0)
        started = time.perf_counter()
        model.fit(matrix, show_progress=False)
        return (time.perf_counter() - started) / epochs


def recbole_seconds(python: str, pairs: Pairs, threads: int, epochs: int = 2) -> float:
    """Seconds of the fastest epoch of RecBole's BPR, trained by another Python."""
    script = Path(__file__).parent / "peers" / "recbole_bpr.py"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.npz"
        np.savez(file, user=pairs.user, item=pairs.item)
        command = [python, str(script), str(file), *map(str, (DIMENSION, epochs, threads))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{python} cannot run recbole 1.2.1: {done.stderr.strip().splitlines()[-1]}")
    return float(min(json.loads(done.stdout.strip().splitlines()[-1])))


def growth(quick: bool) -> list[str]:
    """Cost of an example as the data grow."""
    sizes = [10**5, 10**6] if quick else [10**5, 10**6, 10**7]
    print("\nCost of an example, in-batch softmax, tables updated row by row")
    costs = []
    for size in sizes:
        learning = learner(drawn(size), "in_batch", sparse_from=1)
        costs.append(epoch_seconds(learning) / size)
        print(f"  {size:>10,} pairs, {learning.pairs.items:,} items: {costs[-1] * 1e6:.1f} µs an example")
    return [f"growth: {sizes[-1] // sizes[0]}× the pairs, {costs[-1] / costs[0]:.2f}× the cost of an example"]


def ranking(quick: bool) -> list[str]:
    """Everything for everybody, in a process of its own, against a loop over users."""
    command = [sys.executable, __file__, "--ranking", *(["--quick"] if quick else [])]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    print(f"\nRanking: {told['users']:,} users × {told['items']:,} items, dimension {DIMENSION}, top {told['k']}")
    print(f"  here {told['here']:.1f} s (the whole process at most {told['gib']:.2f} GiB), a loop {told['loop']:.1f} s")
    return [f"ranking: {told['loop'] / told['here']:.1f}× as fast as a loop over users"]


def ranked(quick: bool) -> dict[str, float]:
    """Seconds of the ranking and of the loop, and the most memory that the process has held until the first is done."""
    users, items, k = (10_000, 30_000, 100) if quick else (100_000, 100_000, 100)
    rng = np.random.default_rng(0)
    left, right = (rng.normal(size=(n, DIMENSION)).astype(np.float32) for n in (users, items))
    started = time.perf_counter()
    found = rank(by_vectors(left, right), np.arange(users), items, k, memory_bytes=CHUNK)
    here = time.perf_counter() - started
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sample = 200
    started = time.perf_counter()
    for user in range(sample):
        scores = right @ left[user]
        best = np.argpartition(-scores, k)[:k]
        best = best[np.argsort(-scores[best])]
        assert len(set(best) - set(found.items[user])) <= 1  # but for the last bit of a float
    loop = (time.perf_counter() - started) / sample * users
    return {"users": users, "items": items, "k": k, "here": here, "loop": loop, "gib": gib}


def main() -> None:
    """All parts, and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, under 45 s")
    parser.add_argument("--recbole", metavar="PYTHON", help="a Python with recbole 1.2.1, to be measured too")
    parser.add_argument("--ranking", action="store_true", help="the ranking alone, as JSON")
    chosen = parser.parse_args()
    if chosen.ranking:
        print(json.dumps(ranked(chosen.quick)))
        return
    told = training(chosen.quick, chosen.recbole) + growth(chosen.quick) + ranking(chosen.quick)
    print("\n" + "\n".join(told))


if __name__ == "__main__":
    main()
