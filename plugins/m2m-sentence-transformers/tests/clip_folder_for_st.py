"""A CLIP with small random weights, as a model that reads texts and pictures."""

from pathlib import Path

from m2m_adapters.testing import small_models


def folder() -> Path:
    """A transformers folder, made once in a run."""
    return small_models.folder("clip", small_models.save_clip)
