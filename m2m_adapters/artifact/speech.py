"""Speech for an adapter: its source encodes it; the map for texts is applied to the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from m2m_adapters.errors import AbilityMissing
from m2m_adapters.interfaces import SPEECH_SOURCES, TextEncoder, Vectors
from m2m_adapters.models.items import encode_items


def speech_rows(source: TextEncoder, name: str, sounds: Any, **options: Any) -> Vectors:
    """float32 ``[n, source.dim]`` of spoken sentences; a single sound stands for a list of one."""
    need_speech(source, name)
    if isinstance(sounds, (str, bytes, Path, dict)):
        sounds = [sounds]
    return encode_items(source, list(sounds), **options)


def need_speech(source: TextEncoder, name: str) -> None:
    """Refuse a source that does not accept speech."""
    if source.item_modality != "audio" or not source.can("encode_items"):
        raise AbilityMissing(f"the source {name} does not accept speech", SPEECH_SOURCES)
