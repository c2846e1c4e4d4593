"""An adapter as one of llm's embedding models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click
import llm

if TYPE_CHECKING:
    from m2m_adapters import Adapter


class Refused(llm.ModelError, click.ClickException):  # type: ignore[misc]
    """Why there is no embedding; the llm command shows it in one line."""


class AdapterModel(llm.EmbeddingModel):  # type: ignore[misc]
    """Texts by the adapter, bytes as items of its target. Loaded when it is first used."""

    supports_text = True
    supports_binary = True
    batch_size = 64

    def __init__(self, model_id: str, adapter: str) -> None:
        self.model_id = model_id
        self._named = adapter

    @cached_property
    def adapter(self) -> Adapter:
        import m2m_adapters as m2m

        folder = Path(self._named).expanduser()
        return m2m.load_adapter(folder if folder.exists() else self._named)

    def embed_batch(
        self, items: Iterable[str | bytes], key: str | None = None
    ) -> Iterator[list[float]]:
        """key: of other models; an adapter needs none."""
        from m2m_adapters.errors import M2MError

        batch = list(items)
        texts = [item for item in batch if isinstance(item, str)]
        binary = [item for item in batch if not isinstance(item, str)]
        try:
            written = iter(self.adapter.encode(texts).tolist() if texts else [])
            shown = iter(self.adapter.encode_items(binary).tolist() if binary else [])
        except M2MError as error:
            raise Refused(f"{self.model_id}: {error}") from error
        for item in batch:
            yield next(written if isinstance(item, str) else shown)
