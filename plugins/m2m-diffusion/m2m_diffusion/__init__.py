"""Diffusion pipelines as targets of m2m-adapters: images, and sounds."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl
from m2m_diffusion.own_pipeline import conditioning

__all__ = ["conditioning"]

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.target_scheme(
        "diffusion",
        "m2m_diffusion.target:load",
        modality="image",
        description="FLUX.1, Stable Diffusion, PixArt, Sana, Qwen-Image; audio and video pipelines",
    )
    register.target_scheme(
        "musicgen",
        "m2m_diffusion.musicgen:load",
        modality="audio",
        description="MusicGen of transformers: music",
    )
