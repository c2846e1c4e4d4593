"""A checkpoint's ``model_type`` decides which encoder it becomes."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from m2m_adapters.errors import UserError
from m2m_adapters.models import choose_device, choose_precision, locate, read_config

if TYPE_CHECKING:
    from m2m_adapters import TextEncoder

KINDS = {
    "seamless_m4t": "m2m_speech.seamless:Seamless",
    "seamless_m4t_v2": "m2m_speech.seamless:Seamless",
    "m2m_100": "m2m_speech.sonar:Sonar",
    "whisper": "m2m_speech.listeners:Whisper",
    "wav2vec2-bert": "m2m_speech.listeners:WavBert",
    "qwen2_audio": "m2m_speech.language_models:Qwen2Audio",
    "granite_speech": "m2m_speech.language_models:GraniteSpeech",
}


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    adaptor: bool = True,
) -> TextEncoder:
    """The checkpoint ``model``: an id of the hub or a folder.

    adaptor: False takes speech before the length adaptor, frame by frame.
    """
    located = locate(model, revision, scheme="speech")
    kind = read_config(located.folder).get("model_type")
    if kind not in KINDS:
        raise UserError(
            f"{model} is a '{kind}' model", f"give one of the kinds {', '.join(sorted(KINDS))}"
        )
    if not adaptor and not str(kind).startswith("seamless"):
        raise UserError(
            f"{model} is a '{kind}' model and has no length adaptor to leave out",
            f"write speech:{model}",
        )
    module, _, name = KINDS[str(kind)].partition(":")
    chosen = choose_device(device)
    factory = getattr(importlib.import_module(module), name)
    options = {} if adaptor else {"adaptor": False}
    encoder: TextEncoder = factory(
        located, device=chosen, precision=choose_precision(precision, chosen), **options
    )
    return encoder


def load_frames(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
) -> TextEncoder:
    """``load`` without the length adaptor."""
    return load(model, revision=revision, device=device, precision=precision, adaptor=False)
