"""A CLAP folder as the hub serves it, small, with random weights."""

from pathlib import Path

import numpy as np

from m2m_adapters.testing import small_models

RATE = 16000


def folder(fused: bool = False) -> Path:
    """A saved ClapModel: 1 s windows at 16 kHz."""
    save = small_models.save_fused_clap if fused else small_models.save_clap
    return small_models.folder("fused-clap" if fused else "clap", save)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """float32 tones and noise at ``RATE``, different for every seed."""
    return small_models.tone(seconds, RATE, seed)
