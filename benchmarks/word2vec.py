"""word2vec: the engine of this project against gensim, in turn, in one run, on the same text with the same settings.

Speed: an epoch, 2 threads, window 5, 5 noise words, subsampling 1e-3; gensim both ways it can be fed (a file, lists in
memory), the faster one counts; words a second by the clock and by the processor (all threads together). Counting and
numbering words: gensim's `build_vocab` on the file and the same text looked up word by word. Quality: 5 epochs from
several seeds, the learning rate of both falling in a line from 0.025 to 0.0001 over the words truly seen: loss on the
same held-out predictions, WordSim-353, analogies, and the difference with its 95 % interval over the seeds. Sizes:
tokens drawn from a Zipf law. `--text`: a text file or folder (default: the packaged Wikipedia sample).
`--quick`: under 45 seconds, on the packaged sample.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from gensim.models import Word2Vec
from scipy import stats
from threadpoolctl import threadpool_limits

from lab.data.config import CorpusConfig
from lab.data.corpus import Corpus, Sentences, build_corpus
from lab.data.tokenizer import TokenizerConfig
from lab.embeddings.space import EmbeddingSpace
from lab.evaluate import evaluate_space
from lab.models.word2vec.engine import Engine, Options, State, Vocabulary
from lab.models.word2vec.gensim_engine import GensimEngine
from lab.models.word2vec.held_out_loss import hold_out, keep_probability, pair_losses
from lab.models.word2vec.lab_engine import LabEngine

THREADS = 2
ARCHITECTURES = ("skipgram", "cbow")
FIRST_EPOCH = """
import time, numpy
from lab.models.word2vec.engine import Options
from lab.models.word2vec import lab_engine
from lab.models.word2vec.kernels import advance
start = time.process_time()
advance(numpy.uint64(1))
loaded = time.process_time() - start
text = [["a", "b", "c"]] * 10
engine, options = lab_engine.LabEngine(), Options(min_count=1, architecture="skipgram")
state = engine.start(engine.build(text, options), options, 0)
start = time.process_time()
engine.train_epoch(state, text)
print(loaded, time.process_time() - start)
"""
LARGE = """
import sys
from pathlib import Path
from lab.data.corpus import Sentences
from lab.models.word2vec.engine import Options
from lab.models.word2vec.lab_engine import LabEngine
text = Sentences(Path(sys.argv[1]), 0, 0)
engine, options = LabEngine(), Options(vector_size=100, threads=2)
vocabulary = engine.build(text, options)
engine.train_epoch(engine.start(vocabulary, options, 0), text)
# ru_maxrss would count the memory of the process that started this one
(peak,) = (int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(vocabulary.tokens, len(vocabulary), peak / 2**20)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 45 seconds")
    parser.add_argument("--text", default="wikipedia-sample", help="a text file, a folder or a packaged text")
    parser.add_argument("--seeds", type=int, default=5, help="of the comparison of quality")
    asked = parser.parse_args()
    unit = "sentence" if asked.text == "wikipedia-sample" else "paragraph"
    corpus = build_corpus(CorpusConfig(source=asked.text, unit=unit), TokenizerConfig())
    print(f"{asked.text}: {corpus.training.tokens:,} tokens; {THREADS} threads")
    start_up()
    numbering(corpus.training)
    ratios = {}
    for dimension in (100, 300) if asked.quick else (50, 100, 200, 300):
        for architecture in ARCHITECTURES:
            options = Options(architecture=architecture, vector_size=dimension, threads=THREADS, epochs=1)
            ratios[architecture, dimension] = speed(corpus.training, options, rounds=1 if asked.quick else 3)
    if not asked.quick:
        arithmetic(corpus.training)
        for architecture in ARCHITECTURES:
            quality(corpus, Options(architecture=architecture, threads=THREADS), range(asked.seeds))
        with tempfile.TemporaryDirectory() as folder:
            for size, tokens in ((10_000, 2_000_000), (100_000, 4_000_000), (500_000, 10_000_000)):
                text = zipf_text(Path(folder) / f"{size}.txt", size, tokens)
                for architecture in ARCHITECTURES:
                    speed(text, Options(architecture=architecture, threads=THREADS, epochs=1, min_count=1), rounds=1)
            large(text.path, times=10)
    told = ", ".join(f"{ratio:.1f}× {name} {dimension}" for (name, dimension), ratio in ratios.items())
    print(f"ratio: lab is as fast as gensim times {told}")


def start_up() -> None:
    """What compiled code costs a process that has to compile it, and the next, which finds it in numba's cache."""
    with tempfile.TemporaryDirectory() as cache:
        for process in ("first", "second"):
            done = subprocess.run(
                [sys.executable, "-c", FIRST_EPOCH],
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "NUMBA_CACHE_DIR": cache},
            )
            loaded, epoch = map(float, done.stdout.split())
            print(f"{process} process: numba gets ready in {loaded:.2f} s, an epoch over 30 words takes {epoch:.2f} s")


def numbering(text: Sentences) -> None:
    """Counting the words and turning text into numbers, from the file of tokens."""
    from lab.data.word_ids import write_word_ids

    def ours() -> None:
        with tempfile.TemporaryDirectory() as folder:
            write_word_ids(text.path, Path(folder))

    model = Word2Vec(min_count=5, workers=THREADS)

    def count() -> None:
        model.build_vocab(corpus_file=str(text.path))

    def count_and_look_up() -> None:
        count()
        index = model.wv.key_to_index
        for sentence in text:
            np.array([index[word] for word in sentence if word in index], dtype=np.int32)

    ours()
    seconds = {what: min(timed(what)[0] for _ in range(3)) for what in (ours, count, count_and_look_up)}
    print(
        f"vocabulary and numbers: {seconds[ours]:.2f} s; gensim's build_vocab {seconds[count]:.2f} s "
        f"({seconds[count] / seconds[ours]:.1f}×), with every word looked up {seconds[count_and_look_up]:.2f} s "
        f"({seconds[count_and_look_up] / seconds[ours]:.1f}×)"
    )


def speed(text: Sentences, options: Options, rounds: int) -> float:
    """Print words a second of both engines; return how many times as fast `lab` is by the clock."""
    engines: dict[str, Engine] = {"lab": LabEngine(), "gensim, lists": GensimEngine()}
    vocabulary = engines["lab"].build(text, options)
    feeds: dict[str, Iterable[Sequence[str]]] = {"lab": text, "gensim, lists": list(text)}
    states = {name: engine.start(vocabulary, options, seed=0) for name, engine in engines.items()}
    sides: dict[str, Callable[[], object]] = {
        name: lambda name=name: engines[name].train_epoch(states[name], feeds[name])  # type: ignore[misc]
        for name in engines
    }
    sides["gensim, file"] = gensim_on_a_file(text, options)
    sides["lab"]()  # compiled, and its file in memory
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(timed(side))
    best = {name: np.min(pairs, axis=0) for name, pairs in times.items()}
    gensim = min((best[name] for name in best if name != "lab"), key=lambda pair: float(pair[0]))
    rates = {name: text.tokens / 1e6 / seconds for name, seconds in best.items()}
    told = ", ".join(f"{name} {clock:.2f} ({processor:.2f})" for name, (clock, processor) in rates.items())
    ratio = gensim / best["lab"]
    print(
        f"{options.architecture} {options.vector_size}, {len(vocabulary):,} words: million words a second (of the "
        f"processor): {told}; ratio {ratio[0]:.1f}× ({ratio[1]:.1f}×)",
        flush=True,
    )
    return float(ratio[0])


def arithmetic(text: Sentences) -> None:
    """Print how much of the processor's arithmetic the kernels use, one thread, against a large matrix product."""
    side = 1500
    left = np.random.default_rng(0).random((side, side), dtype=np.float32)
    with threadpool_limits(1):
        product = min(timed(lambda: left @ left)[1] for _ in range(5))
    print(f"a product of matrices of {side} columns: {2 * side**3 / product / 1e9:.0f} GFLOP/s by one thread")
    engine = LabEngine()
    vocabulary = engine.build(text, Options())
    windows, pairs = windows_and_pairs(text, vocabulary, Options())
    for architecture in ARCHITECTURES:
        for dimension in (100, 300):
            options = Options(architecture=architecture, vector_size=dimension)
            epoch = partial(engine.train_epoch, engine.start(vocabulary, options, seed=0), text)
            epoch()
            seconds = min(timed(epoch)[1] for _ in range(3))
            outputs, width = options.negative + 1, -(-dimension // 16) * 16
            if architecture == "skipgram":
                operations = 6 * pairs * outputs * width
            else:
                operations = 6 * windows * outputs * width + 2 * pairs * width
            print(f"{architecture} {dimension}: {operations / seconds / 1e9:.0f} GFLOP/s of useful operations")


def windows_and_pairs(text: Sentences, vocabulary: Vocabulary, options: Options) -> tuple[float, float]:
    """How many windows an epoch has, and how many pairs of a word and a context word, but for chance."""
    keep = keep_probability(vocabulary.counts, options.subsample)
    generator, index = np.random.default_rng(0), vocabulary.index
    lengths = np.array(
        [
            np.count_nonzero(generator.random(len(rows)) < keep[rows])
            for rows in ([index[word] for word in sentence if word in index] for sentence in text)
        ]
    )
    reach = np.arange(1, options.window + 1)[:, None]
    within = np.minimum(reach, np.maximum(lengths - 1, 0))
    return float(lengths[lengths > 1].sum()), float((2 * within * lengths - within * (within + 1)).sum(1).mean())


def gensim_on_a_file(text: Sentences, options: Options) -> Callable[[], object]:
    """An epoch of gensim in its file mode."""
    model = Word2Vec(
        vector_size=options.vector_size,
        window=options.window,
        sg=int(options.architecture == "skipgram"),
        negative=options.negative,
        sample=options.subsample,
        min_count=options.min_count,
        workers=options.threads,
    )
    examples = model.build_vocab(corpus_file=str(text.path)) or model.corpus_count
    return lambda: model.train(
        corpus_file=str(text.path), total_words=text.tokens, total_examples=examples, epochs=1, compute_loss=False
    )


def large(path: Path, times: int) -> None:
    """The memory that counting, numbering and an epoch of CBOW take, of a text this many times as long."""
    long = path.with_name("long.txt")
    with open(long, "wb") as file:
        for _ in range(times):
            file.write(path.read_bytes())
    environment = {**os.environ, "LAB_CACHE": str(path.parent / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(long)], capture_output=True, text=True, check=True, env=environment
    )
    tokens, words, memory = done.stdout.split()
    print(f"{int(tokens):,} tokens, {int(words):,} words of 100 dimensions: {float(memory):.2f} GiB at the most")


def timed(what: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    what()
    return time.perf_counter() - clock, time.process_time() - processor


def quality(corpus: Corpus, options: Options, seeds: Iterable[int]) -> None:
    """Print what the vectors of both engines are worth, and the difference with its interval."""
    engines: dict[str, Engine] = {"lab": LabEngine(), "gensim": GensimEngine()}
    lists, found = list(corpus.training), {name: [] for name in engines}
    vocabulary = engines["lab"].build(corpus.training, options)
    pairs = hold_out(corpus.held_out, vocabulary, options, tokens=corpus.held_out.tokens)
    for seed in seeds:
        for name, engine in engines.items():
            state = engine.start(vocabulary, options, seed)
            while state.epoch < options.epochs:
                state = engine.train_epoch(state, corpus.training if name == "lab" else lists)
            loss = pair_losses(pairs, state.input_vectors, state.output_vectors).mean()
            found[name].append({"held-out loss": float(loss), **word_tests(state)})
    for metric in found["lab"][0]:
        ours, theirs = (np.array([values[metric] for values in found[name]]) for name in engines)
        between = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval() if len(ours) > 1 else None
        interval = f", difference {between.low:+.4f} to {between.high:+.4f} (95 %)" if between else ""
        change = f", {100 * (ours.mean() / theirs.mean() - 1):+.2f} %"
        print(f"{options.architecture}, {metric}: lab {ours.mean():.4f}, gensim {theirs.mean():.4f}{change}{interval}")


def word_tests(state: State) -> dict[str, float]:
    """WordSim-353 (Spearman) and analogies (accuracy), questions with unknown words passed over."""
    space = EmbeddingSpace(state.vocabulary.words, state.input_vectors)
    results = evaluate_space(space, ["wordsim353"], ["questions-words"])
    values = {(each.evaluation, each.metric): each.value for each in results}
    return {
        "WordSim-353": values["wordsim353", "spearman_skipped"],
        "analogies": values["questions-words", "accuracy_skipped"],
    }


def zipf_text(path: Path, words: int, tokens: int) -> Sentences:
    """A file of words drawn from a Zipf law, each of them at least once, in sentences of 20."""
    generator = np.random.default_rng(0)
    share = np.cumsum(1 / np.arange(1, words + 1))
    drawn = np.searchsorted(share, generator.random(tokens - words) * share[-1])
    numbers = generator.permutation(np.concatenate([np.arange(words), drawn])).reshape(-1, 20)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(" ".join(f"w{number}" for number in row) + "\n" for row in numbers.tolist())
    return Sentences(path, len(numbers), tokens)


if __name__ == "__main__":
    main()
