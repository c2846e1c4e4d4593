"""The models that a record names: their names, and whether a model is the same one."""

from __future__ import annotations

import re
import warnings
from typing import Any

from m2m_adapters.artifact.record import ModelOptions, SourceRecord, TargetRecord
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import precision_of, same_model


def recorded_name(
    recorded: SourceRecord | TargetRecord, side: str, *, from_hub: bool
) -> str | None:
    """The recorded name; a path of another machine is refused."""
    path = local_path(recorded.name)
    if path and from_hub:
        raise UserError(
            f"the {side} of this adapter is a local folder "
            f"of the machine it was aligned on ({path})",
            f"pass it: load_adapter(folder, {side}=...)",
        )
    return recorded.name


def local_path(name: str | None) -> str | None:
    """The path in a recorded name such as ``st:/models/mine``, if it holds one."""
    for term in re.split(r"[+|(]", name or ""):
        path = term.rpartition("*")[2].strip().partition(":")[2]
        if path.startswith(("/", "~", ".", "\\")) or path[1:3] in (":\\", ":/"):
            return path
    return None


def options_of(recorded: ModelOptions, chosen: dict[str, Any]) -> dict[str, Any]:
    """Recorded safe options, overridden by the caller's.

    The record has no others: nothing else an adapter says is passed on, least of all
    ``trust_remote_code``.
    """
    return {**recorded.to_dict(), **chosen}


def check_same(
    dim: int, fingerprint: str, recorded: SourceRecord | TargetRecord, side: str
) -> None:
    """Refuse another model than the recorded one."""
    if dim != recorded.dim:
        raise UserError(
            f"the {side} has dimension {dim}, the adapter was aligned with one of {recorded.dim}",
            f"use the {side} '{recorded.title}'",
        )
    # An imported checkpoint was published without a fingerprint of its encoders.
    if recorded.fingerprint is not None and not same_model(fingerprint, recorded.fingerprint):
        raise UserError(
            f"the {side} is not the one this adapter was aligned with "
            f"(fingerprint {fingerprint}, recorded {recorded.fingerprint})",
            f"use '{recorded.title}' at the recorded revision, or align again",
        )


def note_precision(fingerprint: str, recorded: SourceRecord | TargetRecord, side: str) -> None:
    """Warn where a model computes in another precision than the recorded one."""
    if recorded.fingerprint is None:
        return
    now, then = precision_of(fingerprint), precision_of(recorded.fingerprint)
    if now != then:
        warnings.warn(
            f"the {side} computes in {now}, the adapter was aligned in {then}: vectors differ by "
            "rounding",
            UserWarning,
            stacklevel=3,
        )
