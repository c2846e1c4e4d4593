"""Encoders of speech, and of text in the same space, as sources of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.source_scheme(
        "speech",
        "m2m_speech.load:load",
        description="SeamlessM4T, SONAR, Whisper, w2v-BERT, Qwen2-Audio, Granite Speech",
    )
    register.source_scheme(
        "speech-frames",
        "m2m_speech.load:load_frames",
        description="the same, speech as it is before the length adaptor",
    )
