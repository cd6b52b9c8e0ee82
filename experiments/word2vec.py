"""Word vectors from running text: CBOW and skip-gram (Mikolov et al. 2013, arXiv:1301.3781 and 1310.4546)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig, Section
from lab.data.config import CorpusConfig
from lab.data.tokenizer import TokenizerConfig
from lab.errors import LabError
from lab.experiment import DataFacts, Encoder, Estimate, Recipe

if TYPE_CHECKING:
    from lab.data.corpus import Corpus
    from lab.embeddings.space import EmbeddingSpace
    from lab.models.word2vec.engine import Engine, Options, State, Vocabulary
    from lab.models.word2vec.held_out_loss import HeldOutPairs
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter

PositiveInt = Annotated[int, Field(ge=1)]
PositiveFloat = Annotated[float, Field(gt=0)]


class VocabularyConfig(Section):
    """Which words get a vector."""

    min_count: PositiveInt = Field(5, description="words seen less often are dropped")
    max_vocab: PositiveInt | None = Field(None, description="keep at most this many words, the most frequent")


class ModelConfig(Section):
    """Architecture and objective; names and defaults as in gensim."""

    architecture: Literal["cbow", "skipgram"] = Field("cbow", description="which word predicts which")
    objective: Literal["negative-sampling", "hierarchical-softmax"] = "negative-sampling"
    vector_size: PositiveInt = Field(100, description="dimensions")
    window: PositiveInt = Field(5, description="words on each side")
    shrink_windows: bool = Field(True, description="draw each window's size from 1 to `window`, as word2vec.c does")
    negative: PositiveInt = Field(5, description="noise words per pair (negative sampling only)")
    ns_exponent: float = Field(0.75, description="noise words are drawn in proportion to count ** ns_exponent")
    cbow_mean: bool = Field(True, description="average the context vectors (else sum)")
    subwords: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="[3, 6]: a word's vector is the mean of its own and those of its n-grams of 3 to 6 characters, as "
        "in fastText; words never seen have a vector, too (lab engine, negative sampling)",
    )
    subsample: Annotated[float, Field(ge=0, lt=1)] = Field(
        1e-3, description="threshold for dropping frequent words; 0: none"
    )


class TrainConfig(Section):
    """How long and how fast."""

    engine: Literal["lab", "gensim"] = Field(
        "lab", description="lab: noise words shared within a window, several times as fast; gensim: the reference"
    )
    epochs: PositiveInt = Field(5, description="passes over the corpus")
    learning_rate: PositiveFloat = Field(0.025, description="at the start")
    min_learning_rate: PositiveFloat = Field(0.0001, description="at the end")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="how the learning rate falls over the epochs; within one it falls in a line, word by word"
    )
    threads: PositiveInt = Field(1, description="1: the same vectors bit for bit; more: faster, not repeatable")
    batch_words: Annotated[int, Field(ge=1, le=10_000)] = Field(
        10_000, description="gensim: words a job; the learning rate falls from job to job"
    )
    start_from: str | None = Field(
        None,
        description="`run:REF` of word2vec, or a file of vectors: words found there begin with their vectors (and, of "
        "a run with negative sampling, output vectors); new words begin as they always do",
    )

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.min_learning_rate > self.learning_rate:
            raise ValueError("min_learning_rate is above learning_rate: the rate falls from one to the other")
        return self


class EvaluateConfig(Section):
    """Which tests the vectors take: packaged names, or paths of files in the same formats."""

    similarity: list[str] = Field(default_factory=lambda: ["wordsim353", "simlex999"])
    analogies: list[str] = Field(default_factory=lambda: ["questions-words"])
    restrict_vocabulary: PositiveInt = Field(300_000, description="analogies are answered from this many words")


class Word2VecConfig(ExperimentConfig):
    """`experiment: word2vec`."""

    experiment: Literal["word2vec"] = "word2vec"
    data: CorpusConfig = Field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = Field(default_factory=TokenizerConfig)
    vocabulary: VocabularyConfig = Field(default_factory=VocabularyConfig)
    model: ModelConfig = Field(default_factory=ModelConfig)
    train: TrainConfig = Field(default_factory=TrainConfig)
    evaluate: EvaluateConfig = Field(default_factory=EvaluateConfig)

    @model_validator(mode="after")
    def _subwords(self) -> Self:
        span = self.model.subwords
        if span is None:
            return self
        if span[0] > span[1]:
            raise ValueError(f"model.subwords: {span}: the shortest n-grams come first")
        if self.train.engine == "gensim" or self.model.objective == "hierarchical-softmax":
            raise ValueError("model.subwords: only with train.engine=lab and model.objective=negative-sampling")
        if self.train.start_from is not None:
            raise ValueError("model.subwords: train.start_from has vectors of whole words; leave out one of the two")
        return self


EVALUATION = "held-out text"
PROBE_TOKENS = 20_000
NGRAMS_A_WORD = 7  # different ones, to a word of a vocabulary of ten thousand words


def plan(config: Word2VecConfig) -> DataFacts:
    """Find the text and the word tests; both are part of what the numbers depend on."""
    from lab.data.fingerprint import digest
    from lab.data.text import describe
    from lab.evaluate import load_tests
    from lab.starting_vectors import start_fingerprint

    facts = describe(config.data)
    similarities, analogies = load_tests(config.evaluate.similarity, config.evaluate.analogies)
    tests = [*(test.fingerprint for test in similarities), *(test.fingerprint for test in analogies)]
    facts = replace(facts, fingerprint=digest(facts.fingerprint, *tests))
    return replace(facts, inputs=start_fingerprint(config.train.start_from))


def run(config: Word2VecConfig, run: RunWriter) -> None:
    """Text → vocabulary → vectors, an epoch at a time → a space of words → word tests."""
    from lab.data.corpus import build_corpus
    from lab.evaluate import evaluate_space
    from lab.evaluation.words import record
    from lab.models.word2vec.held_out_loss import hold_out

    run.stage("tokenise")
    corpus = build_corpus(config.data, config.tokenizer)
    run.save_json("tokenizer", {"config": config.tokenizer.model_dump(mode="json"), "phrases": corpus.phrases})

    run.stage("count words")
    options = engine_options(config)
    engine = make_engine(config.train.engine)
    vocabulary = engine.build(corpus.training, options)
    seed = config.data.held_out.seed
    pairs = hold_out(corpus.held_out, vocabulary, options, tokens=corpus.held_out.tokens, seed=seed)
    describe_data(run, corpus, vocabulary, pairs)

    run.stage("train")
    state, losses = train(run, engine, options, vocabulary, corpus, pairs)
    run.save_tensors("word2vec", state.tensors(), state.progress())
    space = as_space(state)
    run.embeddings(space, "words", default=True)
    if len(pairs):
        record_loss(run, state, pairs, losses)

    run.stage("evaluate")
    tests = config.evaluate
    record(evaluate_space(space, tests.similarity, tests.analogies, tests.restrict_vocabulary), run)


def train(
    run: RunWriter,
    engine: Engine,
    options: Options,
    vocabulary: Vocabulary,
    corpus: Corpus,
    pairs: HeldOutPairs,
) -> tuple[State, list[float]]:
    """Train from the start or from the last checkpoint; return the last state and the loss after 0, 1, 2… epochs."""
    from lab.models.word2vec.engine import State

    losses: list[float] = []
    checkpoint = run.latest_checkpoint()
    if checkpoint is None:
        state = start(run, engine, options, vocabulary)
        measure(run, state, pairs, losses)
    else:
        state = State.restore(vocabulary, options, checkpoint.tensors, checkpoint.state)
        losses = list(checkpoint.state["losses"])
    while state.epoch < options.epochs:
        state = engine.train_epoch(state, corpus.training, tick=lambda share: run.check_interrupt())
        if not state.is_finite():
            raise LabError(f"training diverged in epoch {state.epoch}: lower train.learning_rate")
        measure(run, state, pairs, losses)
        run.checkpoint(state.epoch, state.tensors(), state.progress() | {"losses": losses})
    return state, losses


def start(run: RunWriter, engine: Engine, options: Options, vocabulary: Vocabulary) -> State:
    """Draw the first vectors; where `train.start_from` names others, the words found there begin with those."""
    from lab.models.word2vec.engine import warm_start
    from lab.starting_vectors import starting_vectors

    state = engine.start(vocabulary, options, run.stream_seed("word2vec"))
    source = run.config.train.start_from
    if source is None:
        return state
    space, output_vectors = starting_vectors(source)
    words = [str(word) for word in space.ids]
    known = len(vocabulary.index.keys() & set(words))
    run.log(f"{known:,} of {len(vocabulary):,} words begin with the vectors of {source}, the others are new")
    return warm_start(state, words, space.vectors, output_vectors)


def make_engine(name: str) -> Engine:
    """Return the engine of `train.engine`."""
    if name == "gensim":
        from lab.models.word2vec.gensim_engine import GensimEngine

        return GensimEngine()
    from lab.models.word2vec.lab_engine import LabEngine

    return LabEngine()


def measure(run: RunWriter, state: State, pairs: HeldOutPairs, losses: list[float]) -> None:
    """Add the loss on held-out text, where there is any, to `losses`, and tell metrics and progress line."""
    from lab.models.word2vec.held_out_loss import pair_losses

    values = {"learning_rate": state.options.learning_rates(state.epoch)[0]}
    shown = {}
    if len(pairs):
        losses.append(float(pair_losses(pairs, state.word_vectors, state.output_vectors).mean()))
        shown = {"loss": losses[-1]}
    run.metric(state.epoch, **shown, **values)
    run.progress(state.epoch, state.options.epochs, **shown)


def describe_data(run: RunWriter, corpus: Corpus, vocabulary: Vocabulary, pairs: HeldOutPairs) -> None:
    """Keep what the text came to, in words for the log and as counts."""
    kept = int(vocabulary.counts.sum())
    run.count(**corpus.counts, types=vocabulary.types, vocabulary=len(vocabulary), tokens_in_vocabulary=kept)
    run.log(
        f"{corpus.training.tokens:,} tokens in {len(corpus.training):,} sentences, {vocabulary.types:,} different "
        f"words; {len(vocabulary):,} of them get a vector and make up {kept / corpus.training.tokens:.1%} of the text"
    )
    if len(pairs):
        run.log(f"loss on {len(pairs):,} predictions in {len(corpus.held_out):,} held-out sentences")
    elif len(corpus.held_out):
        run.warn("the held-out sentences hold no two known words together: there is no loss; hold out a larger share")
    elif run.config.data.held_out.fraction:
        run.warn("no sentence fell to the held-out share: there is no loss; raise it, or bring text in shorter lines")
    else:
        run.log("no text is held out (data.held_out.fraction): there is no loss")


def as_space(state: State) -> EmbeddingSpace:
    """Return the word vectors with each word's count in the training text and its rank, 1 the most frequent."""
    from lab.embeddings.space import EmbeddingSpace

    words, counts = state.vocabulary.words, state.vocabulary.counts
    metadata = {"count": counts, "rank": range(1, len(words) + 1)}
    return EmbeddingSpace(words, state.word_vectors, metadata, name="words")


def record_loss(run: RunWriter, state: State, pairs: HeldOutPairs, losses: list[float]) -> None:
    """Leave the last loss as the validation result, what each sentence had in it, and the curve over epochs."""
    from lab.loss_curves import curve_by_epoch
    from lab.models.word2vec.held_out_loss import pair_losses, sentence_losses

    options = state.options
    each = pair_losses(pairs, state.word_vectors, state.output_vectors)
    numbers, values, sizes = sentence_losses(pairs, each)
    predicted = "a word from its window" if options.architecture == "cbow" else "a word from one neighbour"
    run.result(
        EVALUATION,
        "loss",
        losses[-1],
        split="validation",
        n=len(values),
        higher_is_better=False,
        primary=True,
        predictions=len(pairs),
        test_fingerprint=pairs.fingerprint(state.vocabulary),
        protocol=f"mean negative log-likelihood (nats) of predicting {predicted}, {options.objective}, "
        f"{len(pairs):,} fixed predictions; only runs with the same predictions can be compared",
    )
    ids = [f"held-out sentence {number}" for number in numbers]
    run.scores(EVALUATION, "loss", ids, values, split="validation", predictions=sizes)
    run.figure(
        "loss",
        curve_by_epoch(range(len(losses)), losses, "loss on held-out text (nats)"),
        title="Loss on held-out text by epoch",
        caption=f"Mean negative log-likelihood (nats) of predicting {predicted}, over {len(pairs):,} predictions in "
        f"{len(values):,} sentences that were not trained on: {losses[0]:.3f} untrained, {losses[-1]:.3f} after "
        f"{state.epoch} epochs, lowest after epoch {losses.index(min(losses))}. Lower is better.",
        data={"epochs": list(range(len(losses))), "loss": losses},
        alt=f"Line falling from {losses[0]:.2f} to {losses[-1]:.2f} over {state.epoch} epochs",
    )


def estimate(config: Word2VecConfig) -> Estimate:
    """Train one pass over the first 20,000 tokens and scale to the whole text and all epochs.

    The seconds are those of a processor with nothing else to do, whatever else it does during the probe.
    """
    import time

    from lab.data.text import describe, read_lines
    from lab.data.tokenizer import make_tokenizer

    # Paragraphs are counted by their lines, so they are sampled by lines too.
    unit = "sentence" if config.data.unit == "paragraph" else config.data.unit
    tokens_of, probe, tokens = make_tokenizer(config.tokenizer), [], 0
    for line in read_lines(config.data.model_copy(update={"unit": unit})):
        probe.append(tokens_of(line.text))
        tokens += len(probe[-1])
        if tokens >= PROBE_TOKENS:
            break
    counts = describe(config.data).counts
    lines = next(counts[name] for name in ("paragraphs", "documents", "rows", "lines") if name in counts)
    total = max(tokens, round(tokens * lines / len(probe)))

    options = replace(engine_options(config), min_count=1, max_vocab=None)
    engine = make_engine(config.train.engine)
    vocabulary = engine.build(probe, options)
    state = engine.start(vocabulary, options, seed=0)
    engine.train_epoch(state, probe[:1])  # what is compiled is compiled once
    started = time.process_time()
    engine.train_epoch(state, probe)
    seconds = (time.process_time() - started) / options.threads * total / tokens * options.epochs
    # Heaps' law: different words grow as a power of the text's length, that of frequent ones likewise.
    words = vocabulary.types * (total / tokens) ** 0.6 / config.vocabulary.min_count
    words = min(words, config.vocabulary.max_vocab or words)
    # The model and two checkpoints with an input matrix each, the space and three output matrices; the rest.
    rows = words * (1 + NGRAMS_A_WORD if config.model.subwords else 1)
    disk = (rows * 3 + words * 4) * config.model.vector_size * 4 + 2_000_000
    return Estimate(seconds=3 + total / 200_000 + seconds, bytes=round(disk))


def load_encoder(run: Run) -> Encoder:
    """Embed texts as the mean of their words' vectors, with the run's own tokenizer and phrases.

    With sub-words, a word that was never seen has the mean of its n-grams' vectors.
    """
    from lab.data.tokenizer import tokenize
    from lab.models.word2vec.encoder import MeanOfWords
    from lab.models.word2vec.subwords import subwords

    kept = run.json("tokenizer")
    tokenizer = TokenizerConfig.model_validate(kept["config"])
    space, span = run.space("words"), run.config["model"].get("subwords")

    def tokens_of(text: str) -> list[str]:
        return tokenize(text, tokenizer, kept["phrases"])

    if span is None:
        return MeanOfWords(space, tokens_of)
    made, vectors = subwords(tuple(map(str, space.ids)), tuple(span)), run.tensors("word2vec")["input_vectors"]
    return MeanOfWords(space, tokens_of, lambda word: made.vector(word, vectors))


def engine_options(config: Word2VecConfig) -> Options:
    """Flatten the config into the engine's options; `train.engine` and `train.start_from` are none of them."""
    from lab.models.word2vec.engine import Options

    sections = config.vocabulary, config.model, config.train
    values = {name: value for section in sections for name, value in section.model_dump().items()}
    del values["engine"], values["start_from"]
    values["subwords"] = values["subwords"] and tuple(values["subwords"])
    return Options(**values)


recipe = Recipe(
    name="word2vec",
    summary="word vectors from running text: CBOW and skip-gram, negative sampling and hierarchical softmax",
    version=2,
    config=Word2VecConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    load_encoder=load_encoder,
)
