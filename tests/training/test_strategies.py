"""Known answers: cuts, open blocks and trained parameters of every kind in every epoch."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from lab.errors import UserError
from lab.training.config import StrategyConfig, TrainConfig
from lab.training.strategies import make_plan

NAMES = ["stem", "stages.0", "stages.1", "stages.2"]


def plan(train=None, **strategy):
    return make_plan(StrategyConfig(**strategy), TrainConfig(**{"epochs": 6} | (train or {})), NAMES)


@pytest.mark.parametrize(
    ("strategy", "cuts", "each_epoch"),
    [
        ({}, [4], [4] * 6),
        ({"frozen_depth": 2}, [2], [2] * 6),
        ({"frozen_depth": "none"}, [0], [0] * 6),
        ({"kind": "lp_ft"}, [0, 4], [0] * 6),
        ({"kind": "lp_ft", "frozen_depth": 3}, [3, 4], [3] * 6),
        ({"kind": "gradual"}, [0, 1, 2, 3, 4], [4, 3, 2, 1, 0, 0]),
        ({"kind": "gradual", "frozen_depth": 2, "epochs_per_block": 2}, [2, 3, 4], [4, 4, 3, 3, 2, 2]),
        ({"kind": "surgical", "blocks": [2]}, [1], [1] * 6),
        ({"kind": "surgical", "blocks": ["stages.2", 2]}, [1], [1] * 6),
        ({"kind": "norm_only", "frozen_depth": 1}, [1], [1] * 6),
        ({"kind": "bitfit"}, [0], [0] * 6),
        ({"kind": "lora", "frozen_depth": "stages.1"}, [3], [3] * 6),
        ({"kind": "scalar_mix"}, [4], [4] * 6),
        ({"frozen_depth": 2, "batch_norm": "track"}, [0], [0] * 6),
        ({"frozen_depth": "all", "batch_norm": "train"}, [0], [0] * 6),
    ],
)
def test_cuts(strategy, cuts, each_epoch):
    made = plan(**strategy)
    assert made.cuts() == cuts
    assert [made.cut(epoch) for epoch in range(6)] == each_epoch
    assert made.min_cut == min(each_epoch)
    assert made.max_cut == max(cuts)


def test_lora_leaves_embeddings_alone_so_that_there_is_a_frozen_part():
    config, train = StrategyConfig(kind="lora"), TrainConfig()
    text = make_plan(config, train, ["embeddings", "encoder.layer.0", "encoder.layer.1"])
    assert (text.depth, text.cuts(), text.why_not) == (1, [1], "")
    assert text.spoken == "LoRA of rank 8 in the last 2 of 3 blocks"
    joined = make_plan(config, train, ["embeddings", "encoder.layer.1"])  # listed by hand: layer 0 is in block 1
    assert (joined.depth, joined.cuts()) == (0, [0])
    assert "block 1 (embeddings)" in joined.why_not


def test_open_blocks():
    assert plan(frozen_depth=2).open_blocks(0) == (2, 3)
    assert plan(kind="surgical", blocks=["stages.2", 2]).open_blocks(5) == (1, 3)
    assert plan(kind="scalar_mix").open_blocks(0) == ()
    gradual = plan(kind="gradual", frozen_depth=1)
    assert [gradual.open_blocks(epoch) for epoch in range(5)] == [(), (3,), (2, 3), (1, 2, 3), (1, 2, 3)]
    assert gradual.ever_open() == (1, 2, 3)


def test_learning_rates_fall_from_the_top():
    made = plan(train={"learning_rate": 1.0}, layer_decay=0.5, frozen_depth="none")
    assert made.learning_rates() == [0.125, 0.25, 0.5, 1.0]
    assert plan(train={"learning_rate": 0.3}).learning_rates() == [0.3] * 4


@pytest.mark.parametrize("kind", ["lp_ft", "gradual", "norm_only", "bitfit", "lora"])
def test_a_kind_that_trains_blocks_needs_one(kind):
    with pytest.raises(UserError, match="finds no block to train; write none"):
        plan(kind=kind, frozen_depth="all")
    assert plan(kind=kind, frozen_depth="all-1").ever_open()


def test_why_nothing_is_cached():
    assert plan(frozen_depth=1).cacheable
    assert plan(kind="gradual").cacheable
    assert plan(kind="lp_ft").cacheable
    assert "block 1 (stem)" in plan(frozen_depth="none").why_not
    assert "block 1 (stem)" in plan(kind="lora").why_not
    assert "block 1 (stem)" in plan(kind="surgical", blocks=[1]).why_not
    assert "batch_norm: track" in plan(frozen_depth=2, batch_norm="track").why_not
    assert "fresh views" in plan(train={"augment": "light"}).why_not
    assert plan(train={"augment": "light", "views": 4}).cacheable
    assert "off" in plan(train={"cache": False}).why_not


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ({}, "trains the head only, all 4 blocks frozen"),
        ({"solver": "closed_form"}, "trains the head only, all 4 blocks frozen, by closed form"),
        ({"frozen_depth": 1}, "trains the last 3 of 4 blocks"),
        ({"frozen_depth": "none", "layer_decay": 0.8}, "trains all 4 blocks, learning rate × 0.8 a block down"),
        ({"kind": "lp_ft", "frozen_depth": 2}, "LP-FT: a linear probe, then trains the last 2 of 4 blocks"),
        ({"kind": "gradual"}, "gradual unfreezing: from the head down, trains all 4 blocks in the end"),
        ({"kind": "surgical", "blocks": [1, 3]}, "trains only blocks stem and stages.1 of 4"),
        ({"kind": "surgical", "blocks": [2]}, "trains only block stages.0 of 4"),
        ({"kind": "norm_only"}, "trains only normalisation in all 4 blocks"),
        ({"kind": "bitfit", "frozen_depth": 3}, "trains only biases in the last block of 4"),
        ({"kind": "lora", "lora_rank": 4, "frozen_depth": 2}, "LoRA of rank 4 in the last 2 of 4 blocks"),
        ({"kind": "scalar_mix"}, "trains a head on a learned mix of all 4 blocks' features"),
        (
            {"frozen_depth": 1, "batch_norm": "track"},
            "trains the last 3 of 4 blocks, frozen batch norms track the data",
        ),
        ({"batch_norm": "train"}, "trains the head only, all 4 blocks frozen, frozen batch norms use the batch"),
    ],
)
def test_words(strategy, words):
    assert plan(**strategy).spoken == words


def test_too_few_epochs_to_thaw_are_noted():
    assert plan(kind="gradual").notes() == []
    (note,) = plan(kind="gradual", train={"epochs": 3}).notes()
    assert "ends at block 3 (stages.1)" in note
    assert "takes 5 epochs" in note
    assert "with the head alone" in plan(kind="gradual", train={"epochs": 1}).notes()[0]


def test_mistakes():
    with pytest.raises(UserError, match="4 blocks"):
        plan(frozen_depth=5)
    with pytest.raises(UserError, match=r"did you mean stages\.1"):
        plan(kind="surgical", blocks=["stage.1"])
    with pytest.raises(UserError, match="scalar_mix"):
        plan(kind="scalar_mix", train={"augment": "light"})
    with pytest.raises(UserError, match=r"train\.views: 4"):
        plan(solver="lbfgs", train={"augment": "light"})
    for wrong in (
        {"kind": "surgical"},
        {"blocks": [1]},
        {"kind": "surgical", "blocks": [1], "frozen_depth": 2},
        {"kind": "scalar_mix", "frozen_depth": 2},
        {"solver": "lbfgs", "frozen_depth": 2},
    ):
        with pytest.raises(ValidationError):
            StrategyConfig(**wrong)


def test_kinds_that_reach_all_blocks_do_so_by_default():
    assert StrategyConfig().frozen_depth == "all"
    for kind in ("lp_ft", "gradual", "norm_only", "bitfit", "lora"):
        assert StrategyConfig(kind=kind).frozen_depth == "none"
        assert StrategyConfig(kind=kind, frozen_depth="all").frozen_depth == "all"
        assert StrategyConfig(**StrategyConfig(kind=kind).model_dump()) == StrategyConfig(kind=kind)
