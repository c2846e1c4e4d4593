"""Helpers for messages: suggestions for misspelled names, and plurals."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from m2m_adapters.errors import UserError


def did_you_mean(name: str, known: list[str]) -> str:
    """``" (did you mean 'x' or 'y'?)"``, or nothing."""
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(lower[n]) for n in near)}?)" if near else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """``1 sentence``, ``2,000 sentences``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def refuse_typos(options: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse an option that looks like a misspelled known one.

    Options that resemble none of them pass: a plugin may know them.
    """
    names = sorted(known)
    for option in options:
        near = difflib.get_close_matches(option.lower(), names, n=1, cutoff=0.75)
        if option not in names and near:
            raise UserError(f"{where} has no option '{option}'", f"did you mean '{near[0]}'?")
