"""A funnel: the towers of another run find the candidates, a second stage that looks at each pair puts them in order.

Towers must score everything, so a pair is one inner product; over a hundred candidates a network can afford to look at
both vectors together (Covington, Adams and Sargin 2016, "Deep neural networks for YouTube recommendations", RecSys).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lab.config.base import ExperimentConfig, Section
from lab.errors import UserError
from lab.experiment import DataFacts, Recipe
from lab.training.reranker_config import RerankTrainConfig

if TYPE_CHECKING:
    from lab.data.interactions.config import InteractionsConfig
    from lab.models.reranker import Members
    from lab.recommend import RankingConfig, RankingTask
    from lab.runs.writer import RunWriter
    from lab.serving.candidates import FirstStage
    from lab.training.reranker import CandidateLists, Sides


class CandidateIndexConfig(Section):
    """An approximate index that the first stage asks, instead of comparing with every item."""

    kind: Literal["flat", "ivf", "hnsw"] = Field(
        "hnsw", description="flat: every item; ivf: lists around centroids; hnsw: a graph (extra `index`)"
    )
    least_recall: Annotated[float, Field(gt=0, le=1)] = Field(
        0.95, description="of the exact best that it has to find: the least nprobe or efSearch that does is taken"
    )


class RerankerConfig(Section):
    """The second stage."""

    numbers: list[Literal["rank", "popularity", "activity", "nearest", "likeness"]] = Field(
        ["rank", "popularity", "activity", "nearest", "likeness"],
        description="what it is told of a pair beside both vectors and the score: rank in the first stage, the item's "
        "popularity, how much the user had, nearest and mean cosine of the item with what she had",
    )
    hidden: list[Annotated[int, Field(ge=1)]] = Field([16], description="widths of the hidden layers; none: linear")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(0.3, description="after each hidden layer")
    folds: Annotated[int, Field(ge=2)] = Field(
        4, description="validation users are dealt into so many; a member of the ranker learns from all but one of them"
    )


class FunnelConfig(ExperimentConfig):
    """`experiment: funnel`."""

    experiment: Literal["funnel"] = "funnel"
    retriever: str = Field(
        description="run:REF, a run of two_tower, whose data and rules are taken (run:this: of this study)"
    )
    candidates: Annotated[int, Field(ge=2)] = Field(100, description="items that the first stage hands to the second")
    index: CandidateIndexConfig | None = Field(None, description="by default the first stage searches exactly")
    ranker: RerankerConfig = Field(default_factory=RerankerConfig)
    train: RerankTrainConfig = Field(default_factory=RerankTrainConfig)


def plan(config: FunnelConfig) -> DataFacts:
    """Find the towers' run, and read, clean and split its pairs."""
    from lab.recommend import describe_ranking_task

    data, ranking = rules_of(config)
    if config.index:
        from lab.embeddings.index import require_faiss

        require_faiss()
        if ranking.candidates == "new":
            raise UserError("index: items held out of training are few and searched exactly; leave index out")
    facts = describe_ranking_task(data)
    if not facts.counts.get("validation"):
        raise UserError("retriever: its split has no validation pairs, from which a second stage learns")
    return facts


def rules_of(config: FunnelConfig) -> tuple[InteractionsConfig, RankingConfig]:
    """The data of the towers' run, and how its rankings are judged. Raises `UserError` where it has no such towers."""
    from lab.data.interactions.config import InteractionsConfig
    from lab.recommend import RankingConfig
    from lab.runs.built_on import PREFIX, find_run

    if not config.retriever.startswith(PREFIX):
        raise UserError(f"retriever: {config.retriever}: expected run: and a run of two_tower, e.g. run:last")
    found = find_run(config.retriever.removeprefix(PREFIX).strip())
    if found.experiment != "two_tower":
        raise UserError(f"retriever: {found.id} is a run of {found.experiment}; expected one of two_tower")
    values = found.config if isinstance(found.config, dict) else found.config.model_dump(mode="json")
    if (values.get("similarity") or {}).get("kind") == "mlp":
        raise UserError("retriever: its pairs are scored by a perceptron, which cannot be searched; expected vectors")
    ranking = values.get("ranking") or {}
    if ranking.get("fold_in"):
        raise UserError(
            "retriever: ranking.fold_in: its users' vectors hold the validation pairs that teach the ranker"
        )
    return (
        InteractionsConfig.model_validate(values["data"]),
        RankingConfig.model_validate(ranking),
    )


def run(config: FunnelConfig, run: RunWriter) -> None:
    """Towers' vectors → candidates → a re-ranker, trained on validation pairs → both stages over the test users."""
    from lab.recommend import about_task, load_ranking_task, record_ranking, record_ranking_task
    from lab.serving.funnel import Funnel, compare_stages, list_scorer
    from lab.training.loop import train
    from lab.training.reranker import RerankLearning, folds, predicted, reordered

    run.stage("read the data")
    data, ranking = rules_of(config)
    task = load_ranking_task(data)
    record_ranking_task(run, task)

    run.stage("find candidates")
    numbers = ("score", *config.ranker.numbers)
    funnel = Funnel(task, ranking, first_stage(config, task, ranking, run), config.candidates, numbers)
    lists = {part: shown for part in task.judged if len((shown := funnel.lists(part)).users)}

    run.stage("train")
    if "validation" not in lists:
        raise UserError("retriever: no user has a validation pair to be found, from which a second stage learns")
    teaching = lists["validation"]
    fold = folds(len(teaching.users), config.ranker.folds, run.generator("folds"))
    model = new_reranker(config, teaching, funnel.sides, int(fold.max()) + 1, run.stream_seed("initialisation"))
    learner = RerankLearning(model, funnel.sides, teaching, fold, config.train, run)
    fitted = train(learner, config.train, run)

    run.stage("evaluate")
    scorers, stages = {}, {}
    for part, shown in lists.items():
        by_others = part == "validation"  # each user's by the member that has not learned from her
        scores = learner.out_of_fold() if by_others else predicted(model, funnel.sides, shown)
        scorers[part] = list_scorer(shown, scores, task.users, task.items)
        stages[part] = compare_stages(run, funnel, part, shown, reordered(shown, scores)[0])
    details = record_ranking(run, task, scorers["validation"], ranking, funnel.stage.items, grown=scorers.get("test"))
    details["stages"] = stages[details["judged"]]
    details["milliseconds"] = funnel.milliseconds_per_user(model)

    run.stage("save")
    if config.train.save_weights:
        tensors = {name: tensor.numpy() for name, tensor in learner.tensors().items()}
        run.save_tensors("reranker", tensors, {"numbers": numbers, "hidden": config.ranker.hidden})
    taught = {"users": len(learner.telling), "pairs": int(learner.hits.sum())}
    epochs = {"planned": config.train.epochs, "done": fitted.epochs, "best": fitted.best_epoch}
    run.save_json(
        "funnel", {"taught": taught, "epochs": epochs, "seconds": fitted.seconds, **about_task(task), **details}
    )


def first_stage(config: FunnelConfig, task: RankingTask, ranking: RankingConfig, run: RunWriter) -> FirstStage:
    """The towers' vectors, and where the config asks for one an index over the items that may be shown."""
    import numpy as np

    from lab.recommend import allowed_items
    from lab.runs.built_on import PREFIX
    from lab.runs.refs import load_run
    from lab.serving.bundle import searched_of
    from lab.serving.candidates import FirstStage
    from lab.serving.measure import drawn_queries, least_effort, measured_indexes

    towers = load_run(config.retriever.removeprefix(PREFIX))
    vectors = searched_of(towers.space(), towers)
    if vectors.users is None or (vectors.user_ids, vectors.ids) != (task.interactions.users, task.interactions.items):
        raise UserError(f"retriever: run {towers.id} has vectors of other users or items than its data hold now")
    if config.index is None:
        return FirstStage(vectors.users, vectors.items)
    allowed = allowed_items(task, ranking, "test")
    places = np.arange(task.items) if allowed is None else np.flatnonzero(allowed)
    queries = drawn_queries(vectors.users, "users", run.stream_seed("queries"))
    indexes, told = measured_indexes(queries, vectors.items[places], vectors.metric, seed=run.stream_seed("index"))
    chosen = least_effort(told, config.index.kind, config.index.least_recall)
    indexes[config.index.kind].spend(chosen["effort"])
    run.save_json("serving", {**told, "chosen": {"kind": chosen["kind"], "effort": chosen["effort"]}})
    run.log(f"candidates by {chosen['name']}")
    return FirstStage(vectors.users, vectors.items, indexes[config.index.kind], places)


def new_reranker(config: FunnelConfig, lists: CandidateLists, sides: Sides, members: int, seed: int) -> Members:
    """Re-rankers with weights drawn from `seed`, their numbers scaled as the lists that teach have them."""
    import torch

    from lab.models.reranker import Members, Reranker

    numbers = torch.from_numpy(lists.numbers[lists.items >= 0])
    mean, deviation = numbers.mean(dim=0), numbers.std(dim=0)
    hidden, dropout = config.ranker.hidden, config.ranker.dropout
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Members(
            [Reranker(sides.items.shape[1], mean, deviation, hidden=hidden, dropout=dropout) for _ in range(members)]
        )


def spoken(key: str, value: Any, config: FunnelConfig) -> str | None:
    """Settings of a funnel as people say them."""
    if key == "retriever":
        return f"behind run {value.removeprefix('run:')[:4]}"
    return f"{value} candidates" if key == "candidates" else None


def title(config: FunnelConfig) -> str:
    """The whole row in words."""
    return f"funnel, {config.candidates} candidates re-ranked"


recipe = Recipe(
    name="funnel",
    summary="a second stage re-orders what the towers of another run find; indexes measured",
    version=1,
    config=FunnelConfig,
    plan=plan,
    run=run,
    spoken=spoken,
    title=title,
)
