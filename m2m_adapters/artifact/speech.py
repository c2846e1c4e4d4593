"""Speech through an adapter: the source encodes it, and the map for texts is applied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import AbilityMissing
from m2m_adapters.interfaces import SPEECH_SOURCES, Vectors
from m2m_adapters.models.items import encode_items

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.interfaces import TextEncoder


def encode_speech(adapter: Adapter, sounds: Any, **options: Any) -> Vectors:
    """float32 ``[n, dim]`` of spoken sentences; a single sound stands for a list of one."""
    if adapter.level != "sentence":
        raise AbilityMissing(
            f"the adapter {adapter.name} maps token states, which speech does not have",
            "align at the level of sentences",
        )
    need_speech(adapter.source, adapter.record.source.title)
    if isinstance(sounds, (str, bytes, Path, dict)):
        sounds = [sounds]
    return adapter.project(encode_items(adapter.source, list(sounds), **options))


def need_speech(source: TextEncoder, name: str) -> None:
    """Refuse a source that takes no speech."""
    if source.item_modality != "audio" or not source.can("encode_items"):
        raise AbilityMissing(f"the source {name} takes no speech", SPEECH_SOURCES)
