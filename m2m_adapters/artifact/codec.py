"""Read and write ``adapter.json``: strict, versioned, and covered by a checksum.

The checksum is the sha256 of the record without it, as JSON with sorted keys and no spaces. It
finds damage and edits by hand; it is no signature, and does not say who wrote the file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from m2m_adapters._internal.folders import current
from m2m_adapters.artifact.record import FORMAT, RECORD, Record
from m2m_adapters.artifact.untrusted import JSON_LIMIT, parse_json, read_current, refuse_pickles
from m2m_adapters.errors import UserError

AGAIN = "make the adapter again"
CHECKSUM = "checksum"
TEXT_LIMIT = 1 << 16
T = TypeVar("T")


def read_record(folder: Path) -> Record:
    """The checked content of a folder's ``adapter.json``."""
    if not folder.is_dir():
        raise UserError(
            f"there is no adapter folder {folder}", "make one with `m2m align`, or correct the path"
        )
    if not any(os.path.lexists(path) for path in (folder / RECORD, current(folder, RECORD))):
        raise UserError(
            f"{folder} is not an adapter: it has no {RECORD}",
            "give the folder that `m2m align --out` wrote",
        )
    refuse_pickles(folder)
    return decode_record(read_current(folder, RECORD, JSON_LIMIT), folder / RECORD)


def decode_record(raw: bytes, where: str | Path) -> Record:
    """The record in the bytes of ``adapter.json``."""
    content = parse_json(raw, where)
    version = content.get("format")
    if type(version) is not int or version != FORMAT:
        newer = type(version) is int and version > FORMAT
        raise UserError(
            f"{where} has format {str(version)[:40]}; this release reads {FORMAT}",
            "upgrade m2m-adapters" if newer else AGAIN,
        )
    recorded = content.pop(CHECKSUM, None)
    record = convert(content, Record, where)
    for text in _texts(content):
        if len(text) > TEXT_LIMIT or not text.replace("\n", "").replace("\t", "").isprintable():
            raise UserError(
                f"{where}: a text is too long or contains control characters ({text[:40]!r})", AGAIN
            )
    if recorded != checksum(content):
        raise UserError(f"{where} was changed after it was written (its checksum differs)", AGAIN)
    return record


def encode_record(record: Record) -> bytes:
    """The bytes of ``adapter.json``, read once more before they are handed out."""
    content = msgspec.to_builtins(record)
    try:
        content[CHECKSUM] = checksum(content)
        raw = (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    except ValueError as error:
        raise UserError(
            f"the record of this adapter cannot be written ({error}): {_not_json(content)}",
            "align again with other parameters, or report the plugin that gave this value",
        ) from error
    if len(raw) > JSON_LIMIT:
        raise UserError(
            f"the record of this adapter would have {len(raw):,} bytes",
            "give fewer or shorter names",
        )
    decode_record(raw, "the record of this adapter")
    return raw


def checksum(content: Mapping[str, object]) -> str:
    """sha256 of the record's canonical JSON; 64 zeros for what is no JSON."""
    canonical = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def convert(value: object, kind: type[T], where: str | Path) -> T:
    """``value`` as a typed structure; a UserError names the key that does not fit."""
    try:
        return msgspec.convert(value, kind, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{where}: {problem(error)}", AGAIN) from error
    except UnicodeEncodeError:
        raise UserError(f"{where} holds a lone surrogate, which is not text", AGAIN) from None


def problem(error: Exception) -> str:
    """msgspec's message with the key in front, as in ``'source.dim': expected int, got str``."""
    what, _, path = str(error).partition(" - at `")
    key = path.rstrip("`").removeprefix("$").lstrip(".")
    if match := re.fullmatch(
        r"Object (missing required|contains unknown) field `(.*)`", what, re.S
    ):
        name = ".".join(part for part in (key, match[2][:60]) if part)
        return f"lacks '{name}'" if match[1].startswith("missing") else f"unknown key '{name}'"
    what = what[:1].lower() + what[1:200]
    return f"'{key}' is wrong ({what.replace('`', '')})" if key else what


def _texts(value: object) -> Iterator[str]:
    """Every string, keys included."""
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            pending += [*one, *one.values()]
        elif isinstance(one, list):
            pending += one


def _not_json(content: Mapping[str, object]) -> str:
    """The first key whose value JSON cannot hold."""
    for key, value in content.items():
        try:
            json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
        except ValueError:
            return f"see '{key}'"
    return "see its texts"
