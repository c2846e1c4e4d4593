"""The artifact: projector + where it came from, in a folder anyone can share.

``adapter.safetensors`` holds the projector, ``adapter.json`` everything known about it,
``README.md`` the same for people. docs/artifact.md documents every key.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from m2m_adapters._internal.folders import check_folder, current, whole_folder
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.record import (
    CARD,
    FILES,
    FORMAT,
    MODEL_OPTIONS,
    RECORD,
    WEIGHTS,
    versions,
)
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize
from m2m_adapters.models.items import encode_items, generate_items
from m2m_adapters.models.text_encoder import piece_by_piece
from m2m_adapters.models.token_states import read
from m2m_adapters.registry.names import load_source, load_target

if TYPE_CHECKING:
    from m2m_adapters.projectors.protocol import Projector
    from m2m_adapters.projectors.rows import Rows

WINDOW = 2048
"""Texts that are encoded and mapped together."""


class Adapter:
    """A projector joined to its source and target, each loaded on first use.

    projector: the learned map. record: the content of ``adapter.json``.
    seconds: time per stage, right after ``align``; encoding: what each tower encoded, and how
    fast. Neither is part of the artifact: the same inputs give the same files.
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
        self.encoding: dict[str, dict[str, float]] = {}
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

    @property
    def level(self) -> str:
        """``"sentence"``: maps vectors; ``"token"``: maps token states to a sequence."""
        return self.projector.level

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
            given = load_source(name, **_options(told, self._options))
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
            given = load_target(name, **_options(told, self._options))
        _same(given.space.dim, given.space.fingerprint, told, "target")
        return given

    def project(self, rows: Rows) -> Vectors:
        """Source vectors ``[n, d_s]`` (or token states) -> float32 ``[n, dim]``."""
        rows = self.projector.checked(rows)
        if self.record["source"].get("normalize", True):
            rows = normalize(cast("Vectors", rows))  # never said of token states
        return self.projector.encode(rows)

    def encode(self, texts: str | Sequence[str], **options: Any) -> Vectors:
        """Texts in any language of the source -> float32 ``[n, dim]`` in the target's space."""
        wanted = [texts] if isinstance(texts, str) else list(texts)
        for position, text in enumerate(wanted):
            if not isinstance(text, str):
                raise UserError(
                    f"text {position} is a {type(text).__name__}, not a string",
                    "pass strings; items go to encode_items",
                )
        progress = options.pop("progress", None)

        def window(part: list[str]) -> Vectors:
            return self.project(read(self.source, part, self.level, what="source", **options))

        return piece_by_piece(window, wanted, self.dim, WINDOW, progress)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Images, sounds, ... -> float32 ``[n, dim]`` by the target's own tower."""
        return encode_items(self.target, items, **options)

    def generate(self, texts: str | Sequence[str], **options: Any) -> list[Any]:
        """Items made by the target from prompts in any language of the source.

        options: the target's own (``steps``, ``guidance``, ``size``, ``seed``, ``num_images``,
        ``negative`` in any language, ...).
        """
        return generate_items(self.target, self.encode(texts), **self._negative_encoded(options))

    def conditioning(self, texts: str | Sequence[str], **options: Any) -> dict[str, Any]:
        """The target pipeline's keyword arguments for prompts, for those who drive it themselves.

        options: ``negative``, ``num_images``, ``guided``.
        """
        ask = getattr(self.target, "conditioning", None)
        if ask is None:
            raise AbilityMissing(
                f"{type(self.target).__name__} is no model that is conditioned",
                "choose a target that generates (m2m list --targets)",
            )
        return dict(ask(self.encode(texts), **self._negative_encoded(options)))

    def _negative_encoded(self, options: dict[str, Any]) -> dict[str, Any]:
        # The target knows English; the adapter also knows the language of the negative prompt.
        if isinstance(options.get("negative"), str):
            return {**options, "negative": self.encode([options["negative"]])}
        return options

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
        """Write the folder, whole or not at all.

        The files of an older adapter there are replaced; other files stay.
        """
        folder = Path(folder)
        check_place(folder, overwrite=overwrite)
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
        with whole_folder(folder, names=FILES) as temporary:
            (temporary / WEIGHTS).write_bytes(weights)
            text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
            (temporary / RECORD).write_text(text, encoding="utf-8")
            (temporary / CARD).write_text(card(record), encoding="utf-8")
        return folder


def check_place(folder: Path, *, overwrite: bool = True) -> None:
    """Refuse a folder that an adapter cannot be saved to; call it before long work."""
    if folder.is_dir() and current(folder, RECORD).is_file():
        if not overwrite:
            raise UserError(f"{folder} already holds an adapter", "choose another folder")
        if not os.access(folder, os.W_OK):
            raise UserError(f"the folder {folder} is not writable", "choose another folder")
        return
    check_folder(folder)


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


def _options(told: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Options for a model: the recorded ones that only choose numbers, under the user's own.

    Nothing else an adapter says is passed on, least of all ``trust_remote_code``.
    """
    return {
        **{
            k: v
            for k, v in told.get("options", {}).items()
            if k in MODEL_OPTIONS and isinstance(v, str | bool)
        },
        **given,
    }


def _same(dim: int, fingerprint: str, told: dict[str, Any], side: str) -> None:
    if dim != told["dim"]:
        raise UserError(
            f"the {side} has dimension {dim}, the adapter was made with one of {told['dim']}",
            f"use the {side} '{told['name'] or told['class']}'",
        )
    # An imported checkpoint was published without a fingerprint of its encoders.
    if told["fingerprint"] is not None and fingerprint != told["fingerprint"]:
        raise UserError(
            f"the {side} is not the one this adapter was made with "
            f"(fingerprint {fingerprint}, recorded {told['fingerprint']})",
            f"use '{told['name'] or told['class']}' at the recorded revision and precision, "
            "or align again",
        )
