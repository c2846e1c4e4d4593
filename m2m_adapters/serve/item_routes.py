"""``GET /items/INDEX/ID``: the file of an item, its thumbnail, its peaks. Nothing else on disk."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from m2m_adapters.errors import UserError
from m2m_adapters.search.metadata import Item
from m2m_adapters.serve import replies
from m2m_adapters.serve.holdings import Held, Holdings

KINDS = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
    ".gif": "image/gif", ".bmp": "image/bmp", ".avif": "image/avif", ".tif": "image/tiff",
    ".tiff": "image/tiff", ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg",
    ".oga": "audio/ogg", ".opus": "audio/ogg", ".mp3": "audio/mpeg", ".m4a": "audio/mp4",
}  # fmt: skip
"""What a browser shows; any other kind is offered as a download."""
ALONE = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}
KEPT = "private, max-age=300"


@dataclass
class ItemRoutes:
    """Plain functions: Starlette runs them on its threads."""

    holdings: Holdings

    def file(self, request: Request) -> Response:
        """The bytes of the file, if it is still the one that was indexed."""
        _, item = self._item(request)
        try:
            status = os.stat(item.path)
        except (OSError, ValueError):
            raise HTTPException(404, "the file of this item is gone") from None
        same = (status.st_size, status.st_mtime_ns) == (item.size, item.mtime_ns)
        if not item.digest or not same or not stat.S_ISREG(status.st_mode):
            raise HTTPException(404, "the file of this item is not the one that was indexed")
        kind = KINDS.get(item.suffix)
        headers = {**ALONE, "Cache-Control": KEPT}
        if kind is None:
            headers["Content-Disposition"] = "attachment"
        return FileResponse(
            item.path, headers=headers, stat_result=status,
            media_type=kind or "application/octet-stream",
        )  # fmt: skip

    def thumbnail(self, request: Request) -> Response:
        held, item = self._item(request)
        small = held.index.preview(item).thumbnail
        if small is None:
            raise HTTPException(404, "this item has no thumbnail")
        return _kept(request, item, small, "image/jpeg")

    def peaks(self, request: Request) -> Response:
        held, item = self._item(request)
        peaks = held.index.preview(item).peaks
        if peaks is None:
            raise HTTPException(404, "this item has no peaks")
        answer = replies.json({"peaks": list(peaks), "seconds": item.duration})
        answer.headers["Cache-Control"] = KEPT
        return answer

    def _item(self, request: Request) -> tuple[Held, Item]:
        name, number = request.path_params["index"], request.path_params["item"]
        held = self.holdings.indexes.get(name)
        try:
            item = held.index.metadata.item(held.number_of(number)) if held else None
        except UserError as error:
            raise HTTPException(404, str(error)) from None
        if held is None or item is None:
            raise HTTPException(404, "there is no such item")
        return held, item


def _kept(request: Request, item: Item, content: bytes, kind: str) -> Response:
    headers: dict[str, Any] = {**ALONE, "Cache-Control": KEPT, "ETag": f'"{item.digest[:32]}"'}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=kind)
