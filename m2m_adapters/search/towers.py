"""The models around an index: the target that encodes items, and whatever encodes queries."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from m2m_adapters._internal.languages import is_language
from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.load import load_adapter
from m2m_adapters.artifact.speech import need_speech
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, precision_of, same_model
from m2m_adapters.models.items import encode_items
from m2m_adapters.models.text_encoder import embed
from m2m_adapters.registry.names import known_names, load_target
from m2m_adapters.registry.route import AUTO, Route
from m2m_adapters.search.format import TargetRecord

NATIVE = "native"
"""Instead of an adapter's name: the target's own text tower."""
RECORDED_OPTIONS = ("precision", "revision")


class Queries(Protocol):
    """Encodes texts into the space of an index, and speech where its source takes it."""

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        """float32 ``[n, dim]``; options: ``language``."""

    def encode_speech(self, files: Sequence[Any]) -> Vectors:
        """float32 ``[n, dim]`` of spoken sentences."""


class NativeQueries:
    """The target's own text tower."""

    def __init__(self, text: TextEncoder) -> None:
        self._text = text

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        """float32 ``[n, dim]``; the tower has no table of languages."""
        return embed(self._text, list(texts), what="target")

    def encode_speech(self, files: Sequence[Any]) -> Vectors:
        need_speech(self._text, "of the target's own text tower")
        return encode_items(self._text, list(files))


def is_adapter(name: str | Path) -> bool:
    """Whether a name is an adapter's rather than a target's."""
    if (Path(name) / "adapter.json").is_file():
        return True
    text = str(name)
    return text in known_names("adapter") or ("/" in text and ":" not in text)


def item_target(
    requested: ModalityModel | Adapter | str | Path, options: dict[str, Any]
) -> tuple[ModalityModel, str]:
    """The target that encodes items, and the adapter it was named by (or an empty string)."""
    adapter = ""
    if options and not isinstance(requested, str | Path):
        raise loaded_already(options, "target")
    if isinstance(requested, Adapter):
        target = requested.target
    elif isinstance(requested, ModalityModel):
        target = requested
    elif is_adapter(requested):
        target = load_adapter(requested, **options).target
        path = Path(requested)
        adapter = str(path.absolute()) if path.exists() else str(requested)
    else:
        target = load_target(str(requested), **options)
    if not target.can("encode_items"):
        raise AbilityMissing(
            f"{type(target).__name__} does not encode {target.modality} items",
            "choose a target that does (m2m list --targets)",
        )
    return target, adapter


def loaded_already(options: Iterable[str], what: str) -> UserError:
    """What options of a model deserve that come with a model instead of its name."""
    return UserError(
        f"the {what} is loaded already, so {' and '.join(options)} would have no effect",
        "give options where it is loaded",
    )


def check_language(language: str, encoder: Queries) -> None:
    """Refuse what is no language, and warn where one changes nothing."""
    if language != AUTO and not is_language(language):
        raise UserError(f"'{language[:40]}' is not a language", "use a tag such as de or pt-BR")
    adapter = encoder if isinstance(encoder, Adapter) else None
    if adapter is None or (adapter.languages is None and not isinstance(adapter.source, Route)):
        called = f"the adapter {adapter.name}" if adapter else "the target's own text tower"
        warnings.warn(
            f"the language '{language}' has no effect: {called} has no table of languages",
            UserWarning,
            stacklevel=3,
        )


def target_record(target: ModalityModel) -> TargetRecord:
    origin = target.origin
    given = origin.options if origin is not None else {}
    options = {k: v for k, v in given.items() if k in RECORDED_OPTIONS}
    if "precision" in options:  # what was computed, where it was chosen for the device
        options["precision"] = precision_of(target.space.fingerprint)
    return TargetRecord(
        name=origin.name if origin is not None else "",
        options=options,
        modality=target.modality,
        fingerprint=target.space.fingerprint,
        dim=target.space.dim,
    )


def load_recorded(record: TargetRecord, **options: Any) -> ModalityModel:
    """The target an index was built with; another one under its name is refused."""
    if not record.name:
        raise UserError(
            "this index was built with a target object that has no name",
            "pass an adapter, or the target: load_index(folder, target=model)",
        )
    return same_target(load_target(record.name, **{**record.options, **options}), record)


def same_target(target: ModalityModel, record: TargetRecord) -> ModalityModel:
    same = same_model(target.space.fingerprint, record.fingerprint)
    if not same or target.space.dim != record.dim:
        raise UserError(
            f"the target '{record.name or type(target).__name__}' is not the one this index was "
            f"built with (fingerprint {target.space.fingerprint}, recorded {record.fingerprint})",
            "use the recorded revision, or build the index again",
        )
    return target


def adapter_queries(
    requested: Adapter | str | Path, record: TargetRecord, **options: Any
) -> Adapter:
    """An adapter for queries: only its source and projector are ever loaded."""
    adapter = requested if isinstance(requested, Adapter) else load_adapter(requested, **options)
    if adapter.level != "sentence":
        raise UserError(
            f"the adapter {adapter.name} maps token states, which search cannot use",
            "align one at level sentence (--level sentence)",
        )
    name, dim, fingerprint = _leads_to(adapter)
    # An imported checkpoint was published without a fingerprint: its target's name must do.
    same = same_model(fingerprint, record.fingerprint) if fingerprint else name == record.name
    if not same or dim != record.dim:
        raise UserError(
            f"the adapter {adapter.name} maps into another space than that of this index: "
            f"{name or fingerprint}, not {record.name or record.fingerprint}",
            f"choose an adapter to '{record.name or record.fingerprint}', or build an index "
            "with the adapter's target",
        )
    return adapter


def _leads_to(adapter: Adapter) -> tuple[str, int, str | None]:
    """Name, dimension and fingerprint of an adapter's target, without loading it."""
    target = adapter.record.target
    return target.name or "", target.dim, target.fingerprint
