"""Folders of the user: cache, configuration and data, also for a process without a home."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from m2m_adapters.errors import UserError

NAME = "m2m-adapters"


def user_folder(kind: str) -> Path:
    """The platform's ``cache``, ``config`` or ``data`` folder for this program.

    Without a home folder (no HOME and no account, as in many containers) it lies in the
    temporary folder, under the user's number.
    """
    import platformdirs

    find = {
        "cache": platformdirs.user_cache_dir,
        "config": platformdirs.user_config_dir,
        "data": platformdirs.user_data_dir,
    }[kind]
    try:
        return Path(find(NAME, appauthor=False))
    except RuntimeError:
        user = os.getuid() if hasattr(os, "getuid") else "user"
        return Path(tempfile.gettempdir()) / f"{NAME}-{user}" / kind


def expanded(path: str | Path) -> Path:
    """``path`` with a leading ``~`` replaced by the home folder."""
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(
            f"{path} starts with the home folder of a user that does not exist",
            "write the whole path",
        ) from error


def is_file(path: str | Path) -> bool:
    """Whether there is such a file; text that cannot be a path is none."""
    try:
        return Path(path).expanduser().is_file()
    except (OSError, ValueError, RuntimeError):
        return False


def exists(path: str | Path) -> bool:
    """Whether there is such a file or folder; text that cannot be a path is none."""
    try:
        return Path(path).expanduser().exists()
    except (OSError, ValueError, RuntimeError):  # too long, a null character, ~ of an unknown user
        return False
