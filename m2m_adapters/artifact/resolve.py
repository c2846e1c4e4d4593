"""One name -> something that encodes: a source, a target, or an adapter.

``m2m encode``, ``embed`` and whatever else takes "an encoder" accept the same names: a source or
target as ``m2m list`` shows it, ``scheme:MODEL``, a fusion of sources, an adapter's folder, an
adapter of the registry, or ``ORG/NAME`` on the hub.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters._internal.user_folders import exists
from m2m_adapters.artifact.hub import NAME as HUB_NAME
from m2m_adapters.artifact.record import RECORD
from m2m_adapters.errors import UnknownName, UserError
from m2m_adapters.registry.entries import registry
from m2m_adapters.registry.fusion import terms
from m2m_adapters.registry.names import find, known_names, load_source, load_target
from m2m_adapters.registry.plugins import catalogue
from m2m_adapters.registry.route import is_route

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter
    from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors

Kind = Literal["source", "target", "adapter"]


@dataclass(frozen=True)
class NamedEncoder:
    """What a name stands for; models are loaded on first use.

    kind: ``source``, ``target`` or ``adapter``. options: for the models' factories.
    """

    name: str
    kind: Kind
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def adapter(self) -> Adapter:
        from m2m_adapters.artifact.load import load_adapter

        return load_adapter(self.name, **self.options)

    @cached_property
    def text(self) -> TextEncoder:
        """The source, the target's own text tower, or the adapter joined to its source."""
        if self.kind == "source":
            return load_source(self.name, **self.options)
        return self.model.text if self.kind == "target" else self.adapter.as_text_encoder()

    @cached_property
    def model(self) -> ModalityModel:
        """The target, whose items share the space of :attr:`text`."""
        if self.kind == "source":
            raise UserError(
                f"'{self.name}' is a source and encodes texts only",
                "give an adapter or a target; for spoken sentences use --speech",
            )
        if self.kind == "adapter":
            return self.adapter.target
        return load_target(self.name, **self.options)

    def encode(self, texts: list[str], language: str | None = None) -> Vectors:
        """float32 ``[len(texts), dim]``, checked.

        language: a code or ``"auto"``, for an adapter that ``m2m adapt`` has given a table.
        """
        from m2m_adapters.models.text_encoder import embed

        if language is not None:
            if self.kind != "adapter":
                raise UserError(
                    f"'{self.name}' is not an adapter and has no table of languages",
                    "leave --lang out",
                )
            return self.adapter.encode(texts, language=language)
        return embed(self.text, texts, what=self.kind)

    @property
    def modality(self) -> str | None:
        """The modality of the items, where it is known without loading the model."""
        if self.kind == "adapter":
            return self.adapter.modality
        if self.kind == "source":
            return None
        entry = registry().find("target", self.name)
        return find("target", self.name).offer.modality or (entry.modality if entry else None)

    def need_items(self) -> None:
        """Refuse an encoder that encodes texts only."""
        if not self.model.can("encode_items"):
            raise UserError(
                f"'{self.name}' does not encode items",
                "choose a target that does (m2m list --targets)",
            )

    def encode_items(self, items: list[Any], **options: Any) -> Vectors:
        """float32 ``[items, dim]``, checked; options: those of ``ModalityModel.encode_items``."""
        from m2m_adapters.models.items import encode_items

        self.need_items()
        return encode_items(self.model, items, **options)

    def encode_speech(self, sounds: list[Any], **options: Any) -> Vectors:
        """float32 ``[sounds, dim]``, checked: spoken sentences, by a source that takes them."""
        from m2m_adapters.artifact.speech import need_speech
        from m2m_adapters.models.items import encode_items

        if self.kind == "adapter":
            return self.adapter.encode_speech(sounds, **options)
        need_speech(self.text, f"'{self.name}'")
        return encode_items(self.text, sounds, **options)

    def encode_some_items(
        self, items: list[str], *, skip_bad: bool = False, speech: bool = False
    ) -> tuple[list[str], Vectors]:
        """(items, their vectors); skip_bad: without those that cannot be read.

        speech: the items are spoken sentences.
        """
        encode = self.encode_speech if speech else self.encode_items
        if not skip_bad:
            return items, encode(items)
        skipped: list[Any] = []
        vectors = encode(items, on_error="skip", skipped=skipped)
        bad = {one.index for one in skipped}
        return [item for index, item in enumerate(items) if index not in bad], vectors


def resolve_encoder(name: str, **options: Any) -> NamedEncoder:
    """The encoder called ``name``. Unknown names raise; nothing is loaded yet.

    options: for the models' factories (``device``, ``precision``, ...); None leaves one out.
    """
    settings = {key: value for key, value in options.items() if value is not None}
    return NamedEncoder(name, kind_of(name), settings)


def kind_of(name: str) -> Kind:
    """What ``name`` is. A folder that holds an adapter comes before a name."""
    if _is_file(name, RECORD) or name in registry().names("adapter"):
        return "adapter"
    scheme, colon, _ = name.partition(":")
    offers = catalogue()
    if name in known_names("target") or (colon and offers.find("target", scheme) is not None):
        find("target", name)
        return "target"
    parts = terms(name)
    if is_route(name) or len(parts) > 1 or name in known_names("source"):
        return "source"
    if colon and (offers.find("source", scheme) or scheme in registry().plugins):
        find("source", name)
        return "source"
    return _unregistered(name)


def _unregistered(name: str) -> Kind:
    """An adapter on the hub; anything else is refused with what it may be."""
    if exists(name):
        raise UserError(
            f"{name} is not an adapter: it has no {RECORD}",
            "give the folder that `m2m align --out` wrote",
        )
    if HUB_NAME.match(name) and ".." not in name:
        return "adapter"
    schemes = catalogue().names("source", scheme=True)
    known = [n for kind in ("source", "target", "adapter") for n in known_names(kind)]
    raise UnknownName(
        f"no source, target or adapter is called '{name}'{did_you_mean(name, known)}",
        "see `m2m list`, or give the folder of an adapter, ORG/NAME of the hub, or "
        f"{' or '.join(f'{s}:MODEL' for s in schemes) or 'st:MODEL'}",
    )


def _is_file(folder: str, name: str) -> bool:
    try:
        return (Path(folder).expanduser() / name).is_file()
    except (OSError, ValueError, RuntimeError):
        return False
