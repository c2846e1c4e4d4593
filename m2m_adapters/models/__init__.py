"""The kit for authors of plugins: batching, items, images, sounds, devices, weights.

Everything a plugin needs besides the interfaces is offered here by name, imported on first
use; docs/plugin-kit.md describes each. Imports interfaces, _internal and errors only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_MODULES = {
    "m2m_adapters.interfaces": ("at_precision",),
    "m2m_adapters._internal.files": ("cache_folder", "whole_file"),
    "m2m_adapters._internal.spelling": ("did_you_mean",),
    "m2m_adapters.models.batching": ("batches",),
    "m2m_adapters.models.devices": (
        "PRECISIONS",
        "choose_device",
        "choose_dtype",
        "choose_precision",
    ),
    "m2m_adapters.models.dual_encoders": (
        "ITEMS",
        "TEXT",
        "DualText",
        "check_vocabulary",
        "load_error",
        "load_half",
        "load_model",
        "load_tokenizer",
        "max_text_tokens",
        "no_progress_bars",
        "pad_tokens",
        "read_config",
    ),
    "m2m_adapters.models.images": ("rgb_image",),
    "m2m_adapters.models.items": (
        "BadItem",
        "ItemTarget",
        "Skipped",
        "encode_items",
        "encode_prepared",
        "generate_items",
        "prepare_ahead",
    ),
    "m2m_adapters.models.layers": ("POOLINGS", "as_layers", "check_pooling", "pooled"),
    "m2m_adapters.models.masked_text": ("MaskedText", "fitted"),
    "m2m_adapters.models.onnx_int8": ("int8_session",),
    "m2m_adapters.models.onnx_tracing": ("traced",),
    "m2m_adapters.models.sounds": ("Samples", "mono_samples", "resampled", "window_starts"),
    "m2m_adapters.models.text_encoder": (
        "TOKENS_PER_BATCH",
        "TokenEncoder",
        "encode_texts",
    ),
    "m2m_adapters.models.weights": (
        "Located",
        "digest_file",
        "digest_folder",
        "locate",
        "offline",
    ),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

if TYPE_CHECKING:
    from m2m_adapters._internal.files import cache_folder, whole_file
    from m2m_adapters._internal.spelling import did_you_mean
    from m2m_adapters.interfaces import at_precision
    from m2m_adapters.models.batching import batches
    from m2m_adapters.models.devices import (
        PRECISIONS,
        choose_device,
        choose_dtype,
        choose_precision,
    )
    from m2m_adapters.models.dual_encoders import (
        ITEMS,
        TEXT,
        DualText,
        check_vocabulary,
        load_error,
        load_half,
        load_model,
        load_tokenizer,
        max_text_tokens,
        no_progress_bars,
        pad_tokens,
        read_config,
    )
    from m2m_adapters.models.images import rgb_image
    from m2m_adapters.models.items import (
        BadItem,
        ItemTarget,
        Skipped,
        encode_items,
        encode_prepared,
        generate_items,
        prepare_ahead,
    )
    from m2m_adapters.models.layers import POOLINGS, as_layers, check_pooling, pooled
    from m2m_adapters.models.masked_text import MaskedText, fitted
    from m2m_adapters.models.onnx_int8 import int8_session
    from m2m_adapters.models.onnx_tracing import traced
    from m2m_adapters.models.sounds import Samples, mono_samples, resampled, window_starts
    from m2m_adapters.models.text_encoder import (
        TOKENS_PER_BATCH,
        TokenEncoder,
        encode_texts,
    )
    from m2m_adapters.models.weights import Located, digest_file, digest_folder, locate, offline

__all__ = [
    "ITEMS",
    "POOLINGS",
    "PRECISIONS",
    "TEXT",
    "TOKENS_PER_BATCH",
    "BadItem",
    "DualText",
    "ItemTarget",
    "Located",
    "MaskedText",
    "Samples",
    "Skipped",
    "TokenEncoder",
    "as_layers",
    "at_precision",
    "batches",
    "cache_folder",
    "check_pooling",
    "check_vocabulary",
    "choose_device",
    "choose_dtype",
    "choose_precision",
    "did_you_mean",
    "digest_file",
    "digest_folder",
    "encode_items",
    "encode_prepared",
    "encode_texts",
    "fitted",
    "generate_items",
    "int8_session",
    "load_error",
    "load_half",
    "load_model",
    "load_tokenizer",
    "locate",
    "max_text_tokens",
    "mono_samples",
    "no_progress_bars",
    "offline",
    "pad_tokens",
    "pooled",
    "prepare_ahead",
    "read_config",
    "resampled",
    "rgb_image",
    "traced",
    "whole_file",
    "window_starts",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module '{__name__}' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
