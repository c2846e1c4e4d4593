"""``POST /v1/embeddings`` and ``GET /v1/models``, as clients of OpenAI's API expect them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_adapters.search.towers import NATIVE
from m2m_adapters.serve import replies
from m2m_adapters.serve.bodies import (
    MOST_CHARACTERS,
    MOST_INPUTS,
    EmbeddingsBody,
    InputBody,
    decoded,
)
from m2m_adapters.serve.data import bytes_of
from m2m_adapters.serve.holdings import Holdings, Space
from m2m_adapters.serve.limits import Limits
from m2m_adapters.serve.work import ItemsJob, TextsJob
from m2m_adapters.serve.worker import Worker

PIECE = 32
"""Texts of a job, and items: long requests leave room for others between their pieces."""
Kind = Literal["text", "image", "audio"]
NOUNS = {"image": "a picture", "audio": "a sound"}


@dataclass(frozen=True)
class Model:
    """A name that clients may ask for: texts by ``adapter``, items by the target of the space."""

    name: str
    space: Space
    adapter: str

    def described(self) -> dict[str, Any]:
        own = self.adapter == NATIVE
        return {
            "id": self.name,
            "object": "model",
            "created": 0,
            "owned_by": "m2m",
            "dimensions": self.space.dim,
            "modalities": ["text", self.space.modality],
            "text_encoder": "the target's own" if own else "adapter",
            "target": self.space.name,
            "space": self.space.fingerprint,
        }


def models_of(holdings: Holdings) -> dict[str, Model]:
    """Adapters by name, and targets; an adapter goes before a target of the same name."""
    models: dict[str, Model] = {}
    for space in holdings.spaces:
        for name in space.adapters:
            models.setdefault(name, Model(name, space, name))
    for space in holdings.spaces:
        if space.name:
            models.setdefault(space.name, Model(space.name, space, NATIVE))
    return models


@dataclass
class EmbeddingsRoute:
    models: dict[str, Model]
    texts: Worker[Any]
    items: Worker[ItemsJob]
    limits: Limits

    async def list_models(self, request: Request) -> Response:
        data = [model.described() for model in self.models.values()]
        return replies.json({"object": "list", "data": data})

    async def model(self, request: Request) -> Response:
        return replies.json(self._model(request.path_params["name"]).described())

    async def answer(self, request: Request) -> Response:
        body = decoded(await request.body(), EmbeddingsBody)
        model = self._model(body.model)
        if body.dimensions is not None and body.dimensions != model.space.dim:
            raise UserError(
                f"{model.name} has {model.space.dim} dimensions and cannot give {body.dimensions}",
                "leave out dimensions",
            )
        inputs = [_read(one, body.modality) for one in _listed(body.input)]
        vectors = await replies.within(self.limits.seconds, self._vectors(model, inputs))
        return await asyncio.to_thread(_reply, model.name, vectors, body.encoding_format)

    def _model(self, name: str) -> Model:
        if name not in self.models:
            raise HTTPException(
                404, f"there is no model '{name[:80]}'; choose one of {', '.join(self.models)}"
            )
        return self.models[name]

    async def _vectors(self, model: Model, inputs: Sequence[tuple[Kind, Any]]) -> Vectors:
        """In the order of the inputs."""
        space = model.space
        wrong = next((k for k, _ in inputs if k not in ("text", space.modality)), None)
        if wrong is not None:
            raise UserError(
                f"{model.name} does not encode {wrong}", f"send text or {space.modality}"
            )
        texts = [at for at, (kind, _) in enumerate(inputs) if kind == "text"]
        items = [at for at, (kind, _) in enumerate(inputs) if kind != "text"]
        text_jobs = [
            TextsJob(space, model.adapter, [inputs[at][1] for at in piece])
            for piece in _pieces(texts)
        ]
        item_jobs = [ItemsJob(space, [inputs[at][1] for at in piece]) for piece in _pieces(items)]
        results = await asyncio.gather(self.texts.do(*text_jobs), self.items.do(*item_jobs))
        out = np.zeros((len(inputs), space.dim), np.float32)
        for places, rows in zip((texts, items), results):
            if places:
                out[places] = np.concatenate(rows)
        return out


def _listed(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if not value:
        raise UserError("the input is empty", "send a text, or a list of texts")
    if len(value) > MOST_INPUTS:
        raise UserError(f"the input has {len(value):,} entries", f"send up to {MOST_INPUTS:,}")
    return list(value)


def _read(value: Any, modality: Kind) -> tuple[Kind, Any]:
    """An input as a kind and a text or bytes."""
    if isinstance(value, InputBody):
        held = [name for name in ("text", "image", "audio") if getattr(value, name) is not None]
        if len(held) != 1:
            raise UserError(
                f"an input has {len(held)} of text, image and audio", "give one of them"
            )
        return _read(getattr(value, held[0]), held[0])  # type: ignore[arg-type]
    if not isinstance(value, str):
        raise UserError("an input consists of token numbers", "send texts")
    if modality != "text":
        return modality, bytes_of(value, NOUNS[modality])
    if len(value) > MOST_CHARACTERS:
        raise UserError(
            f"a text has {len(value):,} characters", f"send up to {MOST_CHARACTERS:,} of each"
        )
    return "text", value


def _pieces(places: Sequence[int]) -> list[Sequence[int]]:
    return [places[start : start + PIECE] for start in range(0, len(places), PIECE)]


def _reply(name: str, vectors: Vectors, encoding: str) -> Response:
    rows: list[Any]
    if encoding == "base64":
        rows = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    else:
        rows = vectors.tolist()
    data = [{"object": "embedding", "index": at, "embedding": row} for at, row in enumerate(rows)]
    usage = {"prompt_tokens": 0, "total_tokens": 0}  # tokens are not counted here
    return replies.json({"object": "list", "data": data, "model": name, "usage": usage})
