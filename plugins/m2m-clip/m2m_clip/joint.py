"""Models inside which text and picture meet, as targets: they score pairs of them.

The space is that of the word embeddings of a caption, ``[tokens x width | mask]``. An adapter of
token level writes them from a prompt in any language; they stand where the model would look up the
embeddings of its own tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors
from m2m_adapters.models import (
    Located,
    MaskedText,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    load_model,
    load_tokenizer,
    locate,
    read_config,
    rgb_image,
)

BATCH = 8
TOKENS = 40
"""What ViLT was trained on; fewer where a model has fewer positions."""


@dataclass(frozen=True)
class Family:
    """How one class of models scores pairs.

    made_of: its name in transformers. words: where it keeps its word embeddings. text: where its
    configuration says how its text is read, "" for the configuration itself. first: the number of
    its first position. scores: (model, ids, mask, what the image processor gives) -> ``[n]``.
    """

    made_of: str
    words: str
    text: str
    scores: Callable[[Any, Any, Any, dict[str, Any]], Any]
    first: int = 0


def matching(logits: Any) -> Any:
    """How much likelier a match is than none."""
    return logits[:, 1] - logits[:, 0]


def score_vilt(model: Any, ids: Any, mask: Any, pictures: dict[str, Any]) -> Any:
    return model(input_ids=ids, attention_mask=mask, **pictures).logits[:, 0]


def score_bridgetower(model: Any, ids: Any, mask: Any, pictures: dict[str, Any]) -> Any:
    return matching(model(input_ids=ids, attention_mask=mask, **pictures).logits)


def score_blip2(model: Any, ids: Any, mask: Any, pictures: dict[str, Any]) -> Any:
    """A model that expects positions for its queries before a caption gets them."""
    import torch

    if model.config.image_token_index is not None:
        ids, mask = (
            torch.nn.functional.pad(one, (model.config.num_query_tokens, 0), value=1)
            for one in (ids, mask)
        )
    found = model(input_ids=ids, attention_mask=mask, use_image_text_matching_head=True, **pictures)
    return matching(found.logits_per_image)


def score_flava(model: Any, ids: Any, mask: Any, pictures: dict[str, Any]) -> Any:
    found = model.flava(input_ids=ids, attention_mask=mask, **pictures)
    return matching(model.itm_head(found.multimodal_embeddings))


FAMILIES = {
    "vilt": Family(
        "ViltForImageAndTextRetrieval", "vilt.embeddings.text_embeddings.word_embeddings", "",
        score_vilt,
    ),
    "bridgetower": Family(
        "BridgeTowerForImageAndTextRetrieval", "bridgetower.text_model.embeddings.word_embeddings",
        "text_config", score_bridgetower, first=2,
    ),
    "blip-2": Family(
        "Blip2ForImageTextRetrieval", "embeddings.word_embeddings", "qformer_config", score_blip2
    ),
    "flava": Family(
        "FlavaForPreTraining", "flava.text_model.embeddings.word_embeddings", "text_config",
        score_flava,
    ),
}  # fmt: skip


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> JointPairs:
    """``model``: an id of the hub or a folder, as ``dandelin/vilt-b32-finetuned-coco``."""
    located = locate(model, revision, scheme="joint")
    kind = str(read_config(located.folder).get("model_type"))
    if kind not in FAMILIES:
        raise UserError(
            f"{model} is of type '{kind}', which is not known to score pairs of text and picture",
            f"give a model of type {', '.join(FAMILIES)}",
        )
    return JointPairs(located, kind, device, precision)


class JointPairs(ModalityModel):
    """Scores of (caption's word embeddings, picture)."""

    modality = "image"

    def __init__(self, located: Located, kind: str, device: str, precision: str) -> None:
        self.located, self.kind, self.family = located, kind, FAMILIES[kind]
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)

    @cached_property
    def model(self) -> Any:
        import transformers

        made_of = getattr(transformers, self.family.made_of)
        model = load_model(made_of, self.located.folder, choose_dtype(self.precision))
        return model.to(self.device).eval().requires_grad_(False)

    @cached_property
    def processor(self) -> Any:
        from transformers import AutoImageProcessor

        try:
            return AutoImageProcessor.from_pretrained(self.located.folder, local_files_only=True)
        except Exception as error:
            raise load_error(self.located.folder, error) from error

    @cached_property
    def text(self) -> WordEmbeddings:
        return WordEmbeddings(self)

    def score(
        self, vectors: Vectors, items: Sequence[Any], *, batch_size: int = BATCH, **_: Any
    ) -> Vectors:
        """What its head gives each pair of a row and a picture; more is a better match."""
        import torch

        rows = np.asarray(vectors, dtype=np.float32)
        if rows.shape != (len(items), self.text.dim):
            raise UserError(
                f"vectors of shape {list(rows.shape)} are not [{len(items)}, {self.text.dim}]",
                "give one row for each picture, encoded with an adapter to this target",
            )
        scores = np.zeros(len(items), np.float32)
        for start in range(0, len(items), batch_size):
            end = start + batch_size
            pictures = self._seen(items[start:end])
            states, mask = self.text.split(torch.from_numpy(rows[start:end]).to(self.device))
            longest = int(mask.sum(1).max())
            states, mask = states[:, :longest], mask[:, :longest]
            with torch.inference_mode(), self.text.standing_in(states):
                found = self.family.scores(self.model, self.text.ids(mask), mask, pictures)
            scores[start:end] = found.float().cpu().numpy()
        return scores

    def _seen(self, items: Sequence[Any]) -> dict[str, Any]:
        """Pixels in the model's precision, and their mask where it has one."""
        seen = self.processor([rgb_image(item) for item in items], return_tensors="pt")
        pictures = seen.to(self.device)
        return {**pictures, "pixel_values": pictures["pixel_values"].to(self.model.dtype)}


class WordEmbeddings(MaskedText):
    """English -> the word embeddings of its tokens, then a mask of them."""

    def __init__(self, target: JointPairs) -> None:
        config = target.model.config
        config = getattr(config, target.family.text) if target.family.text else config
        positions = int(config.max_position_embeddings) - target.family.first
        super().__init__(
            target.located, kind=target.kind, tokens=min(TOKENS, positions),
            width=int(config.hidden_size), precision=target.precision,
        )  # fmt: skip
        self.target, self.padding = target, int(config.pad_token_id or 0)
        self.words = target.model.get_submodule(target.family.words)
        self.tokenizer = load_tokenizer(target.located.folder, int(config.vocab_size))

    def read(self, texts: list[str]) -> tuple[Any, Any]:
        inputs = self.tokenizer(
            texts, padding=True, max_length=self.max_tokens, truncation=True, return_tensors="pt"
        ).to(self.target.device)
        return self.words(inputs["input_ids"]), inputs["attention_mask"]

    def ids(self, mask: Any) -> Any:
        """Ids of which only is read whether they fill up a text."""
        return mask * (self.padding + 1) + (1 - mask) * self.padding

    @contextmanager
    def standing_in(self, states: Any) -> Iterator[None]:
        """Within, the model looks up these states, whatever ids it is shown."""
        states = states.to(self.words.weight.dtype)
        hook = self.words.register_forward_hook(lambda *_: states.clone())
        try:
            yield
        finally:
            hook.remove()
