"""What a strategy means for a backbone of given blocks: cuts and open blocks by epoch, learning rates, words for it.

A pure function of the config and the names of the blocks, so that it is known before any weights are loaded
(`lab.training.freezing` applies it to a network). An *open* block is one in which something is trained.

LP-FT: Kumar et al. 2022 (arXiv:2202.10054). Gradual unfreezing and layer-wise rates: Howard and Ruder 2018
(arXiv:1801.06146). Surgical: Lee et al. 2023 (arXiv:2210.11466). BitFit: Ben Zaken et al. 2022 (arXiv:2106.10199).
Only normalisation: Frankle et al. 2021 (arXiv:2003.00152). LoRA: Hu et al. 2022 (arXiv:2106.09685). Scalar mix:
Peters et al. 2018 (arXiv:1802.05365).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.errors import UserError
from lab.training.config import REACHING, StrategyConfig, TrainConfig
from lab.training.depth import resolve_block, resolve_depth, spoken_depth


@dataclass(frozen=True)
class Plan:
    """A strategy for a backbone: which blocks are open in which epoch, where the cut is, and each block's rate.

    `depth`: leading blocks that are never trained. `chosen`: the open blocks of a surgical strategy, from 0.
    """

    kind: str
    blocks: tuple[str, ...]
    depth: int
    chosen: tuple[int, ...]
    epochs: int
    learning_rate: float
    layer_decay: float | None
    epochs_per_block: int
    solver: str
    batch_norm: str
    lora_rank: int
    lora_alpha: float
    views: int
    fresh_views: bool
    cache: bool

    # --- blocks and cuts by epoch (from 0)

    def open_blocks(self, epoch: int) -> tuple[int, ...]:
        """Indices from 0 of the blocks in which something is trained in this epoch: a schedule of its number alone."""
        count = len(self.blocks)
        if self.kind == "surgical":
            return self.chosen
        if self.kind == "scalar_mix":
            return ()
        first = self.depth
        if self.kind == "gradual":
            first = max(first, count - epoch // self.epochs_per_block)
        return tuple(range(first, count))

    def ever_open(self) -> tuple[int, ...]:
        """Indices of the blocks that are open in some epoch."""
        return self.open_blocks(self.epochs - 1)

    def cut(self, epoch: int) -> int:
        """Leading blocks that need not run in the training loop of this epoch; `len(blocks)`: only the head runs."""
        if self.batch_norm != "eval":
            return 0
        return min(self.open_blocks(epoch), default=len(self.blocks))

    @property
    def min_cut(self) -> int:
        """The cut of the last epoch, from which predictions are made."""
        return self.cut(self.epochs - 1)

    @property
    def max_cut(self) -> int:
        """The deepest cut of any epoch."""
        return max(self.cuts())

    def cuts(self) -> list[int]:
        """All the cuts that training needs, ascending; the end of the backbone too where a probe comes first."""
        cuts = {self.cut(epoch) for epoch in range(self.epochs)}
        if self.kind == "lp_ft":
            cuts.add(len(self.blocks))
        return sorted(cuts)

    def pooled(self) -> list[int]:
        """Indices of the blocks whose pooled features are needed beside the cuts (scalar mix: all of them)."""
        return list(range(len(self.blocks))) if self.kind == "scalar_mix" else []

    # --- the cache

    @property
    def cacheable(self) -> bool:
        """Whether activations at a cut may be kept."""
        return not self.why_not

    @property
    def why_not(self) -> str:
        """Why nothing can be cached, for the report; empty where it can."""
        if not self.cache:
            return "train.cache is off"
        if self.batch_norm != "eval":
            return f"batch_norm: {self.batch_norm} needs the frozen part in every step"
        if self.fresh_views:
            return "augment: light makes fresh views in every epoch (train.views: 4 keeps four fixed ones an item)"
        if self.max_cut == 0:
            return f"block 1 ({self.blocks[0]}) is trained, so there is no frozen part before it"
        return ""

    # --- learning rates

    def learning_rates(self) -> list[float]:
        """Learning rate of each block if it is open: the head's at the last block, times the decay below it."""
        decay = self.layer_decay or 1.0
        return [self.learning_rate * decay ** (len(self.blocks) - 1 - index) for index in range(len(self.blocks))]

    # --- words

    @property
    def spoken(self) -> str:
        """The strategy in words: "trains the last 3 of 9 blocks", "LP-FT: a linear probe, then trains all 7 blocks"."""
        text = _spoken(self)
        if self.layer_decay:
            text += f", learning rate × {self.layer_decay:g} a block down"
        if self.batch_norm != "eval":
            text += {"track": ", frozen batch norms track the data", "train": ", frozen batch norms use the batch"}[
                self.batch_norm
            ]
        return text

    def notes(self) -> list[str]:
        """What a reader of the run should know, one line each."""
        reached = min(self.ever_open(), default=len(self.blocks))
        if self.kind == "gradual" and reached > self.depth:
            needed = (len(self.blocks) - self.depth) * self.epochs_per_block + 1
            where = f"at block {reached + 1} ({self.blocks[reached]})" if self.ever_open() else "with the head alone"
            return [
                f"gradual unfreezing ends {where}: to thaw the blocks below takes {needed} epochs, "
                f"train.epochs is {self.epochs}"
            ]
        return []


def make_plan(strategy: StrategyConfig, train: TrainConfig, block_names: Sequence[str]) -> Plan:
    """Resolve a strategy for the named blocks of a backbone.

    Raises `UserError` where the depth or a block does not exist, no block is left for a kind that trains blocks, or
    augmentation could not take effect.
    """
    names = tuple(block_names)
    chosen = tuple(sorted({resolve_block(block, names) for block in strategy.blocks}))
    depth = chosen[0] if chosen else resolve_depth(strategy.frozen_depth, names)
    if strategy.kind in REACHING and depth == len(names):
        raise UserError(
            f"strategy.frozen_depth: {strategy.frozen_depth}: kind: {strategy.kind} then finds no block to train; "
            "write none, or fewer blocks than all"
        )
    if strategy.kind == "lora" and _begins_with_embeddings(names):
        depth = max(depth, 1)
    augmented = train.augment != "none"
    if augmented and strategy.kind == "scalar_mix":
        raise UserError("train.augment: light: strategy.kind: scalar_mix trains on features of whole items; use none")
    if augmented and strategy.solver != "gradient" and not train.views:
        raise UserError(f"train.augment: light: solver: {strategy.solver} needs fixed views, e.g. train.views: 4")
    return Plan(
        kind=strategy.kind,
        blocks=names,
        depth=depth,
        chosen=chosen,
        epochs=train.epochs if strategy.solver == "gradient" else 1,
        learning_rate=train.learning_rate,
        layer_decay=strategy.layer_decay,
        epochs_per_block=strategy.epochs_per_block,
        solver=strategy.solver,
        batch_norm=strategy.batch_norm,
        lora_rank=strategy.lora_rank,
        lora_alpha=strategy.lora_alpha,
        views=train.views if augmented else 0,
        fresh_views=augmented and not train.views,
        cache=train.cache,
    )


def _begins_with_embeddings(names: Sequence[str]) -> bool:
    """Whether block 1 is a transformer's embeddings and no more, which LoRA leaves alone (Hu et al. 2022, 4.2)."""
    return len(names) > 1 and names[0] == "embeddings" and names[1].endswith(".0")


def _spoken(plan: Plan) -> str:
    count = len(plan.blocks)
    trains = spoken_depth(plan.depth, count)
    if plan.kind == "scalar_mix":
        return f"trains a head on a learned mix of all {count} blocks' features"
    if plan.kind == "surgical":
        names = [plan.blocks[index] for index in plan.chosen]
        return f"trains only {'block' if len(names) == 1 else 'blocks'} {_and(names)} of {count}"
    if plan.kind == "lp_ft":
        return f"LP-FT: a linear probe, then {trains}"
    if plan.kind == "gradual":
        return f"gradual unfreezing: from the head down, {trains} in the end"
    if plan.depth == count:
        return trains if plan.solver == "gradient" else f"{trains}, by {plan.solver.replace('_', ' ')}"
    where = trains.removeprefix("trains ")
    part = {"norm_only": "trains only normalisation in", "bitfit": "trains only biases in"}.get(plan.kind)
    if part:
        return f"{part} {where}"
    return f"LoRA of rank {plan.lora_rank} in {where}" if plan.kind == "lora" else trains


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
