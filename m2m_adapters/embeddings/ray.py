"""Blocks of a corpus over the machines of a Ray cluster: one reader, a pool of encoders.

An encoder writes the part of a block itself and returns a few numbers. So an encoder that dies
costs the block it was at: Ray gives that block to another, which looks first whether the part
is there already.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

from m2m_adapters._internal.progress import Progress
from m2m_adapters.embeddings.dataset import Block, Dataset
from m2m_adapters.embeddings.work import Embedder, Work
from m2m_adapters.errors import UserError

READER_CPUS = 0.25
LOCAL_OBJECT_STORE = 1 << 29
END, FAILED = -1, -2
Row = dict[str, Any]


def _row(number: int, rows: list[str] | None = None, total: int = 0, **failure: str) -> Row:
    error = {"what": failure.get("what", ""), "remedy": failure.get("remedy", "")}
    return {"number": number, "rows": rows or [], "total": total, **error}


class Reader:
    """Yields the blocks that are not there yet, then the number of rows of the corpus.

    The parts that were there at the start are told to it: what it yields must not depend on
    when it runs, because Ray runs it again when its results are lost.
    """

    def __init__(self, work: Work, parts: dict[int, str]) -> None:
        self.work, self.parts = work, parts

    def __call__(self, row: Row) -> Iterator[Row]:
        total = 0
        try:
            dataset = Dataset(self.work.out)
            for block in self.work.blocks():
                if not dataset.has(block, self.parts):
                    yield _row(block.number, block.rows)
                total += len(block.rows)
        except UserError as error:
            yield _row(FAILED, what=error.what, remedy=error.remedy)
            return
        yield _row(END, total=total)


class Encoder:
    """An actor: builds the model by its name once, then writes part after part."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.dataset = Dataset(work.out)
        self.failed: UserError | None = None
        try:
            self.embedder = Embedder(work)
            self.dataset.begin(self.embedder.about)
        except UserError as error:  # an exception here would be retried forever
            self.failed = error

    def __call__(self, row: Row) -> Row:
        if row["number"] < 0:
            return row
        if self.failed is not None:
            return _row(FAILED, what=self.failed.what, remedy=self.failed.remedy)
        block = Block(int(row["number"]), [str(text) for text in row["rows"]])
        try:
            # An encoder that died may have finished this block before it could report it.
            if not self.dataset.place.has(block.name):
                self.dataset.write(block, self.embedder.encode(block.rows), self.work.kind)
        except UserError as error:
            return _row(FAILED, what=error.what, remedy=error.remedy)
        return _row(block.number, total=len(block.rows))


def embed_with_ray(
    work: Work, address: str | None, workers: int | None, bar: Progress
) -> tuple[int, int]:
    """(rows of the corpus, those that were encoded now)."""
    if work.corpus == "-":
        raise UserError("Ray's machines cannot read standard input", "give a file")
    with _cluster(address) as ray, _small_blocks(ray.data.DataContext.get_current()):
        dataset = Dataset(work.out)
        parts = dataset.parts()
        pool, each = shares(ray.cluster_resources(), workers, (work.options or {}).get("device"))
        results = (
            ray.data.from_items([{"begin": 0}])
            .flat_map(Reader(work, parts).__call__, num_cpus=READER_CPUS)
            .map(
                Encoder,
                fn_constructor_kwargs={"work": work},
                # Machines that join later get encoders too, unless a number was asked for.
                compute=ray.data.ActorPoolStrategy(min_size=1, initial_size=pool, max_size=workers),
                **each,
            )
        )
        total: int | None = None
        encoded = 0
        with bar.stage("encode", None, "rows") as done:
            for row in results.iter_rows():
                if row["number"] == FAILED:
                    raise UserError(row["what"], row["remedy"])
                if row["number"] == END:
                    total = int(row["total"])
                else:
                    encoded += int(row["total"])
                    done(encoded)
        assert total is not None, "the reader did not come to its end"
    return total, encoded


@contextmanager
def _small_blocks(context: Any) -> Iterator[None]:
    """A block of texts is given on as soon as it is read, and is the unit that is repeated.

    Pipelines share the settings of their process; the user's own come back afterwards.
    """
    names = ("enable_progress_bars", "target_min_block_size", "target_max_block_size")
    before = {name: getattr(context, name) for name in names}
    for name, value in zip(names, (False, 1, 1), strict=True):
        setattr(context, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def shares(
    resources: dict[str, float], workers: int | None, device: str | None
) -> tuple[int, dict[str, float]]:
    """How many encoders, and what of the cluster each of them reserves.

    One for each GPU; without any, one for every four cores. The reader needs a place beside
    them, or nothing moves: on the smallest machines encoders reserve a fraction of a core.
    """
    gpus = int(resources.get("GPU", 0)) if device in (None, "auto", "cuda") else 0
    if gpus:
        pool = workers or gpus
        return pool, {"num_gpus": min(1.0, gpus / pool), "num_cpus": 1}
    cores = resources.get("CPU", 1.0) - 2 * READER_CPUS
    pool = workers or max(1, int(cores // 4))
    share = max(cores, 0.2) / pool
    return pool, {"num_cpus": float(int(share)) if share >= 1 else round(share - 0.005, 2)}


@contextmanager
def _cluster(address: str | None) -> Iterator[Any]:
    # Read when Ray is imported. Its C++ side would write warnings meant for its developers.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UserError(
            "the engine 'ray' needs Ray Data", 'pip install "m2m-adapters[ray]"'
        ) from error
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ours = not ray.is_initialized()
    if ours:
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None and not os.environ.get("RAY_ADDRESS"):
            settings |= {"include_dashboard": False, "object_store_memory": LOCAL_OBJECT_STORE}
        try:
            ray.init(address=address, **settings)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise UserError(
                f"cannot reach Ray at {address or 'this machine'}: {str(error).splitlines()[0]}",
                "correct --ray-address, or leave it out to use this machine",
            ) from error
    with redirect_stdout(sys.stderr):  # Ray prints messages about dead workers on stdout
        try:
            yield ray
        finally:
            if ours:
                ray.shutdown()
