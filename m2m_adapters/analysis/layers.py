"""An encoder's layers as vectors, through the store: computed once, resumed after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.embeddings.store import Store
from m2m_adapters.embeddings.stored import StoredEncoder
from m2m_adapters.interfaces import TextEncoder, Vectors

if TYPE_CHECKING:
    from m2m_adapters.interfaces import ModalityModel
    from m2m_adapters.models.text_encoder import Progress


class LayerStack(TextEncoder):
    """All layers of an encoder side by side, as one wide vector for each text.

    That makes it an encoder like any other, so the store serves it. The last part is what the
    encoder itself returns. widths: columns of each part.
    """

    normalized = False

    def __init__(self, encoder: TextEncoder, pooling: str = "mean") -> None:
        self.encoder, self.pooling = encoder, pooling
        probe = encoder.encode_layers(["a dog barks"], pooling=pooling)
        self.widths = [layer.shape[1] for layer in probe] + [encoder.dim]
        self.dim = sum(self.widths)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        layers = self.encoder.encode_layers(texts, pooling=self.pooling)
        return np.concatenate([*layers, self.encoder.encode(texts)], axis=1)

    @property
    def fingerprint(self) -> str:  # type: ignore[override]
        inner = self.encoder.fingerprint
        kind = "probe" if inner.startswith("probe:") else "layers"
        return f"{kind}:{self.pooling}:{inner}"

    def split(self, rows: Vectors) -> list[Vectors]:
        """The wide rows as one array for each layer, and the output last."""
        return np.split(rows, np.cumsum(self.widths)[:-1], axis=1)


def text_layers(
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    pooling: str = "mean",
    store: Store | None = None,
    progress: Progress | None = None,
) -> list[Vectors]:
    """float32 ``[n, width]`` for the embeddings, each layer, and the encoder's own output."""
    stack = LayerStack(encoder, pooling)
    return stack.split(StoredEncoder(stack, store, "encoder").embed(texts, progress=progress))


def item_layers(
    model: ModalityModel | TextEncoder, items: Sequence[Any], *, pooling: str = "mean"
) -> list[Vectors]:
    """The same of a target's items, or of speech; their vectors in the joint space come last."""
    from m2m_adapters.models.items import encode_items

    layers = model.encode_item_layers(items, pooling=pooling)
    return [*layers, encode_items(model, items)]


def names_of(layers: Sequence[Vectors]) -> list[str]:
    """``embeddings``, ``1``, ``2``, ..., ``output``; ``output`` alone where that is all."""
    if len(layers) == 1:
        return ["output"]
    return ["embeddings", *(str(i) for i in range(1, len(layers) - 1)), "output"]
