"""The description of the API: ``GET /openapi.json``."""

from __future__ import annotations

import inspect
from typing import Any, TypeAlias

import msgspec

from m2m_adapters._internal.version import __version__
from m2m_adapters.serve.bodies import EmbeddingsBody, SearchBody
from m2m_adapters.serve.limits import Limits

REFUSALS = {
    400: "What is wrong with the request, in one line.",
    401: "The server asks for a key.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    421: "The server is not called by that name.",
    429: "The server has as many requests as it takes; Retry-After says when to come back.",
    503: "The answer took too long, or the server is ending.",
}
Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, or a part of the description."""

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "minimum": 0}


def _object(required: str, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


HIT = _object(
    "index id path score modality thumbnail url",
    index=TEXT, id=TEXT, path=TEXT, score=NUMBER, modality=TEXT, second=NUMBER, seconds=NUMBER,
    width=WHOLE, height=WHOLE, bytes=WHOLE, date=TEXT, text=TEXT, thumbnail=TEXT, url=TEXT,
)  # fmt: skip
LANGUAGE = _object("tag name confidence", tag=TEXT, name=TEXT, confidence=NUMBER)
FOUND = _object(
    "hits language adapter milliseconds",
    hits=_list(HIT), language=_or_null(LANGUAGE), adapter=_or_null(TEXT), milliseconds=NUMBER,
)  # fmt: skip
INDEX = _object(
    "name target modality items folders dates",
    name=TEXT, target=TEXT, modality={"type": "object", "additionalProperties": WHOLE}, items=WHOLE,
    folders=_list(_object("name items", name=TEXT, items=WHOLE)), dates=_list(TEXT), adapter=TEXT,
)  # fmt: skip
ADAPTER = _object(
    "name source", name=TEXT, source=TEXT, target=TEXT, indexes=_list(TEXT), languages=_list(TEXT),
    speech={"type": "boolean"},
)  # fmt: skip
HELD = _object(
    "indexes adapters native",
    indexes=_list(INDEX), adapters=_list(ADAPTER), native={"type": "boolean"}, examples=_list(TEXT),
)  # fmt: skip
EMBEDDING = _object(
    "object index embedding",
    object={"const": "embedding"}, index=WHOLE, embedding={"anyOf": [_list(NUMBER), TEXT]},
)  # fmt: skip
EMBEDDINGS = _object(
    "object data model usage",
    object={"const": "list"}, data=_list(EMBEDDING), model=TEXT,
    usage=_object("prompt_tokens total_tokens", prompt_tokens=WHOLE, total_tokens=WHOLE),
)  # fmt: skip
MODEL = _object("id object", id=TEXT, object={"const": "model"}, dimensions=WHOLE)
MODELS = _object("object data", object={"const": "list"}, data=_list(MODEL))
PEAKS = _object("peaks seconds", peaks=_list(WHOLE), seconds=_or_null(NUMBER))
ERROR = _object("error", error=_object("message", message=TEXT, type=TEXT, code=WHOLE))


def description(limits: Limits) -> Schema:
    """OpenAPI 3.1; the schemas of bodies are those that they are decoded with."""
    _, schemas = msgspec.json.schema_components(
        [SearchBody, EmbeddingsBody], ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"]).replace("``", "`")
    item = [_parameter("index", "Name of an index."), _parameter("item", "The id of a hit.")]
    named = [_parameter("name", "Name of a model.")]
    json = "application/json"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "m2m serve",
            "version": __version__,
            "description": f"Search in any language. A body holds up to {limits.body:,} bytes.",
        },
        "paths": {
            "/search": {"post": _operation("Search", FOUND, body="SearchBody")},
            "/indexes": {"get": _operation("Indexes and adapters", HELD)},
            "/items/{index}/{item}": {
                "get": _operation("The file of an item", TEXT, kind="*/*", parameters=item)
            },
            "/items/{index}/{item}/thumbnail": {
                "get": _operation("A small JPEG", TEXT, kind="image/jpeg", parameters=item)
            },
            "/items/{index}/{item}/peaks": {
                "get": _operation(
                    "The loudness of a sound, 0 to 255 a step", PEAKS, parameters=item
                )
            },
            "/v1/embeddings": {
                "post": _operation("Embeddings, as OpenAI's API", EMBEDDINGS, body="EmbeddingsBody")
            },
            "/v1/models": {"get": _operation("Adapters and targets", MODELS)},
            "/v1/models/{name}": {
                "get": _operation("One of them", MODEL, kind=json, parameters=named)
            },
            "/health": {"get": _operation("Whether it answers", _object("status", status=TEXT))},
            "/metrics": {"get": _operation("For Prometheus", TEXT, kind="text/plain")},
        },
        "components": {
            "schemas": {**schemas, "Error": ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"key": []}],
    }


def _operation(
    summary: str,
    answer: Schema,
    *,
    body: str = "",
    kind: str = "application/json",
    parameters: list[Schema] | None = None,
) -> Schema:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refusals = [code for code in REFUSALS if body or code not in (408, 413, 415, 429, 503)]
    operation: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": {kind: {"schema": answer}}},
            **{str(c): {"description": REFUSALS[c], "content": error} for c in refusals},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body:
        reference = {"$ref": f"#/components/schemas/{body}"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": reference}},
        }
    return operation


def _parameter(name: str, about: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "description": about,
            "schema": {"type": "string", "minLength": 1}}  # fmt: skip
