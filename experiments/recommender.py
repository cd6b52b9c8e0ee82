"""What any two towers have to beat: chance, popularity, neighbours, EASE, iALS, and texts compared as they are.

Two-tower models that are not held against these are hard to believe (Dacrema et al. 2019, arXiv:1907.06902).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig, Section
from lab.data.interactions.config import InteractionsConfig
from lab.errors import UserError
from lab.experiment import DataFacts, Recipe
from lab.recommend import SPOKEN_METHOD, RankingConfig

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from lab.evaluation.ranking import Scorer
    from lab.recommend import RankingTask
    from lab.runs.writer import RunWriter

Positive = Annotated[float, Field(gt=0)]
_OWN = {
    "popularity": {"half_lives"},
    "item_neighbors": {"neighbors"},
    "ease": {"penalties"},
    "als": {"factors", "penalties"},
    "word_vectors": {"vectors"},
}
PENALTIES = {"ease": [50.0, 100.0, 200.0, 300.0, 500.0, 1000.0], "als": [0.3, 3.0, 10.0, 30.0]}


class RecommenderMethodConfig(Section):
    """Which simple method."""

    name: Literal["random", "popularity", "item_neighbors", "ease", "als", "tfidf", "word_vectors"] = Field(
        "popularity",
        description="item_neighbors: cosine of who had them; ease, als: linear models (als needs the extra "
        "`baselines`); tfidf, word_vectors: texts compared as they are, of the user or of what she had",
    )
    half_lives: list[Positive] | None = Field(
        None,
        min_length=1,
        description="popularity: days in which a pair's count fades by half, chosen on validation data; needs "
        "timestamps; by default all count alike",
    )
    neighbors: list[Annotated[int, Field(ge=1)]] = Field(
        [20, 50, 100, 200], min_length=1, description="item_neighbors: how many, chosen on validation data"
    )
    penalties: list[Positive] | None = Field(
        None, min_length=1, description="ease, als: chosen on validation data; by default 50 to 1000, 0.3 to 30"
    )
    factors: list[Annotated[int, Field(ge=1)]] = Field(
        [32, 64], min_length=1, description="als: dimensions, chosen on validation data"
    )
    vectors: str = Field("minilm-l6", description="word_vectors: a word2vec run, a token table or a vector file")

    @model_validator(mode="after")
    def _own_keys(self) -> RecommenderMethodConfig:
        given = self.changed() - {"name"} - _OWN.get(self.name, set())
        if given:
            raise ValueError(f"{sorted(given)[0]}: means nothing with name: {self.name}; leave it out")
        return self


class RecommenderConfig(ExperimentConfig):
    """`experiment: recommender`."""

    experiment: Literal["recommender"] = "recommender"
    data: InteractionsConfig = Field(default_factory=InteractionsConfig)
    method: RecommenderMethodConfig = Field(default_factory=RecommenderMethodConfig)
    ranking: RankingConfig = Field(default_factory=RankingConfig)


def plan(config: RecommenderConfig) -> DataFacts:
    """Read, clean and split the pairs."""
    from lab.recommend import describe_ranking_task

    return describe_ranking_task(config.data, config.ranking)


def run(config: RecommenderConfig, run: RunWriter) -> None:
    """Pairs → a method, its one setting chosen on validation pairs → every user against every item."""
    from lab.recommend import about_task, load_ranking_task, record_ranking, record_ranking_task

    run.stage("read the data")
    task = load_ranking_task(config.data)
    record_ranking_task(run, task)

    run.stage("train")
    started = time.perf_counter()
    scorer, chosen = fitted(config, task, run)
    grown = candidates_of(config, task, task.grown)[chosen.get("setting", "")]() if config.ranking.fold_in else None
    seconds = time.perf_counter() - started

    run.stage("evaluate")
    details = record_ranking(run, task, scorer, config.ranking, grown=grown)
    told = {"method": config.method.name, "chosen": chosen, "seconds": seconds}
    run.save_json("recommender", {**told, **about_task(task), **details})


def fitted(config: RecommenderConfig, task: RankingTask, run: RunWriter) -> tuple[Scorer, dict[str, Any]]:
    """The method fitted to the training part, with its setting of best nDCG on validation pairs."""
    from lab.recommend import judge

    candidates = candidates_of(config, task)
    if len(candidates) == 1 or "validation" not in task.judged:
        setting, make = next(iter(candidates.items()))
        return make(), {"setting": setting} if setting else {}
    metric = f"ndcg@{config.ranking.at[0]}"
    best: tuple[float, str, Scorer] | None = None
    tried = {}
    for setting, make in candidates.items():
        scorer = make()
        value = float(judge(task, scorer, config.ranking, "validation").values[metric].mean())
        tried[setting] = value
        if best is None or value > best[0]:
            best = (value, setting, scorer)
        run.check_interrupt()
    assert best is not None
    run.log(f"{best[1]} chosen on validation pairs: {metric} {best[0]:.4f}")
    return best[2], {"setting": best[1], "tried": tried}


def candidates_of(config: RecommenderConfig, task: RankingTask, of: csr_array | None = None) -> dict[str, Any]:
    """Setting in words → a function that fits it to the training part; iALS starts from the same vectors always.

    `of` (users, items): the histories that are scored, by default those of the training part.
    """
    import lab.models.recommenders as methods

    history, method = task.train, config.method
    match method.name:
        case "random":
            return {"": lambda: methods.random_items(history)}
        case "popularity":
            if method.half_lives is None:
                return {"": lambda: methods.popularity(history)}
            return {f"half-life {h:g} days": lambda h=h: popular_lately(task, h) for h in method.half_lives}
        case "item_neighbors":
            return {f"{k} neighbours": lambda k=k: methods.item_neighbors(history, k, of=of) for k in method.neighbors}
        case "ease":
            penalties = method.penalties or PENALTIES["ease"]
            return {f"penalty {p:g}": lambda p=p: methods.ease(history, p, of) for p in penalties}
        case "als":
            return {
                f"{f} factors, penalty {p:g}": lambda f=f, p=p: methods.alternating_least_squares(history, f, p, of=of)
                for f in method.factors
                for p in method.penalties or PENALTIES["als"]
            }
        case _:
            return {"": lambda: by_texts(method, task, of)}


def popular_lately(task: RankingTask, half_life: float) -> Scorer:
    """How many had an item, each counting half for every `half_life` days of age."""
    import numpy as np

    from lab.models.recommenders import same_for_all
    from lab.recommend import recency

    items = task.interactions.item[task.split.train]
    return same_for_all(np.bincount(items, weights=recency(task, half_life), minlength=task.items))


def by_texts(method: RecommenderMethodConfig, task: RankingTask, of: csr_array | None = None) -> Scorer:
    """Inner products of texts: the user's own, or, where users have none, the mean of what they had."""
    import numpy as np

    items = texts_of(task.interactions.item_table)
    if items is None:
        raise UserError(f"method.name: {method.name} compares texts, and nothing is known of the items in words")
    users = texts_of(task.interactions.user_table, required="text")
    if method.name == "tfidf":
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
        right = vectorizer.fit_transform(items if users is None else [*users, *items])[-len(items) :].astype(np.float32)
        left = (
            _profiles(task.train if of is None else of, right)
            if users is None
            else vectorizer.transform(users).astype(np.float32)
        )
        return lambda index: np.asarray((left[index] @ right.T).todense())
    from lab.evaluation.ranking import by_vectors
    from lab.tower_readers import word_means

    vectors = np.nan_to_num(word_means(method.vectors, items))
    own = (
        _profiles(task.train if of is None else of, vectors)
        if users is None
        else np.nan_to_num(word_means(method.vectors, users))
    )
    return by_vectors(own, vectors)


def _profiles(history: csr_array, items: Any) -> Any:
    """The mean of what each user had, zeros for nobody known."""
    import numpy as np
    from scipy.sparse import dia_array

    counts = np.maximum(np.diff(history.indptr), 1)
    scale = dia_array((1 / counts[None].astype(np.float32), [0]), shape=(len(counts), len(counts)))
    return scale.tocsr() @ (history @ items)


def texts_of(table: Any, required: str | None = None) -> list[str] | None:
    """A text for each row: its column `text`, else all its words and categories together; None where there are none.

    `required`: only this column will do.
    """
    if table is None or (required and required not in table.columns):
        return None
    columns = ["text"] if "text" in table.columns else list(table.select_dtypes(exclude="number").columns)
    if not columns:
        return None
    cells = table[columns].fillna("").astype(str)
    return [" ".join(row).replace("|", " ") for row in cells.itertuples(index=False)]


def spoken(key: str, value: Any, config: RecommenderConfig) -> str | None:
    """A method by its usual name."""
    return SPOKEN_METHOD[value] if key == "method.name" else None


def title(config: RecommenderConfig) -> str:
    """The whole row in words."""
    lately = " lately" if config.method.half_lives else ""
    return f"{SPOKEN_METHOD[config.method.name]}{lately}"


recipe = Recipe(
    name="recommender",
    summary="popularity, neighbours, EASE, iALS, texts as they are: what two towers have to beat",
    version=1,
    config=RecommenderConfig,
    plan=plan,
    run=run,
    spoken=spoken,
    title=title,
    deterministic=True,
)
