"""A fine-tuned network read back from its run: predicts and embeds new items as it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lab.errors import UserError

if TYPE_CHECKING:
    import numpy as np

    from lab.data.labelled.items import Items
    from lab.runs.run import Run
    from lab.training.fit import Predictions
    from lab.training.strategies import Plan


class TrainedNetwork:
    """The network of a finished run, for new items: `classes`, `predict`, `features`, and `encode` for plain lists.

    `config`: the run's, with sections `backbone`, `strategy` and `train`; `plan`: its strategy.
    Raises `UserError` where the run kept no weights.
    """

    def __init__(self, run: Run, config: Any, plan: Plan) -> None:
        from lab.frozen import new_classifier, open_backbone
        from lab.runs.seeds import stream_seed
        from lab.training.freezing import load_trained

        if not any(name.startswith("classifier") for name in run.contents().get("model", [])):
            raise UserError(f"run {run.id} kept no weights; do it again with train.save_weights=true and --rerun")
        told = run.json("finetune")
        self.config, self.plan = config, plan
        self.classes: list[str] = told["classes"]
        # Frozen random weights are drawn again as they were.
        self.backbone = open_backbone(config.backbone, stream_seed(run.seed, "backbone"))
        if told.get("weights") not in (None, self.backbone.fingerprint()):
            raise UserError(
                f"backbone {config.backbone.name!r} has other weights now than those that run {run.id} was trained on; "
                "do that run again with --rerun"
            )
        seed = stream_seed(run.seed, "initialisation")
        self.classifier = new_classifier(self.backbone, plan, len(self.classes), config.train.dropout, seed)
        load_trained(self.classifier, plan, run.tensors("classifier"))
        self._last: tuple[Items, Predictions] | None = None

    @property
    def kind(self) -> Literal["image", "text"]:
        """What the network reads."""
        return self.backbone.kind

    def predict(self, items: Items) -> np.ndarray:
        """Probabilities (n, classes) float32 of all items."""
        from scipy.special import softmax

        return softmax(self._run(items).logits, axis=1)

    def features(self, items: Items) -> np.ndarray:
        """What the head reads of all items, (n, d) float32."""
        return self._run(items).features

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Embed texts, or images by their paths: (n, d) float32."""
        from lab.data.labelled.new_items import items_of

        return self.features(items_of(items, self.backbone.kind))

    def _run(self, items: Items) -> Predictions:
        import numpy as np

        from lab.frozen import open_cache
        from lab.training.fit import predict

        if items.kind != self.backbone.kind:
            raise UserError(f"the network reads {self.backbone.kind}s, and these items are {items.kind}s")
        if self._last is None or self._last[0] is not items:  # one pass tells probabilities and features
            train = self.config.train
            cache = open_cache(self.backbone, items, train, enabled=False)
            every = np.arange(len(items.ids))
            self._last = (items, predict(self.classifier, self.plan, cache, every, precision=train.precision))
        return self._last[1]
