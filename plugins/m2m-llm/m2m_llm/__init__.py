"""Adapters as embedding models of llm: ``llm embed -m m2m/ADAPTER -c "ein Hund"``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llm

from m2m_llm.listed import listed
from m2m_llm.model import AdapterModel

M2M_INTERFACE = 1


@llm.hookimpl  # type: ignore[untyped-decorator]
def register_embedding_models(register: Callable[..., Any]) -> None:
    for name, adapter in listed().items():
        register(AdapterModel(f"m2m/{name}", adapter), aliases=_aliases(name, adapter))


def _aliases(name: str, adapter: str) -> tuple[str, ...]:
    return () if name == adapter else (f"m2m/{adapter}",)
