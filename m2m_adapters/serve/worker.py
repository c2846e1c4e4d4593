"""One thread that answers waiting jobs in batches; a full queue refuses new ones."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")


LONGEST = 30
"""Seconds, at most, after which a refused client is asked to come back."""


class Busy(Exception):
    """The queue is full. seconds: how long it takes to do what waits."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


class Stopping(Exception):
    """The server is about to end."""


@dataclass
class _Waiting(Generic[Job]):
    job: Job
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


@dataclass
class Counts:
    """What a worker has done: jobs, rounds of work, and the most jobs of one round."""

    jobs: int = 0
    rounds: int = 0
    largest: int = 0


@dataclass
class Worker(Generic[Job]):
    """Concurrent jobs wait while one round of work runs, and form the next round.

    work: answers jobs together; for each an answer, or the exception it failed with.
    most: of the costs of a round's jobs. room: jobs that may wait. cost: of a job.
    """

    work: Callable[[list[Job]], Sequence[Any]]
    most: int
    room: int
    name: str = "m2m-serve"
    cost: Callable[[Job], int] = lambda job: 1
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._queue: deque[_Waiting[Job]] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._pace = 0.0  # seconds a job, of late
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, *jobs: Job) -> list[asyncio.Future[Any]]:
        """The answers to jobs, to be awaited; raises :class:`Busy`."""
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(job, loop, loop.create_future()) for job in jobs]
        with self._changed:
            if self._stopping:
                raise Stopping
            # A request of many jobs is taken when the queue is empty, however many they are.
            if self._queue and len(self._queue) + len(waiting) > self.room:
                raise Busy(max(1, min(LONGEST, math.ceil(self._pace * len(self._queue)))))
            self._queue.extend(waiting)
            self._changed.notify()
        return [one.future for one in waiting]

    async def do(self, *jobs: Job) -> list[Any]:
        """The answers to jobs; raises what the first failed one failed with, or :class:`Busy`."""
        futures = self.submit(*jobs)
        if len(futures) == 1:  # cancelled with whoever waits for it
            return [await futures[0]]
        try:
            return list(await asyncio.gather(*futures))
        finally:
            for future in futures:  # nobody waits for them any more
                future.cancel()

    def stop(self, seconds: float = 10) -> None:
        """Finish what waits, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._stopping:
                    self._changed.wait()
                if not self._queue:
                    return
                round_ = [self._queue.popleft()]
                spent = self.cost(round_[0].job)
                while self._queue and spent < self.most:
                    round_.append(self._queue.popleft())
                    spent += self.cost(round_[-1].job)
            # Clients that hung up or ran out of time have cancelled theirs.
            round_ = [one for one in round_ if not one.future.cancelled()]
            if round_:
                self._answer(round_)

    def _answer(self, round_: list[_Waiting[Job]]) -> None:
        self.counts.jobs += len(round_)
        self.counts.rounds += 1
        self.counts.largest = max(self.counts.largest, len(round_))
        start = time.perf_counter()
        try:
            answers = list(self.work([one.job for one in round_]))
        except BaseException as error:  # a defect: clients hear of it, the thread lives
            answers = [error] * len(round_)
        pace = (time.perf_counter() - start) / len(round_)
        self._pace = 0.7 * self._pace + 0.3 * pace
        for loop in {one.loop for one in round_}:
            pairs = [(one, answer) for one, answer in zip(round_, answers) if one.loop is loop]
            try:
                loop.call_soon_threadsafe(_settle, pairs)
            except RuntimeError:
                pass  # the loop has been closed: the server is gone


def _settle(pairs: list[tuple[_Waiting[Any], Any]]) -> None:
    for one, answer in pairs:
        if one.future.done():
            continue
        if isinstance(answer, BaseException):
            one.future.set_exception(answer)
        else:
            one.future.set_result(answer)
