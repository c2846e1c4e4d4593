"""CLIP and its relatives in transformers as image targets of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.target_scheme(
        "clip",
        "m2m_clip.target:load",
        modality="image",
        description="CLIP, SigLIP, ALIGN, Chinese-CLIP, MetaCLIP, AltCLIP, GroupViT, Jina-CLIP",
    )
    register.target_scheme(
        "joint",
        "m2m_clip.joint:load",
        modality="image",
        description="ViLT, BridgeTower, BLIP-2, FLAVA: score pairs, for re-ranking",
    )
