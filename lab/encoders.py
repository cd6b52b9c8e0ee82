"""What embeds new items: by a function of a picture's pixels, or by a pretrained network as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from lab.data.labelled.items import Items
    from lab.data.labelled.pixels import Shape
    from lab.models.backbone import Backbone

PICTURES_AT_ONCE = 512


class PixelEncoder:
    """Embeds pictures by a function of their pixels: a subclass gives `shape`, at which they are read, and `embed`."""

    kind: Literal["image", "text"] = "image"
    shape: Shape

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """Embeddings (m, d) float32 of pixels (m, channels, height, width) uint8."""
        raise NotImplementedError

    def features(self, items: Items) -> np.ndarray:
        """Embeddings (n, d) float32 of pictures, of which a part at a time is in memory."""
        import numpy as np

        from lab.data.labelled.pixels import load_pixels

        parts = np.array_split(np.arange(len(items)), -(-len(items) // PICTURES_AT_ONCE) or 1)
        return np.concatenate([self.embed(load_pixels(items.subset(part), self.shape, keep=False)) for part in parts])

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Embeddings (n, d) float32 of pictures by their paths. Raises `UserError` for those that cannot be read."""
        from lab.data.labelled.new_items import items_of

        return self.features(items_of(items, "image"))


class BackboneEncoder:
    """Embeds pictures or texts by the features that a network has before anything is trained."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone
        self.kind: Literal["image", "text"] = backbone.kind

    def features(self, items: Items) -> np.ndarray:
        """What a head would read of the items, (n, d) float32."""
        from lab.frozen import open_cache
        from lab.training.config import TrainConfig

        return open_cache(self.backbone, items, TrainConfig(), enabled=False).pooled()

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """The features of texts, or of pictures by their paths, (n, d) float32."""
        from lab.data.labelled.new_items import items_of

        return self.features(items_of(items, self.kind))


class TextEncoder:
    """Embeds texts by a pretrained text encoder, as `lab.models.text_backbone.encode_texts` does."""

    kind: Literal["image", "text"] = "text"

    def __init__(self, backbone: Any) -> None:
        self.backbone = backbone

    def encode(self, items: Sequence[str]) -> np.ndarray:
        """Embeddings (n, d) float32 of texts."""
        from lab.models.text_backbone import encode_texts

        return encode_texts(self.backbone, items)
