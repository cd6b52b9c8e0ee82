"""The Huffman tree of hierarchical softmax (Morin and Bengio 2005; Mikolov et al. 2013, arXiv:1310.4546)."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class _Node:
    count: int
    number: int

    def __lt__(self, other: _Node) -> bool:  # by count alone: ties fall as they do in gensim, whose tree this is
        return self.count < other.count


@dataclass(frozen=True)
class HuffmanTree:
    """A binary tree with a word at each leaf, frequent words near the root.

    Nodes 0 to V - 1 are the words, V to 2V - 2 the inner nodes in the order in which they were made, the root last.
    `parents` (2V - 1,) int64, -1 for the root; `codes` (2V - 1,) int8: 0 for a left child, 1 for a right one.
    """

    parents: np.ndarray
    codes: np.ndarray

    def paths(self, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the way from each word up to the root.

        `words` (m,) int. Returns `points` (m, depth) int64, rows of the output matrix (0 is the first inner node),
        and `signs` (m, depth) int8: +1 where the word lies to the left of that node, -1 to the right, 0 beyond the
        root. The probability of a word is the product of sigmoid(sign * output . hidden) along its path.
        """
        size = (len(self.parents) + 1) // 2
        nodes = np.asarray(words, dtype=np.int64)
        points, signs = [], []
        while (inside := self.parents[nodes] >= 0).any():
            above = np.where(inside, self.parents[nodes], nodes)
            points.append(np.where(inside, above - size, 0))
            signs.append(np.where(inside, 1 - 2 * self.codes[nodes], 0).astype(np.int8))
            nodes = above
        shape = (len(words), len(points))
        return (
            np.stack(points, axis=1) if points else np.zeros(shape, dtype=np.int64),
            np.stack(signs, axis=1) if signs else np.zeros(shape, dtype=np.int8),
        )


def huffman_tree(counts: np.ndarray) -> HuffmanTree:
    """Build gensim's tree, node for node, from the words' counts (V,) int, V ≥ 1."""
    size = len(counts)
    parents = np.full(2 * size - 1, -1, dtype=np.int64)
    codes = np.zeros(2 * size - 1, dtype=np.int8)
    heap = [_Node(int(count), number) for number, count in enumerate(counts)]
    heapq.heapify(heap)
    for number in range(size, 2 * size - 1):
        left, right = heapq.heappop(heap), heapq.heappop(heap)
        parents[[left.number, right.number]] = number
        codes[right.number] = 1
        heapq.heappush(heap, _Node(left.count + right.count, number))
    return HuffmanTree(parents, codes)
