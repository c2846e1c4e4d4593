"""Where an adapter may be saved: a new or empty folder, or one that holds an adapter."""

from __future__ import annotations

import os
from pathlib import Path

from m2m_adapters._internal.folders import check_folder, current
from m2m_adapters.artifact.record import RECORD, WEIGHTS
from m2m_adapters.errors import UserError


def check_place(folder: Path, *, overwrite: bool = True) -> None:
    """Refuse a folder that an adapter cannot be saved to; call it before long work."""
    # Other programs have an adapter.json, too; ours never stands without its weights.
    if not all(current(folder, name).is_file() for name in (RECORD, WEIGHTS)):
        check_folder(folder)
        return
    if not overwrite:
        raise UserError(f"{folder} already holds an adapter", "choose another folder")
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} is not writable", "choose another folder")
