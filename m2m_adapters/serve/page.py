"""The page at ``/`` and its files, from the package."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

STATIC = Path(__file__).with_name("static")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}

PERMISSIONS = {
    "index.html": {
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    }
}
"""Spoken queries need the microphone, on the search page alone; the browser still asks for it."""


class Page(NamedTuple):
    """A file of the page. tag: the ETag of its content."""

    content: bytes
    tag: str
    kind: str


class Pages:
    """Every file of the page, in memory: what is not among them does not exist."""

    def __init__(self) -> None:
        self._files = {
            path.name: _read(path)
            for path in sorted(STATIC.iterdir())
            if path.suffix in KINDS and path.is_file()
        }

    async def index(self, request: Request) -> Response:
        return self._answer(request, "index.html")

    async def docs(self, request: Request) -> Response:
        return self._answer(request, "docs.html")

    async def static(self, request: Request) -> Response:
        return self._answer(request, request.path_params["name"])

    def _answer(self, request: Request, name: str) -> Response:
        page = self._files.get(name)
        if page is None:
            raise HTTPException(404, "there is no such page")
        headers = {"ETag": page.tag, "Cache-Control": "no-cache", **PERMISSIONS.get(name, {})}
        if request.headers.get("if-none-match") == page.tag:
            return Response(status_code=304, headers=headers)
        return Response(page.content, headers=headers, media_type=page.kind)


def _read(path: Path) -> Page:
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return Page(content, tag, KINDS[path.suffix])
