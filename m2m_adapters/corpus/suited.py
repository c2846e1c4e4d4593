"""The English text that suits a target, for whoever names none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m2m_adapters._internal.progress import Progress
from m2m_adapters.corpus.fetch import fetch_corpora
from m2m_adapters.errors import UserError
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.names import find

if TYPE_CHECKING:
    from m2m_adapters.interfaces import ModalityModel

SEEN = ("image", "video")
"""Modalities that captions of pictures describe."""


def suited_corpus(target: str | ModalityModel) -> str:
    """Name of the corpus for ``target``: its own, or the registry's first one of its modality."""
    own, modality = _of_name(target) if isinstance(target, str) else (None, target.modality)
    if own is not None:
        return own
    wanted = "image" if modality in SEEN else modality
    entries = registry()
    for name in entries.in_order("corpus"):
        entry = entries.find("corpus", name)
        if entry is not None and entry.modality == wanted:
            return name
    raise UserError(
        f"there is no default English text for {modality or 'this target'}",
        "name yours with --texts: a file, a folder or a corpus (`m2m list --corpora`)",
    )


def fetched_corpus(target: str | ModalityModel, progress: Progress | None = None) -> str:
    """The same; downloaded, if it is not on this machine."""
    name = suited_corpus(target)
    fetch_corpora([name], progress=progress)
    return name


def _of_name(target: str) -> tuple[str | None, str | None]:
    """The corpus that the target names itself, and its modality; no model is loaded."""
    offer = find("target", target).offer
    entry = None if ":" in target else registry().find("target", target)
    if entry is not None and offer.scheme:
        return entry.texts, entry.modality or offer.modality
    own = offer.details.get("texts")
    return (own if isinstance(own, str) else None), offer.modality
