"""What a pipeline makes of a prompt, token by token: its own ``encode_prompt``, as one vector.

A vector is ``[pooled | sequence | mask]``, of which only the sequence is always there. The mask
is ``tokens`` columns of ones and zeros, the ones first; states of tokens that are not there are
zero.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder, Vectors
from m2m_adapters.models import (
    at_precision,
    cache_folder,
    fitted,
    load_error,
    load_model,
    load_tokenizer,
    no_progress_bars,
    whole_file,
)
from m2m_diffusion.folders import Place, in_precision

if TYPE_CHECKING:
    import torch

BATCH = 16
TOKENS = 64
"""Positions of a T5's or LLM's sequence: enough for a prompt of about 50 words."""

BIDIRECTIONAL = ("T5EncoderModel", "UMT5EncoderModel", "MT5EncoderModel")
"""Text models whose tokens see what follows them, too."""

Parts = tuple[Any, Any, Any]
"""pooled ``[n, d]``, sequence ``[n, tokens, width]``, mask ``[n, tokens]``; None where absent."""


@dataclass(frozen=True)
class Layout:
    """Names and sizes of what a pipeline reads, where they had to be measured.

    sequence: (name, tokens, width). beside: (name, shape) of what has a fixed size and is laid
    into the pooled part. mask: (name, its torch type) or None.
    """

    sequence: tuple[str, int, int]
    beside: tuple[tuple[str, tuple[int, ...]], ...] = ()
    mask: tuple[str, str] | None = None

    @property
    def pooled(self) -> int:
        return sum(int(np.prod(shape)) for _, shape in self.beside)

    def to_json(self) -> dict[str, Any]:
        return {"sequence": self.sequence, "beside": self.beside, "mask": self.mask}

    @classmethod
    def of(cls, value: dict[str, Any]) -> Layout:
        name, tokens, width = value["sequence"]
        beside = tuple((part, tuple(shape)) for part, shape in value["beside"])
        mask = value["mask"] and (str(value["mask"][0]), str(value["mask"][1]))
        return cls((name, tokens, width), beside, mask)


@dataclass(frozen=True)
class Prompts:
    """How one class of pipelines reads prompts, and takes what it has read.

    needs: parts without which there is no reading; uses: those used where they are there.
    alone: the class cannot be built around its text models, nor need it be.
    width: the part whose hidden size is the sequence's width. read: (pipeline, texts, tokens,
    whether they are negatives) -> :data:`Parts`. arguments: (this text encoder, parts) -> keywords
    of the pipeline's call; those of a negative get ``negative_`` before their names.
    masked: whether the pipeline is told which tokens are there. pooled: columns of the pooled part.
    lead: positions before those of the T5 or LLM, and their width. tokens: positions of the latter.
    probe: measures the sizes, in place of pooled, lead, width and masked.
    same_length: a negative is read to the length of the prompt beside it.
    """

    needs: tuple[str, ...]
    width: str
    read: Callable[[Any, list[str], int, bool], Parts]
    arguments: Callable[[PromptText, Any, Any, Any], dict[str, Any]]
    masked: bool = False
    uses: tuple[str, ...] = ()
    alone: bool = False
    pooled: Callable[[Place], int] = lambda place: 0
    lead: Callable[[Place], tuple[int, int]] = lambda place: (0, 0)
    tokens: int = TOKENS
    probe: Callable[[PromptText], Layout] | None = None
    same_length: bool = False


class PromptText(TextEncoder):
    """English (or whatever the pipeline's text models know) -> ``[pooled | sequence | mask]``.

    pooled_dim: columns of the pooled part; shape: ``(tokens, width)`` of the sequence; masked:
    whether a mask follows; bidirectional: whether every state has seen the whole text. tokens:
    positions of the T5 or LLM. The text models are loaded with the first text.
    """

    normalized = False

    def __init__(
        self,
        place: Place,
        prompts: Prompts,
        pipeline_class: Callable[[], Any],
        *,
        device: torch.device,
        dtype: torch.dtype,
        precision: str,
    ) -> None:
        self.place, self.prompts = place, prompts
        self.device, self.dtype, self._precision = device, dtype, precision
        self._pipeline_class = pipeline_class
        self.parts = tuple(p for p in (*prompts.needs, *prompts.uses) if place.holds(p))
        if missing := [part for part in prompts.needs if part not in self.parts]:
            raise UserError(
                f"{place.name} was saved without its {missing[0]}",
                "save it with its text encoders: they are the space that sources are aligned to",
            )
        self.bidirectional = self._states_of() in BIDIRECTIONAL
        self.layout = prompts.probe(self) if prompts.probe is not None else None
        if self.layout is not None:
            self.lead = (0, 0)
            _, self.tokens, width = self.layout.sequence
            self.max_tokens, self.shape = self.tokens, (self.tokens, width)
            self.pooled_dim, self.masked = self.layout.pooled, self.layout.mask is not None
            self.dim = self.pooled_dim + self.tokens * (width + self.masked)
            return
        self.lead = prompts.lead(place)
        has_own = prompts.width in self.parts
        self.tokens = self._positions() if has_own else 0
        self.max_tokens = self.tokens or self.lead[0]
        width = text_width(place, prompts.width) if has_own else self.lead[1]
        self.shape = (self.lead[0] + self.tokens, width)
        self.pooled_dim, self.masked = prompts.pooled(place), prompts.masked
        self.dim = self.pooled_dim + self.shape[0] * (width + self.masked)

    def _states_of(self) -> str:
        """Class of the model whose states the sequence holds."""
        part = self.prompts.width if self.prompts.width in self.parts else self.parts[0]
        return str(self.place.index[part][1])

    def _positions(self) -> int:
        """No more than the tokenizer gives, where it says so."""
        try:
            return min(self.prompts.tokens, text_length(self.place, self.prompts.width))
        except UserError:
            return self.prompts.tokens

    @cached_property
    def pipeline(self) -> Any:
        """The pipeline with its text models and nothing else."""
        if self.prompts.alone:
            return self._without_pipeline()
        made_of = self._pipeline_class()
        kept = {*self.parts, *(part.replace("text_encoder", "tokenizer") for part in self.parts)}
        names = [n for n in inspect.signature(made_of.__init__).parameters if n != "self"]
        absent = dict.fromkeys(
            name
            for name in names
            if name not in kept and isinstance(self.place.index.get(name), list)
        )
        left_out = {key for key in self.place.index if key not in kept}
        folder = self.place.whole(without=left_out | set(absent))
        try:
            with no_progress_bars("diffusers"):
                pipeline = made_of.from_pretrained(
                    folder, local_files_only=True, **in_precision(self.dtype), **absent
                )
        except Exception as error:
            raise load_error(folder, error) from error
        return pipeline.to(self.device)

    def _without_pipeline(self) -> Any:
        """The text models and tokenizers under the names the pipeline has for them."""
        import transformers

        components: dict[str, Any] = {}
        for part in self.parts:
            made_of = getattr(transformers, str(self.place.index[part][1]))
            model = load_model(made_of, self.place.part(part), self.dtype)
            components[part] = model.to(self.device).eval()
            tokenizer = part.replace("text_encoder", "tokenizer")
            components[tokenizer] = load_tokenizer(
                self.place.part(tokenizer), int(model.config.vocab_size)
            )
        return SimpleNamespace(components=components, **components)

    def encode(self, texts: Sequence[str], **options: Any) -> Vectors:
        return self._encoded(list(texts), int(options.get("batch_size") or BATCH), False)

    def negative(self, text: str, length: int | None = None) -> Vectors:
        """``[1, dim]``: what the pipeline makes of a text it is to keep away from.

        That of no text at all is filed in the cache: every guided picture needs it, and the text
        models are often larger than the rest of the pipeline. length: of the prompt beside it,
        where the class reads it so.
        """
        if text:
            return self._encoded([text], 1, True, length)
        about = f"{self.fingerprint}:negative{length or ''}"
        key = hashlib.sha256(about.encode()).hexdigest()[:32]
        filed = cache_folder() / "neutral" / f"{key}.npy"
        if not filed.is_file():
            vector = self._encoded([text], 1, True, length)
            with whole_file(filed) as temporary, temporary.open("wb") as file:
                np.save(file, vector)
        vector = np.load(filed, allow_pickle=False)
        return np.asarray(vector, dtype=np.float32).reshape(1, self.dim)

    def _encoded(
        self, texts: list[str], size: int, against: bool, length: int | None = None
    ) -> Vectors:
        import torch

        out = np.zeros((len(texts), self.dim), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(texts), size):
                rows = self._parts(texts[start : start + size], against, length)
                out[start : start + size] = (
                    torch.cat([row.float().flatten(1).cpu() for row in rows], 1).numpy()
                )  # fmt: skip
        return out

    def _parts(self, texts: list[str], against: bool, length: int | None) -> list[Any]:
        pooled, sequence, mask = self.prompts.read(
            self.pipeline, texts, length or self.tokens or self.prompts.tokens, against
        )
        tokens, width = self.shape
        if mask is None:  # all are there
            mask = sequence.new_ones(sequence.shape[:2])
        sequence = fitted(sequence, tokens)[..., :width]
        rows = [sequence] if pooled is None else [pooled, sequence]
        if not self.masked:
            return rows
        mask = fitted(mask, tokens)
        rows[-1] = sequence * (mask > 0).unsqueeze(-1)
        return [*rows, (mask > 0).to(sequence.dtype)]

    def split(self, rows: Any) -> Parts:
        """Vectors ``[n, dim]`` -> :data:`Parts`; tokens that are not there are zero."""
        import torch

        pooled, sequence, mask = rows.split(
            [self.pooled_dim, self.shape[0] * self.shape[1], self.shape[0] * self.masked], 1
        )
        sequence = sequence.reshape(len(rows), *self.shape)
        if not self.masked:
            return pooled, sequence, None
        lengths = mask.float().clamp(0, 1).sum(1).round().clamp_min(1)
        there = torch.arange(self.shape[0], device=rows.device) < lengths[:, None]
        return pooled, sequence * there.unsqueeze(-1), there

    def arguments(self, rows: Any) -> dict[str, Any]:
        """Keywords of the pipeline's call for vectors ``[n, dim]``."""
        pooled, sequence, mask = self.split(rows)
        return self.prompts.arguments(self, pooled.contiguous(), sequence, mask)

    def loaded(self) -> dict[str, Any]:
        """The text models and tokenizers by the names the pipeline has for them."""
        return {name: part for name, part in self.pipeline.components.items() if part is not None}

    @cached_property
    def fingerprint(self) -> str:
        names = [*self.parts, *(p.replace("text_encoder", "tokenizer") for p in self.parts)]
        names = list(dict.fromkeys(name for name in names if self.place.holds(name)))
        about = f"{self.place.pipeline_class}:{self.shape[0]}:{self.place.fingerprint(names)}"
        return at_precision(f"diffusion-tokens:{about}", self._precision)

    @property
    def provenance(self) -> dict[str, Any]:
        if self.place.commit is not None:
            return {"model": self.place.name, "revision": self.place.commit}
        digest = self.fingerprint.rpartition(":")[2].partition("@")[0]
        return {"model": self.place.name, "digest": digest}


def text_width(place: Place, part: str) -> int:
    """Columns of a text model's token states."""
    return place.setting(part, "d_model", "hidden_size")


def text_length(place: Place, part: str) -> int:
    """Most tokens that the tokenizer of a text model gives."""
    tokenizer = part.replace("text_encoder", "tokenizer")
    return place.setting(tokenizer, "model_max_length", file="tokenizer_config.json")


def pipeline_class(module: str, name: str) -> Any:
    made_of = getattr(importlib.import_module(module), name, None)
    if made_of is None:
        raise UserError(
            f"the installed {module} has no {name}", f"install a version of {module} that has it"
        )
    return made_of
