"""Training in a real run directory: stopped by Ctrl-C, it goes on from its checkpoint, bit for bit."""

from __future__ import annotations

import pytest
import torch
import toy_training as toys

from lab.runs import interrupt
from lab.runs.checkpoints import load_latest, save_checkpoint
from lab.training.recorder import QuietRecorder


class Run(QuietRecorder):
    """Checkpoints in a folder, as a run directory's writer keeps them; somebody presses Ctrl-C after an epoch."""

    def __init__(self, folder, stop=None):
        super().__init__(3)
        self.folder, self.stop = folder, stop

    def progress(self, epoch, epochs, **metrics):
        if epoch == self.stop:
            interrupt.ask()

    def check_interrupt(self):
        if interrupt.asked():
            raise KeyboardInterrupt

    def checkpoint(self, step, tensors, state):
        from lab.runs.checkpoints import Checkpoint

        save_checkpoint(self.folder, Checkpoint(step, dict(tensors), dict(state)))

    def latest_checkpoint(self):
        return load_latest(self.folder)


@pytest.mark.parametrize("strategy", [{"frozen_depth": 1}, {"kind": "gradual"}, {"kind": "lp_ft"}], ids=toys.spoken)
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_checkpoints_on_disk_lose_no_bit(strategy, optimizer, tmp_path):
    train = {"optimizer": optimizer, "early_stopping": 4, "dropout": 0.2}
    whole, _, told = toys.trained("image", strategy, train)
    with interrupt.catching(), pytest.raises(KeyboardInterrupt):
        toys.trained("image", strategy, train, run=Run(tmp_path, stop=2))
    assert load_latest(tmp_path).step == 2
    resumed, _, again = toys.trained("image", strategy, train, run=Run(tmp_path))
    assert toys.same(dict(whole.state_dict()), dict(resumed.state_dict()))
    assert [row["train_loss"] for row in told.history] == [row["train_loss"] for row in again.history]
    assert again.seconds > 0
    finished, _, _ = toys.trained("image", strategy, train, run=Run(tmp_path))
    assert toys.same(dict(whole.state_dict()), dict(finished.state_dict()))


def test_a_checkpoint_is_written_where_somebody_asks_to_stop_and_seldom_else(tmp_path):
    classifier, plan, config = toys.made("image", {"frozen_depth": 2})
    from lab.training.fit import fit

    cache, chosen = toys.ToyCache("image"), toys.selection()
    fit(classifier, plan, config, cache, chosen, Run(tmp_path), checkpoint_seconds=1000)
    assert load_latest(tmp_path) is None
    classifier, plan, config = toys.made("image", {"frozen_depth": 2})
    with interrupt.catching(), pytest.raises(KeyboardInterrupt):
        fit(classifier, plan, config, cache, chosen, Run(tmp_path, stop=3), checkpoint_seconds=1000)
    saved = load_latest(tmp_path)
    assert saved.step == 3
    assert torch.equal(torch.from_numpy(saved.tensors["now/head.bias"]), classifier.head.bias.detach())
