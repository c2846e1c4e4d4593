"""JSON answers, and refusals in one line."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Awaitable
from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from m2m_adapters.errors import M2MError, UserError
from m2m_adapters.serve.worker import Busy, Stopping

Value = TypeVar("Value")


class Late(Exception):
    """Something took longer than the limit."""


def json(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    """As OpenAI's API writes it, so that its clients show the message."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    line = " ".join(message.split())
    error = {"message": line, "type": kind, "code": status, "param": None}
    return json({"error": error}, status, headers)


async def within(seconds: float, value: Awaitable[Value]) -> Value:
    """The value, or :class:`Late`."""
    try:
        if sys.version_info >= (3, 11):  # there wait_for would start a task for each request
            async with asyncio.timeout(seconds):
                return await value
        return await asyncio.wait_for(value, seconds)
    except asyncio.TimeoutError:
        raise Late from None


async def refused(request: Request, error: Exception) -> Response:
    """The response to an exception; its traceback goes only to the log."""
    if isinstance(error, UserError):
        return refusal(400, str(error))
    if isinstance(error, HTTPException):
        return refusal(error.status_code, error.detail, dict(error.headers or {}))
    if isinstance(error, Busy):
        message = f"the server has as many requests as it takes; try again in {error.seconds} s"
        return refusal(429, message, {"Retry-After": str(error.seconds)})
    if isinstance(error, (Late, Stopping)):
        message = "the answer took too long" if isinstance(error, Late) else "the server is ending"
        return refusal(503, message, {"Retry-After": "5"})
    if isinstance(error, M2MError):  # a plugin failed: its name and the remedy
        traceback.print_exception(error, file=sys.stderr)
        return refusal(500, str(error))
    return refusal(500, "the server failed; its log says why")


HANDLERS: dict[Any, Any] = {
    kind: refused for kind in (M2MError, HTTPException, Busy, Late, Stopping, Exception)
}
