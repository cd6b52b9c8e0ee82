"""The true loss of word2vec on text it was not trained on.

gensim's running loss is wrong (its issues 2617 and 2735) and is of the training text besides. Here the windows, the
frequent words dropped from them and the noise words are drawn once, and the loss of every model at every epoch is
the mean negative log-likelihood per pair of just these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lab.models.word2vec.engine import Options, Vocabulary
from lab.models.word2vec.huffman import huffman_tree


@dataclass(frozen=True)
class HeldOutPairs:
    """P predictions, each of one word from its context, as word2vec's objective has them.

    The context of prediction p is `contexts[starts[p]:starts[p + 1]]`, rows of the input matrix: one word for
    skip-gram, the whole window for CBOW. `nodes` (P, K) are rows of the output matrix and `signs` (P, K) int8 what
    each should give: +1 yes, -1 no, 0 not there. For negative sampling these are the word and its noise words, for
    hierarchical softmax the word's path up the tree. `sentences` (P,) int64 numbers the sentence of each.
    """

    contexts: np.ndarray
    starts: np.ndarray
    nodes: np.ndarray
    signs: np.ndarray
    sentences: np.ndarray
    mean: bool

    def __len__(self) -> int:
        return len(self.nodes)

    def fingerprint(self, vocabulary: Vocabulary) -> str:
        """Return a hex digest of the predictions: losses with the same one may be compared."""
        digest = hashlib.blake2b("\n".join(vocabulary.words).encode(), digest_size=16)
        for array in (self.contexts, self.starts, self.nodes, self.signs, self.sentences, np.array(self.mean)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def hold_out(
    sentences: Iterable[Sequence[str]],
    vocabulary: Vocabulary,
    options: Options,
    *,
    tokens: int,
    seed: int = 0,
    max_pairs: int = 100_000,
) -> HeldOutPairs:
    """Draw the predictions from held-out sentences, in the way gensim draws its own in training.

    All predictions of a word from its neighbours have the same noise words: their rows are at hand for all of them.
    Words outside the vocabulary are passed over, frequent ones dropped at random (`subsample`), each window is of a
    random size (`shrink_windows`), and a noise word that happens to be the word itself is left out. Where the
    sentences, of `tokens` words in all, would give many more than `max_pairs` predictions, only every n-th sentence
    is used, and no more than `max_pairs` are kept. There may be none (`len` is 0): then there is no loss.
    """
    generator = np.random.default_rng(seed)
    every = max(1, tokens * _pairs_per_word(options) // max_pairs)
    words, owners = _numbered(islice(sentences, 0, None, every), vocabulary)
    kept = generator.random(len(words)) < keep_probability(vocabulary.counts, options.subsample)[words]
    words, owners = words[kept], owners[kept] * every
    centres, contexts = _windows(owners, options, generator)
    if options.architecture == "skipgram":
        starts = np.arange(len(centres) + 1)
    else:
        starts = np.append(np.flatnonzero(np.diff(centres, prepend=-1)), len(centres))
        centres = centres[starts[:-1]]
    size = min(max_pairs, len(starts) - 1)
    centres, starts = centres[:size], starts[: size + 1]
    predicted, of = np.unique(centres, return_inverse=True)
    nodes, signs = _outputs(words[predicted], vocabulary, options, generator)
    return HeldOutPairs(
        contexts=words[contexts[: starts[-1]]],
        starts=starts,
        nodes=nodes[of],
        signs=signs[of],
        sentences=owners[centres],
        mean=options.cbow_mean,
    )


def pair_losses(pairs: HeldOutPairs, input_vectors: np.ndarray, output_vectors: np.ndarray) -> np.ndarray:
    """Return the negative log-likelihood of each prediction, in nats.

    `input_vectors` and `output_vectors` (V, d) float32. Returns (P,) float64: minus the sum over a prediction's nodes
    of log sigmoid(sign * output . hidden), where `hidden` is the mean (or sum) of its context's input vectors.
    Mikolov et al. 2013, arXiv:1310.4546, equations 3 and 4.
    """
    from lab.models.word2vec.pair_losses import negative_log_likelihoods

    losses: np.ndarray = negative_log_likelihoods(
        input_vectors, output_vectors, pairs.contexts, pairs.starts, pairs.nodes, pairs.signs, pairs.mean
    )
    return losses


def sentence_losses(pairs: HeldOutPairs, losses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold the losses of predictions by sentence, so that sentences are the items of a comparison.

    Returns the sentences' numbers (S,) int64, a value of each (S,) float64 and its number of predictions (S,) int64.
    A value is the loss plus the sentence's own share of the difference, loss + (sum - n * loss) * S / P: the linear
    form of a ratio estimate, whose mean over sentences is exactly the mean over predictions.
    """
    numbers, owner, sizes = np.unique(pairs.sentences, return_inverse=True, return_counts=True)
    mean = losses.mean()
    sums = np.bincount(owner, weights=losses)
    return numbers, mean + (sums - sizes * mean) * (len(numbers) / len(losses)), sizes


def keep_probability(counts: np.ndarray, subsample: float) -> np.ndarray:
    """Return the share of each word's occurrences that subsampling keeps, (V,) float64, as word2vec.c computes it."""
    if not subsample:
        return np.ones(len(counts))
    share = counts / (subsample * counts.sum())
    return np.minimum(1.0, (np.sqrt(share) + 1) / share)


def _pairs_per_word(options: Options) -> int:
    if options.architecture == "cbow":
        return 1
    return options.window + 1 if options.shrink_windows else 2 * options.window


def _numbered(sentences: Iterable[Sequence[str]], vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Return the known words of all sentences as rows (n,) int64, and the number of the sentence of each."""
    index = vocabulary.index
    rows = [[index[word] for word in sentence if word in index] for sentence in sentences]
    lengths = [len(row) for row in rows]
    words = np.array([word for row in rows for word in row], dtype=np.int64)
    return words, np.repeat(np.arange(len(rows)), lengths)


def _windows(owners: np.ndarray, options: Options, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of centre and context word of every pair within a window and a sentence, by centre."""
    size, window = len(owners), options.window
    reach = generator.integers(1, window + 1, size) if options.shrink_windows else np.full(size, window)
    shifts = [shift for shift in range(-window, window + 1) if shift]
    inside = np.zeros((size, len(shifts)), dtype=bool)
    for column, shift in enumerate(shifts):
        first = min(size, max(0, -shift))
        last = max(first, min(size, size - shift))
        same = owners[first:last] == owners[first + shift : last + shift]
        inside[first:last, column] = same & (abs(shift) <= reach[first:last])
    centres, columns = np.nonzero(inside)
    return centres, centres + np.array(shifts)[columns]


def _outputs(
    targets: np.ndarray, vocabulary: Vocabulary, options: Options, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the nodes (P, K) int64 and signs (P, K) int8 that predict each target word."""
    if options.objective == "hierarchical-softmax":
        return huffman_tree(vocabulary.counts).paths(targets)
    share = np.cumsum(vocabulary.counts.astype(np.float64) ** options.ns_exponent)
    drawn = generator.random((len(targets), options.negative)) * share[-1]
    noise = np.minimum(np.searchsorted(share, drawn, side="right"), len(share) - 1)
    nodes = np.column_stack([targets, noise])
    signs = np.where(nodes == targets[:, None], 0, -1).astype(np.int8)
    signs[:, 0] = 1
    return nodes, signs
