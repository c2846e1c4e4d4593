"""Every server that speaks OpenAI's ``/v1/embeddings`` as a source of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.source_scheme(
        "api",
        "m2m_api.source:load",
        description="servers with OpenAI's /v1/embeddings: MODEL@http://HOST/v1",
    )
