"""The artifact: projector + where it came from, in a folder anyone can share.

``adapter.safetensors`` holds the projector, ``adapter.json`` everything known about it,
``README.md`` the same for people. docs/artifact.md documents every key.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from m2m_adapters._internal.folders import whole_folder
from m2m_adapters._internal.spelling import refuse_typos
from m2m_adapters.artifact.adapted_encoder import AdaptedEncoder
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.codec import encode_record
from m2m_adapters.artifact.place import check_place
from m2m_adapters.artifact.record import (
    BANK,
    CARD,
    FILES,
    LANGUAGES,
    RECORD,
    VECTORS,
    WEIGHTS,
    Record,
)
from m2m_adapters.artifact.recorded_models import (
    check_same,
    note_precision,
    options_of,
    recorded_name,
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
            name = encoder or recorded_name(
                recorded, "source", from_hub=self.record.hub is not None
            )
            if not name and recorded.class_name == VECTORS:
                raise UserError(
                    "this adapter was learned from vectors alone and records no text encoder",
                    "map vectors with project(), or pass the encoder: load_adapter(folder, "
                    "source=encoder)",
                )
            if not name:
                raise UserError(
                    "this adapter was made with a source object that has no name",
                    "pass it: load_adapter(folder, source=encoder)",
                )
            encoder = load_source(name, **options_of(recorded.options, self._options))
        check_same(encoder.dim, encoder.fingerprint, recorded, "source")
        note_precision(encoder.fingerprint, recorded, "source")
        return encoder

    @cached_property
    def target(self) -> ModalityModel:
        """The target it maps to, needed for items and for generation only."""
        recorded, model = self.record.target, self._target
        if not isinstance(model, ModalityModel):
            name = model or recorded_name(recorded, "target", from_hub=self.record.hub is not None)
            if not name:
                raise UserError(
                    "this adapter was made with a target object that has no name",
                    "pass it: load_adapter(folder, target=model)",
                )
            model = load_target(name, **options_of(recorded.options, self._options))
        model = model.at_level(self.level)
        check_same(model.space.dim, model.space.fingerprint, recorded, "target")
        return model

    def project(self, rows: Rows) -> Vectors:
        """Source vectors ``[n, d_s]`` (or token states) -> float32 ``[n, dim]``."""
        rows = self.projector.checked(rows)
        if self.record.source.normalize:
            rows = normalize(cast("Vectors", rows))  # does not hold for token states
        vectors = self.projector.encode(rows)
        # Weights near the limit of fp32 overflow: to infinity, or to zeros after a norm.
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
        from m2m_adapters.artifact.speech import speech_rows

        refuse_typos(options, ITEM_OPTIONS, "encode_speech")
        if self.level != "sentence":
            raise AbilityMissing(
                f"the adapter {self.name} maps token states, which speech does not have",
                "align one at level sentence (--level sentence)",
            )
        return self.project(speech_rows(self.source, self.record.source.title, files, **options))

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

    def score(self, texts: Sequence[str], items: Sequence[Any], **options: Any) -> Vectors:
        """How well text i fits item i, by a target that reads both together: float32 ``[n]``."""
        if len(texts) != len(items):
            raise UserError(
                f"{len(texts)} texts and {len(items)} items are not pairs", "give one of each"
            )
        if not len(texts):
            return np.zeros(0, np.float32)
        unique = list(dict.fromkeys(texts))
        rows = self.encode(unique)[[unique.index(text) for text in texts]]
        return np.asarray(self.target.score(rows, items, **options), dtype=np.float32)

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
        copied = copy.copy(self)
        copied.languages = table
        return copied

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
