"""Two towers: users and items, queries and pages, paragraphs and titles in one space, by pairs that belong together.

Each side is embedded from what is known of it; a pair's score is the similarity of its two vectors, so that everything
can be ranked for everybody (Yi et al. 2019, "Sampling-bias-corrected neural modeling for large corpus item
recommendations", RecSys).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from lab.config.base import ExperimentConfig
from lab.data.interactions.config import InteractionsConfig
from lab.experiment import DataFacts, Recipe
from lab.recommend import SPOKEN_METHOD, RankingConfig
from lab.training.two_tower_config import PairObjectiveConfig, SimilarityConfig, TowerConfig, TwoTowerTrainConfig

if TYPE_CHECKING:
    import numpy as np

    from lab.models.towers.features import Table
    from lab.models.towers.towers import TwoTower
    from lab.recommend import RankingTask
    from lab.runs.run import Run
    from lab.runs.writer import RunWriter
    from lab.tower_features import Reader
    from lab.tower_readers import Side
    from lab.trained_towers import TrainedTowers
    from lab.training.loop import Fitted


class TwoTowerConfig(ExperimentConfig):
    """`experiment: two_tower`."""

    experiment: Literal["two_tower"] = "two_tower"
    data: InteractionsConfig = Field(default_factory=InteractionsConfig)
    dimension: Annotated[int, Field(ge=1)] = Field(64, description="of both sides' vectors")
    user: TowerConfig = Field(default_factory=TowerConfig)
    item: TowerConfig = Field(default_factory=TowerConfig)
    similarity: SimilarityConfig = Field(default_factory=SimilarityConfig)
    objective: PairObjectiveConfig = Field(default_factory=PairObjectiveConfig)
    train: TwoTowerTrainConfig = Field(default_factory=TwoTowerTrainConfig)
    ranking: RankingConfig = Field(default_factory=RankingConfig)

    @model_validator(mode="after")
    def _pairs_can_be_scored(self) -> TwoTowerConfig:
        if self.similarity.kind == "mlp" and self.objective.kind not in ("logistic", "bpr"):
            raise ValueError(
                f"similarity.kind: mlp scores pair by pair, and objective.kind: {self.objective.kind} every user of a "
                "batch with every item of it; set objective.kind: logistic or bpr"
            )
        return self


def plan(config: TwoTowerConfig) -> DataFacts:
    """Read, clean and split the pairs; look whether the networks that read them are there."""
    from dataclasses import replace

    from lab.recommend import describe_ranking_task
    from lab.tower_features import check_networks

    networks = check_networks(config.user, "user") | check_networks(config.item, "item")
    facts = describe_ranking_task(config.data, config.ranking)
    return replace(facts, inputs={**facts.inputs, **networks})


def run(config: TwoTowerConfig, run: RunWriter) -> None:
    """Pairs → what each side is known by → two towers, trained → every user against every item."""
    from lab.both_sides import both_sides
    from lab.recommend import (
        allowed_items,
        load_ranking_task,
        record_ranking,
        record_ranking_task,
        to_be_found,
    )
    from lab.tower_features import block_rates
    from lab.trained_towers import save_towers
    from lab.training.loop import train
    from lab.training.two_tower import PairLearning, encode, scorer_of

    run.stage("read the data")
    task = load_ranking_task(config.data)
    record_ranking_task(run, task)

    run.stage("read what is known of both sides")
    readers, tables = read_features(config, task, run.log)
    model = new_towers(config, tables, run.stream_seed("initialisation"))
    run.log(f"users by {', '.join(model.user.names)}; items by {', '.join(model.item.names)}")

    run.stage("train")
    found = allowed = None
    if "validation" in task.judged:
        allowed = allowed_items(task, config.ranking, "validation")
        found = to_be_found(task.judged["validation"][1], allowed)
    learner = PairLearning(
        model,
        pairs_of(task, config.objective.half_life),
        found,
        config.objective,
        config.train,
        run,
        allowed,
        rates=block_rates(readers),
    )
    fitted = train(learner, config.train, run)

    run.stage("evaluate")
    users, items = encode(model, "user", task.users), encode(model, "item", task.items)
    one_space = config.similarity.kind != "mlp"  # the vectors that a perceptron reads are near to nothing
    scorer, grown = scorer_of(model, users, items), None
    if config.ranking.fold_in:
        users = users_by_then(config, task, readers, model)
        grown = scorer_of(model, users, items)
    details = record_ranking(run, task, scorer, config.ranking, items if one_space else None, grown=grown)

    run.stage("save")
    if one_space:
        run.embeddings(both_sides(task, users, items), "pairs", default=True)
    if config.train.save_weights:
        save_towers(run, readers, learner.tensors())
    run.save_json("two_tower", {**about(config, task, model, fitted), **details})
    record_curve(run, fitted)


def read_features(
    config: TwoTowerConfig, task: RankingTask, say: Callable[[str], None]
) -> tuple[dict[Side, list[Reader]], dict[Side, list[Table]]]:
    """What each side's features learn from the training part, and what they read of all entities."""
    from lab.tower_features import learn_features
    from lab.tower_readers import Entities

    pairs = task.interactions
    users = Entities("user", pairs.users, pairs.user_table, task.train, pairs.items, say=say)
    items = Entities("item", pairs.items, pairs.item_table, say=say)
    user_readers, user_tables = learn_features(config.user, users, task.known_users)
    item_readers, item_tables = learn_features(config.item, items, task.popularity > 0)
    return {"user": user_readers, "item": item_readers}, {"user": user_tables, "item": item_tables}


def new_towers(config: TwoTowerConfig, tables: Mapping[Side, Sequence[Table]], seed: int) -> TwoTower:
    """Two towers over what was read of both sides, their weights drawn from `seed`."""
    import torch

    from lab.models.towers.towers import TwoTower
    from lab.tower_features import build_tower

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        user = build_tower(config.user, tables["user"], config.dimension, config.train.sparse_from)
        item = build_tower(config.item, tables["item"], config.dimension, config.train.sparse_from)
        similarity = config.similarity
        return TwoTower(
            user,
            item,
            similarity=similarity.kind,
            temperature=similarity.temperature,
            learned=similarity.learned,
            hidden=similarity.hidden,
        )


def users_by_then(
    config: TwoTowerConfig, task: RankingTask, readers: Mapping[Side, Sequence[Reader]], model: TwoTower
) -> np.ndarray:
    """Vectors of users as the test part finds them, (users, d) float32: what they had for validation is known, too."""
    from lab.tower_features import build_tower
    from lab.tower_readers import Entities
    from lab.training.two_tower import encode

    pairs = task.interactions
    entities = Entities("user", pairs.users, pairs.user_table, task.grown, pairs.items)
    tables = [reader.read(entities) for reader in readers["user"]]
    trained = model.user
    model.user = build_tower(config.user, tables, config.dimension, config.train.sparse_from)
    model.user.load_state_dict(dict(trained.named_parameters()), strict=False)  # buffers are the data, now others
    return encode(model, "user", task.users)


def pairs_of(task: RankingTask, half_life: float | None = None) -> Any:
    """The training pairs, with their weights where the data have any; `half_life`: days in which those fade by half."""
    from lab.recommend import recency
    from lab.training.two_tower import Pairs

    pairs, index = task.interactions, task.split.train
    weight = None if pairs.weight is None else pairs.weight[index].astype("float32")
    if half_life is not None:
        weight = recency(task, half_life) * (1 if weight is None else weight)
    user, item = pairs.user[index].astype("int64"), pairs.item[index].astype("int64")
    return Pairs(user, item, task.users, task.items, weight)


def about(config: TwoTowerConfig, task: RankingTask, model: TwoTower, fitted: Fitted) -> dict[str, Any]:
    """What was trained on what, as plain data."""
    from lab.recommend import about_task

    return {
        "features": {"user": model.user.names, "item": model.item.names},
        "objective": config.objective.kind,
        "temperature": float(model.temperature.detach()),
        "epochs": {"planned": config.train.epochs, "done": fitted.epochs, "best": fitted.best_epoch},
        "seconds": fitted.seconds,
        "seconds_per_epoch": fitted.step_seconds / max(1, fitted.epochs),
        **about_task(task),
    }


def record_curve(run: RunWriter, fitted: Fitted) -> None:
    """Draw the ranking of validation pairs by epoch, where there were any."""
    from lab.loss_curves import curve_by_epoch
    from lab.training.two_tower import PairLearning

    values = [row[PairLearning.criterion] for row in fitted.history if PairLearning.criterion in row]
    if len(values) < 2:
        return
    epochs = range(1, len(values) + 1)
    run.figure(
        "validation",
        curve_by_epoch(epochs, values, "nDCG@10 of validation pairs", fitted.best_epoch),
        title="Ranking of validation pairs by epoch",
        caption=f"nDCG@10 of the validation pairs after each epoch; the weights kept are those of epoch "
        f"{fitted.best_epoch}, {values[fitted.best_epoch - 1]:.3f}; the highest is {max(values):.3f}.",
        data={"epoch": list(epochs), "ndcg@10": values},
        alt=f"Line from {values[0]:.3f} to {max(values):.3f}",
    )


SPOKEN_OBJECTIVE = {
    "in_batch": "in-batch softmax",
    "mixed": "mixed negatives",
    "hard": "hard negatives",
    "logistic": "logistic loss",
    "bpr": "BPR",
}
SPOKEN_SPLIT = {
    "random": "random split of each user",
    "leave_last_out": "each user's last held out",
    "time": "split at one moment",
    "cold_users": "new users",
    "cold_items": "new items",
}


def spoken(key: str, value: Any, config: TwoTowerConfig) -> str | None:
    """Objectives and splits as people say them."""
    if key == "objective.kind":
        return SPOKEN_OBJECTIVE[value]
    if key == "data.split.kind":
        return SPOKEN_SPLIT[value]
    return f"{value} dimensions" if key == "dimension" else None


def controls(config: TwoTowerConfig) -> list[tuple[str, dict[str, Any]]]:
    """What every study shows beside its towers: no model, and the strong simple ones."""
    from importlib.util import find_spec

    same = {
        "experiment": "recommender",  # no seed: it changes nothing, and one run serves all of the towers'
        "data": config.data.model_dump(mode="json", exclude_defaults=True),
        "ranking": config.ranking.model_dump(mode="json", exclude_defaults=True),
    }
    names = ["random", "popularity"]
    if config.data.split.kind != "cold_users":  # of new users these know nothing
        names += ["item_neighbors", "ease", *(["als"] if find_spec("implicit") else [])]  # iALS: an optional library
    if config.data.source.startswith("wikipedia-"):
        names += ["tfidf", "word_vectors"]
    rows: list[tuple[str, dict[str, Any]]] = [
        (SPOKEN_METHOD[name], {**same, "method": {"name": name}}) for name in names
    ]
    if config.data.split.kind in ("time", "leave_last_out"):  # these have timestamps
        lately = {"name": "popularity", "half_lives": HALF_LIVES}
        rows.insert(2, (f"{SPOKEN_METHOD['popularity']} lately", {**same, "method": lately}))
    if config.similarity.kind != "mlp":
        rows.append((PAIR_INTO_MLP, {**same, "seed": config.seed, **pair_into_mlp(config)}))
    return rows


HALF_LIVES = [7, 14, 30, 60]
PAIR_INTO_MLP = "the same pair into an MLP"


def pair_into_mlp(config: TwoTowerConfig) -> dict[str, Any]:
    """The same features of both sides into a perceptron (He et al. 2017), at settings of its own but the batch size.

    Half the epochs of towers, as each pair comes with four drawn ones; networks are read as they are, whatever the
    towers train of them.
    """
    frozen = {"frozen_depth", "learning_rate"}
    sides = {}
    for side, section in (("user", config.user), ("item", config.item)):
        if section.features is not None:
            features = [feature.model_dump(exclude_defaults=True, exclude=frozen) for feature in section.features]
            sides[side] = {"features": features}
    return {
        "experiment": "two_tower",
        **sides,
        "similarity": {"kind": "mlp"},
        "objective": {"kind": "logistic", "negatives": 4},
        "train": {"epochs": 20, "early_stopping": 5, "batch_size": config.train.batch_size},
    }


def title(config: TwoTowerConfig) -> str:
    """The whole row in words."""
    if config.similarity.kind == "mlp":
        return f"pairs into an MLP, {SPOKEN_OBJECTIVE[config.objective.kind]}"
    return f"two towers, {SPOKEN_OBJECTIVE[config.objective.kind]}"


def load_encoder(run: Run) -> TrainedTowers:
    """Read back what embeds new entities as a finished run did."""
    from lab.trained_towers import TrainedTowers

    return TrainedTowers(run, TwoTowerConfig.model_validate(run.config))


recipe = Recipe(
    name="two_tower",
    summary="users and items (queries and pages, mentions and entities) in one space, ranked against everything",
    version=2,
    config=TwoTowerConfig,
    plan=plan,
    run=run,
    load_encoder=load_encoder,
    spoken=spoken,
    controls=controls,
    title=title,
    tune={"objective.kind": "train.learning_rate"},
)
