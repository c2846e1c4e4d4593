"""Original checkpoints of the laion-clap package as audio targets of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.target_scheme(
        "laion-clap",
        "m2m_laion_clap.target:load",
        modality="audio",
        description="original .pt checkpoints of the laion-clap package",
    )
