"""The limits of a server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """body: bytes of a request. waiting: requests in the queue, beyond which clients get 429.
    together: queries that are encoded and searched at once. seconds: for a request's body to
    arrive, and again for its answer.
    """

    body: int = 20_000_000
    waiting: int = 512
    together: int = 64
    seconds: float = 30.0
