"""Where an adapter may be saved: a new or empty folder, or one that holds an adapter."""

from __future__ import annotations

import json
import os
from pathlib import Path

from m2m_adapters._internal.folders import check_folder
from m2m_adapters.artifact.record import RECORD
from m2m_adapters.artifact.untrusted import JSON_LIMIT, read_current
from m2m_adapters.errors import UserError


def check_place(folder: Path, *, overwrite: bool = True) -> None:
    """Refuse a folder that an adapter cannot be saved to; call it before long work."""
    if not holds_adapter(folder):
        check_folder(folder)
        return
    if not overwrite:
        raise UserError(f"{folder} already holds an adapter", "choose another folder")
    if not os.access(folder, os.W_OK):
        raise UserError(f"the folder {folder} is not writable", "choose another folder")


def holds_adapter(folder: Path) -> bool:
    """Whether its adapter.json is ours, of any version: other programs have files of that name."""
    try:
        record = json.loads(read_current(folder, RECORD, JSON_LIMIT))
    except (UserError, OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"format", "projector"} <= record.keys()
