"""An adapter and its source as one text encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from m2m_adapters.artifact.weights import weights_bytes
from m2m_adapters.interfaces import TextEncoder, Vectors

if TYPE_CHECKING:
    from m2m_adapters.projectors.protocol import Projector


class Adapts(Protocol):
    """An :class:`~m2m_adapters.Adapter`, as its encoder needs it."""

    projector: Projector

    @property
    def dim(self) -> int: ...

    @property
    def digest(self) -> str: ...

    @property
    def source(self) -> TextEncoder: ...

    def encode(self, texts: str | Sequence[str], **options: Any) -> Vectors: ...

    def encode_speech(self, files: Any, **options: Any) -> Vectors: ...


class AdaptedEncoder(TextEncoder):
    """An adapter joined to its source: a text encoder of the target's space."""

    def __init__(self, adapter: Adapts) -> None:
        self.adapter = adapter
        self.dim = adapter.dim
        self.max_tokens = adapter.source.max_tokens
        self.normalized = adapter.projector.shape.head == "l2"
        self.item_modality = adapter.source.item_modality

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self.adapter.encode(list(texts), **options)

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        return self.adapter.source.encode_layers(texts, pooling=pooling)

    def can(self, ability: str) -> bool:
        return self.adapter.source.can(ability)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return self.adapter.encode_speech(items, **options)

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", **options: Any
    ) -> list[Vectors]:
        return self.adapter.source.encode_item_layers(items, pooling=pooling, **options)

    @cached_property
    def fingerprint(self) -> str:
        # The bank is not part of it: it changes no vector.
        projector = hashlib.sha256(weights_bytes(self.adapter.projector)).hexdigest()
        both = f"{self.adapter.source.fingerprint}|{projector}"
        return f"adapted:{hashlib.sha256(both.encode()).hexdigest()[:32]}"

    @property
    def provenance(self) -> dict[str, Any]:
        return {"adapter": self.adapter.digest, "source": self.adapter.source.provenance}
