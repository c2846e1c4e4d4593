"""Adapters in other formats. Each export is loaded again and compared with the adapter."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.exporters.verify import Exported

# format -> (module, function, description)
FORMATS = {
    "sentence-transformers": (
        "sentence_transformers",
        "export",
        "a folder: source, projector, normalization; sentence-transformers loads it as it is",
    ),
    "sentence-transformers-router": (
        "sentence_transformers",
        "export_router",
        "the same with the target's item tower: one object for texts and items",
    ),
    "onnx": ("onnx", "export", "one file: tokens in, vectors out; tokenizer beside it"),
    "onnx-projector": (
        "onnx",
        "export_projector",
        "one file: source vectors in, target vectors out",
    ),
    "immich": ("immich", "export", "a folder: the text tower of a CLIP model for Immich"),
    "numpy": ("numpy", "export", "one .npz file: the folded W and b, and the English bank"),
}


SUFFIXES = {"onnx-projector": ".onnx", "numpy": ".npz"}
"""Of formats that are one file; the name of another is a folder's."""
AT_TOKEN_LEVEL = ("onnx", "onnx-projector")
HOLD_BANK = ("numpy",)
NO_BANK = (
    "the English bank, which corrects the scores of items, has no place in this format: add "
    "adapter.item_bias(items) to the scores of items, or export to numpy"
)
NO_LANGUAGES = (
    "what the adapter knows of single languages (m2m adapt) has no place in this format: texts are "
    "projected as those of an unknown language are"
)
SHORT = {"router": "sentence-transformers-router"}


def export(adapter: Adapter, to: str, out: str | Path, **options: Any) -> Exported:
    """Write ``adapter`` as ``to`` at ``out``, whole or not at all, checked before it appears.

    options: ``precision`` (fp32, fp16, int8) for the ONNX formats; ``name`` for ``immich``.
    """
    from m2m_adapters._internal.spelling import did_you_mean

    to = SHORT.get(to, to)
    if to not in FORMATS:
        raise UserError(
            f"there is no format called '{to}'{did_you_mean(to, list(FORMATS))}",
            f"one of {', '.join(FORMATS)}",
        )
    if adapter.level == "token" and to not in AT_TOKEN_LEVEL:
        raise UserError(
            f"the format {to} cannot hold an adapter of token level: its map reads the states of "
            "tokens",
            f"use {' or '.join(AT_TOKEN_LEVEL)}, or share its folder (m2m push)",
        )
    out = _free_place(Path(out), SUFFIXES.get(to, ""))
    if adapter.projector.training or any(
        parameter.device.type != "cpu" for parameter in adapter.projector.parameters()
    ):
        raise UserError("the projector is in training mode or on a GPU", "save and load it first")
    module, function, _ = FORMATS[to]
    exporter = getattr(importlib.import_module(f"m2m_adapters.exporters.{module}"), function)
    known = set(inspect.signature(exporter).parameters)
    if odd := sorted(set(options) - known):
        raise UserError(f"the format {to} has no option '{odd[0]}'", f"leave --{odd[0]} out")
    exported: Exported = exporter(adapter, out, **options)
    notes = list(exported.notes)
    if adapter.bank is not None and to not in HOLD_BANK:
        notes.append(NO_BANK)
    if adapter.languages is not None:
        notes.append(NO_LANGUAGES)
    return replace(exported, notes=notes)


def _free_place(out: Path, suffix: str) -> Path:
    """Where the format is written: nothing that is there is replaced."""
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty", "choose a new place for the export")
    if not out.name.endswith(suffix):
        out = out.with_name(out.name + suffix)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is there already", "choose a new place, or delete it")
    return out
