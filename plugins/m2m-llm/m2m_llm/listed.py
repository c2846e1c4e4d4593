"""The adapters that the user lists, by the names that llm shows."""

from __future__ import annotations

import os
from pathlib import Path

import llm

VARIABLE = "M2M_LLM_ADAPTERS"
FILE = "m2m-adapters.txt"


def listed() -> dict[str, str]:
    """Names and adapters: a folder has the name of its last part, unless it is taken."""
    adapters: dict[str, str] = {}
    for adapter in dict.fromkeys(_lines()):
        short = Path(adapter).expanduser().resolve().name if _is_folder(adapter) else adapter
        adapters[adapter if short in adapters else short] = adapter
    return adapters


def _lines() -> list[str]:
    variable = os.environ.get(VARIABLE)
    if variable is not None:
        lines = variable.split(os.pathsep)
    else:
        file = Path(llm.user_dir()) / FILE
        lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _is_folder(adapter: str) -> bool:
    return Path(adapter).expanduser().is_dir()
