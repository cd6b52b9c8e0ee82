"""Training in a real run directory: stopped by Ctrl-C, it goes on from its checkpoint, bit for bit."""

from __future__ import annotations

import pytest
import torch
import toy_training as toys

from lab.runs import interrupt
from lab.runs.checkpoints import load_latest, save_checkpoint
from lab.training.recorder import QuietRecorder


class Run(QuietRecorder):
    """Checkpoints in a folder, as a run directory's writer keeps them.

    Somebody presses Ctrl-C after epoch `stop`, or before it is asked for the `within`-th time whether somebody did.
    """

    def __init__(self, folder, stop=None, within=None):
        super().__init__(3)
        self.folder, self.stop, self.within = folder, stop, within

    def progress(self, epoch, epochs, **metrics):
        if epoch == self.stop:
            interrupt.ask()

    def check_interrupt(self):
        if self.within is not None:
            self.within -= 1
            if self.within == 0:
                interrupt.ask()
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


@pytest.mark.parametrize("strategy", [{"frozen_depth": 1}, {"kind": "gradual"}, {"kind": "lp_ft"}], ids=toys.spoken)
@pytest.mark.parametrize(("within", "epochs"), [(2, None), (5, 1), (9, 1), (18, 3)])
def test_an_epoch_broken_off_is_done_again_bit_for_bit(strategy, within, epochs, tmp_path):
    from lab.training.fit import fit

    train = {"early_stopping": 4, "dropout": 0.2}  # 4 steps an epoch, and one more look at its end
    whole, _, told = toys.trained("image", strategy, train)
    classifier, plan, config = toys.made("image", strategy, train)
    cache, chosen, pressed = toys.ToyCache("image"), toys.selection(), Run(tmp_path, within=within)
    with interrupt.catching(), pytest.raises(KeyboardInterrupt):
        fit(classifier, plan, config, cache, chosen, pressed, checkpoint_seconds=1000)
    assert len(pressed.metrics) == within // 5
    saved = load_latest(tmp_path)
    assert (saved and saved.step) == epochs
    resumed, _, again = toys.trained("image", strategy, train, run=Run(tmp_path))
    assert toys.same(dict(whole.state_dict()), dict(resumed.state_dict()))
    assert [row["train_loss"] for row in told.history] == [row["train_loss"] for row in again.history]
