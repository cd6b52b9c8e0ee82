"""`label_next.csv`: the unlabelled items that lie nearest to where the recommended strategy fails."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.advise.answer import Strategy
    from lab.data.labelled.items import Items

FILE = "label_next.csv"
COUNT = 100


def write_label_next(folder: Path, strategy: Strategy, unlabelled: Items, count: int = COUNT) -> tuple[Path, int]:
    """Write the unlabelled items worth labelling first into `folder`; returns the file and how many there are.

    `strategy`: its runs were validated on items out of their training; where they erred is seen in the frozen
    features of the backbone. Nothing is written where nothing was wrong.
    """
    import numpy as np
    import pandas as pd

    from lab.advise.answer import out_of_fold
    from lab.atomic import replacing
    from lab.data.labelled.config import LabelledConfig
    from lab.data.labelled.items import load_items
    from lab.evaluation.mistakes import label_next

    config = strategy.runs[0].config
    items = load_items(LabelledConfig.model_validate(config["data"]))
    right = out_of_fold(strategy.runs)
    judged = np.array([number for number, name in enumerate(items.ids) if name in right], dtype=np.int64)
    known = _features(config, items, judged)
    new = _features(config, unlabelled, np.arange(len(unlabelled.ids)))
    found = label_next(new, known, np.array([right[items.ids[i]] for i in judged]), count=count)
    path = folder / FILE
    if len(found.rows):
        near = [items.ids[judged[place]] for place in found.near]
        columns = {"id": [unlabelled.ids[i] for i in found.rows], "near_mistake": near}
        if unlabelled.texts is not None:
            columns["text"] = [unlabelled.texts[i] for i in found.rows]
        numbers = {"distance": found.distance.round(4), "errors_around": found.error_rate.round(3)}
        with replacing(path) as file:
            pd.DataFrame({**columns, **numbers}).to_csv(file, index=False)
    return path, len(found.rows)


def _features(config: dict[str, Any], items: Items, index: Any) -> Any:
    """The frozen backbone's features (m, d) float32 of some items, cached as always."""
    from lab.config import load_recipe
    from lab.frozen import open_backbone, open_cache

    checked: Any = load_recipe(config["experiment"]).config.model_validate(config)
    return open_cache(open_backbone(checked.backbone), items, checked.train).pooled(None, index)
