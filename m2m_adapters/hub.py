"""Adapters that are not on this machine yet."""

from __future__ import annotations

from pathlib import Path

from m2m_adapters.errors import UserError


def find(name: str, digest: str | None = None) -> Path:
    """The local folder of an adapter given by its name."""
    raise UserError(
        f"there is no adapter folder {name}", "make one with `m2m align`, or correct the path"
    )
