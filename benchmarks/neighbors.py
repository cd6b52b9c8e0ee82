"""Exact nearest neighbours: `lab` against scikit-learn (brute force) and gensim, in turn, in one run.

1,000 queries for the ten nearest of 100,000 vectors of 100 dimensions by cosine; `--quick`: 20,000 vectors.
The answers of all three are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from gensim.models import KeyedVectors
from sklearn.neighbors import NearestNeighbors

from lab.embeddings.neighbors import top_k


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 45 seconds")
    quick = parser.parse_args().quick
    items, rounds = (20_000, 3) if quick else (100_000, 5)
    vectors = np.random.default_rng(0).standard_normal((items, 100), dtype=np.float32)
    queries = vectors[:1000]

    keyed = KeyedVectors(100, count=0)
    keyed.add_vectors([str(i) for i in range(items)], vectors)
    keyed.fill_norms()
    sklearn = NearestNeighbors(n_neighbors=11, metric="cosine", algorithm="brute").fit(vectors)

    sides: dict[str, Callable[[], np.ndarray]] = {
        "lab": lambda: top_k(queries, vectors, 11)[0],
        "scikit-learn": lambda: sklearn.kneighbors(queries, return_distance=False),
        "gensim": lambda: np.array(
            [[int(word) for word, _ in keyed.similar_by_vector(query, topn=11)] for query in queries]
        ),
    }
    answers = {name: np.sort(find(), axis=1) for name, find in sides.items()}
    for name, answer in answers.items():
        alike = (answer == answers["lab"]).all(axis=1).mean()
        print(f"{name}: {100 * alike:.1f} % of the queries answered as by lab")

    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, find in sides.items():
            start = time.perf_counter()
            find()
            seconds[name].append(time.perf_counter() - start)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    for name, value in median.items():
        print(f"{name}: {value:.2f} s for 1,000 queries over {items:,} vectors (median of {rounds})")
    ratios = [f"{median[name] / median['lab']:.1f}× as fast as {name}" for name in ("scikit-learn", "gensim")]
    print(f"ratio: lab is {', '.join(ratios)}")


if __name__ == "__main__":
    main()
