"""What any network has to beat: the majority class, raw pixels, TF-IDF, word vectors, an embedding learned here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.data.labelled.config import LabelledConfig
from lab.errors import UserError
from lab.experiment import DataFacts, Estimate, Recipe

if TYPE_CHECKING:
    import numpy as np

    from lab.classify import Task
    from lab.data.labelled.items import Items
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter
    from lab.training.word_average import WordAverage


class MethodConfig(Section):
    """Which simple method."""

    name: Literal["majority", "pixels", "tfidf", "word_vectors", "embedding"] = Field(
        "majority",
        description="pixels, tfidf: with logistic regression; word_vectors: mean of pretrained ones with logistic "
        "regression; embedding: word vectors learned in the task from scratch",
    )
    penalties: list[Annotated[float, Field(gt=0)]] = Field(
        [100.0, 10.0, 1.0, 0.1, 0.01, 0.001],
        min_length=1,
        description="L2 penalties (1/C) to choose from on validation data",
    )
    vectors: str = Field("minilm-l6", description="word_vectors: packaged or transformers token table, or vector file")
    image_size: Annotated[int, Field(ge=4)] = Field(32, description="pixels a side at which pixels are compared")


class BaselineConfig(ExperimentConfig):
    """`experiment: baseline`."""

    experiment: Literal["baseline"] = "baseline"
    data: LabelledConfig = Field(default_factory=LabelledConfig)
    method: MethodConfig = Field(default_factory=MethodConfig)


KIND = {"majority": None, "pixels": "image", "tfidf": "text", "word_vectors": "text", "embedding": "text"}
"""What items a method can read; None: any, as it does not look at them."""


def plan(config: BaselineConfig) -> DataFacts:
    """Find the data, its labels and its splits, and the word vectors where they are needed."""
    from lab.classify import describe_task

    facts = describe_task(config.data, KIND[config.method.name], config.seed)
    if config.method.name != "word_vectors":
        return facts
    return replace(facts, inputs={"vectors": vectors_fingerprint(config.method.vectors)})


def vectors_fingerprint(source: str) -> str:
    """A digest of the word vectors; `UserError` where there are none."""
    from pathlib import Path

    from lab.data.backbones import locate_backbone
    from lab.data.fingerprint import file_fingerprint
    from lab.spaces import is_text_backbone

    if is_text_backbone(source):
        return locate_backbone(source).fingerprint
    file = Path(source).expanduser()
    if not file.is_file():
        raise UserError(f"method.vectors: {source} is neither a file nor a packaged backbone (see: lab list packaged)")
    return file_fingerprint(file)


def estimate(config: BaselineConfig) -> Estimate:
    """A few seconds to read the data, and about a millisecond an item and penalty."""
    counts = plan(config).counts
    fits = 1 if config.method.name == "majority" else len(config.method.penalties)
    return Estimate(seconds=2 + 1e-3 * counts["train"] * fits, bytes=50_000 + 200 * counts["items"])


def run(config: BaselineConfig, run: RunWriter) -> None:
    """Data → features that need no training → a linear classifier → the same numbers as for any network."""
    from lab.classify import load_task, record_predictions, record_task, split_facts

    run.stage("read the data")
    task = load_task(config.data, config.seed)
    record_task(run, task)

    run.stage("train")
    started = time.perf_counter()
    classifier = train(config.method, task, run)
    trained = time.perf_counter()

    run.stage("evaluate")
    predicted = {part: classifier.probabilities(task.items, index) for part, index in task.judged.items()}
    details = record_predictions(run, task, predicted)
    evaluated = time.perf_counter()

    run.save_tensors("classifier", classifier.arrays)
    run.save_json("classifier", {"method": config.method.name, "classes": task.items.classes, **classifier.facts})
    seconds = {"train": trained - started, "evaluate": evaluated - trained, "total": evaluated - started}
    about = {"method": config.method.name, "kind": task.items.kind, "classes": task.items.classes, "seconds": seconds}
    run.save_json("baseline", {**about, "split": split_facts(task.split), "data_check": task.check, **details})


# --- the methods: each is something to see in an item, and, but for the first, logistic regression on it


@dataclass(frozen=True)
class Classifier:
    """A trained baseline. `arrays` and `facts` are all it needs to be read back (`load_classifier`)."""

    method: str
    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]

    def features(self, items: Items, index: np.ndarray) -> Any:
        """What the method sees of some items: (m, d) float32, sparse for TF-IDF."""
        return SEEN[self.method](items, index, self.arrays, self.facts)

    def probabilities(self, items: Items, index: np.ndarray) -> np.ndarray:
        """(m, classes) float32, rows that add up to 1."""
        import numpy as np
        from scipy.special import softmax

        seen = self.features(items, index)
        logits = np.asarray(seen @ self.arrays["weight"].T) + self.arrays["bias"]
        return softmax(logits, axis=1).astype(np.float32)


def train(method: MethodConfig, task: Task, run: RunWriter) -> Classifier:
    """Fit one method on the training items, its penalty chosen on validation items."""
    import numpy as np

    from lab.evaluation.logistic import choose_penalty

    items, training, classes = task.items, task.split.train, len(task.items.classes)
    if method.name == "embedding":
        return train_embedding(task, run)
    if method.name == "majority":
        shares = np.bincount(items.labels[training], minlength=classes) / len(training)
        arrays = {"weight": np.zeros((classes, 1), np.float32), "bias": np.log(np.maximum(shares, 1e-6))}
        return Classifier(method.name, arrays, {})
    arrays, facts = FITTED[method.name](items, training, method)
    seen = Classifier(method.name, arrays, facts).features
    x, held = seen(items, training), task.split.validation
    held_x = seen(items, held) if len(held) else x[:0]
    options: dict[str, Any] = {"classes": classes, "penalties": method.penalties}
    chosen = choose_penalty(x, items.labels[training], held_x, items.labels[held], **options)
    run.log(f"penalty {chosen.penalty:g} chosen {chosen.how}; accuracy there {chosen.accuracy:.3f}")
    linear = {"weight": chosen.head.weight, "bias": chosen.head.bias}
    return Classifier(method.name, {**arrays, **linear}, {**facts, "penalty": chosen.penalty})


def see_nothing(items: Items, index: np.ndarray, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> np.ndarray:
    """The same for every item: zeros (m, 1)."""
    import numpy as np

    return np.zeros((len(index), 1), np.float32)


def fit_pixels(
    items: Items, training: np.ndarray, method: MethodConfig
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Note the size, whether the pictures have colours, and the mean picture."""
    assert items.images is not None
    pixels = items.images.decode(training, method.image_size, "bilinear")
    grey = bool((pixels[:, :1] == pixels).all())
    facts = {"size": method.image_size, "grey": grey}
    return {"mean": _flat(pixels, grey).mean(axis=0)}, facts


def see_pixels(items: Items, index: np.ndarray, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> np.ndarray:
    """Pixels from 0 to 1 less the mean picture, (m, channels · size²) float32."""
    if items.images is None:
        raise UserError("the classifier reads images, and these items are texts")
    return _flat(items.images.decode(index, facts["size"], "bilinear"), facts["grey"]) - arrays["mean"]


def _flat(pixels: np.ndarray, grey: bool) -> np.ndarray:
    import numpy as np

    return np.ascontiguousarray(pixels[:, :1] if grey else pixels).reshape(len(pixels), -1).astype(np.float32) / 255


def fit_tfidf(items: Items, training: np.ndarray, method: MethodConfig) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Learn the words and pairs of words of the training texts, and how rare each is."""
    import numpy as np

    vectorizer = _vectorizer().fit(_texts(items, training))
    words = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.get)
    return {"idf": np.asarray(vectorizer.idf_)}, {"vocabulary": words}


def see_tfidf(items: Items, index: np.ndarray, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Any:
    """TF-IDF of words and pairs of words, rows of length 1: (m, vocabulary) sparse."""
    vectorizer = _vectorizer(vocabulary=facts["vocabulary"])
    vectorizer.idf_ = arrays["idf"]
    return vectorizer.transform(_texts(items, index))


def _vectorizer(**options: Any) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **options)


def fit_word_vectors(
    items: Items, training: np.ndarray, method: MethodConfig
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Keep the pretrained vector of every word in the training texts; other words have none."""
    from lab.spaces import vectors_from

    space = vectors_from(method.vectors)
    words = sorted({word for text in _texts(items, training) for word in words_of(text)} & set(space.ids.tolist()))
    if not words:
        raise UserError(f"method.vectors: {method.vectors} knows no word of the training texts")
    return {"vectors": space.vectors[space.index(words)]}, {"words": words}


def see_word_vectors(
    items: Items, index: np.ndarray, arrays: dict[str, np.ndarray], facts: dict[str, Any]
) -> np.ndarray:
    """The mean vector of a text's known words, zeros where it has none: (m, d) float32."""
    import numpy as np

    from lab.embeddings.space import EmbeddingSpace
    from lab.models.word2vec.encoder import MeanOfWords

    encoder = MeanOfWords(EmbeddingSpace(facts["words"], arrays["vectors"]), words_of)
    return np.nan_to_num(encoder.encode(_texts(items, index)))


def words_of(text: str) -> list[str]:
    """Lower-case words of a text."""
    from lab.data.tokenizer import TokenizerConfig, tokenize

    return tokenize(text, TokenizerConfig())


def train_embedding(task: Task, run: RunWriter) -> Classifier:
    """Learn a vector for every word of the training texts together with the classifier on their mean."""
    from lab.training.word_average import train_word_average

    items, training, validation = task.items, task.split.train, task.split.validation
    found: WordAverage = train_word_average(
        [words_of(text) for text in _texts(items, training)],
        items.labels[training],
        [words_of(text) for text in _texts(items, validation)],
        items.labels[validation],
        classes=len(items.classes),
        seed=run.stream_seed("embedding"),
    )
    run.log(f"{len(found.words):,} words have a vector; epoch {found.epoch} of {found.epochs} kept")
    arrays = {"vectors": found.vectors, "weight": found.weight, "bias": found.bias}
    return Classifier("embedding", arrays, {"words": found.words})


def _texts(items: Items, index: np.ndarray) -> list[str]:
    if items.texts is None:
        raise UserError("the classifier reads texts, and these items are images")
    return [items.texts[i] for i in index]


FITTED: dict[str, Callable[..., tuple[dict[str, np.ndarray], dict[str, Any]]]] = {
    "pixels": fit_pixels,
    "tfidf": fit_tfidf,
    "word_vectors": fit_word_vectors,
}
SEEN: dict[str, Callable[..., Any]] = {
    "majority": see_nothing,
    "pixels": see_pixels,
    "tfidf": see_tfidf,
    "word_vectors": see_word_vectors,
    "embedding": see_word_vectors,
}


METHODS = {
    "majority": "majority class",
    "pixels": "raw pixels",
    "tfidf": "TF-IDF",
    "word_vectors": "mean word vectors",
    "embedding": "embedding learned here",
}


def spoken(key: str, value: Any, config: BaselineConfig) -> str | None:
    """The method as people call it."""
    return METHODS[value] if key == "method.name" else None


# --- reading it back


class BaselinePredictor:
    """A trained baseline for new items: `classes`, `predict(items)`, `features(items)`."""

    def __init__(self, classifier: Classifier, classes: list[str]) -> None:
        self.classifier = classifier
        self.classes = classes

    def predict(self, items: Items) -> np.ndarray:
        """Probabilities (n, classes) float32 of all items."""
        return self.classifier.probabilities(items, _all(items))

    def features(self, items: Items) -> np.ndarray:
        """What the method sees of all items, (n, d) float32."""
        import numpy as np

        seen = self.classifier.features(items, _all(items))
        return np.asarray(seen.todense() if hasattr(seen, "todense") else seen, dtype=np.float32)


def _all(items: Items) -> np.ndarray:
    import numpy as np

    return np.arange(len(items.ids))


def load_classifier(run: Run) -> BaselinePredictor:
    """Read back what a finished run trained."""
    facts = run.json("classifier")
    return BaselinePredictor(Classifier(facts["method"], run.tensors("classifier"), facts), facts["classes"])


recipe = Recipe(
    name="baseline",
    summary="majority class, raw pixels, TF-IDF, word vectors: what a network has to beat",
    version=1,
    config=BaselineConfig,
    plan=plan,
    run=run,
    estimate=estimate,
    load_classifier=load_classifier,
    spoken=spoken,
    title=lambda config: METHODS[config.method.name],
)
