"""An adapter as a model of MTEB: ``mteb.evaluate(MtebModel(adapter), tasks)``.

Texts go through the adapter, pictures and sounds through the target's own tower. MTEB ranks by
cosine alone, so the English bank corrects nothing here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.languages import iso3
from m2m_adapters.artifact.record import Json
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Item
from m2m_adapters.interfaces import Vectors, normalize

if TYPE_CHECKING:
    from torch import Tensor

    from m2m_adapters.artifact.adapter import Adapter

Task: TypeAlias = Any
"""A task object of MTEB, which is not imported here."""

HITS = tuple(f"hit_rate_at_{k}" for k in (1, 5, 10))
"""What CLIP papers call R@k; MTEB's ``recall_at_k`` is another figure where items have several
captions."""


class MtebModel:
    """What MTEB asks of an encoder; it needs no base class of theirs."""

    def __init__(
        self,
        model_name: Adapter | str,
        revision: str | None = None,
        *,
        device: str | None = None,
        **kwargs: object,
    ) -> None:
        """model_name: an adapter, or its folder (so that MTEB can load it by name)."""
        if isinstance(model_name, str):
            from m2m_adapters.artifact.load import load_adapter

            model_name = load_adapter(model_name, digest=revision, device=device or "auto")
        self.adapter: Adapter = model_name

    @cached_property
    def mteb_model_meta(self) -> Any:
        """MTEB's card of the model; the adapter's digest is its revision."""
        from mteb.models import ModelMeta

        slug = re.sub(r"[^\w.-]+", "-", self.adapter.name).strip("-")
        modality = self.adapter.modality
        return ModelMeta.create_empty(
            {
                "name": f"m2m-adapters/{slug}",
                "revision": self.adapter.digest,
                "embed_dim": self.adapter.dim,
                "max_tokens": self.adapter.source.max_tokens,
                "modalities": ["text", *([modality] if modality in ("image", "audio") else [])],
                "similarity_fn_name": "cosine",
                "framework": ["PyTorch"],
                "use_instructions": False,
            }
        )

    def encode(
        self,
        inputs: Iterable[Json],
        *,
        task_metadata: object = None,
        hf_split: str = "",
        hf_subset: str = "",
        prompt_type: object = None,
        **kwargs: object,
    ) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1: batches of ``text``, ``image`` or ``audio``."""
        rows = [self._batch(batch) for batch in inputs]
        return np.concatenate(rows) if rows else np.zeros((0, self.adapter.dim), np.float32)

    def _batch(self, batch: Json) -> Vectors:
        asked = ("text", "image", "audio", "video")
        columns = {
            kind: batch[kind]
            for kind in asked
            if kind in batch and any(value is not None for value in batch[kind])
        }
        if len(columns) != 1:
            raise UserError(
                f"a task mixes {' and '.join(columns) or 'nothing'} in one input",
                "choose a task that asks with texts for items, or the other way round",
            )
        kind, values = next(iter(columns.items()))
        if kind == "text":
            return normalize(self.adapter.encode([str(text) for text in values]))
        if kind != self.adapter.modality:
            raise UserError(
                f"the task holds items of kind {kind}, the adapter leads to "
                f"{self.adapter.modality}",
                "choose another task",
            )
        items = [_sound(value) for value in values] if kind == "audio" else list(values)
        return normalize(self.adapter.encode_items(items))

    def similarity(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Tensor:
        """torch float32 ``[n, m]``: cosines."""
        import torch

        return torch.from_numpy(self.adapter.similarity(_array(embeddings1), _array(embeddings2)))

    def similarity_pairwise(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Tensor:
        """torch float32 ``[n]``: cosines of rows with rows."""
        import torch

        a, b = normalize(_array(embeddings1)), normalize(_array(embeddings2))
        return torch.from_numpy((a * b).sum(1))


def _array(vectors: Tensor | npt.ArrayLike) -> Vectors:
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().numpy()
    return np.asarray(vectors, np.float32)


def _sound(value: Item) -> Item:
    """The decoder objects of newer ``datasets`` as samples and rate; dictionaries as they are."""
    if hasattr(value, "get_all_samples"):
        samples = value.get_all_samples()
        return {"array": np.asarray(samples.data), "sampling_rate": int(samples.sample_rate)}
    return value


def run(
    adapter: Adapter, tasks: Sequence[str | Task], *, languages: Sequence[str] | None = None
) -> list[Json]:
    """A row for each task, split and subset (usually a language), figures in percent.

    tasks: names that MTEB knows, or task objects. languages: codes in any usual spelling.
    """
    try:
        import mteb  # noqa: F401  before anything is loaded
    except ImportError as error:
        raise UserError("MTEB is not installed", "pip install mteb") from error
    chosen = _tasks(tasks, languages)
    if not chosen:
        raise UserError("no task is left", "name tasks of MTEB that have these languages")
    model, rows = MtebModel(adapter), []
    for task in chosen:
        for result in _results(model, task):
            for split, subsets in result.scores.items():
                rows += [_row(result.task_name, split, scores) for scores in subsets]
    return rows


def _tasks(tasks: Sequence[str | Task], languages: Sequence[str] | None) -> list[Task]:
    import mteb

    names = [task for task in tasks if isinstance(task, str)]
    chosen: list[Task] = [task for task in tasks if not isinstance(task, str)]
    if names:
        wanted = None if languages is None else [iso3(code) for code in languages]
        try:
            chosen += list(mteb.get_tasks(tasks=names, languages=wanted))
        except (KeyError, ValueError) as error:
            reason = error.args[0] if error.args else error
            raise UserError(f"MTEB: {reason}", "see mteb.get_tasks() for the names") from error
    return chosen


def _results(model: MtebModel, task: Task) -> list[Any]:
    import mteb

    try:
        # Our figures must come from our vectors, never from MTEB's folder of older results.
        results = mteb.evaluate(model, task, cache=None, show_progress_bar=False)
    except UserError:
        raise
    except OSError as error:  # no network, an unknown data set, no permission
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise UserError(
            f"the data of {task.metadata.name} cannot be downloaded: {reason}",
            "try again with a network",
        ) from error
    return list(results.task_results)


def _row(task: str, split: str, scores: Json) -> Json:
    figures = ("main_score", *HITS, "ndcg_at_10")
    return {
        "task": task,
        "split": split,
        "subset": scores.get("hf_subset", "default"),
        "languages": scores.get("languages", []),
        **{name: round(100 * float(scores[name]), 2) for name in figures if name in scores},
    }
