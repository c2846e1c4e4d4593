"""The comparison that every export has to pass, and its report."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.errors import M2MError
from m2m_adapters.interfaces import Vectors

PROBES = (
    "a dog barks",
    "two red squares above a small circle",
    "ein Hund bellt im Regen",
    "犬が吠える",
    "الكلب ينبح",
    "बिल्ली म्याऊँ करती है",
    "собака лает, а рядом спит кошка",
    "a long sentence about a train that passes a river at night while somebody sings quietly "
    "and a bell rings far away behind a wall in the rain",
    ".",
)


@dataclass(frozen=True)
class Exported:
    """What was written, and how far it was measured to be from the adapter.

    deviation: the largest difference of an entry, relative to the largest entry if that is
    above 1; with ``measure`` ``"1 - cosine"`` the largest angle's. It is at most ``tolerance``.
    """

    format: str
    path: Path
    deviation: float
    tolerance: float
    measure: str = "largest difference"
    compared: int = 0
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "path": str(self.path)}

    def __str__(self) -> str:
        return (
            f"{self.path}: {self.format}, reloaded and compared on {self.compared} vectors: "
            f"{self.measure} {self.deviation:.1e}, within {self.tolerance:.0e}"
        )


def compare(
    name: str,
    path: Path,
    ours: Vectors,
    exported: Vectors,
    tolerance: float,
    *,
    angle: bool = False,
    remedy: str = "",
    notes: list[str] | None = None,
) -> Exported:
    """The report, or an error if the reloaded export's vectors are not ours."""
    exported = np.asarray(exported)
    if exported.shape != ours.shape:
        raise M2MError(
            f"the {name} export gave shape {list(exported.shape)} instead of {list(ours.shape)}; "
            "nothing was written"
        )
    if angle:
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(exported, axis=1)
        cosine = (ours * exported).sum(1) / np.maximum(lengths, 1e-12)
        deviation, measure = float(np.max(1 - cosine, initial=0.0)), "1 - cosine"
    else:
        scale = max(1.0, float(np.abs(ours).max(initial=0.0)))
        deviation = float(np.abs(ours - exported).max(initial=0.0)) / scale
        measure = "largest difference"
    if not deviation <= tolerance:  # NaN counts as a difference
        raise M2MError(
            f"the {name} export differs from the adapter by {deviation:.1e} ({measure}), more than "
            f"{tolerance:.0e}; nothing was written" + (f"; {remedy}" if remedy else "")
        )
    return Exported(name, path, deviation, tolerance, measure, len(ours), notes or [])


def source_probes(dim: int, rows: int = 32) -> Vectors:
    """Random vectors ``[rows, dim]`` of many lengths, and a zero row, for projectors alone."""
    random = np.random.default_rng(0)
    probes = random.standard_normal((rows, dim)) * random.uniform(0.01, 20, (rows, 1))
    probes[-1] = 0
    return probes.astype(np.float32)
