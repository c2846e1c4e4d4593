"""CLAP as an audio target of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.target_scheme(
        "clap",
        "m2m_clap.target:load",
        modality="audio",
        description="CLAP checkpoints of transformers",
    )
