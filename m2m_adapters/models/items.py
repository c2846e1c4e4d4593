"""Items on their way to a model: decoded ahead on threads, in order, bad ones named.

A target that subclasses :class:`ItemTarget` says how one item is prepared and what its model
makes of a batch. :func:`prepare_ahead` runs the first ahead of the second.
"""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from m2m_adapters._internal.plugin_calls import distribution_of, failure, plugin_code
from m2m_adapters.errors import AbilityMissing, PluginError, UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder, Vectors, normalize
from m2m_adapters.models.text_encoder import as_float32, described

if TYPE_CHECKING:
    from torch import Tensor

Prepared = TypeVar("Prepared")
Tell = Callable[[int, int], object]
"""Called with how many items are done, and of how many."""

MISTAKES = (TypeError, NameError, AttributeError, LookupError, ImportError, AssertionError)
"""What a defect in the code of a plugin raises, rather than a damaged item."""


class BadItem(UserError):
    """One item cannot be used: *what* is wrong with it."""


@dataclass(frozen=True)
class Skipped:
    """An item left out under ``on_error="skip"``: its place, its name, and why."""

    index: int
    name: str
    reason: str


class ItemTarget(ModalityModel):
    """A target that encodes items: implement two small steps, inherit ``encode_items``.

    batch_size: items in a batch, unless the caller says otherwise.
    """

    batch_size = 32

    @abstractmethod
    def prepare(self, item: object, **options: Any) -> Any:
        """One item as the model wants it; runs on several threads, ahead of the model.

        options: those of ``encode_items`` that it does not know itself, such as ``allow_urls``.
        An exception here is reported with the item's name: as a bad item if it is a UserError,
        OSError, ValueError or the like, as a defect of the plugin if it is a mistake in code
        (TypeError, NameError, KeyError, ...).
        """

    @abstractmethod
    def forward(self, batch: list[Any]) -> Tensor:
        """Prepared items -> torch tensor ``[b, dim]`` (need not be normalized)."""

    def load_items(self) -> None:
        """Load what both steps need; called before there are threads that would each load it."""

    def encode_items(
        self,
        items: Sequence[object],
        *,
        batch_size: int | None = None,
        on_error: str = "raise",
        skipped: list[Skipped] | None = None,
        workers: int = 4,
        progress: Tell | bool | None = None,
        **options: Any,
    ) -> Vectors:
        """float32 ``[n, dim]``, rows of length 1 where the space is angular.

        on_error: ``"skip"`` leaves bad items out and appends each to ``skipped``.
        """
        items = items if isinstance(items, (list, tuple)) else list(items)
        if not items:
            return np.zeros((0, self.text.dim), np.float32)
        self.load_items()
        vectors = encode_prepared(
            items,
            partial(self.prepare, **options),
            self.forward,
            self.text.dim,
            batch_size=self.batch_size if batch_size is None else batch_size,
            on_error=on_error,
            skipped=skipped,
            workers=workers,
            progress=progress,
        )
        return normalize(vectors) if self.space.normalized else vectors

    def layer_states(self, batch: list[Any]) -> list[Sequence[Tensor]]:
        """Prepared items -> for each item its states ``[parts, tokens, width]`` by layer.

        A part is a window of a long sound; other items have one.
        """
        raise AbilityMissing(
            f"{type(self).__name__} does not show the layers of its {self.modality} tower",
            "choose a target of transformers",
        )

    def encode_item_layers(
        self, items: Sequence[object], *, pooling: str = "mean", workers: int = 4, **options: Any
    ) -> list[Vectors]:
        import torch

        from m2m_adapters.models.layers import as_layers, check_pooling, pooled

        check_pooling(pooling)
        self.load_items()
        parts: list[list[Any]] = []
        items = items if isinstance(items, (list, tuple)) else list(items)
        prepare = partial(self.prepare, **options)
        with torch.inference_mode():
            for batch in prepare_ahead(items, prepare, batch_size=8, workers=workers):
                for states in self.layer_states([item for _, item in batch]):
                    vectors = pooled(states, None, pooling)
                    parts.append([layer.mean(0, keepdim=True) for layer in vectors])
        return as_layers(parts, range(len(parts)))


def encode_items(
    model: ModalityModel | TextEncoder, items: Sequence[object], **options: Any
) -> Vectors:
    """``model.encode_items(items)``, checked; an exception of a plugin's names the plugin.

    model: a target, or a source that takes speech. A single path stands for a list of one.
    """
    if isinstance(model, TextEncoder):
        role, dim = "source", model.dim
    else:
        role, dim = "target", model.text.dim
    if isinstance(items, (str, bytes, Path)):
        items = [items]
    skipped = options.get("skipped")
    if options.get("on_error") == "skip" and skipped is None:
        skipped = options["skipped"] = []
    before = len(skipped or ())
    with plugin_code(model, "encode_items"):
        vectors = model.encode_items(items, **options)
    left_out = {one.index for one in (skipped or [])[before:]}
    used = [index for index in range(len(items)) if index not in left_out]
    rows = as_float32(vectors, (len(used), dim), model, role, "item")
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        index = used[int(np.flatnonzero(~finite)[0])]
        raise UserError(
            f"{described(model, role)} gave NaN or infinity for {item_name(items[index], index)}",
            "use precision fp32, or leave the item out",
        )
    return rows


def generate_items(model: ModalityModel, vectors: Vectors, **options: Any) -> list[Any]:
    """``model.generate(vectors)``; an exception of a plugin's names the plugin."""
    with plugin_code(model, "generate"):
        return list(model.generate(vectors, **options))


def item_name(item: object, index: int) -> str:
    """How messages call an item: its path or URL, else what and which it is."""
    if isinstance(item, (str, Path)):
        text = str(item)
        return text if len(text) <= 200 else f"{text[:80]}...{text[-60:]}"
    return f"item {index} ({type(item).__name__})"


def prepare_ahead(
    items: Sequence[object],
    prepare: Callable[[object], Prepared],
    *,
    batch_size: int,
    on_error: str = "raise",
    skipped: list[Skipped] | None = None,
    workers: int = 4,
) -> Iterator[list[tuple[int, Prepared]]]:
    """Batches of (index, prepared item), in order, prepared ahead on ``workers`` threads.

    on_error: ``"raise"`` names the first bad item and stops; ``"skip"`` leaves bad items out,
        appends a :class:`Skipped` for each to ``skipped`` and says how many on stderr.
    """
    if on_error not in ("raise", "skip"):
        raise UserError(f"on_error is '{on_error}'", "use 'raise' or 'skip'")
    if batch_size < 1 or workers < 1:
        raise UserError("batch_size and workers must be at least 1", "choose a larger number")
    left_out: list[Skipped] = [] if skipped is None else skipped
    before = len(left_out)
    batch: list[tuple[int, Prepared]] = []
    # Far enough ahead to keep the model busy, not so far that memory fills with pictures.
    ahead = max(2 * workers, batch_size + workers)
    with closing(_futures(items, prepare, workers, ahead)) as futures:
        for index, future in futures:
            try:
                batch.append((index, future.result()))
            except (MemoryError, PluginError):
                raise
            except Exception as error:
                bad = _judged(error, prepare, items[index], index)
                if on_error == "raise":
                    remedy = error.remedy if isinstance(error, UserError) else ""
                    raise BadItem(
                        f"{bad.name}: {bad.reason}",
                        remedy or "remove it, or leave it out with --skip-bad (on_error='skip')",
                    ) from error
                left_out.append(bad)
            if len(batch) == batch_size:
                yield batch
                batch = []
    if batch:
        yield batch
    if count := len(left_out) - before:
        first = left_out[before]
        print(
            f"m2m: skipped {count} of {len(items)} items; the first: {first.name}: {first.reason}",
            file=sys.stderr,
        )


def _futures(
    items: Sequence[object], prepare: Callable[[object], Prepared], workers: int, ahead: int
) -> Generator[tuple[int, Future[Prepared]], None, None]:
    """(index, its future) in order, with at most ``ahead`` of them under way."""
    with ThreadPoolExecutor(workers, thread_name_prefix="m2m-items") as pool:
        waiting: deque[tuple[int, Future[Prepared]]] = deque()
        unread = iter(enumerate(items))
        try:
            while True:
                while len(waiting) < ahead and (following := next(unread, None)) is not None:
                    index, item = following
                    waiting.append((index, pool.submit(prepare, item)))
                if not waiting:
                    return
                yield waiting.popleft()
        finally:
            for _, future in waiting:
                future.cancel()


def _judged(error: Exception, prepare: Callable[..., object], item: object, index: int) -> Skipped:
    """The item as a bad one, unless the error is a mistake in the code that prepares it."""
    name = item_name(item, index)
    if isinstance(error, MISTAKES):
        code = getattr(prepare, "func", prepare)  # of a partial
        if plugin := distribution_of(code):
            raise failure(code, "", plugin, error, name) from error
        raise error
    return Skipped(index, name, error.what if isinstance(error, UserError) else _described(error))


def _described(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


def encode_prepared(
    items: Sequence[object],
    prepare: Callable[[object], Prepared],
    forward: Callable[[list[Prepared]], Tensor],
    dim: int,
    *,
    batch_size: int = 32,
    on_error: str = "raise",
    skipped: list[Skipped] | None = None,
    workers: int = 4,
    progress: Tell | bool | None = None,
) -> Vectors:
    """float32 ``[items that were used, dim]``: ``forward`` of batches of prepared items.

    forward: prepared items -> torch tensor ``[b, dim]``.
    progress: a function called with (done, total), or True for a bar on stderr.
    """
    items = items if isinstance(items, (list, tuple)) else list(items)
    rows: list[Vectors] = []
    tell, close = _teller(progress, len(items))
    try:
        for batch in prepare_ahead(
            items,
            prepare,
            batch_size=batch_size,
            on_error=on_error,
            skipped=skipped,
            workers=workers,
        ):
            vectors = forward([item for _, item in batch]).detach().float().cpu().numpy()
            if vectors.shape[1:] != (dim,):
                raise UserError(
                    f"the model gave items {vectors.shape[1]} columns, its text tower has {dim}",
                    "its two towers do not share a space; fetch the model again",
                )
            bad = ~np.isfinite(vectors).all(axis=1)
            if bad.any():
                index = batch[int(np.flatnonzero(bad)[0])][0]
                raise UserError(
                    f"the model gave NaN or infinity for {item_name(items[index], index)}",
                    "use precision fp32",
                )
            rows.append(vectors.astype(np.float32, copy=False))
            tell(batch[-1][0] + 1, len(items))
    finally:
        close()
    return np.concatenate(rows) if rows else np.zeros((0, dim), np.float32)


def _teller(progress: Tell | bool | None, total: int) -> tuple[Tell, Callable[[], None]]:
    if callable(progress):
        return progress, lambda: None
    if not progress:
        return lambda done, whole: None, lambda: None
    from m2m_adapters._internal.progress import Bars

    bars = Bars()
    stage = bars.stage("encoding", total, "items")
    update = stage.__enter__()
    return lambda done, whole: update(done), lambda: _close(stage)


def _close(stage: AbstractContextManager[object]) -> None:
    stage.__exit__(None, None, None)
