"""The artifact: projector + where it came from, in a folder anyone can share.

``adapter.safetensors`` holds the projector, ``adapter.json`` everything known about it,
``README.md`` the same for people. docs/artifact.md documents every key.
"""

from __future__ import annotations

import copy
import hashlib
import os
import re
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from m2m_adapters._internal.folders import check_folder, current, whole_folder
from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.codec import encode_record
from m2m_adapters.artifact.record import (
    BANK,
    CARD,
    FILES,
    LANGUAGES,
    RECORD,
    VECTORS,
    WEIGHTS,
    ModelOptions,
    Record,
    SourceRecord,
    TargetRecord,
)
from m2m_adapters.artifact.weights import (
    bank_bytes,
    describe_bank,
    describe_languages,
    describe_projector,
    describe_weights,
    digest_of,
    languages_bytes,
    weights_bytes,
)
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import (
    ModalityModel,
    TextEncoder,
    Vectors,
    normalize,
    precision_of,
    same_model,
)
from m2m_adapters.models.items import encode_items, generate_items
from m2m_adapters.models.text_encoder import piece_by_piece
from m2m_adapters.models.token_states import read
from m2m_adapters.registry.names import load_source, load_target
from m2m_adapters.registry.route import AUTO, Route

if TYPE_CHECKING:
    from m2m_adapters.artifact.bank import Bank
    from m2m_adapters.artifact.languages import LanguageTable
    from m2m_adapters.projectors.protocol import Projector
    from m2m_adapters.projectors.rows import Rows

WINDOW = 2048
"""Texts that are encoded and mapped together."""


ENCODE_OPTIONS = ("batch_size", "tokens_per_batch", "progress", "language")
ITEM_OPTIONS = ("batch_size", "on_error", "skipped", "workers", "progress", "allow_urls")


class Adapter:
    """A projector joined to its source and target, each loaded on first use.

    projector: the learned map. bank, languages: corrections beside it. record: the content of
    ``adapter.json``, immutable.
    seconds: time per stage, right after ``align``; encoding: what each tower encoded, and how
    fast. Neither is part of the artifact: the same inputs give the same files.
    skipped: pairs of vectors that ``align_vectors`` left out.
    when_saved: called once after the next ``save``, to delete what a lost adapter would need.
    """

    def __init__(
        self,
        projector: Projector,
        record: Record,
        *,
        source: TextEncoder | str | None = None,
        target: ModalityModel | str | None = None,
        options: dict[str, Any] | None = None,
        bank: Bank | None = None,
        languages: LanguageTable | None = None,
    ) -> None:
        self.projector = projector.eval()
        self.bank = bank
        self.languages = languages
        self.record = record
        self.seconds: dict[str, float] = {}
        self.skipped = 0
        self.encoding: dict[str, dict[str, float]] = {}
        self.when_saved: list[Callable[[], None]] = []
        self._source, self._target = source, target
        self._options = options or {}

    def __repr__(self) -> str:
        shape = self.projector.shape
        return f"Adapter({self.name}, {shape.d_in} -> {shape.d_out}, {self.modality})"

    @property
    def name(self) -> str:
        return f"{self.record.source.title} -> {self.record.target.title}"

    @property
    def modality(self) -> str:
        return self.record.target.modality

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
        recorded, encoder = self.record.source, self._source
        if not isinstance(encoder, TextEncoder):
            name = encoder or self._name(recorded, "source")
            if not name and recorded.class_name == VECTORS:
                raise UserError(
                    "this adapter was learned from vectors alone and knows no encoder of texts",
                    "map vectors with project(), or pass the encoder: load_adapter(folder, "
                    "source=encoder)",
                )
            if not name:
                raise UserError(
                    "this adapter was made with a source object that has no name",
                    "pass it: load_adapter(folder, source=encoder)",
                )
            encoder = load_source(name, **_options(recorded.options, self._options))
        _same(encoder.dim, encoder.fingerprint, recorded, "source")
        _note_precision(encoder.fingerprint, recorded, "source")
        return encoder

    @cached_property
    def target(self) -> ModalityModel:
        """The target it maps to, needed for items and for generation only."""
        recorded, model = self.record.target, self._target
        if not isinstance(model, ModalityModel):
            name = model or self._name(recorded, "target")
            if not name:
                raise UserError(
                    "this adapter was made with a target object that has no name",
                    "pass it: load_adapter(folder, target=model)",
                )
            model = load_target(name, **_options(recorded.options, self._options))
        _same(model.space.dim, model.space.fingerprint, recorded, "target")
        return model

    def _name(self, recorded: SourceRecord | TargetRecord, side: str) -> str | None:
        """The recorded name; one that is a path means nothing on another machine."""
        path = local_path(recorded.name)
        if path and self.record.hub is not None:
            raise UserError(
                f"the {side} of this adapter is a folder of the machine it was made on ({path})",
                f"pass it: load_adapter(folder, {side}=...)",
            )
        return recorded.name

    def project(self, rows: Rows) -> Vectors:
        """Source vectors ``[n, d_s]`` (or token states) -> float32 ``[n, dim]``."""
        rows = self.projector.checked(rows)
        if self.record.source.normalize:
            rows = normalize(cast("Vectors", rows))  # never said of token states
        vectors = self.projector.encode(rows)
        # Weights near the end of fp32 overflow: to infinity, and behind a norm to zeros.
        lost = np.asarray(~np.isfinite(vectors).all(axis=1))
        if isinstance(rows, np.ndarray):
            lost = lost | (rows.any(axis=1) & ~vectors.any(axis=1))
        if lost.any():
            raise UserError(
                f"the adapter maps {int(lost.sum()):,} of {len(lost):,} texts to NaN, infinity or "
                "zero",
                "its weights are damaged or of a fit that diverged; align again",
            )
        return vectors

    def encode(self, texts: str | Sequence[str], **options: Any) -> Vectors:
        """Texts in any language of the source -> float32 ``[n, dim]`` in the target's space.

        options: ``batch_size``, ``tokens_per_batch``, ``progress``, and ``language``: a code, one
        for each text, or ``"auto"`` to detect it. Of languages that ``m2m adapt`` has learned,
        what their texts have in common is taken off; all others are treated as English.
        """
        refuse_typos(options, ENCODE_OPTIONS, "encode")
        wanted = [texts] if isinstance(texts, str) else list(texts)
        for position, text in enumerate(wanted):
            if not isinstance(text, str):
                raise UserError(
                    f"text {position} is a {type(text).__name__}, not a string",
                    "pass strings; items go to encode_items",
                )
        progress, language = options.pop("progress", None), options.pop("language", None)
        if isinstance(self.source, Route) and isinstance(language, str) and language != AUTO:
            options["language"] = language

        def window(part: list[str]) -> Vectors:
            return self.project(read(self.source, part, self.level, what="source", **options))

        vectors = piece_by_piece(window, wanted, self.dim, WINDOW, progress)
        if language is None or self.languages is None:
            return vectors
        codes = self.languages.codes_of(wanted, language)
        return self.languages.applied(vectors, codes, normalized=self.record.target.normalized)

    def encode_speech(self, files: Any, **options: Any) -> Vectors:
        """Spoken sentences -> float32 ``[n, dim]`` in the target's space.

        files: sounds as the target's audio items are given: paths, bytes, ``(samples, rate)``.
        The source must take speech.
        """
        from m2m_adapters.artifact.speech import encode_speech

        refuse_typos(options, ITEM_OPTIONS, "encode_speech")
        return encode_speech(self, files, **options)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        """Images, sounds, ... -> float32 ``[n, dim]`` by the target's own tower."""
        refuse_typos(options, ITEM_OPTIONS, "encode_items")
        return encode_items(self.target, items, **options)

    def item_bias(self, items: Vectors) -> Vectors:
        """What to add to each item's similarity with texts, so that hubs come up less.

        items: float32 ``[n, dim]`` as ``encode_items`` gives them. Returns float32 ``[n]``, zeros
        where the adapter has no English bank.
        """
        from m2m_adapters.artifact.bank import item_bias

        if self.bank is None:
            return np.zeros(len(items), np.float32)
        return item_bias(items, self.bank)

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

    def with_languages(self, table: LanguageTable) -> Adapter:
        """The same adapter with another table of languages; models are shared."""
        made = copy.copy(self)
        made.languages = table
        return made

    def as_text_encoder(self) -> AdaptedEncoder:
        """Source and projector as one ``TextEncoder`` of the target's space."""
        return AdaptedEncoder(self)

    @property
    def digest(self) -> str:
        """Identifies the adapter: projector, bank and languages (``weights.digest_of``)."""
        return digest_of(
            describe_weights(weights_bytes(self.projector)),
            None if self.bank is None else describe_bank(self.bank),
            None if self.languages is None else describe_languages(self.languages),
        )

    def save(self, folder: str | Path, *, overwrite: bool = True) -> Path:
        """Write the folder, whole or not at all.

        The files of an older adapter there are replaced; other files stay.
        """
        folder = Path(folder)
        check_place(folder, overwrite=overwrite)
        weights = weights_bytes(self.projector)
        self.record = msgspec.structs.replace(
            self.record,
            projector=describe_projector(self.projector),
            weights=describe_weights(weights),
            bank=None if self.bank is None else describe_bank(self.bank),
            languages=None if self.languages is None else describe_languages(self.languages),
        )
        encoded, readme = encode_record(self.record), card(self.record)
        with whole_folder(folder, names=FILES) as temporary:
            (temporary / WEIGHTS).write_bytes(weights)
            if self.bank is not None:
                (temporary / BANK).write_bytes(bank_bytes(self.bank))
            if self.languages is not None:
                (temporary / LANGUAGES).write_bytes(languages_bytes(self.languages))
            (temporary / RECORD).write_bytes(encoded)
            (temporary / CARD).write_text(readme, encoding="utf-8")
        while self.when_saved:
            self.when_saved.pop()()
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
        self.item_modality = adapter.source.item_modality

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self.adapter.encode(list(texts), **options)

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        return self.adapter.source.encode_layers(texts, pooling=pooling)

    def can(self, ability: str) -> bool:
        return self.adapter.source.can(ability)

    def encode_items(self, items: Sequence[Any], **options: Any) -> Vectors:
        return self.adapter.encode_speech(items, **options)

    def encode_item_layers(
        self, items: Sequence[Any], *, pooling: str = "mean", **options: Any
    ) -> list[Vectors]:
        return self.adapter.source.encode_item_layers(items, pooling=pooling, **options)

    @cached_property
    def fingerprint(self) -> str:
        # The bank is not part of it: it changes no vector.
        projector = hashlib.sha256(weights_bytes(self.adapter.projector)).hexdigest()
        both = f"{self.adapter.source.fingerprint}|{projector}"
        return f"adapted:{hashlib.sha256(both.encode()).hexdigest()[:32]}"

    @property
    def provenance(self) -> dict[str, Any]:
        return {"adapter": self.adapter.digest, "source": self.adapter.source.provenance}


def local_path(name: str | None) -> str | None:
    """The path in a recorded name such as ``st:/models/mine``, if it holds one."""
    for term in re.split(r"[+|(]", name or ""):
        path = term.rpartition("*")[2].strip().partition(":")[2]
        if path.startswith(("/", "~", ".", "\\")) or path[1:3] in (":\\", ":/"):
            return path
    return None


def _options(recorded: ModelOptions, chosen: dict[str, Any]) -> dict[str, Any]:
    """Recorded safe options, overridden by the caller's.

    The record has no others: nothing else an adapter says is passed on, least of all
    ``trust_remote_code``.
    """
    return {**recorded.to_dict(), **chosen}


def _same(dim: int, fingerprint: str, recorded: SourceRecord | TargetRecord, side: str) -> None:
    if dim != recorded.dim:
        raise UserError(
            f"the {side} has dimension {dim}, the adapter was made with one of {recorded.dim}",
            f"use the {side} '{recorded.title}'",
        )
    # An imported checkpoint was published without a fingerprint of its encoders.
    if recorded.fingerprint is not None and not same_model(fingerprint, recorded.fingerprint):
        raise UserError(
            f"the {side} is not the one this adapter was made with "
            f"(fingerprint {fingerprint}, recorded {recorded.fingerprint})",
            f"use '{recorded.title}' at the recorded revision, or align again",
        )


def _note_precision(fingerprint: str, recorded: SourceRecord | TargetRecord, side: str) -> None:
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
