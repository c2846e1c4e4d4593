"""The artifact: projector + where it came from, in a folder anyone can share.

``adapter.safetensors`` holds the projector, ``adapter.json`` everything known about it,
``README.md`` the same for people. docs/artifact.md documents every key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.card import card
from m2m_adapters.embedding import embed
from m2m_adapters.errors import UserError
from m2m_adapters.files import whole_folder
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize
from m2m_adapters.registry import load_source, load_target

if TYPE_CHECKING:
    from m2m_adapters.projector import Projector

FORMAT = 1
WEIGHTS, RECORD, CARD = "adapter.safetensors", "adapter.json", "README.md"
REQUIRED = ("format", "projector", "weights", "source", "target")
MODEL_OPTIONS = ("precision", "revision")


class Adapter:
    """A projector joined to its source and target, each loaded on first use.

    projector: the learned map. record: the content of ``adapter.json``.
    seconds: time per stage, right after ``align`` (not part of the artifact).
    """

    def __init__(
        self,
        projector: Projector,
        record: dict[str, Any],
        *,
        source: TextEncoder | str | None = None,
        target: ModalityModel | str | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.projector = projector.eval()
        self.record = record
        self.seconds: dict[str, float] = {}
        self._source, self._target = source, target
        self._options = options or {}

    def __repr__(self) -> str:
        shape = self.projector.shape
        return f"Adapter({self.name}, {shape.d_in} -> {shape.d_out}, {self.modality})"

    @property
    def name(self) -> str:
        told = (
            self.record[side]["name"] or self.record[side]["class"] for side in ("source", "target")
        )
        return " -> ".join(told)

    @property
    def modality(self) -> str:
        return str(self.record["target"]["modality"])

    @property
    def dim(self) -> int:
        return self.projector.shape.d_out

    @cached_property
    def source(self) -> TextEncoder:
        """The source it was trained with; another one is refused."""
        told = self.record["source"]
        given = self._source
        if not isinstance(given, TextEncoder):
            name = given or told["name"]
            if not name:
                raise UserError(
                    "this adapter was made with a source object that has no name",
                    "pass it: load_adapter(folder, source=encoder)",
                )
            given = load_source(name, **{**told.get("options", {}), **self._options})
        _same(given.dim, given.fingerprint, told, "source")
        return given

    @cached_property
    def target(self) -> ModalityModel:
        """The target it leads to, needed for items and for generation only."""
        told = self.record["target"]
        given = self._target
        if not isinstance(given, ModalityModel):
            name = given or told["name"]
            if not name:
                raise UserError(
                    "this adapter was made with a target object that has no name",
                    "pass it: load_adapter(folder, target=model)",
                )
            given = load_target(name, **{**told.get("options", {}), **self._options})
        _same(given.space.dim, given.space.fingerprint, told, "target")
        return given

    def project(self, vectors: Vectors) -> Vectors:
        """Source vectors ``[n, d_s]`` -> float32 ``[n, dim]`` in the target's space."""
        import torch

        x = np.ascontiguousarray(vectors, dtype=np.float32)
        if x.ndim != 2 or x.shape[1] != self.projector.shape.d_in:
            raise UserError(
                f"these vectors have shape {list(x.shape)}; the adapter takes "
                f"[n, {self.projector.shape.d_in}]",
                "encode with its source",
            )
        if self.record["source"].get("normalize", True):
            x = normalize(x)
        with torch.inference_mode():
            return np.asarray(self.projector(torch.from_numpy(x)).numpy(), dtype=np.float32)

    def encode(self, texts: str | Sequence[str], **options: Any) -> Vectors:
        """Texts in any language of the source -> float32 ``[n, dim]`` in the target's space."""
        wanted = [texts] if isinstance(texts, str) else list(texts)
        for position, text in enumerate(wanted):
            if not isinstance(text, str):
                raise UserError(
                    f"text {position} is a {type(text).__name__}, not a string",
                    "pass strings; items go to encode_items",
                )
        return self.project(embed(self.source, wanted, what="source", **options))

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Images, sounds, ... -> float32 ``[n, dim]`` by the target's own tower."""
        return self.target.encode_items(items, **options)

    def generate(self, texts: str | Sequence[str], **options: Any) -> list[Any]:
        """Items made by the target from prompts in any language of the source."""
        return self.target.generate(self.encode(texts), **options)

    def similarity(self, a: Vectors, b: Vectors) -> Vectors:
        """Cosine of every row of a with every row of b: float32 ``[len(a), len(b)]``."""
        return np.asarray(normalize(np.asarray(a)) @ normalize(np.asarray(b)).T, dtype=np.float32)

    def as_text_encoder(self) -> AdaptedEncoder:
        """Source and projector as one ``TextEncoder`` of the target's space."""
        return AdaptedEncoder(self)

    @property
    def digest(self) -> str:
        """sha256 of the projector's file; identifies the adapter."""
        return hashlib.sha256(self._weights()).hexdigest()

    def _weights(self) -> bytes:
        from safetensors.torch import save

        state = {k: v.detach().cpu().contiguous() for k, v in self.projector.state_dict().items()}
        return bytes(save(state, metadata={"format": "pt"}))

    def save(self, folder: str | Path, *, overwrite: bool = True) -> Path:
        """Write the folder, whole or not at all; an older adapter there is replaced."""
        folder = Path(folder)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file, not a folder", "choose another place")
        if folder.is_dir() and any(folder.iterdir()):
            if not (folder / RECORD).is_file():
                raise UserError(
                    f"{folder} holds other things than an adapter", "choose an empty folder"
                )
            if not overwrite:
                raise UserError(f"{folder} already holds an adapter", "choose another folder")
        weights = self._weights()
        record = {
            "format": FORMAT,
            "projector": {
                "name": self.projector.registry_name,
                "arguments": self.projector.shape.to_dict(),
            },
            "weights": {"sha256": hashlib.sha256(weights).hexdigest(), "bytes": len(weights)},
            **{k: v for k, v in self.record.items() if k not in ("format", "projector", "weights")},
        }
        record.setdefault("versions", versions())
        self.record = record
        with whole_folder(folder) as temporary:
            (temporary / WEIGHTS).write_bytes(weights)
            text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
            (temporary / RECORD).write_text(text, encoding="utf-8")
            (temporary / CARD).write_text(card(record), encoding="utf-8")
        return folder


class AdaptedEncoder(TextEncoder):
    """An adapter joined to its source: a text encoder of the target's space."""

    def __init__(self, adapter: Adapter) -> None:
        self.adapter = adapter
        self.dim = adapter.dim
        self.max_tokens = adapter.source.max_tokens
        self.normalized = adapter.projector.shape.head == "l2"

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self.adapter.encode(list(texts), **options)

    @cached_property
    def fingerprint(self) -> str:
        told = f"{self.adapter.source.fingerprint}|{self.adapter.digest}"
        return f"adapted:{hashlib.sha256(told.encode()).hexdigest()[:32]}"

    @property
    def provenance(self) -> dict[str, Any]:
        return {"adapter": self.adapter.digest, "source": self.adapter.source.provenance}


def load_adapter(
    folder: str | Path,
    *,
    source: TextEncoder | str | None = None,
    target: ModalityModel | str | None = None,
    **options: Any,
) -> Adapter:
    """Read an adapter's folder; strict about version, digest, names and shapes.

    source, target: objects or names to use instead of the recorded names (a source with
    another fingerprint than the recorded one is refused). options: ``device``, ... for them.
    """
    from safetensors.torch import load

    from m2m_adapters.projector import build

    folder = Path(folder)
    record = read_record(folder)
    weights = _read(folder / WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != record["weights"].get("sha256"):
        raise UserError(
            f"{folder / WEIGHTS} is not the file that {RECORD} describes (its digest differs)",
            "fetch or make the adapter again",
        )
    try:
        state = load(weights)
    except Exception as error:  # safetensors raises its own kinds, all meaning the same
        raise UserError(
            f"{folder / WEIGHTS} is not a readable safetensors file ({error})",
            "fetch or make the adapter again",
        ) from error
    projector = build(record["projector"].get("name"), record["projector"].get("arguments"))
    wanted = projector.state_dict()
    if {k: v.shape for k, v in state.items()} != {k: v.shape for k, v in wanted.items()}:
        odd = sorted(set(state) ^ set(wanted)) or [
            k for k in wanted if state[k].shape != wanted[k].shape
        ]
        raise UserError(
            f"{folder / WEIGHTS}: '{odd[0]}' does not fit the projector that {RECORD} describes",
            "fetch or make the adapter again",
        )
    if not all(bool(v.isfinite().all()) for v in state.values()):
        raise UserError(f"{folder / WEIGHTS} holds NaN or infinity", "make the adapter again")
    projector.load_state_dict(state)
    for side, width in (("source", projector.shape.d_in), ("target", projector.shape.d_out)):
        if record[side]["dim"] != width:
            raise UserError(
                f"{folder / RECORD}: the {side} has dimension {record[side]['dim']}, "
                f"the projector {width}",
                "make the adapter again",
            )
    return Adapter(projector, record, source=source, target=target, options=options)


def read_record(folder: Path) -> dict[str, Any]:
    """The checked content of ``adapter.json``."""
    if not folder.is_dir():
        raise UserError(
            f"there is no adapter folder {folder}", "make one with `m2m align`, or correct the path"
        )
    path = folder / RECORD
    if not path.is_file():
        raise UserError(
            f"{folder} is not an adapter: it has no {RECORD}",
            "give the folder that `m2m align --out` wrote",
        )
    try:
        record = json.loads(_read(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid JSON ({error})", "make the adapter again") from error
    if not isinstance(record, dict):
        raise UserError(f"{path} must hold a JSON object", "make the adapter again")
    version = record.get("format")
    if version != FORMAT:
        raise UserError(
            f"{path} has format {version!r}; this release reads {FORMAT}",
            "upgrade m2m-adapters"
            if isinstance(version, int) and version > FORMAT
            else "make the adapter again",
        )
    for key in REQUIRED[1:]:
        if not isinstance(record.get(key), dict):
            raise UserError(f"{path} lacks '{key}'", "make the adapter again")
    for side in ("source", "target"):
        for key in ("name", "class", "dim", "fingerprint"):
            if key not in record[side]:
                raise UserError(f"{path} lacks '{side}.{key}'", "make the adapter again")
    return record


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path}: {error.strerror or error}", "fetch or make the adapter again"
        ) from error


def _same(dim: int, fingerprint: str, told: dict[str, Any], side: str) -> None:
    if dim != told["dim"]:
        raise UserError(
            f"the {side} has dimension {dim}, the adapter was made with one of {told['dim']}",
            f"use the {side} '{told['name'] or told['class']}'",
        )
    if fingerprint != told["fingerprint"]:
        raise UserError(
            f"the {side} is not the one this adapter was made with "
            f"(fingerprint {fingerprint}, recorded {told['fingerprint']})",
            f"use '{told['name'] or told['class']}' at the recorded revision and precision, "
            "or align again",
        )


def describe_source(
    encoder: TextEncoder, name: str | None, normalize_rows: bool, options: dict[str, Any]
) -> dict[str, Any]:
    """What ``adapter.json`` says of the source."""
    return {
        "name": name,
        "class": type(encoder).__qualname__,
        "dim": encoder.dim,
        "fingerprint": encoder.fingerprint,
        "normalize": normalize_rows,
        "max_tokens": encoder.max_tokens,
        "provenance": encoder.provenance,
        "options": {k: v for k, v in options.items() if k in MODEL_OPTIONS and v is not None},
    }


def describe_target(
    model: ModalityModel, name: str | None, options: dict[str, Any]
) -> dict[str, Any]:
    """What ``adapter.json`` says of the target."""
    space = model.space
    return {
        "name": name,
        "class": type(model).__qualname__,
        "modality": model.modality,
        "dim": space.dim,
        "normalized": space.normalized,
        "fingerprint": space.fingerprint,
        "provenance": model.text.provenance,
        "options": {k: v for k, v in options.items() if k in MODEL_OPTIONS and v is not None},
    }


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
