"""Checks of every request: host, key, size and type of the body; security headers."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Collection
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from m2m_adapters.serve import replies
from m2m_adapters.serve.limits import Limits

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}
ADDED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
"""Headers of every answer that has no other of that name, as ASGI sends them."""
OPEN = ("/", "/health", "/docs", "/openapi.json")
"""Needs no key, like everything below /static/: the page asks for the key."""
COOKIE = "m2m-items"

BODIES = 16
"""Of the largest size: what the bodies of all requests may hold in memory together."""
SMALL = 65_536
"""Bytes of a body that is taken whatever others hold, so that texts can still be searched."""


class Guard:
    """hosts: names by which the server may be addressed; any if empty. A page of another site
    whose name is pointed at this machine (DNS rebinding) is refused by them. key: what clients
    send as ``Authorization: Bearer``; none if empty. count: called with path, status and seconds
    of each answer."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        *,
        hosts: Collection[str] = (),
        key: str = "",
        count: Callable[[str, int, float], None] = lambda path, status, seconds: None,
    ) -> None:
        self._app, self._limits, self._key = app, limits, key
        self._hosts = frozenset(map(_host_name, hosts))
        self._held = 0  # bytes of bodies, of requests that are not answered yet
        self._count = count
        # Pictures and sounds are asked for by the browser itself, which sends cookies only.
        self._token = hmac.new(key.encode(), b"items", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        signed_in, start, status = False, time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = message.setdefault("headers", [])
                there = {name for name, _ in out}
                out.extend(header for header in ADDED if header[0] not in there)
                if signed_in:
                    cookie = f"{COOKIE}={self._token}; HttpOnly; SameSite=Strict"
                    out.append((b"set-cookie", cookie.encode()))
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                self._count(scope["path"], status, time.perf_counter() - start)

        refusal = self._refusal(scope, headers)
        if refusal is not None:
            return await refusal(scope, receive, answer)
        signed_in = bool(self._key) and scope["path"] == "/indexes"
        if scope["method"] != "POST":
            return await self._app(scope, receive, answer)
        pieces: list[bytes] = []
        try:
            refusal = await self._body(receive, pieces)
            if refusal is not None:
                return await refusal(scope, receive, answer)
            pieces[:] = [b"".join(pieces)]
            return await self._app(scope, _replayed(pieces[0], receive), answer)
        finally:
            self._held -= sum(map(len, pieces))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """A response that ends the request, or None."""
        if self._hosts and _host_name(headers.get("host", "")) not in self._hosts:
            return replies.refusal(421, "this server is not called by that name; see --allow-host")
        path = scope["path"]
        if self._key and path not in OPEN and not path.startswith("/static/"):
            if not self._may(path, headers):
                return replies.refusal(
                    401, "this server asks for a key", {"WWW-Authenticate": "Bearer"}
                )
        if scope["method"] == "POST":
            # A form or a script of another site cannot send this kind without being asked first.
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                return replies.refusal(415, "send the body as Content-Type: application/json")
            length = headers.get("content-length", "0")
            if not length.isdigit() or len(length) > 18 or int(length) > self._limits.body:
                return self._too_large()
        return None

    def _may(self, path: str, headers: Headers) -> bool:
        scheme, _, secret = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _same(secret.strip(), self._key):
            return True
        if not path.startswith("/items/"):
            return False
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._token)

    async def _body(self, receive: Receive, pieces: list[bytes]) -> Response | None:
        """Put the body into ``pieces``; the response that refuses it, or None."""
        try:
            return await replies.within(self._limits.seconds, self._received(receive, pieces))
        except replies.Late:
            return replies.refusal(408, "the body did not arrive in time", {"Connection": "close"})

    async def _received(self, receive: Receive, pieces: list[bytes]) -> Response | None:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return replies.refusal(400, "the body is incomplete")
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            self._held += len(pieces[-1])
            if size > self._limits.body:
                return self._too_large()
            if size > SMALL and self._held > BODIES * self._limits.body:
                return replies.refusal(
                    429,
                    "the server holds as many large requests as it takes; try again in a second",
                    {"Retry-After": "1", "Connection": "close"},
                )
            if not message.get("more_body", False):
                return None

    def _too_large(self) -> Response:
        most = f"{self._limits.body:,}"
        return replies.refusal(413, f"the body has more than {most} bytes", {"Connection": "close"})


def _replayed(body: bytes, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()  # tells of a client that hangs up
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _host_name(host: str) -> str:
    """In lower case, without a port; an address of IPv6 in brackets."""
    host = host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return f"[{host}]" if host.count(":") > 1 else host.partition(":")[0]


def _same(secret: str, wanted: str) -> bool:
    """Compare two keys in constant time."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")) for text in (secret, wanted)]
    return hmac.compare_digest(*(one.digest() for one in digests))
