"""Texts -> vectors: length-sorted, token-budgeted batches, checked results.

:class:`TokenEncoder` is the base for encoders made of a tokenizer and a torch module; it
supplies ``encode`` so that every plugin gets the same engine.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.plugin_calls import distribution_of, plugin_code
from m2m_adapters._internal.spelling import counted
from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.interfaces import TextEncoder, Vectors, normalize
from m2m_adapters.models.batching import batches

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Called with (done, total) after every chunk."""

PIECE = 256
"""Texts that are tokenised together, at least."""
TOKENS_PER_BATCH = 512
"""On a CPU: what its caches hold. Of a base-sized model larger batches were up to a third slower
(benchmarks/encode.py)."""
MOST_TOKENS_ON_GPU = 16_384
BYTES_PER_TOKEN = 1 << 18
"""Device memory set aside for a token's activations: generous for models of base size."""
KEPT_ON_DEVICE = 16_384
"""Rows whose vectors wait on the device until they are copied together."""


class TokenEncoder(TextEncoder):
    """A tokenizer and a torch module: implement three small steps, inherit ``encode``.

    device: where ``forward`` expects its batch; set it in the constructor.
    tokens_encoded: how many tokens have gone through the model so far, for rates.
    """

    device: torch.device
    tokens_encoded: int = 0
    _budget: int | None = None
    _compiled: Callable[[dict[str, torch.Tensor]], torch.Tensor] | None = None

    @abstractmethod
    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids with special tokens, truncated, not padded. Runs on another thread."""

    @abstractmethod
    def collate(self, tokens: list[list[int]]) -> dict[str, torch.Tensor]:
        """One padded batch of CPU tensors ``[b, longest]``."""

    @abstractmethod
    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The batch on ``device`` -> float ``[b, dim]`` (need not be normalized)."""

    def layer_states(self, batch: dict[str, torch.Tensor]) -> Sequence[torch.Tensor]:
        """The batch -> states ``[b, tokens, width]`` after the embeddings and after each layer."""
        raise AbilityMissing(
            f"{type(self).__name__} does not show its layers",
            "choose a model of sentence-transformers or transformers",
        )

    def encode_layers(self, texts: Sequence[str], *, pooling: str = "mean") -> list[Vectors]:
        import torch

        from m2m_adapters.models.layers import as_layers, check_pooling, pooled

        check_pooling(pooling)
        parts: list[list[torch.Tensor]] = []
        order: list[int] = []
        with torch.inference_mode():
            for rows, tokens in self._ahead(list(texts), token_budget(self.device), None):
                batch = self._moved(self.collate(tokens))
                states = self.layer_states(batch)
                mask = batch.get("attention_mask")
                if mask is None:
                    width = states[0].shape[1]
                    lengths = torch.tensor([len(ids) for ids in tokens], device=self.device)
                    mask = torch.arange(width, device=self.device)[None] < lengths[:, None]
                parts.append(pooled(states, mask, pooling))
                order += rows
        return as_layers(parts, order)

    def compile(self) -> None:
        """Run the model through ``torch.compile`` from now on; the first batches wait for it."""
        import torch

        self._compiled = torch.compile(self.forward, dynamic=True)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        import torch

        texts = list(texts)
        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not texts:
            return out
        budget = int(options.get("tokens_per_batch") or token_budget(self.device))
        limit = options.get("batch_size")
        # Results stay on the device for a while: a copy makes the host wait for the model.
        waiting: list[tuple[list[int], torch.Tensor]] = []

        def collect() -> None:
            if waiting:
                places = [row for rows, _ in waiting for row in rows]
                out[places] = torch.cat([vectors for _, vectors in waiting]).float().cpu().numpy()
                waiting.clear()

        with torch.inference_mode():
            for rows, tokens in self._ahead(texts, budget, limit):
                waiting += self._run_batch(rows, tokens)
                if sum(len(batch) for batch, _ in waiting) >= KEPT_ON_DEVICE:
                    collect()
            collect()
        return normalize(out) if self.normalized else out

    def _ahead(
        self, texts: list[str], budget: int, limit: int | None
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        """Batches as (rows, tokens), longest first; while one is used the next are tokenized.

        Texts are ordered by characters before anything is tokenized, and piece by piece by
        tokens. Longest first: padding is least, and a batch too large fails at once.
        """
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        piece = max(PIECE, budget // 16)
        pieces = [order[start : start + piece] for start in range(0, len(order), piece)]
        tokens: dict[int, list[int]] = {}
        left: list[int] = []
        for rows, tokenized in self._tokenized(texts, pieces):
            tokens.update(zip(rows, tokenized, strict=True))
            # The last batch may have room for texts of the next piece.
            *full, left = batches([*left, *rows], tokens, budget, limit)
            for batch_ids in full:
                yield batch_ids, [tokens.pop(i) for i in batch_ids]
        yield left, [tokens.pop(i) for i in left]

    def _tokenized(
        self, texts: list[str], pieces: list[list[int]]
    ) -> Iterator[tuple[list[int], list[list[int]]]]:
        def work(rows: list[int]) -> list[list[int]]:
            return self.tokenize([texts[i] for i in rows])

        if len(pieces) == 1:  # a few queries are not worth a thread
            yield pieces[0], work(pieces[0])
            return
        with ThreadPoolExecutor(1, thread_name_prefix="m2m-tokens") as pool:
            # Two pieces in flight: one is ready when it is wanted, memory stays small.
            futures = [pool.submit(work, rows) for rows in pieces[:2]]
            try:
                for number, rows in enumerate(pieces):
                    tokenized = futures[number].result()
                    if number + 2 < len(pieces):
                        futures.append(pool.submit(work, pieces[number + 2]))
                    yield rows, tokenized
            finally:
                for future in futures:
                    future.cancel()

    def _run_batch(
        self, rows: list[int], tokens: list[list[int]]
    ) -> list[tuple[list[int], torch.Tensor]]:
        """The batch, in parts no larger than what the device is known to hold."""
        import torch

        done: list[tuple[list[int], torch.Tensor]] = []
        parts = [list(range(len(rows)))]
        while parts:
            part = parts.pop(0)
            size = len(part) * max(len(tokens[i]) for i in part)
            if self._budget is not None and size > self._budget and len(part) > 1:
                parts = batches(part, tokens, self._budget) + parts
                continue
            try:
                output = self._forward(self._moved(self.collate([tokens[i] for i in part])))
            except torch.OutOfMemoryError as error:
                if len(part) == 1:
                    raise UserError(
                        f"the device does not have enough memory for a text of {size} tokens",
                        "use another --device, or precision bf16",
                    ) from error
                # Remembered: the next batches are cut to size before they fail.
                self._budget = min(size, self._budget or size) // 2
                if _is_cuda(self.device):
                    torch.cuda.empty_cache()
                parts.insert(0, part)
                continue
            self.tokens_encoded += sum(len(tokens[i]) for i in part)
            done.append(([rows[i] for i in part], output))
        return done

    def _forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        if self._compiled is None:
            return self.forward(batch)
        from torch._dynamo.exc import TorchDynamoException

        try:
            return self._compiled(batch)
        except TorchDynamoException as error:
            raise UserError(
                f"the model cannot be compiled here ({' '.join(str(error).split())[:160]})",
                "leave --compile out; on a CPU a C++ compiler is needed",
            ) from error

    def _moved(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if not _is_cuda(self.device):
            return {key: value.to(self.device) for key, value in batch.items()}
        return {
            key: value.pin_memory().to(self.device, non_blocking=True)
            for key, value in batch.items()
        }


def _is_cuda(device: torch.device) -> bool:
    return str(device).startswith("cuda")


def token_budget(device: torch.device) -> int:
    """Padded tokens of a batch, as far as free memory allows."""
    import torch

    if not _is_cuda(device):
        return TOKENS_PER_BATCH
    free, _ = torch.cuda.mem_get_info(device)
    return int(min(MOST_TOKENS_ON_GPU, max(1024, free // BYTES_PER_TOKEN)))


def embed(
    encoder: TextEncoder,
    texts: Sequence[str],
    *,
    what: str = "encoder",
    chunk: int = 2048,
    progress: Progress | None = None,
    **options: Any,
) -> Vectors:
    """float32 ``[len(texts), dim]``, chunk by chunk, each checked."""

    def encoded(piece: list[str]) -> Vectors:
        return encode_texts(encoder, piece, what, **options)

    return piece_by_piece(encoded, texts, encoder.dim, chunk, progress)


def piece_by_piece(
    encoded: Callable[[list[str]], Vectors],
    texts: Sequence[str],
    dim: int,
    size: int,
    progress: Progress | None = None,
) -> Vectors:
    """float32 ``[len(texts), dim]``: what ``encoded`` makes of ``size`` texts at a time."""
    out = np.empty((len(texts), dim), np.float32)
    for start in range(0, len(texts), size):
        piece = list(texts[start : start + size])
        out[start : start + len(piece)] = encoded(piece)
        if progress is not None:
            progress(start + len(piece), len(texts))
    return out


def encode_texts(
    encoder: TextEncoder, texts: Sequence[str], what: str = "encoder", **options: Any
) -> Vectors:
    """``encoder.encode(texts)``, checked; an exception of a plugin's names the plugin."""
    with plugin_code(encoder, "encode"):
        vectors = encoder.encode(texts, **options)
    return checked(vectors, encoder, texts, what)


def checked(vectors: object, encoder: TextEncoder, texts: Sequence[str], what: str) -> Vectors:
    """``vectors`` as float32, or a clear error that names the encoder."""
    rows = as_float32(vectors, (len(texts), encoder.dim), encoder, what, "text")
    if not np.isfinite(rows).all():
        row = int(np.flatnonzero(~np.isfinite(rows).all(axis=1))[0])
        raise UserError(
            f"{described(encoder, what)} gave NaN or infinity for {texts[row][:60]!r}",
            "use precision fp32, or drop the sentence",
        )
    return rows


def as_float32(
    vectors: object, shape: tuple[int, int], model: object, what: str, kind: str
) -> Vectors:
    """Return ``vectors`` as a float32 array of ``shape``; else refuse and name the model.

    kind: what the rows are, in the singular.
    """
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().float().cpu().numpy()
    array = np.asarray(vectors)
    if array.shape != shape:
        raise UserError(
            f"{described(model, what)} returned shape {list(array.shape)} for "
            f"{counted(shape[0], kind)}; "
            f"its dim says {list(shape)}",
            "correct the plugin; m2m_adapters.testing checks it",
        )
    if not np.issubdtype(array.dtype, np.floating):
        raise UserError(
            f"{described(model, what)} gave {array.dtype} instead of float32", "correct the plugin"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def described(model: object, what: str) -> str:
    """How messages call a model: its role, its class, and its plugin if it has one."""
    distribution = distribution_of(model)
    return f"the {what} ({type(model).__name__}{f' of {distribution}' if distribution else ''})"
