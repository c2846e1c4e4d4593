"""Read untrusted files: run nothing, follow no link, and check sizes before allocating.

Sizes are checked before anything is read, and everything a file claims about itself is
compared with what is expected before memory is taken for it.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

from m2m_adapters._internal.folders import current
from m2m_adapters.errors import UserError

JSON_LIMIT = 4 << 20
HEADER_LIMIT = 1 << 20
AGAIN = "fetch or make the adapter again"

# Formats whose readers run code. None of them belongs in an adapter's folder.
PICKLES = (".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth")


def read_file(path: Path, limit: int, root: Path | None = None) -> bytes:
    """The bytes of a plain file of at most ``limit`` bytes.

    A link is followed only within ``root`` (default: the file's own folder), so that a folder
    cannot hand out files from elsewhere on this machine.
    """
    try:
        real = path.resolve(strict=True)
        inside = (root or path.parent).resolve()
        if real != inside / path.name and not real.is_relative_to(inside):
            raise UserError(f"{path} is a symbolic link that points outside its folder", AGAIN)
        handle = os.open(real, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise UserError(f"{path} is not a plain file", AGAIN)
            if status.st_size > limit:
                raise UserError(
                    f"{path} has {status.st_size:,} bytes where at most {limit:,} are expected",
                    AGAIN,
                )
            return file.read(limit)
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: links in a circle
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}", AGAIN) from error


def read_current(folder: Path, name: str, limit: int) -> bytes:
    """The bytes of a file of ours, as :func:`read_file` reads them, while others may save."""
    path = current(folder, name)
    try:
        return read_file(path, limit, folder)
    except UserError:
        if path == folder / name or path.exists():
            raise
        return read_file(folder / name, limit)  # it was moved to its place meanwhile


def parse_json(raw: bytes, where: str | Path) -> dict[str, Any]:
    """A JSON object: no duplicate keys, no NaN, limited depth."""

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(items)
        if len(mapping) != len(items):
            names = [key for key, _ in items]
            twice = next(key for key in names if names.count(key) > 1)
            raise ValueError(f"the key '{twice[:40]}' appears twice")
        return mapping

    def constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not a JSON number")

    def number(text: str) -> float:
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"the number {text[:20]} is too large")
        return value

    try:
        parsed = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=pairs,
            parse_constant=constant,
            parse_float=number,
        )
    except RecursionError:
        raise UserError(f"{where} is not valid JSON (it is nested too deeply)", AGAIN) from None
    except ValueError as error:
        raise UserError(f"{where} is not valid JSON ({error})", AGAIN) from error
    if not isinstance(parsed, dict):
        raise UserError(f"{where} must hold a JSON object", AGAIN)
    return parsed


def check_safetensors(
    raw: bytes, shapes: dict[str, tuple[int, ...]], where: str | Path, expected_by: str
) -> None:
    """``raw`` must be a safetensors file of exactly these float32 tensors.

    Checked from the header alone, before any tensor exists: names, dtypes, shapes, and offsets
    that cover the data without gap, overlap or rest. ``expected_by`` says who expects the shapes.
    """
    if len(raw) < 8:
        raise UserError(f"{where} is not a readable safetensors file (it is cut short)", AGAIN)
    length = int.from_bytes(raw[:8], "little")
    if length > min(HEADER_LIMIT, len(raw) - 8):
        raise UserError(
            f"{where} is not a readable safetensors file (header of {length:,} bytes)",
            AGAIN,
        )
    header = parse_json(raw[8 : 8 + length].rstrip(b" "), f"the header of {where}")
    header.pop("__metadata__", None)
    odd = sorted(set(header) ^ set(shapes))
    if odd:
        raise UserError(f"{where}: '{odd[0][:80]}' does not match {expected_by}", AGAIN)
    spans = []
    for name, shape in shapes.items():
        claim = header[name]
        if not isinstance(claim, dict) or claim.get("shape") != list(shape):
            raise UserError(f"{where}: the shape of '{name}' does not match {expected_by}", AGAIN)
        if claim.get("dtype") != "F32":
            raise UserError(f"{where}: '{name}' is {claim.get('dtype')}, not float32", AGAIN)
        start, stop = _offsets(claim.get("data_offsets"))
        size = 4
        for side in shape:
            size *= side
        if stop - start != size:
            raise UserError(f"{where}: the offsets of '{name}' do not match its shape", AGAIN)
        spans.append((start, stop))
    end = 0
    for start, stop in sorted(spans):
        if start != end:
            raise UserError(f"{where}: its tensors overlap or leave gaps", AGAIN)
        end = stop
    if end != len(raw) - 8 - length:
        raise UserError(f"{where}: its size does not match its header", AGAIN)


def _offsets(claim: object) -> tuple[int, int]:
    """(start, stop) of a tensor's data; an empty span for anything that is not two numbers."""
    if not isinstance(claim, list) or len(claim) != 2 or any(type(c) is not int for c in claim):
        return 0, 0
    return claim[0], claim[1]


def refuse_pickles(folder: Path) -> None:
    """Refuse a folder with pickles: an adapter is safetensors and JSON only."""
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        if entry.name.lower().endswith(PICKLES):
            raise UserError(
                f"{folder} holds {entry.name}, a kind of file that can run code",
                "remove it if you trust the rest; adapters are safetensors and JSON only "
                "(published .pth files: m2m import)",
            )
