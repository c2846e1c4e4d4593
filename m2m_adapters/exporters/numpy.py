"""``numpy``: the folded map and the English bank in one ``.npz``, read in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.files import whole_file
from m2m_adapters.exporters.verify import Exported, compare, source_probes
from m2m_adapters.interfaces import Vectors

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

TOLERANCE = 1e-5


def export(adapter: Adapter, out: Path) -> Exported:
    """W ``[d_out, d_in]``, b ``[d_out]``, ``normalize_input``, ``head``, LayerNorm's own.

    With an English bank also ``bank`` fp16 ``[rows, d_out]``, ``bank_weight``, ``bank_near``.
    """
    projector = adapter.projector
    weight, bias = projector.fold()
    arrays: dict[str, Any] = {
        "W": weight.numpy().astype(np.float32),
        "b": bias.numpy().astype(np.float32),
        "normalize_input": np.array(adapter.record.source.normalize),
        "head": np.array(projector.shape.head),
        "source": np.array(adapter.record.source.name or ""),
        "target": np.array(adapter.record.target.name or ""),
    }
    if (norm := projector.head_norm) is not None:
        arrays["gamma"] = norm.weight.detach().numpy().copy()
        arrays["beta"] = norm.bias.detach().numpy().copy()
        arrays["eps"] = np.array(norm.eps)
    if (bank := adapter.bank) is not None:
        arrays["bank"] = bank.rows
        arrays["bank_weight"], arrays["bank_near"] = np.array(bank.weight), np.array(bank.near)
    vectors = source_probes(projector.shape.d_in)
    with whole_file(out) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        return compare("numpy", out, adapter.project(vectors), apply(temporary, vectors), TOLERANCE)


def apply(path: str | Path, vectors: Vectors) -> Vectors:
    """What a reader of the file has to do: float32 ``[n, d_in]`` -> ``[n, d_out]``."""
    with np.load(path, allow_pickle=False) as file:
        x = np.asarray(vectors, np.float32)
        if file["normalize_input"]:
            x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
        z = x @ file["W"].T + file["b"]
        if file["head"] == "l2":
            z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
        elif file["head"] == "layernorm":
            centered = z - z.mean(1, keepdims=True)
            spread = np.sqrt((centered**2).mean(1, keepdims=True) + file["eps"])
            z = centered / spread * file["gamma"] + file["beta"]
        return np.asarray(z, np.float32)


def item_bias(path: str | Path, items: Vectors) -> Vectors:
    """What a reader adds to the score of each item: float32 ``[n, d_out]`` -> ``[n]``."""
    with np.load(path, allow_pickle=False) as file:
        if "bank" not in file:
            return np.zeros(len(items), np.float32)
        bank = file["bank"].astype(np.float32)
        nearest = max(1, int(np.ceil(len(bank) * float(file["bank_near"]))))
        units = items / np.maximum(np.linalg.norm(items, axis=1, keepdims=True), 1e-12)
        top = np.sort(units @ bank.T, axis=1)[:, -nearest:]
        return np.asarray(-float(file["bank_weight"]) * top.mean(1), np.float32)
