"""Every sentence-transformers model as a source of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.source_scheme(
        "st",
        "m2m_sentence_transformers.source:load",
        description="sentence-transformers models",
    )
