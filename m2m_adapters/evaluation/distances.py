"""FID and KID of generated pictures against a reference set, computed by torchmetrics.

The usual features are those of an Inception network, whose weights are a download of their own.
Here they are the scorer's: its ``encode_items``, scaled to length 1. So these figures compare
systems with each other, under one scorer; they are not comparable with published ones.
"""

from __future__ import annotations

import warnings

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors

SUBSETS, SUBSET_SIZE, SEED = 50, 100, 0


def need_torchmetrics() -> None:
    """Refuse, before the long work, if it is not there."""
    from importlib.util import find_spec

    if find_spec("torchmetrics") is None:
        raise UserError(
            "FID and KID need the Python package 'torchmetrics', which is not installed",
            'pip install "m2m-adapters[fid]"',
        )


def distances(reference: Vectors, generated: Vectors) -> dict[str, float]:
    """``{"FID": ..., "KID": ...}`` of features ``[n, d]`` and ``[m, d]``, n and m 2 or more.

    FID depends on how many pictures there are: compare equal numbers, and more than d of them.
    KID is the mean over subsets, the same ones every time.
    """
    need_torchmetrics()
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    if min(len(reference), len(generated)) < 2:
        raise UserError(
            f"FID and KID need 2 pictures or more, not {min(len(reference), len(generated))}",
            "give more prompts or reference pictures",
        )

    class Identity(torch.nn.Module):
        """Passes features on: they are computed already."""

        num_features = reference.shape[1]

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows

    size = min(SUBSET_SIZE, len(reference), len(generated))
    values = {}
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # that KID keeps its features: so it must
        counted = {
            "FID": FrechetInceptionDistance(feature=Identity()),
            "KID": KernelInceptionDistance(feature=Identity(), subsets=SUBSETS, subset_size=size),
        }
        torch.manual_seed(SEED)
        for name, metric in counted.items():
            for rows, real in ((reference, True), (generated, False)):
                metric.update(torch.from_numpy(np.asarray(rows, dtype=np.float64)), real=real)
            value = metric.compute()
            values[name] = float(value[0] if isinstance(value, tuple) else value)
    return values
