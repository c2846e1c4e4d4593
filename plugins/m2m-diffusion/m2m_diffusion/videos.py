"""Videos as pipelines give them, with the rate at which their model was trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def videos(rate: float) -> Callable[[Any, Any], list[Any]]:
    """(pipeline, its output) -> ``(frames, rate)`` for each video, frames uint8 or 0 to 1."""
    import numpy as np

    def results(pipeline: Any, output: Any) -> list[Any]:
        return [
            (np.stack([np.asarray(frame) for frame in frames]), rate) for frames in output.frames
        ]

    return results
