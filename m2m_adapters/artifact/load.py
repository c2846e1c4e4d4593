"""Read an adapter from a folder, the hub or the registry; all of it is untrusted."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from m2m_adapters._internal.folders import current
from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.bank import Bank
from m2m_adapters.artifact.codec import AGAIN, read_record
from m2m_adapters.artifact.hub import find, origin
from m2m_adapters.artifact.languages import LanguageTable
from m2m_adapters.artifact.record import (
    BANK,
    LANGUAGES,
    RECORD,
    WEIGHTS,
    FileRecord,
    HubRecord,
    Record,
)
from m2m_adapters.artifact.untrusted import check_safetensors, read_current
from m2m_adapters.artifact.weights import digest_of
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder

ATTEMPTS = 20
LOAD_OPTIONS = ("device", "precision", "compile", "trust_remote_code", "revision", "offload",
                "prompt", "source", "target", "digest", "backend")  # fmt: skip


def load_adapter(
    folder: str | Path,
    *,
    source: TextEncoder | str | None = None,
    target: ModalityModel | str | None = None,
    digest: str | None = None,
    **options: Any,
) -> Adapter:
    """Read an adapter; strict about version, digest, names, dtypes and shapes.

    folder: a folder, ``org/name`` or ``org/name@revision`` on the hub, or a registry name.
    source, target: objects or names to use instead of the recorded names (a source with
    another fingerprint than the recorded one is refused). digest: the sha256 that the adapter
    must have (``Adapter.digest``). options: ``device``, ... for the models.
    """
    from safetensors.torch import load

    from m2m_adapters.projectors.registry import build, kind_of, shape_of

    refuse_typos(options, LOAD_OPTIONS, "load_adapter")
    path, hub = Path(folder), None
    if not path.exists():
        path = find(str(folder), digest=digest)
        hub = origin(path)
    record, weights, raw_bank, raw_languages = _files(path)
    if hub is not None:
        record = msgspec.structs.replace(record, hub=HubRecord(**hub))
    try:
        shape = shape_of(record.projector.name, record.projector.arguments)
    except UserError as error:
        raise UserError(f"{path / RECORD}: {error.what}", error.remedy or AGAIN) from error
    actual = digest_of(record.weights, record.bank, record.languages)
    if digest is not None and actual != digest.lower().removeprefix("sha256:"):
        raise UserError(
            f"the adapter {path} has the digest {actual}, not {digest}",
            "do not use it: it is another adapter than the one you asked for",
        )
    expected_by = f"the projector that {RECORD} describes"
    check_safetensors(weights, shape.tensors(), path / WEIGHTS, expected_by)
    for side, width in (("source", shape.d_in), ("target", shape.d_out)):
        # Token states need not be as wide as the vectors they are pooled into.
        pooled = side == "target" or kind_of(record.projector.name).level == "sentence"
        dim = (record.source if side == "source" else record.target).dim
        if dim != width and pooled:
            raise UserError(
                f"{path / RECORD}: the {side} has dimension {dim}, the projector {width}",
                "make the adapter again",
            )
    state = load(weights)
    if not all(bool(v.isfinite().all()) for v in state.values()):
        raise UserError(f"{path / WEIGHTS} holds NaN or infinity", "make the adapter again")
    projector = build(record.projector.name, record.projector.arguments)
    projector.load_state_dict(state)
    return Adapter(
        projector, record, source=source, target=target, options=options,
        bank=_bank(raw_bank, path / BANK, record),
        languages=_languages(raw_languages, path / LANGUAGES, record),
    )  # fmt: skip


def _bank(raw: bytes, path: Path, record: Record) -> Bank | None:
    """The bank that the record describes, if it does; strict like the weights."""
    from safetensors.numpy import load

    if record.bank is None:
        return None
    tensors = load(raw)
    shape = (record.bank.rows, record.target.dim)
    rows = tensors.get("bank")
    if rows is None or len(tensors) > 1 or rows.dtype != np.float16 or rows.shape != shape:
        raise UserError(f"{path} does not hold fp16 {list(shape)}", AGAIN)
    if not np.isfinite(rows).all():
        raise UserError(f"{path} holds NaN or infinity", AGAIN)
    return Bank(rows, record.bank.weight, record.bank.near)


def _languages(raw: bytes, path: Path, record: Record) -> LanguageTable | None:
    """The table that the record describes, if it does; strict like the weights."""
    from safetensors.numpy import load

    if (table := record.languages) is None:
        return None
    shapes: dict[str, tuple[int, ...]] = {one.code: (record.target.dim,) for one in table.adapted}
    check_safetensors(raw, shapes, path, f"the languages that {RECORD} names")
    shifts = load(raw)
    if not all(np.isfinite(shift).all() for shift in shifts.values()):
        raise UserError(f"{path} holds NaN or infinity", AGAIN)
    in_order = {one.code: shifts[one.code] for one in table.adapted}
    return LanguageTable(in_order, table.share, table.english, tuple(table.adapted))


def _files(folder: Path) -> tuple[Record, bytes, bytes, bytes]:
    """Record, weights, bank and languages of one version, also while a new one is saved."""
    for attempt in range(ATTEMPTS):
        before = _stamps(folder)
        record = read_record(folder)
        try:
            weights = _described(folder, WEIGHTS, record.weights)
            bank = _described(folder, BANK, record.bank) if record.bank else b""
            table = record.languages
            languages = _described(folder, LANGUAGES, table) if table else b""
            return record, weights, bank, languages
        except UserError as error:
            wrong = error
        if attempt and _stamps(folder) == before:
            break  # nobody saved meanwhile, so the folder is final
        time.sleep(0.001 * attempt)
    raise wrong


def _stamps(folder: Path) -> list[tuple[int, int] | None]:
    """Which files the folder holds just now; a file that is saved again is another one."""
    stamps: list[tuple[int, int] | None] = []
    for name in (RECORD, WEIGHTS, BANK, LANGUAGES):
        try:
            stat = current(folder, name).stat()
            stamps.append((stat.st_ino, stat.st_mtime_ns))
        except OSError:
            stamps.append(None)
    return stamps


def _described(folder: Path, name: str, described: FileRecord) -> bytes:
    """The bytes of a file, if they are those that the record describes."""
    raw = read_current(folder, name, described.bytes)
    if hashlib.sha256(raw).hexdigest() != described.sha256:
        raise UserError(
            f"{folder / name} is not the file that {RECORD} describes (its digest differs)", AGAIN
        )
    return raw
