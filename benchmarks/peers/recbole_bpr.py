"""RecBole's BPR on given pairs, in an environment of its own; prints the seconds of each epoch as JSON.

`python recbole_bpr.py PAIRS.npz DIMENSION EPOCHS THREADS` with a Python that has recbole 1.2.1 (`pip install
recbole==1.2.1`). That release imports ray, which it needs only to tune, and names that numpy has dropped: both are
given it here.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import types
from pathlib import Path

import numpy as np

OLD_NAMES = {"bool": bool, "int": int, "float": float, "object": object, "complex": complex, "str": str}
FIXED = {
    "load_col": {"inter": ["user_id", "item_id"]},
    "eval_args": {"split": {"RS": [1, 0, 0]}, "order": "RO", "mode": "full"},
    "metrics": ["Recall"],
    "topk": [10],
    "valid_metric": "Recall@10",
    "train_batch_size": 2048,
    "show_progress": False,
    "use_gpu": False,
    "state": "ERROR",
}


def make_up_for_what_is_gone() -> None:
    """The old names of numpy, and a ray that nobody calls."""
    scalars = {"bool8": np.bool_, "float_": np.float64, "complex_": np.complex128, "unicode_": np.str_}
    for name, kind in {**OLD_NAMES, **scalars}.items():
        if name not in np.__dict__:
            setattr(np, name, kind)
    for name in ("ray", "ray.tune"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["ray"].tune = sys.modules["ray.tune"]


def main() -> None:
    """Train, and print what each epoch took."""
    pairs, dimension, epochs, threads = np.load(sys.argv[1]), *map(int, sys.argv[2:5])
    make_up_for_what_is_gone()
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.model.general_recommender import BPR
    from recbole.trainer import Trainer
    from recbole.utils import init_seed

    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs" / "pairs.inter"
        file.parent.mkdir()
        lines = [f"{user}\t{item}" for user, item in zip(pairs["user"], pairs["item"], strict=True)]
        file.write_text("\n".join(["user_id:token\titem_id:token", *lines, ""]), encoding="utf-8")
        own = {"data_path": folder, "embedding_size": dimension, "epochs": epochs, "checkpoint_dir": folder}
        sys.argv = sys.argv[:1]  # it reads the command line for itself
        config = Config(model="BPR", dataset="pairs", config_dict={**FIXED, **own})
        init_seed(0, True)
        train, _, _ = data_preparation(config, create_dataset(config))
        trainer = Trainer(config, BPR(config, train.dataset).to("cpu"))
        seconds = []
        for epoch in range(epochs):
            started = time.perf_counter()
            trainer._train_epoch(train, epoch)
            seconds.append(time.perf_counter() - started)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
