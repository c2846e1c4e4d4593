"""``adapter.json``: what it must hold, and how its parts are made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from m2m_adapters._internal.folders import current
from m2m_adapters.artifact.untrusted import JSON_LIMIT, parse_json, read_current, refuse_pickles
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Origin, TextEncoder

FORMAT = 1
WEIGHTS, RECORD, CARD = "adapter.safetensors", "adapter.json", "README.md"
FILES = (WEIGHTS, RECORD, CARD)
WEIGHTS_LIMIT = 4 << 30
MODEL_OPTIONS = ("precision", "revision", "prompt", "normalize")

# key -> the types it may have
SIDE: dict[str, tuple[type, ...]] = {
    "name": (str, type(None)),
    "class": (str,),
    "dim": (int,),
    "fingerprint": (str, type(None)),
}
OPTIONAL: dict[str, tuple[type, ...]] = {
    "normalize": (bool,),
    "normalized": (bool,),
    "modality": (str,),
    "max_tokens": (int, type(None)),
    "provenance": (dict,),
    "options": (dict,),
}


def read_record(folder: Path) -> dict[str, Any]:
    """The checked content of ``adapter.json``."""
    if not folder.is_dir():
        raise UserError(
            f"there is no adapter folder {folder}", "make one with `m2m align`, or correct the path"
        )
    path = folder / RECORD
    if not os.path.lexists(current(folder, RECORD)):
        raise UserError(
            f"{folder} is not an adapter: it has no {RECORD}",
            "give the folder that `m2m align --out` wrote",
        )
    refuse_pickles(folder)
    record = parse_json(read_current(folder, RECORD, JSON_LIMIT), path)
    version = record.get("format")
    if version != FORMAT or isinstance(version, bool):
        raise UserError(
            f"{path} has format {str(version)[:40]}; this release reads {FORMAT}",
            "upgrade m2m-adapters"
            if isinstance(version, int) and version > FORMAT
            else "make the adapter again",
        )
    for key in ("projector", "weights", "source", "target"):
        if not isinstance(record.get(key), dict):
            raise UserError(f"{path} lacks '{key}'", "make the adapter again")
    for key in ("recipe", "corpus", "held_out", "versions"):
        if not isinstance(record.get(key, {}), dict):
            raise UserError(f"{path}: '{key}' must be an object", "make the adapter again")
    _check_weights(path, record["weights"])
    for side in ("source", "target"):
        _check_side(path, side, record[side])
    if not isinstance(record["target"].get("modality"), str):
        raise UserError(f"{path} lacks 'target.modality'", "make the adapter again")
    return record


def _check_weights(path: Path, weights: dict[str, Any]) -> None:
    digest, size = weights.get("sha256"), weights.get("bytes")
    if not isinstance(digest, str) or len(digest) != 64:
        raise UserError(f"{path}: 'weights.sha256' is not a digest", "make the adapter again")
    if type(size) is not int or not 0 < size <= WEIGHTS_LIMIT:
        raise UserError(f"{path}: 'weights.bytes' is absurd ({str(size)[:40]})", "make it again")
    if odd := sorted(set(weights) - {"sha256", "bytes"}):
        # A file name here would be a way out of the folder; there is only one weights file.
        raise UserError(f"{path}: unknown key 'weights.{odd[0][:40]}'", "make the adapter again")


def _check_side(path: Path, side: str, told: dict[str, Any]) -> None:
    for key in SIDE:
        if key not in told:
            raise UserError(f"{path} lacks '{side}.{key}'", "make the adapter again")
    for key, kinds in {**SIDE, **OPTIONAL}.items():
        value = told.get(key)
        boolean = isinstance(value, bool) and bool not in kinds
        if key in told and (not isinstance(value, kinds) or boolean):
            raise UserError(
                f"{path}: '{side}.{key}' is of the wrong kind ({type(value).__name__})",
                "make the adapter again",
            )
        if isinstance(value, str) and (len(value) > 4096 or not value.isprintable()):
            raise UserError(
                f"{path}: '{side}.{key}' is overlong or holds control characters",
                "make the adapter again",
            )


def describe_source(
    encoder: TextEncoder, name: str | None, normalize_rows: bool, options: dict[str, Any]
) -> dict[str, Any]:
    """What ``adapter.json`` says of the source; objects loaded by name remember it."""
    return {
        "name": name or (encoder.origin.name if encoder.origin else None),
        "class": type(encoder).__qualname__,
        "dim": encoder.dim,
        "fingerprint": encoder.fingerprint,
        "normalize": normalize_rows,
        "max_tokens": encoder.max_tokens,
        "provenance": encoder.provenance,
        "options": _kept_options(encoder.origin, options),
    }


def describe_target(
    model: ModalityModel, name: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    """What ``adapter.json`` says of the target; objects loaded by name remember it."""
    space = model.space
    return {
        "name": name or (model.origin.name if model.origin else None),
        "class": type(model).__qualname__,
        "modality": model.modality,
        "dim": space.dim,
        "normalized": space.normalized,
        "fingerprint": space.fingerprint,
        "provenance": model.text.provenance,
        "options": _kept_options(model.origin, options),
    }


def _kept_options(origin: Origin | None, options: dict[str, Any]) -> dict[str, Any]:
    """Options that change vectors: those the model was loaded with, or is to be loaded with."""
    both = {**(origin.options if origin else {}), **options}
    return {key: value for key, value in both.items() if key in MODEL_OPTIONS and value is not None}


def versions() -> dict[str, str]:
    """Versions of what an adapter's numbers depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("m2m-adapters", "torch", "numpy", "transformers", "sentence-transformers"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
