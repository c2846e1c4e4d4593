"""Suggest the name that was probably meant."""

from __future__ import annotations

import difflib


def did_you_mean(name: str, known: list[str]) -> str:
    """``" (did you mean 'x' or 'y'?)"``, or nothing."""
    lower = {k.lower(): k for k in known}
    near = difflib.get_close_matches(name.lower(), list(lower), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(repr(lower[n]) for n in near)}?)" if near else ""
