"""The parts of an adapter's record on the models, the corpus and the libraries.

Attributes of plugins are checked here, before any long work: a record that could not be written
at the end is refused at the start.
"""

from __future__ import annotations

import json
import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from m2m_adapters.artifact.codec import problem
from m2m_adapters.artifact.record import (
    MODEL_OPTIONS,
    ORIGINS_LIMIT,
    OriginRecord,
    SourceRecord,
    TargetRecord,
)
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Origin, TextEncoder

T = TypeVar("T")
PATH_LIMIT = 512


def describe_source(
    encoder: TextEncoder, name: str | None, normalize_rows: bool, options: Mapping[str, object]
) -> SourceRecord:
    """The record of a source; objects loaded by name remember it."""
    values = {
        "name": name or (encoder.origin.name if encoder.origin else None),
        "class": type(encoder).__qualname__,
        "dim": _whole(encoder.dim),
        "fingerprint": encoder.fingerprint,
        "normalize": normalize_rows,
        "max_tokens": _whole(encoder.max_tokens),
        "provenance": encoder.provenance,
        "options": _kept_options(encoder.origin, options),
    }
    return _checked(values, SourceRecord, "source")


def describe_target(
    model: ModalityModel, name: str | None, options: Mapping[str, object]
) -> TargetRecord:
    """The record of a target; objects loaded by name remember it."""
    space = model.space
    values = {
        "name": name or (model.origin.name if model.origin else None),
        "class": type(model).__qualname__,
        "modality": model.modality,
        "dim": _whole(space.dim),
        "normalized": bool(space.normalized),
        "fingerprint": space.fingerprint,
        "provenance": model.text.provenance,
        # The backend is chosen for the source; targets have none.
        "options": _kept_options(model.origin, {**options, "backend": None}),
    }
    return _checked(values, TargetRecord, "target")


def describe_origins(origins: Iterable[Mapping[str, str]]) -> list[OriginRecord]:
    """Origins of a corpus (``kind``, ``path`` or ``name``): names first, files up to a limit.

    Paths below the working folder are recorded relative to it. What a path holds that is no
    UTF-8 is escaped.
    """
    records: dict[OriginRecord, None] = {}
    for origin in origins:
        path = _portable(origin["path"]) if "path" in origin else None
        one = {"kind": origin["kind"], "path": path, "name": origin.get("name")}
        records[msgspec.convert(one, OriginRecord)] = None
    ordered = sorted(records, key=lambda origin: origin.kind == "file")
    return ordered[:ORIGINS_LIMIT]


def versions() -> dict[str, str]:
    """Versions of what an adapter's numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version

    installed = {}
    for name in ("m2m-adapters", "torch", "numpy", "transformers", "sentence-transformers"):
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def _portable(path: str) -> str:
    absolute, here = Path(os.path.abspath(path)), Path.cwd()
    shown = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
    text = os.fsencode(shown.as_posix()).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)[-PATH_LIMIT:]


def _kept_options(origin: Origin | None, options: Mapping[str, object]) -> dict[str, object]:
    """Options that change vectors: those the model was loaded with, or is to be loaded with."""
    both = {**(origin.options if origin else {}), **options}
    return {key: value for key, value in both.items() if key in MODEL_OPTIONS and value is not None}


def _whole(value: object) -> object:
    """numpy's whole numbers as Python's; anything else as it is, to be judged by its type."""
    if isinstance(value, bool):
        return value
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return value


def _checked(values: dict[str, object], kind: type[T], side: str) -> T:
    owner = f"the {side} {values['class']}"
    try:
        text = json.dumps(values["provenance"], ensure_ascii=False, allow_nan=False)
        values["provenance"] = json.loads(text.encode("utf-8"))
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(
            f"the provenance of {owner} cannot be written as JSON ({error})",
            "its plugin must return strings, numbers, lists and dicts there",
        ) from error
    try:
        return msgspec.convert(values, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(
            f"{owner} cannot be recorded: {problem(error)}", "report this to its plugin's authors"
        ) from error
