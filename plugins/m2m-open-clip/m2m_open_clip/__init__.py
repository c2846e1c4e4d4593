"""open_clip's models as image targets of m2m-adapters."""

from __future__ import annotations

from m2m_adapters import Register, hookimpl

M2M_INTERFACE = 1


@hookimpl
def m2m_register(register: Register) -> None:
    register.target_scheme(
        "open-clip",
        "m2m_open_clip.target:load",
        modality="image",
        description="open_clip architectures with a pretrained tag, hf-hub: and local-dir:",
    )
