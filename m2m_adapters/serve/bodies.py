"""What clients send, decoded strictly: unknown fields and wrong types are refused."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from m2m_adapters.errors import UserError
from m2m_adapters.search.query import MAX_CHARACTERS, MAX_TERMS

MOST_HITS = 1000
MOST_INPUTS = 2048
"""Inputs of one request for embeddings: as many as OpenAI's API takes."""
MOST_CHARACTERS = 100_000
"""Of a text to embed; encoders cut what is longer than they read."""

Name = Annotated[str, Meta(max_length=1024)]
Words = Annotated[str, Meta(max_length=MAX_CHARACTERS)]
Weight = Annotated[float, Meta(ge=-1000, le=1000)]
Data = str
"""A data: address; only the size of the whole body bounds it."""


class TermBody(Struct, forbid_unknown_fields=True):
    """One of text, item (with its index), image, sound, speech (a spoken sentence, for adapters
    whose source takes it) or vector, and its weight."""

    text: Words | None = None
    item: Name | int | None = None
    index: Name | None = None
    image: Data | None = None
    sound: Data | None = None
    speech: Data | None = None
    vector: Annotated[list[float], Meta(min_length=1, max_length=65_536)] | None = None
    weight: Weight = 1.0


class SearchBody(Struct, forbid_unknown_fields=True):
    """``POST /search``. index: a name, a list of names, or null for all. adapter: a name,
    ``native``, or null for the one that each index has. language: what the query is in, where
    the client knows it, for adapters with a table of languages; else it is detected and shown."""

    query: Words | Annotated[list[TermBody], Meta(min_length=1, max_length=MAX_TERMS)]
    index: Name | Annotated[list[Name], Meta(min_length=1, max_length=256)] | None = None
    adapter: Name | None = None
    k: Annotated[int, Meta(ge=1, le=MOST_HITS)] = 20
    where: Words | None = None
    language: Annotated[str, Meta(max_length=64)] | None = None


class HitBody(Struct, omit_defaults=True, kw_only=True):
    """A hit in the answer to ``POST /search``; what is not known is left out.

    second: where the window of a long sound starts; seconds: how long the sound is.
    """

    index: str
    id: str
    path: str
    score: float
    modality: str
    second: float | None = None
    seconds: float | None = None
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    date: str | None = None
    text: str | None = None
    thumbnail: str
    url: str


class InputBody(Struct, forbid_unknown_fields=True):
    """One of text, image, audio."""

    text: str | None = None
    image: Data | None = None
    audio: Data | None = None


class EmbeddingsBody(Struct):
    """``POST /v1/embeddings``, as OpenAI, Infinity (modality) and Jina (objects) write it.

    Fields of theirs without a meaning here, such as ``user``, are ignored.
    """

    model: Name
    input: str | list[str | InputBody | int | list[int]]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    modality: Literal["text", "image", "audio"] = "text"


Body = TypeVar("Body")


def decoded(data: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec writes: Expected `int`, got `str` - at `$.k`
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the body cannot be read: {reason}", "see /docs") from None


def encoded(value: object) -> bytes:
    return msgspec.json.encode(value)
