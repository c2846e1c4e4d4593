"""Curves of a training in TensorBoard, Weights & Biases or Trackio, through accelerate."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from m2m_adapters.errors import UserError

TRACKERS = ("tensorboard", "wandb", "trackio")
PROJECT = "m2m-adapters"
FOLDER = "runs"

Track = Callable[[dict[str, float], int], None]
"""Called with figures and the step they belong to."""


def check_tracker(name: str) -> None:
    """Refuse, before the long work, a tracker that is not installed."""
    from m2m_adapters._internal.spelling import did_you_mean

    if name not in TRACKERS:
        raise UserError(
            f"'{name}' is not a tracker{did_you_mean(name, list(TRACKERS))}",
            f"use {', '.join(TRACKERS)}",
        )
    for package, install in (("accelerate", '"m2m-adapters[tracking]"'), (name, name)):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"--track {name} needs '{package}'", f"pip install {install}")


@contextmanager
def tracking(name: str | None, settings: dict[str, Any], folder: str = FOLDER) -> Iterator[Track]:
    """Open a run called ``m2m-adapters`` (TensorBoard: under ``folder``); None tracks nothing."""
    if name is None:
        yield lambda figures, step: None
        return
    check_tracker(name)
    from accelerate import Accelerator

    accelerator = Accelerator(log_with=name, project_dir=folder)
    plain = {k: v for k, v in settings.items() if isinstance(v, (bool, int, float, str))}
    accelerator.init_trackers(PROJECT, config=plain)
    try:
        yield lambda figures, step: accelerator.log(figures, step=step)
    finally:
        accelerator.end_training()
