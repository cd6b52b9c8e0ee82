"""Tables of which a step reads few rows: trained by those rows alone, and resumed bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lab.training.config import LoopConfig
from lab.training.loop import Learner, train
from lab.training.recorder import QuietRecorder


class Tables(Learner):
    """Learns to bring the vectors of a few rows to ones."""

    def __init__(self, run, sparse=True):
        torch.manual_seed(0)
        self.module = nn.ModuleDict({"table": nn.Embedding(50, 3, sparse=sparse), "map": nn.Linear(3, 3)})
        self.run, self.sparse = run, sparse

    def steps(self):
        return 4

    def batches(self, epoch):
        yield from self.run.generator(f"order/{epoch}").integers(0, 10, (4, 5))

    def loss(self, batch):
        found = self.module["map"](self.module["table"](torch.from_numpy(batch)))
        return ((found - 1) ** 2).mean(), {}

    def groups(self, config):
        dense, *_ = groups = super().groups(config)
        if self.sparse:
            place = dense["names"].index("table.weight")
            table = {**dense, "params": [dense["params"].pop(place)], "names": [dense["names"].pop(place)]}
            groups.append({**table, "sparse": True})
        return groups


class Interrupted(QuietRecorder):
    """Keeps checkpoints in memory."""

    def __init__(self, kept=None):
        super().__init__(3)
        self.kept = kept

    def checkpoint(self, step, tensors, state):
        self.kept = type("Saved", (), {"tensors": dict(tensors), "state": dict(state), "step": step})()

    def latest_checkpoint(self):
        return self.kept


CONFIG = LoopConfig(epochs=6, learning_rate=0.05, weight_decay=0)


def test_only_the_rows_that_were_read_move():
    learner = Tables(QuietRecorder(3))
    before = learner.module["table"].weight.detach().clone()
    train(learner, CONFIG, learner.run)
    moved = (learner.module["table"].weight.detach() != before).any(1)
    assert moved[:10].all()
    assert not moved[10:].any()


def test_a_row_read_at_every_step_moves_as_with_adam_of_all_rows():
    sparse, dense = (Tables(QuietRecorder(3), sparse) for sparse in (True, False))
    for learner in (sparse, dense):
        learner.batches = lambda epoch: iter(np.tile(np.arange(50), (4, 1)))
        train(learner, CONFIG.model_copy(update={"clip_norm": None}), learner.run)
    # the two add their epsilon at other places
    assert torch.allclose(sparse.module["table"].weight, dense.module["table"].weight, atol=1e-3)


@pytest.mark.parametrize("stop", [1, 4])
def test_resumed_equals_uninterrupted(stop):
    whole = Tables(QuietRecorder(3))
    train(whole, CONFIG, whole.run)

    class Stopping(Interrupted):
        def check_interrupt(self):
            if len(self.metrics) == stop:
                raise KeyboardInterrupt

    first = Tables(Stopping())
    with pytest.raises(KeyboardInterrupt):
        train(first, CONFIG, first.run, checkpoint_seconds=0)
    again = Tables(Interrupted(first.run.kept))
    train(again, CONFIG, again.run)
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, again.tensors()[name])
