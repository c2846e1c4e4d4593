"""Requests to ``/embeddings``: waiting, trying again, and judging what comes back."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_api.address import Address, key_variable

PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Answers that may differ next time."""

TOO_MUCH = {400, 413, 422}
"""Answers by which servers refuse too many or too long texts at once."""

LONGEST_WAIT = 300.0
LARGEST_ANSWER = 512 << 20


class TooMuch(Exception):
    """The server refused these texts together. Its text is the server's reason."""


class _Unusable(ValueError):
    """What is wrong with the vectors of an answer, in words of ours: none of the server's."""


class _Again(Exception):
    """What went wrong this time, and how long the server asks to wait."""

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


@dataclass
class Client:
    """One server. tokens: how many it says it has read; requests: how many were sent."""

    address: Address
    dimensions: int | None = None
    timeout: float = 60.0
    retries: int = 6
    requests_per_minute: float | None = None
    sleep: Callable[[float], None] = time.sleep
    tokens: int = 0
    requests: int = 0
    _http: Any = field(default=None, repr=False)
    _last: float = 0.0

    def embed(self, texts: list[str]) -> Vectors:
        """float32 ``[len(texts), dim]`` of one request; passing failures are tried again."""
        for attempt in range(self.retries + 1):
            try:
                return self._once(texts)
            except _Again as failure:
                what, wait = str(failure), failure.wait
            if attempt == self.retries or wait > LONGEST_WAIT:
                break
            self.sleep(wait or min(60.0, 2.0**attempt) * random.uniform(0.5, 1.0))
        asked = f" and asks to wait {wait:.0f} s" if wait > LONGEST_WAIT else ""
        raise UserError(
            f"{self.address.url} {what}{asked} ({attempt + 1} attempts)",
            "start again later: with the store, only what is missing is sent",
        )

    def _once(self, texts: list[str]) -> Vectors:
        import httpx

        self._keep_rate()
        body: dict[str, Any] = {"model": self.address.model, "input": texts}
        if self.dimensions is not None:
            body["dimensions"] = self.dimensions
        try:
            status, headers, content = self._post(httpx, body)
        except httpx.TimeoutException:
            raise _Again(f"did not answer within {self.timeout:g} s") from None
        except httpx.HTTPError as error:
            raise _Again(f"cannot be reached ({type(error).__name__})") from None
        if status != 200:
            self._refused(status, headers, content)
        return self._vectors(content, len(texts))

    def _keep_rate(self) -> None:
        if self.requests_per_minute:
            rest = self._last + 60.0 / self.requests_per_minute - time.monotonic()
            if rest > 0:
                self.sleep(rest)
        self._last = time.monotonic()
        self.requests += 1

    def _post(self, httpx: Any, body: dict[str, Any]) -> tuple[int, Any, bytes]:
        if self._http is None:
            self._http = httpx.Client(
                timeout=self.timeout, follow_redirects=False, trust_env=not self.address.local
            )
        # The key is read where it is sent, so that no variable holds it that a traceback shows.
        auth = self._authorize if self.address.key else None
        url = self.address.url + "/embeddings"
        ends = time.monotonic() + self.timeout
        with self._http.stream("POST", url, json=body, auth=auth) as answer:
            content = bytearray()
            for piece in answer.iter_bytes():
                content += piece
                if len(content) > LARGEST_ANSWER:
                    raise UserError(
                        f"{self.address.url} sends a response that is too large",
                        "check the address",
                    )
                if time.monotonic() > ends:
                    raise httpx.ReadTimeout("too slow")
            # A good answer is numbers, of which a short key may well be a part.
            said = bytes(content) if answer.status_code == 200 else self._without_key(content)
            return answer.status_code, answer.headers, said

    def _authorize(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {os.environ.get(self.address.key, '')}"
        return request

    def _without_key(self, content: bytearray) -> bytes:
        """Some servers repeat the key they refuse."""
        if not self.address.key:
            return bytes(content)
        return bytes(content).replace(
            os.environ.get(self.address.key, "").encode() or b"\0", b"***"
        )

    def _refused(self, status: int, headers: Any, content: bytes) -> None:
        """Raise what an answer other than 200 means."""
        where, reason = self.address.url, self._reason(content)
        if 300 <= status < 400:
            raise UserError(
                f"{where} redirects to another address, which is not followed",
                "give the final address",
            )
        if status in (401, 403):
            name = self.address.key or key_variable(self.address.host)
            has = "refuses the key in" if self.address.key else "wants a key; set"
            raise UserError(f"{where} {has} {name} ({status})", "check the variable's value")
        if "insufficient_quota" in reason:
            raise UserError(f"{where}: the quota is used up", "raise it, then start again")
        if status in PASSING:
            raise _Again(f"answers {status}{reason}", _wait(headers.get("Retry-After")))
        if status in TOO_MUCH:
            raise TooMuch(f"{status}{reason}")
        raise UserError(f"{where} answers {status}{reason}", "check the address and the model")

    @staticmethod
    def _reason(content: bytes) -> str:
        said = " ".join(content[:300].decode("utf-8", "replace").split())
        said = "".join(c for c in said if c.isprintable())
        return f": {said}" if said else ""

    def _vectors(self, content: bytes, count: int) -> Vectors:
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            raise _Again("answers with broken JSON") from None
        try:
            data = answer["data"]
            order = [row.get("index", place) for place, row in enumerate(data)]
            if sorted(order) != list(range(count)):
                raise _Unusable(f"{len(data)} vectors for {count} texts")
            rows = [[] for _ in range(count)]  # type: list[Any]
            for place, row in zip(order, data, strict=True):
                rows[place] = row["embedding"]
            vectors = np.array(rows, dtype=np.float32)
            if vectors.ndim != 2 or not vectors.size:
                raise _Unusable("vectors that are empty or differ in length")
            if not np.isfinite(vectors).all():
                raise _Unusable("NaN or infinity in a vector")
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            said = str(error) if isinstance(error, _Unusable) else "no list of vectors"
            raise UserError(
                f"{self.address.url} returned no usable embeddings: {said[:120]}",
                "it must answer as OpenAI's /v1/embeddings does",
            ) from None
        usage = answer.get("usage")
        read = usage.get("total_tokens") if isinstance(usage, dict) else 0
        self.tokens += read if isinstance(read, int) else 0
        return vectors


def _wait(said: str | None) -> float:
    """Seconds of a Retry-After, which is a number or a date; 0 where there is none."""
    if not said:
        return 0.0
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0
