"""A model on a server as a source: batches, probes, and what a run would cost."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import FINGERPRINT_TEXTS, TextEncoder, Vectors, normalize
from m2m_adapters.models import cache_folder, whole_file
from m2m_api.address import Address, parse
from m2m_api.client import Client, TooMuch

SAME = 0.9995
"""Least cosine of a probe's vectors when the model is the same: batches and GPUs differ a bit."""

PROBE_AFTER = 256
"""Calls with at least so many texts end with the probes again."""

CHARACTERS_PER_REQUEST = 200_000
log = logging.getLogger("m2m_api")


def load(
    model: str,
    *,
    prompt: str | None = None,
    normalized: bool = True,
    dimensions: int | None = None,
    batch_size: int = 64,
    max_characters: int | None = None,
    requests_per_minute: float | None = None,
    timeout: float = 60.0,
    retries: int = 6,
    key_env: str | None = None,
    price_per_million_tokens: float | None = None,
) -> ApiSource:
    """The model ``MODEL@URL`` on a server that speaks OpenAI's ``/v1/embeddings``.

    prompt: text put before every sentence. dimensions: asked of the server, if it can shorten.
    max_characters: longer texts are cut there; needed where a server refuses long texts.
    key_env: variable that holds the key, instead of the one named after the host: the usual one of
        a known service, or for this machine one that ends in ``_API_KEY``.
    """
    for what, value in (("batch_size", batch_size), ("timeout", timeout)):
        if not value > 0:
            raise UserError(f"{what} is {value}", "give a number above 0")
    if retries < 0:
        raise UserError(f"retries is {retries}", "give 0 or more")
    if max_characters is not None and max_characters < 1:
        raise UserError(f"max_characters is {max_characters}", "give at least 1")
    client = Client(parse(model, key_env), dimensions, timeout, retries, requests_per_minute)
    settings = {
        "prompt": prompt or "",
        "dimensions": dimensions,
        "max_characters": max_characters,
        "normalized": normalized,
    }
    return ApiSource(client, settings, batch_size, price_per_million_tokens)


@dataclass(frozen=True)
class Estimate:
    """What encoding some texts would take. tokens: from a sample, None if the server is silent."""

    texts: int
    characters: int
    requests: int
    tokens: int | None
    price: float | None

    def __str__(self) -> str:
        said = f"{self.texts:,} texts, {self.characters:,} characters, {self.requests:,} requests"
        if self.tokens is not None:
            said += f", about {self.tokens:,} tokens"
        return said if self.price is None else f"{said}, about {self.price:,.2f} in all"


class ApiSource(TextEncoder):
    """Texts are sent in batches; the probes tell whether the model is still the same."""

    def __init__(
        self, client: Client, settings: dict[str, Any], batch_size: int, price: float | None
    ) -> None:
        self.client, self.settings = client, settings
        self.batch_size, self.price = batch_size, price
        self.normalized = bool(settings["normalized"])
        self._probe = self._probed()
        self.dim = int(self._probe.shape[1])

    @property
    def address(self) -> Address:
        return self.client.address

    @property
    def tokens_encoded(self) -> int:
        """Tokens the server says it has read."""
        return self.client.tokens

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), np.float32)
        sent = [self._prepared(text) for text in texts]
        for begin, end in self._batches(sent, int(options.get("batch_size") or self.batch_size)):
            vectors[begin:end] = self._checked(self._embedded(sent[begin:end]))
        if len(texts) >= PROBE_AFTER and not _same(self._probed(), self._probe):
            raise self._changed("meanwhile")
        return normalize(vectors) if self.normalized else vectors

    def estimate(self, texts: Sequence[str], sample: int = 32) -> Estimate:
        """What encoding the texts would take; a sample of them is sent to count tokens."""
        sent = [self._prepared(text) for text in texts]
        characters, tokens = sum(map(len, sent)), None
        chosen = sent[:: max(1, len(sent) // sample)][:sample]
        before = self.client.tokens
        if chosen:
            self._embedded(chosen)
        if self.client.tokens > before:
            share = (self.client.tokens - before) / max(1, sum(map(len, chosen)))
            tokens = round(share * characters)
        price = None if tokens is None or self.price is None else tokens * self.price / 1e6
        requests = sum(1 for _ in self._batches(sent, self.batch_size))
        return Estimate(len(sent), characters, requests, tokens, price)

    @cached_property
    def fingerprint(self) -> str:
        """Of the model's name, the settings, and what the probes give, remembered in the cache.

        A server that computes a little differently from day to day would otherwise get a new
        fingerprint each time, and everything would be encoded, and paid for, again.
        """
        settings = json.dumps([self.address.model, self.settings], sort_keys=True)
        key = hashlib.sha256(settings.encode()).hexdigest()[:16]
        folder = cache_folder() / "api" / key
        known = 0
        for path in sorted(folder.glob("*.npy")):
            try:
                stored = np.load(path, allow_pickle=False)
            except (OSError, ValueError):
                continue
            known += 1
            if _same(stored, self._probe):
                return f"api:{key}:{path.stem}"
        if known:
            log.warning(
                "%s at %s gives other vectors than before: the model behind the name has changed, "
                "so adapters made with it must be made again",
                self.address.model,
                self.address.url,
            )
        digest = hashlib.sha256(np.round(self._probe, 3).tobytes()).hexdigest()[:32]
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / f"{digest}.npy") as part, open(part, "wb") as file:
            np.save(file, self._probe, allow_pickle=False)
        return f"api:{key}:{digest}"

    @property
    def provenance(self) -> dict[str, Any]:
        """Model, address and settings; never the key."""
        chosen = {key: value for key, value in self.settings.items() if value not in (None, "")}
        return {"model": self.address.model, "url": self.address.url, **chosen}

    def _prepared(self, text: str) -> str:
        text = self.settings["prompt"] + text
        limit = self.settings["max_characters"]
        return text[:limit] or " "  # OpenAI refuses the empty string

    def _batches(self, texts: list[str], size: int) -> Iterator[tuple[int, int]]:
        begin = characters = 0
        for place, text in enumerate(texts):
            full = place - begin >= size or characters + len(text) > CHARACTERS_PER_REQUEST
            if full and place > begin:
                yield begin, place
                begin, characters = place, 0
            characters += len(text)
        if begin < len(texts):
            yield begin, len(texts)

    def _embedded(self, texts: list[str]) -> Vectors:
        """Vectors of a batch; one that the server finds too large is sent in halves."""
        try:
            return self.client.embed(texts)
        except TooMuch as refusal:
            reason = str(refusal)
        if len(texts) == 1:
            raise UserError(
                f"{self.address.url} refuses a text of {len(texts[0])} characters ({reason})",
                "set max_characters in the registry entry if it is too long for the model",
            )
        half = len(texts) // 2
        return np.concatenate([self._embedded(texts[:half]), self._embedded(texts[half:])])

    def _probed(self) -> Vectors:
        return normalize(self._embedded([self._prepared(text) for text in FINGERPRINT_TEXTS]))

    def _checked(self, vectors: Vectors) -> Vectors:
        if vectors.shape[1] != self.dim:
            raise self._changed(f"to {vectors.shape[1]} columns from {self.dim}")
        if not vectors.any(axis=1).all():
            raise UserError(f"{self.address.url} gave a vector of zeros", "check the server")
        return vectors

    def _changed(self, how: str) -> UserError:
        return UserError(
            f"{self.address.url} has changed the model behind '{self.address.model}' {how}",
            "load the source anew; adapters and vectors of the old model do not fit the new one",
        )


def _same(a: Vectors, b: Vectors) -> bool:
    return a.shape == b.shape and float((a * b).sum(axis=1).min()) >= SAME
